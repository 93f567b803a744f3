#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "app/wiring.h"
#include "wire/mp.h"

/* The edges, as a record of what was asked of them. These definitions take the place of the real ones. */
static char record[4096];

static void note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(record + strlen(record), sizeof record - strlen(record), format, args);
    va_end(args);
}

static void assert_record(const char *wanted)
{
    assert_string_equal(record, wanted);
    *record = '\0';
}

int ws_deliver(struct ws_conn *conn, struct message *m, enum ws_class class)
{
    (void)m;
    note("deliver %s %s\n", (const char *)conn, class == WS_ANSWER ? "answer" : "broadcast");
    return 0;
}

void ws_close(struct ws_conn *conn, unsigned code, const char *reason, size_t reason_len)
{
    note("close %s %u %.*s\n", (const char *)conn, code, (int)reason_len, reason);
}

void ws_pause(struct ws_conn *conn)
{
    note("pause %s\n", (const char *)conn);
}

void ws_resume(struct ws_conn *conn)
{
    note("resume %s\n", (const char *)conn);
}

bool ipc_may_wait(const struct ipc *ipc, ipc_ticket ticket)
{
    (void)ipc;
    note("may %llu wait?\n", (unsigned long long)ticket);
    return ticket % 2 == 0;
}

void ipc_abandon(struct ipc *ipc, ipc_ticket ticket)
{
    (void)ipc;
    note("abandon %llu\n", (unsigned long long)ticket);
}

void ipc_publish(struct ipc *ipc, const void *body, size_t len)
{
    (void)ipc;
    (void)len;
    note("publish %s\n", (const char *)body);
}

void ipc_reply(struct ipc *ipc, ipc_ticket ticket, const void *body, size_t len)
{
    (void)ipc;
    (void)body;
    (void)len;
    note("reply %llu\n", (unsigned long long)ticket);
}

/* A core wired to the record, with one subscriber. */
struct stage {
    uv_loop_t loop;
    struct wiring wiring;
    struct counters counters;
    struct ws_events ws;
    struct ipc_events ipc;
};

static int enter(void **state)
{
    struct stage *stage = calloc(1, sizeof(*stage));
    struct core_options options = CORE_OPTIONS_DEFAULT;
    assert_int_equal(uv_loop_init(&stage->loop), 0);
    stage->wiring.loop = &stage->loop;
    struct core_effects effects = wiring_core_effects(&stage->wiring);
    stage->ws = wiring_ws_events(&stage->wiring);
    stage->ipc = wiring_ipc_events(&stage->wiring);
    options.epoch = "abcdefgh";
    options.calls = options.events = (const char *const[]){NULL};
    assert_int_equal(
        core_new(&stage->wiring.core, &options, &effects, &stage->counters, wiring_time(&stage->loop)), 0);
    stage->ipc.subscribers(stage->ipc.arg, 1);
    *record = '\0';
    *state = stage;
    return 0;
}

static int leave(void **state)
{
    struct stage *stage = *state;
    core_free(stage->wiring.core);
    assert_int_equal(uv_loop_close(&stage->loop), 0);
    free(stage);
    return 0;
}

static void *open_conn(struct stage *stage, const char *name, const char *subprotocol)
{
    const struct ws_opening opening = {
        .path = "/ws", .query = "", .remote = "127.0.0.1", .subprotocol = subprotocol};
    return stage->ws.opened(stage->ws.arg, (struct ws_conn *)(uintptr_t)name, &opening);
}

static void send_message(struct stage *stage, void *user, const char *event)
{
    const struct envelope envelope = {.event = event, .event_len = strlen(event)};
    stage->ws.message(stage->ws.arg, user, &envelope);
}

/* The next turn of the loop, in which @ms have passed. */
static void next_turn(struct stage *stage, unsigned ms)
{
    wiring_flush(&stage->wiring);
    usleep(ms * 1000);
    uv_update_time(&stage->loop);
}

static void test_events_of_a_turn_are_published_at_its_end(void **state)
{
    struct stage *stage = *state;
    void *user = open_conn(stage, "a", "");
    send_message(stage, user, "x");
    assert_record("");
    wiring_flush(&stage->wiring);
    assert_record("publish @connect\npublish x\n");
    stage->ws.closed(stage->ws.arg, user, 1000, "bye", 3);
    wiring_flush(&stage->wiring);
    assert_record("publish @disconnect\n");
}

static void test_answers_of_the_core_go_as_answers(void **state)
{
    struct stage *stage = *state;
    void *user = open_conn(stage, "a", "sluice.v1.json");
    assert_record("deliver a answer\n"); /* @welcome */
    send_message(stage, user, "@ping");
    assert_record("deliver a answer\n");
    send_message(stage, user, "not a name");
    assert_record("deliver a answer\n");
    struct fault fault = {.code = CODE_BAD_MESSAGE, .message = "no"};
    stage->ws.unreadable(stage->ws.arg, user, &fault, NULL, NULL, 0);
    assert_record("deliver a answer\n");
    stage->ws.closed(stage->ws.arg, user, 1000, NULL, 0);
}

