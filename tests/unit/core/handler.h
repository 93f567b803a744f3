#ifndef SLUICE_TESTS_UNIT_CORE_HANDLER_H
#define SLUICE_TESTS_UNIT_CORE_HANDLER_H

/* handler: a member of a group as the tests play it: it counts its turns, and tells short what it got.
 *
 *     struct handler bob = {.client = "bob-client-000001", .link = 2};
 *     handler_join(&bob, "chat", "'a:*'", "");
 *     expect_turn(&bob, "", "", "1@1 2@1");                            nothing failed; events: seq@attempt
 *     expect_turn(&bob, "'done':[{'seq':1,'ops':[]},{'seq':9,'ops':[]}]", "9 lease_expired none", "");
 *
 * JSON that is given to these is written with ' for ". */

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/world.h"

struct handler {
    const char *client;
    uint64_t link;
    char member[48];
    uint64_t turn;
};

/* @text with " for each '. Valid until the eighth call from here. */
static inline const char *quoted(const char *text)
{
    static char rooms[8][65536];
    static unsigned next;
    char *out = rooms[next++ % 8];
    size_t len = strlen(text);
    assert_true(len < sizeof(rooms[0]));
    for (size_t i = 0; i <= len; i++)
        out[i] = text[i] == '\'' ? '"' : text[i];
    return out;
}

/* A request of @ops as @handler, over its link. */
static inline const char *handler_call(struct handler *handler, const char *ops)
{
    const char *client = w.client;
    uint64_t link = w.link;
    w.client = handler->client;
    w.link = handler->link;
    const char *results = world_call(&w, quoted(ops));
    w.client = client;
    w.link = link;
    return results;
}

/* @patterns: JSON strings with commas. @rest: more keys (",'lease_ms':100"). */
static inline const char *handler_join(struct handler *handler, const char *group, const char *patterns,
                                       const char *rest)
{
    char ops[4096];
    snprintf(ops, sizeof(ops), "[{'op':'join','group':'%s','events':[%s]%s}]", group, patterns, rest);
    const char *results = handler_call(handler, ops);
    const char *member = strstr(results, "\"member\":\"");
    if (!member)
        fail_msg("%s could not join: %s", handler->client, results);
    sscanf(member, "\"member\":\"%47[^\"]", handler->member);
    handler->turn = 0;
    return results;
}

/* The turn @number, with more keys. Returns its ticket. */
static inline uint64_t handler_send(struct handler *handler, uint64_t number, const char *rest)
{
    struct buf request = BUF_INIT;
    buf_printf(&request, "{'v':1,'client':'%s','id':%" PRIu64 ",'member':'%s','turn':%" PRIu64 "%s%s}",
               handler->client, ++w.next_id, handler->member, number, *rest ? "," : "", rest);
    buf_put_byte(&request, 0);
    uint64_t ticket = world_turn(&w, handler->link, quoted((const char *)request.data));
    buf_deinit(&request);
    return ticket;
}

/* Its next turn; the reply may wait. */
static inline uint64_t handler_ask(struct handler *handler, const char *rest)
{
    return handler_send(handler, ++handler->turn, rest);
}

static inline const char *reply_of(uint64_t ticket)
{
    const char *reply = world_reply(&w, ticket);
    if (!reply)
        fail_msg("no reply to ticket %" PRIu64, ticket);
    return reply;
}

/* Its next turn, which is replied at once. */
static inline const char *handler_turn(struct handler *handler, const char *rest)
{
    char keys[65536];
    snprintf(keys, sizeof(keys), "%s%s'wait_ms':0", rest, *rest ? "," : "");
    return reply_of(handler_ask(handler, keys));
}

/* "1@1 2@3": the events of a reply, as seq@attempt. Valid until the next call. */
static inline const char *events_of(const char *reply)
{
    static char out[65536];
    size_t len = 0;
    out[0] = 0;
    const char *at = strstr(reply, "\"events\":[");
    if (!at)
        fail_msg("no events in %s", reply);
    while ((at = strstr(at, "\"seq\":"))) {
        unsigned long long seq, attempt;
        if (sscanf(at, "\"seq\":%llu,\"attempt\":%llu", &seq, &attempt) != 2)
            fail_msg("no event at %s", at);
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%llu@%llu", len ? " " : "", seq, attempt);
        at++;
    }
    return out;
}

static inline void copy_text(char *out, size_t size, const char *begin, const char *end)
{
    snprintf(out, size, "%.*s", (int)(end - begin), begin);
}

/* "1 conflict again ops[0].if_version; 2 ...": `failed` of a reply, less the messages. Valid until the next
 * call. */
static inline const char *failed_of(const char *reply)
{
    static char out[65536];
    size_t len = 0;
    out[0] = 0;
    const char *at = strstr(reply, "\"failed\":["), *end = strstr(reply, ",\"events\":");
    if (!at || !end)
        fail_msg("no failed in %s", reply);
    while ((at = strstr(at, "{\"seq\":")) && at < end) {
        unsigned long long seq = strtoull(at + 7, NULL, 10);
        char code[64], place[256] = "", then[16];
        const char *then_at = strstr(at, ",\"then\":\""), *place_at = strstr(at, ",\"at\":\"");
        sscanf(strstr(at, "\"code\":\""), "\"code\":\"%63[^\"]", code);
        sscanf(then_at, ",\"then\":\"%15[^\"]", then);
        if (place_at && place_at < then_at)
            copy_text(place, sizeof(place), place_at + 7, then_at - 1);
        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%llu %s %s%s%s", len ? "; " : "", seq, code,
                                then, *place ? " " : "", place);
        at = then_at;
    }
    return out;
}

#define expect_has(text, part)                                                                               \
    do {                                                                                                     \
        const char *expect_text = (text), *expect_part = quoted(part);                                       \
        if (!strstr(expect_text, expect_part))                                                               \
            fail_msg("wanted %s in %s", expect_part, expect_text);                                           \
    } while (0)

#define expect_lacks(text, part)                                                                             \
    do {                                                                                                     \
        const char *expect_text = (text), *expect_part = quoted(part);                                       \
        if (strstr(expect_text, expect_part))                                                                \
            fail_msg("did not want %s in %s", expect_part, expect_text);                                     \
    } while (0)

/* A turn at once: what failed (see failed_of), and the events that it brings (see events_of). */
#define expect_turn(handler, rest, failed, events)                                                           \
    do {                                                                                                     \
        const char *expect_reply = handler_turn(handler, rest);                                              \
        assert_string_equal(failed_of(expect_reply), failed);                                                \
        assert_string_equal(events_of(expect_reply), events);                                                \
    } while (0)

#define INC "{'op':'update','conn':'epoch1.1','update':{'$inc':{'n':1}}}"

/* How often INC was applied. */
static inline void expect_increments(unsigned times)
{
    char wanted[64];
    if (times)
        snprintf(wanted, sizeof(wanted), "\"session\":{\"n\":%u}", times);
    else
        snprintf(wanted, sizeof(wanted), "\"session\":{}");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), wanted);
}

/* The turn was refused as a whole. */
static inline void expect_refused(const char *reply, const char *code)
{
    char wanted[80];
    snprintf(wanted, sizeof(wanted), "'ok':false,'code':'%s'", code);
    expect_has(reply, wanted);
    expect_lacks(reply, "'failed':[");
}

#endif
