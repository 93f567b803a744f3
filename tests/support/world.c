#include "support/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/failing_alloc.h"
#include "wire/json.h"
#include "wire/mp.h"
#include "wire/recycler.h"

struct world w;

static void put_json(struct buf *out, const void *mp, size_t len)
{
    const struct mp_rules rules = {.flags = MP_ALLOW_BIN, .depth = MP_DEPTH_MAX};
    struct fault fault = {.code = CODE_OK};
    if (mp_check(mp, len, &rules, NULL, &fault) < 0)
        fail_msg("the core wrote bad MessagePack: %s %s", fault.at, fault.message);
    assert_true(mp_to_json(mp, len, out));
}

static void on_publish(void *arg, const void *body, size_t len)
{
    struct world *world = arg;
    size_t topic = strnlen(body, len);
    assert_true(topic < len);
    buf_printf(&world->trace, "publish %s ", (const char *)body);
    put_json(&world->trace, (const char *)body + topic + 1, len - topic - 1);
    buf_put_text(&world->trace, "\n");
}

static int on_deliver(void *arg, void *peer, struct message *m, enum delivery kind)
{
    struct world *world = arg;
    (void)kind;
    if (world->full_peer && strcmp(peer, world->full_peer) == 0)
        return 1;
    buf_printf(&world->trace, "%s <- ", (const char *)peer);
    put_json(&world->trace, m->body->data, m->body->len);
    buf_put_text(&world->trace, "\n");
    return 0;
}

static void on_close(void *arg, void *peer, unsigned code, const char *reason, size_t reason_len)
{
    struct world *world = arg;
    buf_printf(&world->trace, "%s closed %u %.*s\n", (const char *)peer, code, (int)reason_len, reason);
}

/* Of requests that are replied in the same call; those that may wait count from 1. */
#define TICKET_AT_ONCE UINT64_MAX

static struct world_ticket *find_ticket(struct world *world, uint64_t ticket)
{
    struct world_ticket *found = &world->tickets[ticket % WORLD_TICKETS];
    if (!ticket || found->ticket != ticket)
        fail_msg("ticket %llu is unknown, or too old", (unsigned long long)ticket);
    return found;
}

static void reply_later(struct world *world, uint64_t ticket, const void *body, size_t len)
{
    struct world_ticket *found = find_ticket(world, ticket);
    if (found->is_replied || found->is_abandoned)
        fail_msg("a reply too many for ticket %llu", (unsigned long long)ticket);
    found->is_replied = true;
    put_json(&found->reply, body, len);
    buf_put_byte(&found->reply, 0);
}

static void on_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    struct world *world = arg;
    if (ticket != TICKET_AT_ONCE) {
        reply_later(world, ticket, body, len);
        return;
    }
    world->replies++;
    buf_reset(&world->reply);
    buf_reset(&world->raw_reply);
    buf_put(&world->raw_reply, body, len);
    put_json(&world->reply, body, len);
    buf_put_byte(&world->reply, 0);
}

static bool on_may_wait(void *arg, uint64_t ticket)
{
    struct world *world = arg;
    find_ticket(world, ticket);
    return !world->is_crowded;
}

static void on_abandon(void *arg, uint64_t ticket)
{
    struct world *world = arg;
    struct world_ticket *found = find_ticket(world, ticket);
    assert_false(found->is_replied);
    assert_false(found->is_abandoned);
    found->is_abandoned = true;
    buf_printf(&world->trace, "abandon %llu\n", (unsigned long long)ticket);
}

static void on_pause(void *arg, void *peer)
{
    struct world *world = arg;
    buf_printf(&world->trace, "%s paused\n", (const char *)peer);
}

static void on_resume(void *arg, void *peer)
{
    struct world *world = arg;
    buf_printf(&world->trace, "%s resumed\n", (const char *)peer);
}

