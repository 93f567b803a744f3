#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "step.h"
#include "wire/json.h"

static struct buf map;

static int teardown(void **state)
{
    buf_deinit(&map);
    return step_teardown(state);
}

/* An event of a subscriber from its map, as it would come in a message. The packet owns no message of nng's.
 */
static sluice_event *event_of(const char *json)
{
    static struct packet packet;
    sluice_event *event = event_new(the_client);
    size_t offset;

    buf_reset(&map);
    assert_null(json_to_mp(json, strlen(json), &map, &offset));
    packet = (struct packet){.refs = 1000};
    struct mp_reader r = mp_reader(map.data, map.len);
    struct event_parts parts;
    if (event_parse(&r, &parts) && event_fill(event, &packet, "chat:say", "epoch1", 6, &parts))
        return event;
    event_free(event);
    return NULL;
}

static const char *const said =
    "{\"event\":\"chat:say\",\"conn\":\"epoch1.5\",\"payload\":{\"text\":\"hi\"},\"session\":{\"room\":"
    "\"lobby\"},\"version\":3,"
    "\"i\":7,\"time_ms\":1767225600000,\"seq\":12,\"trace\":\"t1\",\"new\":[1,2]}";

static void test_what_an_event_tells(void **state)
{
    sluice_event *event = event_of(said);

    (void)state;
    assert_ptr_equal(sluice_event_client(event), the_client);
    assert_string_equal(sluice_event_name(event), "chat:say");
    assert_string_equal(sluice_event_conn(event), "epoch1.5");
    assert_string_equal(sluice_event_epoch(event), "epoch1");
    assert_int_equal(sluice_event_seq(event), 12);
    assert_int_equal(sluice_event_version(event), 3);
    assert_true(sluice_event_time_ms(event) == 1767225600000);
    assert_true(sluice_event_is_question(event));
    assert_value(sluice_event_payload(event), "{\"text\":\"hi\"}");
    assert_value(sluice_event_session(event), "{\"room\":\"lobby\"}");
    assert_value(sluice_event_question(event), "7");
    assert_value(sluice_event_trace(event), "\"t1\"");
    assert_value(sluice_event_field(event, "new"), "[1,2]");
    assert_null(sluice_event_field(event, "newer"));
    assert_value(sluice_event_field(event, NULL), said);
}

static void test_what_an_event_does_not_tell(void **state)
{
    sluice_event *event =
        event_of("{\"event\":\"chat:say\",\"conn\":\"epoch1.5\",\"session\":{},\"version\":1,\"seq\":1}");

    (void)state;
    assert_false(sluice_event_is_question(event));
    assert_null(sluice_event_payload(event));
    assert_null(sluice_event_question(event));
    assert_null(sluice_event_trace(event));
    assert_string_equal(sluice_event_path(event), "");
    assert_null(sluice_event_header(event, "origin"));
    assert_int_equal(sluice_event_code(event), 0);
}

static void test_step_without_an_event_tells_nothing(void **state)
{
    (void)state;
    assert_string_equal(sluice_event_name(step), "");
    assert_string_equal(sluice_event_conn(step), "");
    assert_string_equal(sluice_event_epoch(step), "");
    assert_int_equal(sluice_event_seq(step), 0);
    assert_null(sluice_event_payload(step));
    assert_null(sluice_event_session(step));
    assert_null(sluice_event_field(step, NULL));
    assert_string_equal(sluice_event_reason(step), "");
    assert_int_equal(sluice_event_duration_ms(NULL), 0);
    assert_string_equal(sluice_event_name(NULL), "");
    assert_null(sluice_event_payload(NULL));
}

static void test_how_a_connection_began_and_ended(void **state)
{
    sluice_event *event =
        event_of("{\"conn\":\"epoch1.5\",\"path\":\"/"
                 "ws\",\"query\":\"a=1\",\"remote\":\"127.0.0.1\",\"subprotocol\":\"sluice.v1.json\","
                 "\"headers\":{\"origin\":\"http://"
                 "x\",\"n\":5},\"code\":1001,\"reason\":\"going\",\"duration_ms\":1234}");

    (void)state;
    assert_string_equal(sluice_event_path(event), "/ws");
    assert_string_equal(sluice_event_query(event), "a=1");
    assert_string_equal(sluice_event_remote(event), "127.0.0.1");
    assert_string_equal(sluice_event_subprotocol(event), "sluice.v1.json");
    assert_string_equal(sluice_event_header(event, "Origin"), "http://x");
    assert_null(sluice_event_header(event, "n"));
    assert_null(sluice_event_header(event, "cookie"));
    assert_null(sluice_event_header(event, NULL));
    assert_int_equal(sluice_event_code(event), 1001);
    assert_string_equal(sluice_event_reason(event), "going");
    assert_int_equal(sluice_event_duration_ms(event), 1234);
}

static void test_what_is_no_event_map_is_refused(void **state)
{
    char json[200];

    (void)state;
    assert_null(event_of("[]"));
    assert_null(event_of("{\"conn\":5}"));
    snprintf(json, sizeof(json), "{\"conn\":\"%0100d\"}", 1);
    assert_null(event_of(json));
}

