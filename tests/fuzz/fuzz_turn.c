/* Members of groups, their turns, and all that may come between. The input is a script of lines:
 *
 *     o          a connection opens          x1       connection 1 ends
 *     s1         connection 1 sends          q12      connection 1 asks, `i` is 2
 *     j012       handler 0 joins group 1 with per_conn 2
 *     t0[...]    its next turn, with this `done` in JSON; w0[...]: one that waits
 *     r0         it repeats its last turn
 *     k0[...]    it requests these `ops`     m{...}   a whole request, in JSON
 *     l0         its link ends               a4       10^4 ms pass
 *     c          turns may not wait; or may  z        the core begins to stop
 *     f          the turn of the loop ends
 *
 * Whatever comes: one reply to each request, or it is abandoned; all that is sent is well-formed; groups and
 * members stand as they should (group_check.h); in the end no request waits. */

#include "core/core_impl.h"
#include "fuzz/effects.h"
#include "wire/json.h"

/* It is written for cmocka. */
#define assert_true(condition)  EXPECT(condition)
#define assert_false(condition) EXPECT(!(condition))
#define assert_null(p)          EXPECT((p) == NULL)
#define assert_ptr_equal(a, b)  EXPECT((a) == (b))
#define assert_int_equal(a, b)  EXPECT((uint64_t)(a) == (uint64_t)(b))
#include "unit/core/group_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNS    8
#define HANDLERS 3
#define WAIT_MS  25000

struct handler {
    char member[48];
    uint64_t turn;
    struct buf last; /* its last turn's body */
};

static struct world {
    struct core *core;
    struct core_time now;
    struct conn *conns[CONNS];
    struct handler handlers[HANDLERS];
    uint64_t id;
} world;

/* The digit at @at of the line, less than @count. */
static unsigned digit(const char *line, size_t len, size_t at, unsigned count)
{
    return at < len ? (unsigned char)line[at] % 16 % count : 0;
}

static void request(unsigned handler, const struct buf *body)
{
    uint64_t ticket = effects_ticket();
    if (ticket)
        core_request(world.core, &(struct caller){.link = 1 + handler, .is_tcp = handler == 2}, ticket,
                     body->data, body->len);
}

/* {"v", "client", "id", and @pairs more. */
static void put_head(struct buf *body, unsigned handler, uint32_t pairs)
{
    static const char *const clients[HANDLERS] = {"client-0-00000000", "client-1-00000000",
                                                  "client-2-00000000"};
    mp_put_map(body, 3 + pairs);
    mp_put_text(body, "v");
    mp_put_uint(body, 1);
    mp_put_text(body, "client");
    mp_put_text(body, clients[handler]);
    mp_put_text(body, "id");
    mp_put_uint(body, ++world.id);
}

/* JSON from the input, or nothing. */
static bool put_json(struct buf *body, const char *key, const char *json, size_t len)
{
    struct buf value = BUF_INIT;
    size_t offset;
    bool is_json = !json_to_mp(json, len, &value, &offset);
    if (is_json) {
        mp_put_text(body, key);
        buf_put(body, value.data, value.len);
    }
    buf_deinit(&value);
    return is_json;
}

static void join(const char *line, size_t len)
{
    unsigned handler = digit(line, len, 1, HANDLERS);
    char group[] = {'g', (char)('0' + digit(line, len, 2, 2)), 0};
    struct buf body = BUF_INIT;
    put_head(&body, handler, 1);
    mp_put_text(&body, "ops");
    mp_put_array(&body, 1);
    mp_put_map(&body, 4);
    mp_put_text(&body, "op");
    mp_put_text(&body, "join");
    mp_put_text(&body, "group");
    mp_put_text(&body, group);
    mp_put_text(&body, "per_conn");
    mp_put_uint(&body, 1 + digit(line, len, 3, 10));
    mp_put_text(&body, "events");
    mp_put_array(&body, 2);
    mp_put_text(&body, "*");
    mp_put_text(&body, "@*");
    memset(effects.reply, 0xc0, sizeof(effects.reply));
    request(handler, &body);
    buf_deinit(&body);
    const uint8_t *end = effects.reply + sizeof(effects.reply);
    for (const uint8_t *at = effects.reply; at + 48 < end; at++) {
        if (memcmp(at, "\xa6member", 7) != 0)
            continue;
        snprintf(world.handlers[handler].member, sizeof(world.handlers[handler].member), "%.*s", at[7] & 31,
                 (const char *)at + 8);
        world.handlers[handler].turn = 0;
        return;
    }
}

static void turn(const char *line, size_t len, uint64_t wait_ms)
{
    unsigned number = digit(line, len, 1, HANDLERS);
    struct handler *handler = &world.handlers[number];
    struct buf *body = &handler->last;
    const char *done = len > 2 ? line + 2 : "[]";
    size_t done_len = len > 2 ? len - 2 : 2;
    buf_reset(body);
    put_head(body, number, 4);
    mp_put_text(body, "member");
    mp_put_text(body, handler->member);
    mp_put_text(body, "turn");
    mp_put_uint(body, handler->turn + 1);
    mp_put_text(body, "wait_ms");
    mp_put_uint(body, wait_ms);
    if (!put_json(body, "done", done, done_len))
        put_json(body, "done", "[]", 2);
    request(number, body);
    const struct member *member = member_find(world.core, handler->member, strlen(handler->member));
    if (member)
        handler->turn = member->turn;
}