static void test_request_gets_one_reply_with_its_ticket(void **state)
{
    struct stage *stage = *state;
    stage->ipc.link_up(stage->ipc.arg, 1, false);
    stage->ipc.request(stage->ipc.arg, &(struct ipc_peer){.link = 1}, 77, "\xc0", 1);
    assert_record("reply 77\n");
    stage->ipc.link_down(stage->ipc.arg, 1);
}

static void test_broadcast_and_close_by_a_handler_reach_the_edge(void **state)
{
    struct stage *stage = *state;
    struct buf request = BUF_INIT;
    const char *json[] = {"send", "close"};
    open_conn(stage, "a", "");
    for (unsigned i = 0; i < 2; i++) {
        buf_reset(&request);
        mp_put_map(&request, 4);
        mp_put_text(&request, "v");
        mp_put_uint(&request, 1);
        mp_put_text(&request, "client");
        mp_put_text(&request, "0123456789abcdef");
        mp_put_text(&request, "id");
        mp_put_uint(&request, i + 1);
        mp_put_text(&request, "ops");
        mp_put_array(&request, 1);
        mp_put_map(&request, 3);
        mp_put_text(&request, "op");
        mp_put_text(&request, json[i]);
        mp_put_text(&request, "filter");
        mp_put_map(&request, 0);
        mp_put_text(&request, i == 0 ? "event" : "code");
        i == 0 ? mp_put_text(&request, "news") : mp_put_uint(&request, 3000);
        stage->ipc.request(stage->ipc.arg, &(struct ipc_peer){.link = 1}, 5, request.data, request.len);
    }
    assert_record("deliver a broadcast\nreply 5\nclose a 3000 \nreply 5\n");
    buf_deinit(&request);
}

/* The time that is told on behalf of a message may close the very connection that it came from. */
static void test_message_of_a_connection_that_the_tick_closes_is_dropped(void **state)
{
    struct stage *stage = *state;
    void *user = open_conn(stage, "a", "");
    core_stop(stage->wiring.core, 20);
    next_turn(stage, 30);
    *record = '\0';
    send_message(stage, user, "x");
    assert_record("close a 1001 the server is going away\n");
    next_turn(stage, 0);
    assert_record("publish @disconnect\n");
    assert_int_equal(core_conn_count(stage->wiring.core), 0);
}

static void test_end_of_a_connection_that_the_tick_closes_is_told_once(void **state)
{
    struct stage *stage = *state;
    void *user = open_conn(stage, "a", "");
    core_stop(stage->wiring.core, 20);
    next_turn(stage, 30);
    *record = '\0';
    stage->ws.closed(stage->ws.arg, user, 1006, NULL, 0);
    assert_record("");
    next_turn(stage, 0);
    assert_record("publish @disconnect\n");
}

static void test_connection_that_opens_while_stopping_is_refused(void **state)
{
    struct stage *stage = *state;
    core_stop(stage->wiring.core, 0);
    assert_null(open_conn(stage, "a", "sluice.v1.json"));
    assert_record("");
}

static void test_reading_is_stopped_while_the_edge_has_the_connection(void **state)
{
    struct stage *stage = *state;
    struct core_effects effects = wiring_core_effects(&stage->wiring);
    void *user = open_conn(stage, "a", "");
    effects.pause(effects.arg, user);
    effects.resume(effects.arg, user);
    assert_record("pause a\nresume a\n");
    stage->ws.closed(stage->ws.arg, user, 1000, NULL, 0);
    wiring_flush(&stage->wiring);
}

static void test_waiting_is_up_to_the_handlers_edge(void **state)
{
    struct stage *stage = *state;
    struct core_effects effects = wiring_core_effects(&stage->wiring);
    assert_true(effects.may_wait(effects.arg, 8));
    assert_false(effects.may_wait(effects.arg, 9));
    effects.abandon(effects.arg, 8);
    assert_record("may 8 wait?\nmay 9 wait?\nabandon 8\n");
}

/* Inputs of one turn have one time, those of the next a later one. */
static void test_the_core_is_told_the_time_once_a_turn(void **state)
{
    struct stage *stage = *state;
    open_conn(stage, "a", "");
    assert_true(stage->wiring.is_current);
    core_stop(stage->wiring.core, 10);
    usleep(20000);
    uv_update_time(&stage->loop);
    wiring_tick(&stage->wiring);
    assert_record("");
    wiring_flush(&stage->wiring);
    *record = '\0';
    wiring_tick(&stage->wiring);
    assert_record("close a 1001 the server is going away\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_events_of_a_turn_are_published_at_its_end, enter, leave),
        cmocka_unit_test_setup_teardown(test_answers_of_the_core_go_as_answers, enter, leave),
        cmocka_unit_test_setup_teardown(test_request_gets_one_reply_with_its_ticket, enter, leave),
        cmocka_unit_test_setup_teardown(test_broadcast_and_close_by_a_handler_reach_the_edge, enter, leave),
        cmocka_unit_test_setup_teardown(test_message_of_a_connection_that_the_tick_closes_is_dropped, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(test_end_of_a_connection_that_the_tick_closes_is_told_once, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(test_connection_that_opens_while_stopping_is_refused, enter, leave),
        cmocka_unit_test_setup_teardown(test_reading_is_stopped_while_the_edge_has_the_connection, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(test_waiting_is_up_to_the_handlers_edge, enter, leave),
        cmocka_unit_test_setup_teardown(test_the_core_is_told_the_time_once_a_turn, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
