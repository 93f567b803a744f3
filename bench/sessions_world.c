#include "bench/sessions_world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/json.h"

#define EPOCH "bench000"

void fail(const char *format, ...)
{
    va_list args;
    fputs("bench_sessions: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

void *must(void *memory)
{
    if (!memory)
        fail("out of memory");
    return memory;
}

uint32_t world_random(struct world *w, uint32_t bound)
{
    return (uint32_t)(((uint64_t)random_next(&w->random) * bound) >> 32);
}

void world_shuffle(struct world *w, uint32_t *list)
{
    for (uint32_t i = 0; i < w->count; i++)
        list[i] = i;
    for (uint32_t i = w->count; i > 1; i--) {
        uint32_t other = world_random(w, i), kept = list[i - 1];
        list[i - 1] = list[other];
        list[other] = kept;
    }
}

/* -- effects ------------------------------------------------------------------------------------------- */

static int on_deliver(void *arg, void *peer, struct message *m, enum delivery kind)
{
    struct world *w = arg;
    (void)m;
    (void)kind;
    ++*(uint32_t *)peer;
    w->deliveries++;
    return 0;
}

static void on_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    struct world *w = arg;
    (void)ticket;
    buf_reset(&w->reply);
    buf_put(&w->reply, body, len);
}

static void on_publish(void *arg, const void *body, size_t len)
{
    (void)arg;
    (void)body;
    (void)len;
}

static void on_close(void *arg, void *peer, unsigned code, const char *reason, size_t reason_len)
{
    (void)arg;
    (void)peer;
    fail("a connection was closed with %u: %.*s", code, (int)reason_len, reason);
}

static void on_greeted(void *arg, const struct greeting *greeting)
{
    (void)arg;
    (void)greeting;
}

/* -- requests ------------------------------------------------------------------------------------------ */

void world_put(struct world *w, struct buf *out, const char *op)
{
    size_t offset = 0;
    struct buf text = BUF_INIT;
    buf_printf(&text, "{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":%" PRIu64 ",\"ops\":[%s]}",
               ++w->last_id, op);
    buf_reset(out);
    const char *wrong = json_to_mp((const char *)text.data, text.len, out, &offset);
    if (wrong || out->failed || text.failed)
        fail("%s at byte %zu of a request with %s", wrong ? wrong : "out of memory", offset, op);
    buf_deinit(&text);
}

void world_run(struct world *w, const struct buf *request)
{
    core_request(w->core, &(struct caller){.link = 1}, 1, request->data, request->len);
}

void world_fail_reply(const struct world *w)
{
    struct buf text = BUF_INIT;
    mp_to_json(w->reply.data, w->reply.len, &text);
    fail("unexpected reply: %.*s", (int)text.len, (const char *)text.data);
}

struct mp_reader world_result(const struct world *w)
{
    struct mp_reader r;
    struct mp_token token;
    if (!mp_map_get(mp_reader(w->reply.data, w->reply.len), "results", 7, &r) || !mp_next(&r, &token) ||
        token.type != MP_ARRAY || !token.count)
        world_fail_reply(w);
    return r;
}

uint64_t world_number(const struct world *w, const char *key)
{
    struct mp_reader r;
    struct mp_token token;
    if (!mp_map_get(world_result(w), key, strlen(key), &r) || !mp_next(&r, &token) || token.type != MP_UINT)
        world_fail_reply(w);
    return token.uint;
}

void world_put_set(struct world *w, struct buf *out, uint32_t session, const char *fields)
{
    char op[TEXT_MAX + 128];
    snprintf(op, sizeof(op), "{\"op\":\"update\",\"conn\":\"" EPOCH ".%u\",\"update\":{\"$set\":{%s}}}",
             session + 1, fields);
    world_put(w, out, op);
}

void world_set(struct world *w, uint32_t session, const char *format, ...)
{
    char fields[TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(fields, sizeof(fields), format, args);
    va_end(args);
    world_put_set(w, &w->request, session, fields);
    world_run(w, &w->request);
    if (world_number(w, "modified") != 1)
        world_fail_reply(w);
}

/* -- sessions ------------------------------------------------------------------------------------------ */

struct world *world_new(uint32_t count, bool is_indexed)
{
    static const char *const no_field[] = {"none", NULL};
    struct world *w = must(calloc(1, sizeof(*w)));
    const struct opening opening = {.path = "/ws", .query = "", .remote = "192.0.2.1", .subprotocol = ""};
    const struct core_effects effects = {.arg = w,
                                         .publish = on_publish,
                                         .deliver = on_deliver,
                                         .close = on_close,
                                         .reply = on_reply,
                                         .greeted = on_greeted};
    struct core_options options = CORE_OPTIONS_DEFAULT;
    options.epoch = EPOCH;
    options.seed[0] = 1;
    options.seed[1] = 2;
    options.index_fields = is_indexed ? NULL : no_field;
    w->random.state = 1;
    w->count = count;
    w->now = (struct core_time){1000, 1000};
    w->got = must(calloc(count, sizeof(*w->got)));
    w->order = must(malloc(count * sizeof(*w->order)));
    world_shuffle(w, w->order);
    if (core_new(&w->core, &options, &effects, &w->counters, w->now) < 0)
        fail("out of memory");
    for (uint32_t i = 0; i < count; i++) {
        struct conn *conn;
        if (core_conn_opened(w->core, &conn, &opening, &w->got[i]) < 0)
            fail("out of memory");
        core_flush(w->core);
    }
    return w;
}

void world_free(struct world *w)
{
    core_free(w->core);
    buf_deinit(&w->request);
    buf_deinit(&w->reply);
    for (int c = 0; c < COLUMNS; c++)
        free(w->member[c]);
    free(w->order);
    free(w->got);
    free(w);
}

void world_rest(struct world *w)
{
    const uint64_t hour_ms = 3600 * 1000;
    w->now.mono_ms += hour_ms;
    w->now.wall_ms += hour_ms;
    core_tick(w->core, w->now);
    core_flush(w->core);
}

const char *world_team(uint32_t number)
{
    return number % 2 ? "red" : "blue";
}

static void put_topics(const struct world *w, uint32_t *const place[COLUMNS], uint32_t session,
                       struct buf *out)
{
    buf_reset(out);
    for (unsigned c = 1; c < COLUMNS; c++)
        buf_printf(out, "\"topic-%06u\",", (c - 1) * (w->count / EACH) + place[c][session] / EACH);
    buf_printf(out, "\"own-%06u\"", session);
    buf_put_byte(out, 0);
}

struct world *world_chat(uint32_t count, bool is_indexed)
{
    struct world *w = world_new(count, is_indexed);
    struct buf topics = BUF_INIT;
    uint32_t *place[COLUMNS];
    for (int c = 0; c < COLUMNS; c++) {
        w->member[c] = must(malloc(count * sizeof(uint32_t)));
        place[c] = must(malloc(count * sizeof(uint32_t)));
        world_shuffle(w, w->member[c]);
        for (uint32_t p = 0; p < count; p++)
            place[c][w->member[c][p]] = p;
    }
    for (uint32_t i = 0; i < count; i++) {
        put_topics(w, place, i, &topics);
        world_set(w, i,
                  "\"user\":\"user-%06u\",\"room\":\"room-%05u\",\"topics\":[%s],\"city\":\"city-%03u\","
                  "\"team\":\"%s\",\"level\":%u",
                  i, place[0][i] / EACH, (const char *)topics.data,
                  world_random(w, (count + CITY - 1) / CITY), world_team(i), world_random(w, LEVELS));
    }
    for (int c = 0; c < COLUMNS; c++)
        free(place[c]);
    buf_deinit(&topics);
    world_rest(w);
    return w;
}

/* The session at this place gets the place's value. */
static void settle(struct world *w, unsigned column, uint32_t place)
{
    uint32_t session = w->member[column][place], value = place / EACH;
    if (column == 0)
        world_set(w, session, "\"room\":\"room-%05u\"", value);
    else
        world_set(w, session, "\"topics.%u\":\"topic-%06u\"", column - 1,
                  (column - 1) * (w->count / EACH) + value);
}

void world_change_two(struct world *w, unsigned column, uint32_t value)
{
    uint32_t *member = w->member[column];
    uint32_t one = value * EACH + world_random(w, EACH), other;
    do
        other = world_random(w, w->count);
    while (other / EACH == value);
    uint32_t kept = member[one];
    member[one] = member[other];
    member[other] = kept;
    settle(w, column, one);
    settle(w, column, other);
}
