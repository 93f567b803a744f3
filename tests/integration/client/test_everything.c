/* Every function of the public header, with a fresh broker and, the same client, after it was killed and
 * started again. check_coverage.py sees to it that none is missing here. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <msgpack.h>

#include "fixture.h"

static struct {
    int (*fn)(sluice_event *event); /* what the handler function of probe:* does next */
    unsigned calls;
    unsigned connects, disconnects;
    unsigned log_lines;
    char conn[64];
    char question[80];
    char leaver[64];
} probe;

static sluice_client *client;
static struct ws *ws;

static int on_probe(sluice_event *event, void *arg)
{
    assert_ptr_equal(arg, &probe);
    assert_ptr_equal(sluice_event_client(event), client);
    probe.calls++;
    return probe.fn(event);
}

/* The client sends @message; the handler function does @fn. */
static void probe_with(int (*fn)(sluice_event *event), const char *message)
{
    unsigned before = probe.calls;

    probe.fn = fn;
    assert_int_equal(ws_send(ws, message), 0);
    until(client, probe.calls > before);
}

/* ---- Events ---- */

static int look_at_event(sluice_event *event)
{
    assert_string_equal(sluice_event_name(event), "probe:look");
    assert_string_equal(sluice_event_conn(event), conn_of(ws));
    assert_memory_equal(sluice_event_epoch(event), conn_of(ws), strlen(sluice_event_epoch(event)));
    assert_true(sluice_event_seq(event) > 0);
    assert_true(sluice_event_time_ms(event) > 1700000000000);
    assert_string_equal(sluice_to_json(sluice_event_payload(event)), "{\"a\":[1,-2.5,\"x\",true,null]}");
    assert_string_equal(sluice_to_json(sluice_event_session(event)), "{}");
    assert_int_equal(sluice_event_version(event),
                     sluice_get_uint(sluice_event_field(event, "version"), "", 99));
    assert_true(sluice_event_is_question(event));
    assert_string_equal(sluice_get_str(sluice_event_question(event), "", ""), "q1");
    assert_string_equal(sluice_to_json(sluice_event_trace(event)), "{\"id\":7}");
    return sluice_answer(event, sluice_event_payload(event), sluice_doc(event, "{fill: {}}"));
}

static int on_connect(sluice_event *event, void *arg)
{
    (void)arg;
    assert_string_equal(sluice_event_path(event), "/ws");
    assert_string_equal(sluice_event_query(event), "from=test");
    assert_string_equal(sluice_event_header(event, "X-Test"), "yes");
    assert_string_equal(sluice_event_remote(event), "127.0.0.1");
    assert_string_equal(sluice_event_subprotocol(event), "sluice.v1.json");
    probe.connects++;
    return 0;
}

static int on_disconnect(sluice_event *event, void *arg)
{
    (void)arg;
    if (strcmp(sluice_event_conn(event), probe.leaver) != 0)
        return 0;
    assert_int_equal(sluice_event_code(event), 4001);
    assert_string_equal(sluice_event_reason(event), "");
    assert_in_range(sluice_event_duration_ms(event), 20, WAIT_MS);
    probe.disconnects++;
    return 0;
}

static void events(void)
{
    struct ws *other;

    probe_with(look_at_event,
               "{\"e\":\"probe:look\",\"i\":\"q1\",\"t\":{\"id\":7},\"p\":{\"a\":[1,-2.5,\"x\",true,null]}}");
    expect_message(ws, client, "{\"e\":\"probe:look\",\"p\":{\"a\":[1,-2.5,\"x\",true,null]},\"i\":\"q1\"}");
    probe.connects = probe.disconnects = 0;
    other = new_ws();
    until(client, probe.connects == 1);
    snprintf(probe.leaver, sizeof(probe.leaver), "%s", conn_of(other));
    usleep(20000);
    assert_int_equal(ws_send_close(other, 4001), 0);
    until(client, probe.disconnects == 1);
    free_ws(other);
}

/* ---- Values ---- */