static void request_json(const char *line, size_t len)
{
    unsigned handler = digit(line, len, 1, HANDLERS);
    struct buf body = BUF_INIT;
    size_t offset;
    if (line[0] == 'k') {
        put_head(&body, handler, 1);
        if (len > 2 && put_json(&body, "ops", line + 2, len - 2))
            request(handler, &body);
    } else if (!json_to_mp(line + 1, len - 1, &body, &offset)) {
        request(handler, &body);
    }
    buf_deinit(&body);
}

static void open_conn(void)
{
    const struct opening opening = {.path = "/ws", .query = "", .remote = "r", .subprotocol = ""};
    for (unsigned i = 0; i < CONNS; i++) {
        if (!world.conns[i] && core_conn_opened(world.core, &world.conns[i], &opening, &world.conns[i]) == 0)
            return;
    }
}

static void say(const char *line, size_t len)
{
    struct conn *conn = world.conns[digit(line, len, 1, CONNS)];
    struct incoming in = {.event = "a", .event_len = 1, .payload = "\x01", .payload_len = 1};
    if (line[0] == 'q') {
        in.id.kind = QUESTION_NUMBER;
        in.id.number = digit(line, len, 2, 10);
    }
    if (conn)
        core_conn_message(world.core, conn, &in);
}

static void close_conn(const char *line, size_t len)
{
    struct conn **conn = &world.conns[digit(line, len, 1, CONNS)];
    if (*conn)
        core_conn_closed(world.core, *conn, 1001, "", 0);
    *conn = NULL;
}

static void advance(uint64_t ms)
{
    uint64_t end = world.now.mono_ms + ms;
    do {
        uint64_t next = core_next(world.core);
        next = next < world.now.mono_ms ? world.now.mono_ms : next;
        world.now.mono_ms = next < end ? next : end;
        world.now.wall_ms = world.now.mono_ms;
        core_tick(world.core, world.now);
        core_flush(world.core);
        groups_check(world.core);
    } while (world.now.mono_ms < end);
}

static void run_line(const char *line, size_t len)
{
    static const uint64_t times[] = {1, 10, 100, 1000, 10000, 30000, 60000};
    const struct handler *handler = &world.handlers[digit(line, len, 1, HANDLERS)];
    switch (line[0]) {
    case 'o':
        open_conn();
        break;
    case 'x':
        close_conn(line, len);
        break;
    case 's':
    case 'q':
        say(line, len);
        break;
    case 'j':
        join(line, len);
        break;
    case 't':
        turn(line, len, 0);
        core_flush(world.core);
        break;
    case 'w':
        turn(line, len, WAIT_MS);
        break;
    case 'r':
        if (handler->last.len)
            request(digit(line, len, 1, HANDLERS), &handler->last);
        break;
    case 'k':
    case 'm':
        request_json(line, len);
        break;
    case 'l':
        core_link_down(world.core, 1 + digit(line, len, 1, HANDLERS));
        break;
    case 'a':
        advance(times[digit(line, len, 1, 7)]);
        break;
    case 'c':
        effects.may_not_wait = !effects.may_not_wait;
        break;
    case 'z':
        core_stop(world.core, 100);
        break;
    default:
        core_flush(world.core);
    }
}

/* The core closed it: no input for it may follow. */
static void on_fuzz_close(void *arg, void *peer, unsigned code, const char *reason, size_t len)
{
    on_close(arg, peer, code, reason, len);
    *(struct conn **)peer = NULL;
}

static void run_script(const char *script, size_t size)
{
    for (size_t begin = 0; begin < size;) {
        const char *end = memchr(script + begin, '\n', size - begin);
        size_t len = end ? (size_t)(end - script) - begin : size - begin;
        if (len)
            run_line(script + begin, len);
        groups_check(world.core);
        begin += len + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct core_effects watched = EFFECTS;
    struct core_options options = CORE_OPTIONS_DEFAULT;
    struct counters counters = {0};
    options.epoch = "epoch1";
    options.max_session_bytes = 2048;
    options.group_backlog = 12;
    options.group_dead = 3;
    watched.close = on_fuzz_close;
    memset(&world, 0, sizeof(world));
    world.now = (struct core_time){.mono_ms = 1000, .wall_ms = 1000};
    effects_begin();
    if (core_new(&world.core, &options, &watched, &counters, world.now) < 0)
        return 0;
    run_script((const char *)data, size);
    advance(WAIT_MS);
    effects_end();
    core_free(world.core);
    for (unsigned i = 0; i < HANDLERS; i++)
        buf_deinit(&world.handlers[i].last);
    return 0;
}
