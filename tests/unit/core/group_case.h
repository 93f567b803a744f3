#ifndef SLUICE_TESTS_GROUP_CASE_H
#define SLUICE_TESTS_GROUP_CASE_H

/* group_case: members for tests of groups. They join by the core's functions and take their turns by
 * requests, each over the link with the number of its client. Include it behind cmocka.h. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "group_check.h"
#include "support/world.h"

/* @words, separated by spaces, as a list that `join` takes. */
static inline struct key_list *list_of(const char *words)
{
    size_t len = strlen(words) + 1;
    struct key_list *list = calloc(1, sizeof(*list) + len);
    assert_non_null(list);
    memcpy(list->text, words, len);
    list->len = len;
    list->count = len > 1;
    for (char *at = list->text; (at = strchr(at, ' ')); list->count++)
        *at++ = '\0';
    return list;
}

static inline void client_name(char out[24], unsigned client)
{
    snprintf(out, 24, "test-client-%08u", client);
}

/* The last one that join() got. */
static struct fault join_fault;
static bool join_created;

/* Client @client joins @group over link @client, for the @events (patterns, separated by spaces). NULL: it
 * may not, see join_fault. */
static inline struct member *try_join(const char *group, unsigned client, const char *events,
                                      unsigned per_conn)
{
    char name[24];
    client_name(name, client);
    join_fault = (struct fault){.code = CODE_OK};
    struct group *g = group_make(w.core, group, strlen(group), &join_fault);
    if (!g)
        return NULL;
    const struct joining joining = {.client = name,
                                    .client_len = strlen(name),
                                    .link = client,
                                    .is_tcp = w.is_tcp,
                                    .patterns = list_of(events),
                                    .lease_ms = w.core->options.group_lease_ms,
                                    .per_conn = per_conn};
    struct member *member = member_join(g, &joining, &join_created, &join_fault);
    if (!member)
        free(joining.patterns);
    return member;
}

static inline struct member *join_n(const char *group, unsigned client, const char *events, unsigned per_conn)
{
    struct member *member = try_join(group, client, events, per_conn);
    if (!member)
        fail_msg("cannot join: %s", join_fault.message);
    return member;
}

static inline struct member *join(const char *group, unsigned client, const char *events)
{
    return join_n(group, client, events, 1);
}

/* The next turn of @member with these entries (JSON). Returns the ticket. */
static inline uint64_t turn_with(const struct member *member, const char *done, unsigned max,
                                 unsigned wait_ms)
{
    char text[8192];
    int len = snprintf(text, sizeof(text),
                       "{\"v\":1,\"client\":\"%.*s\",\"id\":1,\"member\":\"%s\",\"turn\":%llu,\"done\":%s,"
                       "\"max\":%u,\"wait_ms\":%u}",
                       (int)member->client_len, member->client, member->id,
                       (unsigned long long)member->turn + 1, done, max, wait_ms);
    assert_true(len > 0 && len < (int)sizeof(text));
    return world_turn(&w, member->link ? member->link : 99, text);
}

/* It asks for @max events and waits. */
static inline uint64_t ask(const struct member *member, unsigned max)
{
    return turn_with(member, "[]", max, 20000);
}

/* It has handled @seqs (separated by spaces) without effects, and asks for @max events. */
static inline uint64_t done(const struct member *member, const char *seqs, unsigned max)
{
    char entries[4096] = "[";
    size_t len = 1;
    for (const char *at = seqs; *at;) {
        char *end;
        unsigned long long seq = strtoull(at, &end, 10);
        len += (size_t)snprintf(entries + len, sizeof(entries) - len, "%s{\"seq\":%llu,\"ops\":[]}",
                                len > 1 ? "," : "", seq);
        at = end;
        while (*at == ' ')
            at++;
    }
    snprintf(entries + len, sizeof(entries) - len, "]");
    return turn_with(member, entries, max, 20000);
}

/* What the reply to @ticket brings: "3@1 4@2" (seq and attempt of each event), "" for nothing, "waits" while
 * there is none. */
static inline const char *got(uint64_t ticket)
{
    static char text[8192];
    const char *reply = world_reply(&w, ticket);
    size_t len = 0;
    groups_check(w.core);
    if (!reply)
        return "waits";
    const char *at = strstr(reply, "\"events\":[");
    if (!at)
        return reply;
    text[0] = '\0';
    while ((at = strstr(at, "\"seq\":"))) {
        unsigned long long seq = 0;
        unsigned attempt = 0;
        assert_int_equal(sscanf(at, "\"seq\":%llu,\"attempt\":%u", &seq, &attempt), 2);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu@%u", len ? " " : "", seq, attempt);
        assert_true(len < sizeof(text));
        at++;
    }
    return text;
}

#define expect_got(ticket, text) assert_string_equal(got(ticket), text)

/* What its next turn gets at once. */
#define expect_given(member, max, text) expect_got(turn_with(member, "[]", max, 0), text)

/* Connection @conn says @event @count times. */
static inline void say_n(struct conn *conn, const char *event, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        world_say(&w, conn, event, NULL, NULL);
}

/* The tests' group. */
static inline struct group *the_group(const char *name)
{
    struct group *group = group_find(w.core, name, strlen(name));
    assert_non_null(group);
    return group;
}

#endif