static void test_answers_go_to_the_question(void **state)
{
    sluice_event *event = event_of(said);

    (void)state;
    assert_int_equal(sluice_answer(event, sluice_doc(event, "{n: %d}", 1), NULL), 0);
    assert_int_equal(
        sluice_refuse(event, "no", "not today", sluice_doc(event, "{temporary: true, data: {x: %d}}", 1)), 0);
    assert_int_equal(sluice_refuse(event, "no", NULL, NULL), 0);
    assert_int_equal(event->op_count, 3);
    step->ops = event->ops; /* lend them to the helper */
    step->op_count = 3;
    assert_string_equal(queued_json(),
                        "[{\"op\":\"answer\",\"conn\":\"epoch1.5\",\"i\":7,\"payload\":{\"n\":1}},"
                        "{\"op\":\"answer\",\"conn\":\"epoch1.5\",\"i\":7,\"error\":{\"code\":\"no\","
                        "\"message\":\"not today\","
                        "\"temporary\":true,\"data\":{\"x\":1}}},"
                        "{\"op\":\"answer\",\"conn\":\"epoch1.5\",\"i\":7,\"error\":{\"code\":\"no\"}}]");
    step->ops = (struct buf)BUF_INIT;
    step->op_count = 0;
}

static void test_nobody_asked_so_nothing_is_answered(void **state)
{
    sluice_event *event = event_of("{\"conn\":\"epoch1.5\"}");

    (void)state;
    assert_int_equal(sluice_send(event, "epoch1.5", "x", NULL, NULL), 0);
    assert_int_equal(sluice_answer(event, NULL, NULL), 0);
    assert_int_equal(sluice_refuse(event, "no", NULL, NULL), 0);
    assert_int_equal(event->op_count, 1);
    assert_int_equal(sluice_now(event, sluice_answer(event, NULL, NULL), NULL),
                     SLUICE_E_STATE); /* and not the send */
    assert_int_equal(event->op_count, 1);
    assert_int_equal(event->fault.error, 0);
}

static void test_step_has_no_question(void **state)
{
    (void)state;
    assert_int_equal(sluice_answer(step, NULL, NULL), SLUICE_E_STATE);
    assert_int_equal(step->fault.error, SLUICE_E_STATE);
}

static void test_refusal_needs_a_code(void **state)
{
    sluice_event *event = event_of(said);

    (void)state;
    assert_int_equal(sluice_refuse(event, NULL, "why", NULL), SLUICE_E_ARGUMENT);
    assert_non_null(strstr(event->fault.message, "refuse: `code` is missing"));
    assert_int_equal(event->op_count, 0);
}

static void test_only_accessors_work_when_the_function_has_returned(void **state)
{
    sluice_event *event = event_of(said);

    (void)state;
    sluice_event_payload(event);
    event_close(event);
    assert_int_equal(sluice_send(event, "c", "e", NULL, NULL), SLUICE_E_STATE);
    assert_null(sluice_doc(event, "{}"));
    assert_value(sluice_event_payload(event), "{\"text\":\"hi\"}");
    assert_string_equal(sluice_event_conn(event), "epoch1.5");
    event_free(event);
}

static void test_values_end_with_their_event(void **state)
{
    sluice_event *other = sluice_begin(the_client);
    const sluice_value *value = sluice_doc(other, "{a: 1}");

    (void)state;
    assert_value(sluice_doc(step, "[%p]", (const void *)value),
                 "[{\"a\":1}]"); /* of another event, while it lives */
    sluice_cancel(other);
    assert_null(sluice_doc(step, "[%p]", (const void *)value));
    assert_int_equal(step->fault.error, SLUICE_E_DOC);
}

static void test_ended_events_are_used_again_clean(void **state)
{
    sluice_event *first = sluice_begin(the_client), *second;

    (void)state;
    sluice_doc(first, "{");
    sluice_cancel(first);
    second = sluice_begin(the_client);
    assert_ptr_equal(first, second);
    assert_int_equal(second->fault.error, 0);
    assert_int_equal(second->op_count, 0);
    for (int i = 0; i < 1100; i++) /* more than are kept */
        assert_non_null(sluice_begin(the_client));
    while (the_client->open)
        event_free(the_client->open);
    assert_true(the_client->spare_count <= 1024);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, step_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_what_an_event_tells),
        TEST(test_what_an_event_does_not_tell),
        TEST(test_step_without_an_event_tells_nothing),
        TEST(test_how_a_connection_began_and_ended),
        TEST(test_what_is_no_event_map_is_refused),
        TEST(test_answers_go_to_the_question),
        TEST(test_nobody_asked_so_nothing_is_answered),
        TEST(test_step_has_no_question),
        TEST(test_refusal_needs_a_code),
        TEST(test_only_accessors_work_when_the_function_has_returned),
        TEST(test_values_end_with_their_event),
        TEST(test_ended_events_are_used_again_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