static void on_greeted(void *arg, const struct greeting *greeting)
{
    struct world *world = arg;
    buf_printf(&world->trace, "greeted by %.*s %.*s %.*s\n", (int)greeting->name_len, greeting->name,
               (int)greeting->language_len, greeting->language, (int)greeting->version_len,
               greeting->version);
}

void world_init(struct world *world)
{
    memset(world, 0, sizeof(*world));
    world->options = CORE_OPTIONS_DEFAULT;
    world->options.epoch = "epoch1";
    world->options.version = "0.0";
    world->options.seed[0] = 1;
    world->options.seed[1] = 2;
    world->now = (struct core_time){.mono_ms = 5000, .wall_ms = 1000000};
    world->link = 1;
    world->client = "test-client-0001";
}

void world_start(struct world *world)
{
    const struct core_effects effects = {.arg = world,
                                         .publish = on_publish,
                                         .deliver = on_deliver,
                                         .close = on_close,
                                         .reply = on_reply,
                                         .may_wait = on_may_wait,
                                         .abandon = on_abandon,
                                         .pause = on_pause,
                                         .resume = on_resume,
                                         .greeted = on_greeted};
    assert_int_equal(core_new(&world->core, &world->options, &effects, &world->counters, world->now), 0);
}

void world_stop(struct world *world)
{
    core_free(world->core);
    buf_deinit(&world->trace);
    buf_deinit(&world->reply);
    buf_deinit(&world->raw_reply);
    for (unsigned i = 0; i < WORLD_TICKETS; i++)
        buf_deinit(&world->tickets[i].reply);
}

/* Around each input, so that only the core's own allocations are refused. */
static void input_begin(struct world *world)
{
    if (!world->refuse_memory)
        return;
    recycler_clear(); /* so that memory is asked for */
    buf_reserve(&world->trace, 1 << 20);
    buf_reserve(&world->reply, 1 << 20);
    buf_reserve(&world->raw_reply, 1 << 20);
    for (unsigned i = 0; i < WORLD_TICKETS; i++) {
        if (world->tickets[i].ticket && !world->tickets[i].is_replied)
            buf_reserve(&world->tickets[i].reply, 1 << 20);
    }
    failing_alloc_start(world->refuse_at);
}

static void input_end(struct world *world)
{
    if (world->refuse_memory)
        world->was_refused |= failing_alloc_stop();
}

struct conn *world_open_at(struct world *world, const char *name, const struct opening *opening)
{
    struct conn *conn = NULL;
    char *peer = (char *)(uintptr_t)name;
    input_begin(world);
    int r = core_conn_opened(world->core, &conn, opening, peer);
    input_end(world);
    return r == 0 ? conn : NULL;
}

struct conn *world_open(struct world *world, const char *name, const char *subprotocol)
{
    const struct opening opening = {
        .path = "/ws", .query = "", .remote = "10.0.0.1", .subprotocol = subprotocol};
    struct conn *conn = world_open_at(world, name, &opening);
    assert_non_null(conn);
    return conn;
}

static void from_json(struct buf *out, const char *json)
{
    size_t offset;
    const char *wrong = json_to_mp(json, strlen(json), out, &offset);
    if (wrong)
        fail_msg("bad JSON in the test: %s at %zu of %s", wrong, offset, json);
}

static struct question_id id_of(const char *json)
{
    struct question_id id = {.kind = QUESTION_NONE};
    if (json && *json == '"') {
        id.kind = QUESTION_TEXT;
        id.len = (uint8_t)(strlen(json) - 2);
        memcpy(id.text, json + 1, id.len);
    } else if (json) {
        id.kind = QUESTION_NUMBER;
        id.number = strtoull(json, NULL, 10);
    }
    return id;
}

void world_say(struct world *world, struct conn *conn, const char *event, const char *payload, const char *id)
{
    struct buf mp = BUF_INIT;
    if (payload)
        from_json(&mp, payload);
    const struct incoming in = {
        .event = event,
        .event_len = strlen(event),
        .payload = mp.data,
        .payload_len = mp.len,
        .id = id_of(id),
    };
    input_begin(world);
    core_conn_message(world->core, conn, &in);
    input_end(world);
    buf_deinit(&mp);
}

