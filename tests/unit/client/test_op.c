#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "step.h"

/* What came from outside: {"$ne": 0}. */
static const sluice_value *foreign(void)
{
    return value_copy(step, "\x81\xa3$ne\x00", 6, true);
}

static void assert_refused(int result, int error, const char *message)
{
    assert_int_equal(result, error);
    assert_int_equal(step->fault.error, error);
    if (!strstr(step->fault.message, message))
        fail_msg("it says: %s", step->fault.message);
    assert_int_equal(step->op_count, 0);
    assert_int_equal(step->ops.len, 0);
    error_clear(&step->fault);
}

static void test_operations_as_the_protocol_has_them(void **state)
{
    const sluice_value *p = sluice_json(step, "[1]");

    (void)state;
    assert_int_equal(sluice_send(step, "c.1", "news", p, NULL), 0);
    assert_int_equal(sluice_send(step, "c.1", "news", NULL, sluice_doc(step, "{unbatched: true}")), 0);
    assert_int_equal(
        sluice_send_where(step, sluice_doc(step, "{}"), "news", p, sluice_doc(step, "{except: %s}", "c.2")),
        0);
    assert_int_equal(sluice_update(step, "c.1", sluice_doc(step, "{$set: {a: %d}}", 1),
                                   sluice_doc(step, "{if_version: %llu, ttl_ms: %d}", 7ULL, 5)),
                     0);
    assert_int_equal(
        sluice_update_where(step, sluice_doc(step, "{a: 1}"), sluice_doc(step, "{$inc: {a: 1}}"), NULL), 0);
    assert_int_equal(sluice_close(step, "c.1", 4000, "bye"), 0);
    assert_int_equal(sluice_close_where(step, sluice_doc(step, "{a: 1}"), 1000, NULL), 0);
    assert_int_equal(sluice_batch(step, "pos", 50, sluice_doc(step, "{keep: 'latest'}")), 0);
    assert_int_equal(sluice_answer_to(step, "c.1", sluice_doc(step, "%d", 7), p, NULL), 0);
    assert_int_equal(sluice_queue(step, sluice_doc(step, "{op: 'stats'}")), 0);
    assert_string_equal(
        queued_json(),
        "[{\"op\":\"send\",\"conn\":\"c.1\",\"event\":\"news\",\"payload\":[1]},"
        "{\"op\":\"send\",\"conn\":\"c.1\",\"event\":\"news\",\"unbatched\":true},"
        "{\"op\":\"send\",\"filter\":{},\"event\":\"news\",\"payload\":[1],\"except\":\"c.2\"},"
        "{\"op\":\"update\",\"conn\":\"c.1\",\"update\":{\"$set\":{\"a\":1}},\"if_version\":7,\"ttl_ms\":5},"
        "{\"op\":\"update\",\"filter\":{\"a\":1},\"update\":{\"$inc\":{\"a\":1}}},"
        "{\"op\":\"close\",\"conn\":\"c.1\",\"code\":4000,\"reason\":\"bye\"},"
        "{\"op\":\"close\",\"filter\":{\"a\":1},\"code\":1000},"
        "{\"op\":\"batch\",\"event\":\"pos\",\"interval_ms\":50,\"keep\":\"latest\"},"
        "{\"op\":\"answer\",\"conn\":\"c.1\",\"i\":7,\"payload\":[1]},"
        "{\"op\":\"stats\"}]");
}

static void test_conversions_become_arguments_in_filters_only(void **state)
{
    (void)state;
    sluice_update_where(step, sluice_doc(step, "{room: %s}", "x"),
                        sluice_doc(step, "{$set: {room: %s}}", "y"), NULL);
    sluice_send_where(step, sluice_doc(step, "{room: %s}", "x"), "news", sluice_doc(step, "{text: %s}", "hi"),
                      sluice_doc(step, "{fill: {n: {room: %s}}, except: %s}", "x", "c.1"));
    assert_string_equal(
        queued_json(),
        "[{\"op\":\"update\",\"filter\":{\"room\":{\"$arg\":\"0\"}},\"update\":{\"$set\":{\"room\":\"y\"}},"
        "\"args\":{\"0\":\"x\"}},"
        "{\"op\":\"send\",\"filter\":{\"room\":{\"$arg\":\"0\"}},\"event\":\"news\",\"payload\":{\"text\":"
        "\"hi\"},"
        "\"fill\":{\"n\":{\"room\":\"x\"}},\"except\":\"c.1\",\"args\":{\"0\":\"x\"}}]");
}

