#ifndef SLUICE_TESTS_INTEGRATION_CLIENT_TURNS_H
#define SLUICE_TESTS_INTEGRATION_CLIENT_TURNS_H

/* turns: a member of the group `g` and a broker that does what a test says. Include after cmocka.h, in one
 * file of a program. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fake_broker.h"
#include "fixture.h"

#define HEAD        "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"turn\":$TURN,"
#define EVENTS(...) HEAD "\"failed\":[],\"events\":[" __VA_ARGS__ "]}"
#define EVENT(seq, conn)                                                                                     \
    "{\"event\":\"say\",\"conn\":\"" conn "\",\"session\":{},\"version\":1,\"seq\":" #seq ",\"attempt\":1}"
#define REFUSED(code)                                                                                        \
    "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"ok\":false,\"code\":\"" code "\",\"message\":\"m\"}"
/* A turn that came before another one, behind the turn @last. */
#define TOO_EARLY(last)                                                                                      \
    "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"ok\":false,\"code\":\"bad_turn\",\"message\":\"m\","         \
    "\"turn\":" #last "}"
#define DONE(seq) "{\"seq\":" #seq ",\"ops\":[]}"

static struct fake fake;
static sluice_client *client;
static char order[512], logged[4096];
static sluice_event *kept[32];
static int (*extra)(sluice_event *event); /* what the function does beside */

static inline void keep_log(sluice_client *of, char level, const char *message, void *arg)
{
    size_t len = strlen(logged);

    (void)of;
    (void)arg;
    snprintf(logged + len, sizeof(logged) - len, "%c %s\n", level, message);
}

static inline int setup(void **state)
{
    (void)state;
    alarm(120);
    memset(&told, 0, sizeof(told));
    memset(kept, 0, sizeof(kept));
    order[0] = logged[0] = '\0';
    extra = NULL;
    fake_start(&fake);
    snprintf(broker.calls, sizeof(broker.calls), "%s", fake.calls);
    client = new_client();
    sluice_on_log(client, keep_log, NULL);
    sluice_set_timeout(client, 2000);
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    free_client(client);
    fake_stop(&fake);
    broker.pid = 0;
    broker.dir[0] = '\0';
    return 0;
}

static inline int note(sluice_event *event, void *arg)
{
    size_t len = strlen(order);

    (void)arg;
    snprintf(order + len, sizeof(order) - len, "%llu ", (unsigned long long)sluice_event_seq(event));
    return extra ? extra(event) : SLUICE_DONE;
}

static inline int keep(sluice_event *event, void *arg)
{
    note(event, arg);
    kept[sluice_event_seq(event)] = event;
    return SLUICE_LATER;
}

static inline void until_turns(unsigned count)
{
    until(client, fake_count(&fake, &fake.turns) >= count);
}

static inline void handle(sluice_handler_fn *fn)
{
    assert_int_equal(sluice_subscribe(client, "say", fn, NULL, "{group: 'g', max: 8}"), 0);
    until_turns(1);
}

static inline void assert_turn(size_t index, const char *expected)
{
    assert_string_equal(fake_turn(&fake, index), expected);
}

/* Step the client for a while. */
static inline void pass(int ms)
{
    int64_t end = clock_now() + ms;

    while (clock_now() < end)
        step_client(client);
}

#endif
