#include "indexed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core.h"
#include "core/filter.h"
#include "wire/mp.h"

/* The core lives on from case to case: its cache of filters and its postings are used many times over. */
static struct core *core;
static struct counters counters;
static struct conn *nobody; /* has an empty session */
static struct buf reply;
static uint64_t next_id;

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "differ: %s\n", why);
    exit(2);
}

static void take_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    (void)arg;
    (void)ticket;
    buf_reset(&reply);
    buf_put(&reply, body, len);
}

static void ignore_publish(void *arg, const void *body, size_t len)
{
    (void)arg;
    (void)body;
    (void)len;
}

static int ignore_delivery(void *arg, void *peer, struct message *m, enum delivery kind)
{
    (void)arg;
    (void)peer;
    (void)m;
    (void)kind;
    return 0;
}

static void no_close(void *arg, void *peer, unsigned code, const char *reason, size_t len)
{
    (void)arg;
    (void)peer;
    (void)code;
    (void)reason;
    (void)len;
    stop("a connection was closed");
}

static void ignore_greeting(void *arg, const struct greeting *greeting)
{
    (void)arg;
    (void)greeting;
}

static struct conn *open_conn(void)
{
    const struct opening opening = {
        .path = "/ws", .query = "", .remote = "10.0.0.7", .subprotocol = "", .header_count = 0};
    struct conn *conn;
    if (core_conn_opened(core, &conn, &opening, NULL) < 0)
        stop("no memory for a connection");
    return conn;
}

static void begin(void)
{
    static const struct core_effects effects = {.publish = ignore_publish,
                                                .deliver = ignore_delivery,
                                                .close = no_close,
                                                .reply = take_reply,
                                                .greeted = ignore_greeting};
    struct core_options options = CORE_OPTIONS_DEFAULT;
    options.epoch = "differ00";
    options.stored_replies = 1;
    if (core_new(&core, &options, &effects, &counters, (struct core_time){5000, 1700000000000}) < 0)
        stop("no memory for a core");
    nobody = open_conn();
}

static void put_key(struct buf *out, const char *key, const char *text)
{
    mp_put_text(out, key);
    mp_put_text(out, text);
}

static void put_update(struct buf *out, const struct conn *conn, const struct buf *doc)
{
    mp_put_map(out, 3);
    put_key(out, "op", "update");
    put_key(out, "conn", conn->id);
    mp_put_text(out, "update");
    mp_put_map(out, 1);
    mp_put_text(out, "$set");
    buf_put(out, doc->data, doc->len);
}

static void put_count(struct buf *out, const struct buf *filter, const struct buf *args)
{
    mp_put_map(out, args->len > 0 ? 3 : 2);
    put_key(out, "op", "count");
    mp_put_text(out, "filter");
    buf_put(out, filter->data, filter->len);
    if (args->len > 0) {
        mp_put_text(out, "args");
        buf_put(out, args->data, args->len);
    }
}

/* The `count` of the second result. */
static uint64_t read_count(void)
{
    struct mp_reader results, value;
    struct mp_token token;
    if (!mp_map_get(mp_reader(reply.data, reply.len), "results", 7, &results) || !mp_next(&results, &token) ||
        !mp_skip(&results) || !mp_map_get(results, "count", 5, &value) || !mp_next(&value, &token) ||
        token.type != MP_UINT)
        stop("the core did not count");
    return token.uint;
}

static uint64_t count_by_index(const struct buf *filter, const struct buf *args, const struct conn *conn,
                               const struct buf *doc)
{
    struct buf request = BUF_INIT;
    mp_put_map(&request, 4);
    mp_put_text(&request, "v");
    mp_put_uint(&request, 1);
    put_key(&request, "client", "differ-differ-01");
    mp_put_text(&request, "id");
    mp_put_uint(&request, ++next_id);
    mp_put_text(&request, "ops");
    mp_put_array(&request, 2);
    put_update(&request, conn, doc);
    put_count(&request, filter, args);
    core_request(core, &(struct caller){.link = 1}, next_id, request.data, request.len);
    core_flush(core);
    buf_deinit(&request);
    return read_count();
}

static uint64_t count_by_looking(const struct buf *filter, const struct buf *args, const struct conn *conn)
{
    const struct subject one = conn_subject(conn);
    const struct subject other = conn_subject(nobody);
    struct filter *compiled;
    struct filter_args *bound;
    struct fault fault;
    if (filter_compile(&compiled, filter->data, filter->len, NULL, &fault) < 0 ||
        filter_bind(&bound, compiled, args->len > 0 ? args->data : NULL, args->len, NULL, &fault) < 0)
        stop("a good filter was refused");
    uint64_t count =
        (uint64_t)filter_matches(compiled, bound, &one) + filter_matches(compiled, bound, &other);
    filter_args_free(bound);
    filter_free(compiled);
    return count;
}

bool indexed_agrees(const struct buf *filter, const struct buf *args, const struct buf *doc)
{
    if (!core)
        begin();
    struct conn *conn = open_conn();
    uint64_t by_index = count_by_index(filter, args, conn, doc);
    uint64_t by_looking = count_by_looking(filter, args, conn);
    core_conn_closed(core, conn, 1000, "", 0);
    core_flush(core);
    return by_index == by_looking;
}

void indexed_end(void)
{
    core_free(core);
    buf_deinit(&reply);
}