static void test_arguments_of_the_programs_own_join(void **state)
{
    (void)state;
    sluice_send_where(step, sluice_doc(step, "{a: %d, room: {$arg: 'room'}}", 1), "news", NULL,
                      sluice_doc(step, "{args: {room: %s}}", "x"));
    assert_string_equal(queued_json(),
                        "[{\"op\":\"send\",\"filter\":{\"a\":{\"$arg\":\"0\"},\"room\":{\"$arg\":\"room\"}},"
                        "\"event\":\"news\",\"args\":{\"0\":1,\"room\":\"x\"}}]");
}

static void test_any_operation_gets_the_same_care(void **state)
{
    (void)state;
    sluice_queue(step, sluice_doc(step, "{op: 'send', filter: {room: %s}, event: 'news', payload: {x: %d}}",
                                  "lobby", 5));
    assert_string_equal(queued_json(),
                        "[{\"op\":\"send\",\"filter\":{\"room\":{\"$arg\":\"0\"}},\"event\":\"news\","
                        "\"payload\":{\"x\":5},\"args\":{\"0\":\"lobby\"}}]");
}

static void test_missing_arguments_fail_the_step(void **state)
{
    const sluice_value *all = sluice_doc(step, "{}"), *set = sluice_doc(step, "{$set: {a: 1}}");

    (void)state;
    assert_refused(sluice_send(step, NULL, "news", NULL, NULL), SLUICE_E_ARGUMENT, "send: `conn` is missing");
    assert_refused(sluice_send(step, "c.1", NULL, NULL, NULL), SLUICE_E_ARGUMENT, "`event` is missing");
    assert_refused(sluice_send_where(step, NULL, "news", NULL, NULL), SLUICE_E_ARGUMENT,
                   "`filter` is missing");
    assert_refused(sluice_update(step, "c.1", NULL, NULL), SLUICE_E_ARGUMENT, "`update` is missing");
    assert_refused(sluice_update(step, NULL, set, NULL), SLUICE_E_ARGUMENT, "`conn` is missing");
    assert_refused(sluice_update_where(step, NULL, set, NULL), SLUICE_E_ARGUMENT, "`filter` is missing");
    assert_refused(sluice_close(step, NULL, 1000, NULL), SLUICE_E_ARGUMENT, "`conn` is missing");
    assert_refused(sluice_close_where(step, NULL, 1000, NULL), SLUICE_E_ARGUMENT, "`filter` is missing");
    assert_refused(sluice_batch(step, NULL, 10, NULL), SLUICE_E_ARGUMENT, "`event` is missing");
    assert_refused(sluice_answer_to(step, "c.1", NULL, all, NULL), SLUICE_E_ARGUMENT, "`i` is missing");
    assert_refused(sluice_answer_to(step, NULL, all, all, NULL), SLUICE_E_ARGUMENT, "`conn` is missing");
    assert_refused(sluice_queue(step, NULL), SLUICE_E_ARGUMENT, "is missing");
}