static int look_at_values(sluice_event *event)
{
    const sluice_value *payload = sluice_event_payload(event), *doc, *item;
    const struct msgpack_object *tree;
    size_t len;

    assert_string_equal(sluice_get_str(payload, "user.name", "?"), "Ada");
    assert_memory_equal(sluice_get_strn(payload, "user.name", &len), "Ada", 3);
    assert_int_equal(sluice_get_int(payload, "n", 0), -5);
    assert_true(sluice_get_uint(payload, "big", 0) == UINT64_MAX);
    assert_true(sluice_get_double(payload, "f", 0) == 0.5);
    assert_true(sluice_get_bool(payload, "t", false));
    assert_int_equal(sluice_get_type(payload, "user"), SLUICE_MAP);
    assert_int_equal(sluice_size(sluice_get_value(payload, "list")), 3);
    item = sluice_item(sluice_get_value(payload, "list"), 2);
    assert_int_equal(sluice_get_int(item, "", 0), 30);
    assert_string_equal(sluice_key(payload, 0), "user");
    tree = sluice_object(payload);
    assert_int_equal(tree->type, MSGPACK_OBJECT_MAP);
    assert_true(sluice_bytes(payload, &len) && len > 0);
    doc = sluice_raw(event, sluice_bytes(payload, &len), len);
    return sluice_send(event, sluice_event_conn(event), "values",
                       sluice_doc(event, "[%p, %p, %d]", (const void *)doc,
                                  (const void *)sluice_json(event, "{\"j\":1}"), 3),
                       NULL);
}

static void values(void)
{
    static const char *const payload = "{\"user\":{\"name\":\"Ada\"},\"n\":-5,\"big\":18446744073709551615,"
                                       "\"f\":0.5,\"t\":true,\"list\":[10,20,30]}";
    char message[512];

    snprintf(message, sizeof(message), "{\"e\":\"probe:values\",\"p\":%s}", payload);
    probe_with(look_at_values, message);
    snprintf(message, sizeof(message), "{\"e\":\"values\",\"p\":[%s,{\"j\":1},3]}", payload);
    expect_message(ws, client, message); /* 64 bits there and back */
}

/* ---- Operations ---- */

static int queue_effects(sluice_event *event)
{
    const char *conn = sluice_event_conn(event);
    const sluice_value *mine = sluice_doc(event, "{@conn: %s}", conn);

    sluice_update(event, conn, sluice_doc(event, "{$set: {room: %s, level: %d}}", "lobby", 3), NULL);
    sluice_update_where(event, sluice_doc(event, "{room: %s, level: {$gte: %d}}", "lobby", 3),
                        sluice_doc(event, "{$inc: {level: 1}}"), NULL);
    sluice_batch(event, "batched", 20, sluice_doc(event, "{max_items: 2}"));
    sluice_send(event, conn, "one", NULL, NULL);
    sluice_send_where(event, sluice_doc(event, "{level: %d}", 4), "two", sluice_doc(event, "{x: 1}"),
                      sluice_doc(event, "{fill: {online: {room: %s}}}", "lobby"));
    sluice_send_where(event, mine, "nobody", NULL, sluice_doc(event, "{except: %s}", conn));
    sluice_send(event, conn, "batched", sluice_doc(event, "1"), NULL);
    sluice_send(event, conn, "batched", sluice_doc(event, "2"), NULL);
    sluice_send(event, conn, "batched", sluice_doc(event, "3"), sluice_doc(event, "{unbatched: true}"));
    sluice_queue(event, sluice_doc(event, "{op: 'send', filter: {@conn: %s}, event: 'four'}", conn));
    return sluice_answer(event, NULL, NULL);
}

static int refuse(sluice_event *event)
{
    return sluice_refuse(event, "not_now", "later, please",
                         sluice_doc(event, "{temporary: true, data: {again_ms: %d}}", 50));
}

static void effects(void)
{
    probe_with(queue_effects, "{\"e\":\"probe:effects\",\"i\":1}");
    expect_message(ws, client, "{\"e\":\"one\"}");
    expect_message(ws, client, "{\"e\":\"two\",\"p\":{\"x\":1,\"online\":1}}");
    expect_message(ws, client, "{\"e\":\"batch_batched\",\"p\":{\"d\":[1,2]}}");
    expect_message(ws, client, "{\"e\":\"batched\",\"p\":3}");
    expect_message(ws, client, "{\"e\":\"four\"}");
    expect_message(ws, client, "{\"e\":\"probe:effects\",\"i\":1}");
    probe_with(refuse, "{\"e\":\"probe:refuse\",\"i\":2}");
    expect_message(
        ws, client,
        "{\"e\":\"@error\",\"p\":{\"code\":\"not_now\",\"message\":\"later, please\",\"temporary\":true,"
        "\"event\":\"probe:refuse\",\"data\":{\"again_ms\":50}},\"i\":2}");
    assert_int_equal(told.count, 0);
}

