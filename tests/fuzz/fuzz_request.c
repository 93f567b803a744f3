/* Requests of handlers against a core with a few connections. The first byte says how the rest is read: as
 * the `ops` of a good request, in JSON (so that the fuzzer soon finds its way behind the head), or as the
 * whole request's bytes.
 *
 * Whatever comes: exactly one reply, well-formed; sessions within their limits; the core can be freed. */

#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core.h"
#include "core/core_impl.h"
#include "core/doc.h"
#include "fuzz/expect.h"
#include "wire/json.h"
#include "wire/mp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replies;

static void on_publish(void *arg, const void *body, size_t len)
{
    (void)arg;
    const char *end = memchr(body, 0, len);
    EXPECT(end);
    struct fault fault;
    const struct mp_rules rules = {MP_ALLOW_BIN, MP_DEPTH_MAX, CODE_BAD_VALUE};
    EXPECT(mp_check(end + 1, len - (size_t)(end + 1 - (const char *)body), &rules, NULL, &fault) == 0);
}

static int on_deliver(void *arg, void *peer, struct message *m, enum delivery kind)
{
    (void)arg;
    (void)peer;
    (void)kind;
    struct fault fault;
    const struct mp_rules rules = {MP_ALLOW_BIN, MP_DEPTH_MAX, CODE_BAD_VALUE};
    EXPECT(mp_check(m->body->data, m->body->len, &rules, NULL, &fault) == 0);
    return 0;
}

static void on_close(void *arg, void *peer, unsigned code, const char *reason, size_t len)
{
    (void)arg;
    (void)peer;
    (void)reason;
    EXPECT(len <= 123 && (code == 1000 || code >= 3000));
}

static void on_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    (void)arg;
    struct fault fault;
    const struct mp_rules rules = {MP_ALLOW_BIN, MP_DEPTH_MAX, CODE_BAD_VALUE};
    EXPECT(ticket == 1);
    EXPECT(mp_check(body, len, &rules, NULL, &fault) == 0);
    replies++;
}

static void on_greeted(void *arg, const struct greeting *greeting)
{
    (void)arg;
    EXPECT(greeting->name && greeting->language && greeting->version);
}

static void request_ops(struct core *core, const char *json, size_t len)
{
    static uint64_t id;
    struct buf ops = BUF_INIT, request = BUF_INIT;
    size_t offset;
    if (!json_to_mp(json, len, &ops, &offset)) {
        mp_put_map(&request, 4);
        mp_put_text(&request, "v");
        mp_put_uint(&request, 1);
        mp_put_text(&request, "client");
        mp_put_text(&request, "0123456789abcdef");
        mp_put_text(&request, "id");
        mp_put_uint(&request, ++id);
        mp_put_text(&request, "ops");
        buf_put(&request, ops.data, ops.len);
        core_request(core, &(struct caller){.link = 1}, 1, request.data, request.len);
        EXPECT(replies == 1);
    }
    buf_deinit(&ops);
    buf_deinit(&request);
}

static void open_some(struct core *core)
{
    const struct opening opening = {.path = "/ws", .query = "", .remote = "10.0.0.1", .subprotocol = ""};
    const char *set =
        "[{\"op\":\"update\",\"filter\":{},\"update\":{\"$set\":{\"room\":\"lobby\",\"n\":1,\"tags\":"
        "[\"a\",2],\"m\":{\"x\":[{\"y\":1}]}}}},{\"op\":\"batch\",\"event\":\"tick\",\"interval_ms\":5}]";
    for (int i = 0; i < 3; i++) {
        struct conn *conn;
        if (core_conn_opened(core, &conn, &opening, core) == 0) {
            const struct incoming in = {
                .event = "ask", .event_len = 3, .id = {.kind = QUESTION_NUMBER, .number = 7}};
            core_conn_message(core, conn, &in);
        }
    }
    request_ops(core, set, strlen(set));
    replies = 0;
}

static void expect_sessions_in_order(const struct core *core)
{
    size_t place = 0;
    struct fault fault;
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &place));) {
        EXPECT(conn->session->len <= core->options.max_session_bytes);
        EXPECT(doc_check_value(conn->session->data, conn->session->len, NULL, &fault) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct core_effects effects = {.publish = on_publish,
                                         .deliver = on_deliver,
                                         .close = on_close,
                                         .reply = on_reply,
                                         .greeted = on_greeted};
    struct core_options options = CORE_OPTIONS_DEFAULT;
    struct counters counters = {0};
    struct core *core;
    struct core_time now = {.mono_ms = 1000, .wall_ms = 1000};
    options.epoch = "epoch1";
    options.max_session_bytes = 2048;
    if (size < 1 || core_new(&core, &options, &effects, &counters, now) < 0)
        return 0;
    core_subscribers(core, 1);
    replies = 0;
    open_some(core);
    if (data[0] == '[') {
        request_ops(core, (const char *)data, size);
    } else {
        core_request(core, &(struct caller){.link = 1}, 1, data + 1, size - 1);
        EXPECT(replies == 1);
    }
    expect_sessions_in_order(core);
    now.mono_ms += 70000;
    core_tick(core, now);
    core_flush(core);
    core_free(core);
    return 0;
}
