#ifndef SLUICE_TESTS_UNIT_CORE_ENTRY_CASE_H
#define SLUICE_TESTS_UNIT_CORE_ENTRY_CASE_H

/* entry_case: bob handles what alice and carol send; alice's session counts in `n`. */

#include "core/conn.h"
#include "handler.h"

static struct handler bob;
static struct conn *alice, *carol;

static inline void set_up_per_conn(const char *rest)
{
    bob = (struct handler){.client = "bob-client-000001", .link = 2};
    alice = world_open(&w, "alice", "");
    carol = world_open(&w, "carol", "");
    world_call(&w, quoted("[{'op':'update','conn':'epoch1.1','update':{'$set':{'n':0}}}]"));
    handler_join(&bob, "g", "'a:*','@disconnect'", rest);
}

static inline void set_up(void)
{
    set_up_per_conn("");
}

static inline void say(unsigned times)
{
    while (times--)
        world_say(&w, alice, "a:x", NULL, NULL);
}

/* alice's question, held by bob. */
static inline void ask(void)
{
    world_say(&w, alice, "a:x", "1", "7");
    expect_turn(&bob, "", "", "1@1");
}

static inline void expect_n(unsigned n)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "'session':{'n':%u}", n);
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), wanted);
}

#define expect_events(text) expect_trace(&w, quoted(text))

#endif