static int ask_the_broker(sluice_event *event)
{
    const char *conn = sluice_event_conn(event);
    const sluice_value *session, *result, *page;
    uint64_t version, count;

    /* What is queued is not there yet; what is done at once is. */
    sluice_update(event, conn, sluice_doc(event, "{$set: {room: 'queued'}}"), NULL);
    assert_int_equal(sluice_get(event, conn, NULL, &session, &version), 0);
    assert_string_equal(sluice_get_str(session, "room", "?"), "lobby");
    assert_int_equal(
        sluice_now(event, sluice_update(event, conn, sluice_doc(event, "{$set: {level: 9}}"), NULL), &result),
        0);
    assert_int_equal(sluice_get_uint(result, "version", 0), version + 1);
    assert_int_equal(sluice_get(event, conn, sluice_doc(event, "{keys: ['level']}"), &session, NULL), 0);
    assert_string_equal(sluice_to_json(session), "{\"level\":9}");
    assert_int_equal(
        sluice_now(event,
                   sluice_update(event, conn, sluice_doc(event, "{$set: {level: 0}}"),
                                 sluice_doc(event, "{if_version: %llu}", (unsigned long long)version)),
                   &result),
        SLUICE_E_CONFLICT);
    assert_string_equal(sluice_get_str(result, "code", "?"), "conflict");
    assert_int_equal(sluice_fault_error(sluice_client_fault(client)), SLUICE_E_CONFLICT);
    assert_int_equal(sluice_count(event, sluice_doc(event, "{level: %d}", 9), NULL, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(
        sluice_count(event, sluice_doc(event, "{}"), sluice_doc(event, "{distinct: 'level'}"), &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(sluice_find(event, sluice_doc(event, "{level: 9}"),
                                 sluice_doc(event, "{keys: ['room'], limit: 5}"), &page),
                     0);
    assert_string_equal(sluice_get_str(page, "sessions.0.conn", "?"), conn);
    assert_string_equal(sluice_get_str(page, "sessions.0.session.room", "?"), "lobby");
    assert_null(sluice_get_value(page, "after"));
    assert_int_equal(sluice_call(event, sluice_doc(event, "[{op: 'count'}, {op: 'cuont'}]"), &result),
                     SLUICE_E_UNKNOWN_OP);
    assert_int_equal(sluice_get_uint(result, "0.count", 0), 1);
    assert_string_equal(sluice_get_str(result, "1.at", "?"), "ops[1].op");
    assert_int_equal(sluice_get(event, "nobody.1", NULL, &session, &version), 0);
    assert_null(session);
    assert_int_equal(version, 0);
    return 0;
}

static int see_the_effect(sluice_event *event)
{
    assert_string_equal(sluice_get_str(sluice_event_session(event), "room", "?"), "queued");
    return 0;
}

static bool is_queued_effect_there(void)
{
    sluice_event *step = sluice_begin(client);
    uint64_t count;

    assert_int_equal(sluice_count(step, sluice_doc(step, "{room: 'queued'}"), NULL, &count), 0);
    sluice_cancel(step);
    return count == 1;
}

static void calls(void)
{
    probe_with(ask_the_broker, "{\"e\":\"probe:ask\"}");
    until(client, is_queued_effect_there());
    probe_with(see_the_effect, "{\"e\":\"probe:see\"}");
    assert_int_equal(told.count, 0);
}

/* ---- Steps ---- */

static int keep_question(sluice_event *event)
{
    snprintf(probe.conn, sizeof(probe.conn), "%s", sluice_event_conn(event));
    snprintf(probe.question, sizeof(probe.question), "%s", sluice_to_json(sluice_event_question(event)));
    return 0;
}

static void steps(void)
{
    sluice_event *step = sluice_begin(client);
    struct ws *other = new_ws();

    probe_with(keep_question, "{\"e\":\"probe:later\",\"i\":77}");
    assert_int_equal(sluice_answer_to(step, probe.conn, sluice_json(step, probe.question),
                                      sluice_doc(step, "'late'"), NULL),
                     0);
    assert_int_equal(sluice_end(step), 0);
    expect_message(ws, client, "{\"e\":\"probe:later\",\"p\":\"late\",\"i\":77}");

    step = sluice_begin(client);
    sluice_send_where(step, sluice_doc(step, "{}"), "never", NULL, NULL);
    sluice_cancel(step);

    step = sluice_begin(client);
    sluice_send(step, conn_of(ws), "news", NULL, NULL);
    sluice_queue(step, sluice_doc(step, "{op: 'send', conn: %s}", conn_of(ws)));
    sluice_send(step, conn_of(ws), "more", NULL, NULL);
    assert_int_equal(sluice_end(step), SLUICE_E_BAD_ARGUMENT);
    const sluice_fault *fault = sluice_client_fault(client);
    assert_string_equal(sluice_fault_code(fault), "bad_argument");
    assert_string_equal(sluice_fault_at(fault), "ops[1].event");
    assert_string_not_equal(sluice_fault_message(fault), "");
    assert_string_equal(sluice_strerror(sluice_fault_error(fault)), sluice_strerror(SLUICE_E_BAD_ARGUMENT));
    expect_message(ws, client, "{\"e\":\"news\"}");
    expect_message(ws, client, "{\"e\":\"more\"}");

    step = sluice_begin(client);
    sluice_close(step, conn_of(other), 4001, NULL);
    assert_int_equal(sluice_end(step), 0);
    until(client, (ws_receive(other, 0), ws_close_code(other) == 4001));
    free_ws(other);
    other = new_ws();
    step = sluice_begin(client);
    sluice_close_where(step, sluice_doc(step, "{@conn: %s}", conn_of(other)), 4001, NULL);
    assert_int_equal(sluice_end(step), 0);
    until(client, (ws_receive(other, 0), ws_close_code(other) == 4001));
    free_ws(other);
}

/* ---- The client itself ---- */

static void keep_gap(sluice_client *of, const char *name, uint64_t lost, void *arg)
{
    (void)of;
    (void)arg;
    fail_msg("%llu events %s were lost", (unsigned long long)lost, name);
}

static void keep_log(sluice_client *of, char level, const char *message, void *arg)
{
    (void)of;
    (void)arg;
    assert_true(level == 'd' || level == 'i' || level == 'w');
    assert_string_not_equal(message, "");
    probe.log_lines++;
}

static int send_badly(sluice_event *event)
{
    return sluice_send_where(event, sluice_doc(event, "{room: null}"), "x", NULL, NULL);
}

static void errors(void)
{
    probe_with(send_badly, "{\"e\":\"probe:bad\"}");
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_BAD_FILTER);
    assert_string_equal(told.code, "bad_filter");
    assert_string_equal(told.at, "ops[0].filter.room");
    assert_string_equal(told.event, "probe:bad");
    memset(&told, 0, sizeof(told));
}

static void stopping(void)
{
    sluice_client *another = new_client();

    assert_int_equal(sluice_set_timeout(another, 3000), 0);
    assert_int_equal(sluice_set_key(another, NULL), 0);
    assert_true(sluice_fd(another) >= 0);
    assert_int_equal(sluice_stop_on_signals(another), 0);
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(sluice_run(another), 0);
    sluice_stop(another);
    assert_int_equal(sluice_poll(another, -1), SLUICE_E_STOPPED);
    free_client(another);
}

/* ---- Groups ---- */

static sluice_event *kept;

static int keep_event(sluice_event *event, void *arg)
{
    (void)arg;
    if (sluice_event_attempt(event) == 1)
        return sluice_retry(event, 0);
    kept = event;
    return SLUICE_LATER;
}

static void group(void)
{
    sluice_client *member = new_client();
    char key[128];

    kept = NULL;
    assert_int_equal(sluice_set_drain(member, 3000), 0);
    assert_int_equal(sluice_subscribe(member, "group:*", keep_event, NULL, "{group: %s}", "all"), 0);
    until_ready(member);
    ws_send(ws, "{\"e\":\"group:a\",\"p\":1,\"i\":1}");
    until(member, kept);
    snprintf(key, sizeof(key), "%s/all/%llu", sluice_event_epoch(kept),
             (unsigned long long)sluice_event_seq(kept));
    assert_string_equal(sluice_event_key(kept), key);
    assert_int_equal(sluice_extend(kept), 0);
    sluice_answer(kept, sluice_event_payload(kept), NULL);
    assert_int_equal(sluice_finish(kept, SLUICE_DONE), 0);
    sluice_stop(member);
    assert_int_equal(sluice_run(member), 0);
    expect_message(ws, client, "{\"e\":\"group:a\",\"p\":1,\"i\":1}");
    free_client(member);
}

static void everything(void)
{
    until_ready(client);
    assert_true(sluice_is_ready(client));
    ws = new_ws();
    events();
    values();
    effects();
    calls();
    steps();
    errors();
    group();
    stopping();
    assert_true(probe.log_lines > 0);
    probe.log_lines = 0;
    free_ws(ws);
}

static void test_everything_and_again_after_a_restart_of_the_broker(void **state)
{
    static const char *const headers[] = {"--headers", "x-test", NULL};

    (void)state;
    assert_string_equal(sluice_version(), SLUICE_VERSION);
    client = new_client();
    assert_int_equal(sluice_on_gap(client, keep_gap, NULL), 0);
    assert_int_equal(sluice_on_log(client, keep_log, NULL), 0);
    assert_int_equal(sluice_subscribe(client, "probe:*", on_probe, &probe, NULL), 0);
    assert_int_equal(sluice_subscribe(client, "@connect", on_connect, NULL, NULL), 0);
    assert_int_equal(sluice_subscribe(client, "@disconnect", on_disconnect, NULL, NULL), 0);
    everything();
    restart_broker_under(client, SIGKILL, headers);
    everything();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_and_again_after_a_restart_of_the_broker,
                                        fixture_setup, fixture_teardown),
    };
    return run_each(tests);
}