const char *world_request_raw(struct world *world, const void *body, size_t len)
{
    world->replies = 0;
    input_begin(world);
    core_request(world->core, &(struct caller){.link = world->link, .is_tcp = world->is_tcp}, TICKET_AT_ONCE,
                 body, len);
    input_end(world);
    assert_int_equal(world->replies, 1);
    return (const char *)world->reply.data;
}

const char *world_request(struct world *world, const char *request)
{
    struct buf mp = BUF_INIT;
    from_json(&mp, request);
    const char *reply = world_request_raw(world, mp.data, mp.len);
    buf_deinit(&mp);
    return reply;
}

const char *world_call(struct world *world, const char *ops)
{
    struct buf request = BUF_INIT;
    buf_printf(&request, "{\"v\":1,\"client\":\"%s\",\"id\":%llu,\"ops\":%s}", world->client,
               (unsigned long long)++world->next_id, ops);
    buf_put_byte(&request, 0);
    char *reply = (char *)(uintptr_t)world_request(world, (const char *)request.data);
    buf_deinit(&request);
    char *results = strstr(reply, "\"results\":");
    if (!results)
        return reply;
    reply[strlen(reply) - 1] = '\0'; /* the map's end */
    return results + strlen("\"results\":");
}

uint64_t world_turn_raw(struct world *world, uint64_t link, const void *body, size_t len)
{
    uint64_t ticket = ++world->last_ticket;
    struct world_ticket *slot = &world->tickets[ticket % WORLD_TICKETS];
    slot->ticket = ticket;
    slot->is_replied = slot->is_abandoned = false;
    buf_reset(&slot->reply);
    input_begin(world);
    core_request(world->core, &(struct caller){.link = link, .is_tcp = world->is_tcp}, ticket, body, len);
    input_end(world);
    return ticket;
}

uint64_t world_turn(struct world *world, uint64_t link, const char *request)
{
    struct buf mp = BUF_INIT;
    from_json(&mp, request);
    uint64_t ticket = world_turn_raw(world, link, mp.data, mp.len);
    buf_deinit(&mp);
    return ticket;
}

const char *world_reply(struct world *world, uint64_t ticket)
{
    world_flush(world);
    struct world_ticket *found = find_ticket(world, ticket);
    return found->is_replied ? (const char *)found->reply.data : NULL;
}

bool world_abandoned(struct world *world, uint64_t ticket)
{
    return find_ticket(world, ticket)->is_abandoned;
}

void world_link_down(struct world *world, uint64_t link)
{
    input_begin(world);
    core_link_down(world->core, link);
    input_end(world);
}

void world_close(struct world *world, struct conn *conn, unsigned code, const char *reason)
{
    input_begin(world);
    core_conn_closed(world->core, conn, code, reason, strlen(reason));
    input_end(world);
}

void world_flush(struct world *world)
{
    input_begin(world);
    core_flush(world->core);
    input_end(world);
}

void world_advance(struct world *world, uint64_t ms)
{
    uint64_t end = world->now.mono_ms + ms;
    while (world->now.mono_ms < end) {
        uint64_t next = core_next(world->core);
        uint64_t step = next > end ? end : next <= world->now.mono_ms ? world->now.mono_ms + 1 : next;
        world->now.wall_ms += step - world->now.mono_ms;
        world->now.mono_ms = step;
        input_begin(world);
        core_tick(world->core, world->now);
        input_end(world);
        world_flush(world);
    }
}

const char *world_trace(struct world *world)
{
    world_flush(world);
    buf_put_byte(&world->trace, 0);
    world->trace.len = 0; /* the bytes stay until the next line is written */
    return (const char *)world->trace.data;
}

int world_setup(void **state)
{
    (void)state;
    world_init(&w);
    world_start(&w);
    return 0;
}

int world_teardown(void **state)
{
    (void)state;
    world_stop(&w);
    return 0;
}