static void test_value_from_outside_is_no_filter_and_no_update(void **state)
{
    (void)state;
    assert_refused(sluice_send_where(step, foreign(), "news", NULL, NULL), SLUICE_E_ARGUMENT,
                   "came from outside");
    assert_refused(
        sluice_send_where(step, sluice_doc(step, "%p", (const void *)foreign()), "news", NULL, NULL),
        SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(sluice_update(step, "c.1", foreign(), NULL), SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(sluice_send(step, "c.1", "news", NULL, foreign()), SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(sluice_queue(step, foreign()), SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(sluice_queue(step, sluice_doc(step, "{op: 'close', filter: %p, code: 1000}",
                                                 (const void *)foreign())),
                   SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(sluice_queue(step, sluice_doc(step, "{op: 'update', conn: 'x', update: %p}",
                                                 (const void *)foreign())),
                   SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(sluice_send(step, "c.1", "news", NULL,
                               sluice_doc(step, "{fill: {n: {room: %p}}}", (const void *)foreign())),
                   SLUICE_E_ARGUMENT, "came from outside");
    assert_refused(
        sluice_send(step, "c.1", "news", NULL, sluice_doc(step, "{fill: {n: %p}}", (const void *)foreign())),
        SLUICE_E_ARGUMENT, "came from outside");
    /* As a payload, and as a value that is stored, it is welcome. */
    assert_int_equal(sluice_send(step, "c.1", "news", foreign(), NULL), 0);
    assert_int_equal(
        sluice_update(step, "c.1", sluice_doc(step, "{$set: {a: %p}}", (const void *)foreign()), NULL), 0);
}

static void test_options_are_a_map_that_repeats_nothing(void **state)
{
    (void)state;
    assert_refused(sluice_send(step, "c.1", "news", NULL, sluice_doc(step, "[1]")), SLUICE_E_ARGUMENT,
                   "is not a map");
    assert_refused(sluice_send(step, "c.1", "news", NULL, sluice_doc(step, "{conn: 'c.2'}")),
                   SLUICE_E_ARGUMENT, "`conn` is no option");
    assert_refused(sluice_send(step, "c.1", "news", NULL, sluice_doc(step, "{op: 'close'}")),
                   SLUICE_E_ARGUMENT, "`op` is no option");
    assert_refused(sluice_send(step, "c.1", "news", NULL, sluice_raw(step, "\x81\x01\x02", 3)),
                   SLUICE_E_ARGUMENT, "a key that is no string");
    assert_refused(sluice_send_where(step, sluice_doc(step, "7"), "news", NULL, NULL), SLUICE_E_ARGUMENT,
                   "is not a map");
    assert_refused(
        sluice_send_where(step, sluice_doc(step, "{}"), "news", NULL, sluice_doc(step, "{args: 3}")),
        SLUICE_E_ARGUMENT, "`args` is not a map");
}

static void test_failed_operation_leaves_those_before_it(void **state)
{
    (void)state;
    sluice_send(step, "c.1", "news", NULL, NULL);
    assert_int_equal(sluice_send(step, NULL, "news", NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(step->op_count, 1);
    assert_int_equal(sluice_send(step, "c.1", "news", NULL, NULL),
                     SLUICE_E_ARGUMENT); /* the step has failed */
    error_clear(&step->fault);
    assert_string_equal(queued_json(), "[{\"op\":\"send\",\"conn\":\"c.1\",\"event\":\"news\"}]");
}

static void test_operation_larger_than_a_request_is_refused(void **state)
{
    size_t len = 1100000;
    char *text = malloc(len + 1);

    (void)state;
    memset(text, 'x', len);
    text[len] = '\0';
    assert_refused(sluice_send(step, "c.1", "news", sluice_doc(step, "%s", text), NULL), SLUICE_E_TOO_LARGE,
                   "a request has at most");
    free(text);
}

static void test_queue_has_a_bound(void **state)
{
    char *text = malloc(900001);
    const sluice_value *payload;
    int sent = 0;

    (void)state;
    memset(text, 'x', 900000);
    text[900000] = '\0';
    payload = sluice_doc(step, "%s", text);
    while (sent < 1000 && sluice_send(step, "c.1", "news", payload, NULL) == 0)
        sent++;
    assert_in_range(sent, 50, 80);
    assert_int_equal(step->fault.error, SLUICE_E_TOO_LARGE);
    free(text);
}

static void test_nothing_is_an_ordinary_error(void **state)
{
    uint64_t count = 5;
    const sluice_value *value = foreign();

    (void)state;
    assert_int_equal(sluice_send(NULL, "c", "e", NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_send_where(NULL, NULL, "e", NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_answer(NULL, NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_refuse(NULL, "c", NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_queue(NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_now(NULL, 0, &value), SLUICE_E_ARGUMENT);
    assert_null(value);
    assert_int_equal(sluice_count(NULL, NULL, NULL, &count), SLUICE_E_ARGUMENT);
    assert_int_equal(count, 0);
    assert_int_equal(sluice_end(NULL), SLUICE_E_ARGUMENT);
    sluice_cancel(NULL);
    assert_null(sluice_begin(NULL));
    assert_null(sluice_doc(NULL, "{}"));
    assert_int_equal(sluice_poll(NULL, 0), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_run(NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_fd(NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_connect(NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_subscribe(NULL, "x", NULL, NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_stop_on_signals(NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_fault_error(sluice_client_fault(NULL)), SLUICE_E_ARGUMENT);
    assert_false(sluice_is_ready(NULL));
    sluice_stop(NULL);
    sluice_client_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, step_setup, step_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_operations_as_the_protocol_has_them),
        TEST(test_conversions_become_arguments_in_filters_only),
        TEST(test_arguments_of_the_programs_own_join),
        TEST(test_any_operation_gets_the_same_care),
        TEST(test_missing_arguments_fail_the_step),
        TEST(test_value_from_outside_is_no_filter_and_no_update),
        TEST(test_options_are_a_map_that_repeats_nothing),
        TEST(test_failed_operation_leaves_those_before_it),
        TEST(test_operation_larger_than_a_request_is_refused),
        TEST(test_queue_has_a_bound),
        TEST(test_nothing_is_an_ordinary_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
