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
#include "fuzz/effects.h"
#include "wire/json.h"
#include "wire/mp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A request whose reply comes at once. */
static void request(struct core *core, const void *body, size_t len)
{
    uint64_t ticket = effects_ticket();
    core_request(core, &(struct caller){.link = 1}, ticket, body, len);
    EXPECT(effects.tickets[ticket] == TICKET_REPLIED);
}

static void request_ops(struct core *core, const char *json, size_t len)
{
    static uint64_t id;
    struct buf ops = BUF_INIT, body = BUF_INIT;
    size_t offset;
    if (!json_to_mp(json, len, &ops, &offset)) {
        mp_put_map(&body, 4);
        mp_put_text(&body, "v");
        mp_put_uint(&body, 1);
        mp_put_text(&body, "client");
        mp_put_text(&body, "0123456789abcdef");
        mp_put_text(&body, "id");
        mp_put_uint(&body, ++id);
        mp_put_text(&body, "ops");
        buf_put(&body, ops.data, ops.len);
        request(core, body.data, body.len);
    }
    buf_deinit(&ops);
    buf_deinit(&body);
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
    struct core_options options = CORE_OPTIONS_DEFAULT;
    struct counters counters = {0};
    struct core *core;
    struct core_time now = {.mono_ms = 1000, .wall_ms = 1000};
    options.epoch = "epoch1";
    options.max_session_bytes = 2048;
    if (size < 1 || core_new(&core, &options, &EFFECTS, &counters, now) < 0)
        return 0;
    effects_begin();
    core_subscribers(core, 1);
    open_some(core);
    if (data[0] == '[') {
        request_ops(core, (const char *)data, size);
    } else {
        request(core, data + 1, size - 1);
    }
    expect_sessions_in_order(core);
    now.mono_ms += 70000;
    core_tick(core, now);
    core_flush(core);
    core_free(core);
    return 0;
}
