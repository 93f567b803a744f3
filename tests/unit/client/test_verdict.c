/* What functions of members return, and the entry that it makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "member.h"

#define QUESTION ",\"i\":7"

static sluice_handler_fn *act;
static unsigned told;
static int told_error;
static char told_key[128], logged[512];

static int run_act(sluice_event *event, void *arg)
{
    return act(event, arg);
}

static void count_error(sluice_client *client, const sluice_fault *fault, sluice_event *event, void *arg)
{
    (void)client;
    (void)arg;
    told++;
    told_error = sluice_fault_error(fault);
    snprintf(told_key, sizeof(told_key), "%s", event ? sluice_event_key(event) : "");
}

static void keep_log(sluice_client *client, char level, const char *message, void *arg)
{
    (void)client;
    (void)level;
    (void)arg;
    snprintf(logged, sizeof(logged), "%s", message);
}

static int setup(void **state)
{
    int result = step_setup(state);

    told = 0;
    told_error = 0;
    logged[0] = '\0';
    handle_all(run_act, 1);
    sluice_on_error(the_client, count_error, NULL);
    sluice_on_log(the_client, keep_log, NULL);
    return result;
}

/* The entry of an event that @fn was called with. */
static const char *entry_of(sluice_handler_fn *fn, const char *more)
{
    act = fn;
    event_comes(5, "c.1", more);
    group_work(the_group);
    return entries();
}

static int do_effects(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_update(event, sluice_event_conn(event), sluice_doc(event, "{$inc: {n: %d}}", 1), NULL);
    return sluice_answer(event, sluice_doc(event, "{n: 1}"), NULL);
}

static void test_operations_are_the_effects(void **state)
{
    (void)state;
    assert_string_equal(
        entry_of(do_effects, QUESTION),
        "[{\"seq\":5,\"ops\":[{\"op\":\"update\",\"conn\":\"c.1\",\"update\":{\"$inc\":{\"n\":1}}},"
        "{\"op\":\"answer\",\"payload\":{\"n\":1}}]}]");
    assert_string_equal(
        entry_of(do_effects, ""),
        "[{\"seq\":5,\"ops\":[{\"op\":\"update\",\"conn\":\"c.1\",\"update\":{\"$inc\":{\"n\":1}}}]}]");
}

static int do_nothing(sluice_event *event, void *arg)
{
    (void)event;
    (void)arg;
    return SLUICE_DONE;
}

static void test_nothing_done_is_handled_too(void **state)
{
    (void)state;
    assert_string_equal(entry_of(do_nothing, ""), "[{\"seq\":5,\"ops\":[]}]");
}

static int retry_in(sluice_event *event, int ms)
{
    sluice_send(event, "c.2", "news", NULL, NULL);
    return sluice_retry(event, ms);
}

static int do_retry(sluice_event *event, void *arg)
{
    (void)arg;
    return retry_in(event, 250);
}

static int do_retry_never(sluice_event *event, void *arg)
{
    (void)arg;
    return retry_in(event, 2000000000);
}

static int do_retry_before(sluice_event *event, void *arg)
{
    (void)arg;
    return retry_in(event, -5);
}

static int do_just_retry(sluice_event *event, void *arg)
{
    (void)event;
    (void)arg;
    return SLUICE_RETRY;
}

static void test_retry_drops_the_effects(void **state)
{
    (void)state;
    assert_string_equal(entry_of(do_retry, ""), "[{\"seq\":5,\"retry_ms\":250}]");
    assert_string_equal(entry_of(do_retry_never, ""), "[{\"seq\":5,\"retry_ms\":3600000}]");
    assert_string_equal(entry_of(do_retry_before, ""), "[{\"seq\":5,\"retry_ms\":0}]");
    assert_string_equal(entry_of(do_just_retry, ""), "[{\"seq\":5,\"retry_ms\":1000}]");
    assert_int_equal(sluice_retry(NULL, 1), SLUICE_E_ARGUMENT);
    assert_int_equal(told, 0);
}

static int do_refuse(sluice_event *event, void *arg)
{
    (void)arg;
    return sluice_refuse(event, "full", "no seat left", sluice_doc(event, "{temporary: true}"));
}

static int do_refuse_and_send(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_send(event, "c.2", "news", NULL, NULL);
    return sluice_refuse(event, "full", NULL, NULL);
}

static int do_refuse_twice(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_refuse(event, "first", NULL, NULL);
    return sluice_refuse(event, "second", NULL, NULL);
}

static int do_refuse_badly(sluice_event *event, void *arg)
{
    (void)arg;
    return sluice_refuse(event, NULL, "no code", NULL);
}

static void test_refusal_is_an_effect_or_the_end_of_the_event(void **state)
{
    (void)state;
    assert_string_equal(
        entry_of(do_refuse, QUESTION),
        "[{\"seq\":5,\"ops\":[{\"op\":\"answer\",\"error\":{\"code\":\"full\",\"message\":\"no seat "
        "left\",\"temporary\":true}}]}]");
    assert_string_equal(
        entry_of(do_refuse, ""),
        "[{\"seq\":5,\"error\":{\"code\":\"full\",\"message\":\"no seat left\",\"temporary\":true}}]");
    assert_string_equal(entry_of(do_refuse_and_send, ""),
                        "[{\"seq\":5,\"ops\":[{\"op\":\"send\",\"conn\":\"c.2\",\"event\":\"news\"}]}]");
    assert_string_equal(entry_of(do_refuse_twice, ""), "[{\"seq\":5,\"error\":{\"code\":\"first\"}}]");
    assert_int_equal(told, 0);
    assert_string_equal(
        entry_of(do_refuse_badly, ""),
        "[{\"seq\":5,\"error\":{\"code\":\"failed\",\"message\":\"refuse: `code` is missing\"}}]");
    assert_int_equal(told_error, SLUICE_E_ARGUMENT);
}

static int do_bad_document(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_send(event, "c.2", "news", sluice_doc(event, "{"), NULL);
    return SLUICE_DONE;
}

static void test_function_that_failed_ends_the_event(void **state)
{
    (void)state;
    assert_non_null(strstr(entry_of(do_bad_document, ""),
                           "[{\"seq\":5,\"error\":{\"code\":\"failed\",\"message\":"
                           "\"document"));
    assert_int_equal(told, 1);
    assert_int_equal(told_error, SLUICE_E_DOC);
    assert_string_equal(told_key, "epoch1/g/5");
}

static int result;

static int do_return(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_send(event, "c.2", "news", NULL, NULL);
    return result;
}

static void test_errors_that_may_pass_come_again(void **state)
{
    static const int temporary[] = {SLUICE_E_TIMEOUT,    SLUICE_E_NOMEM,         SLUICE_E_CONFLICT,
                                    SLUICE_E_OVERLOADED, SLUICE_E_LIMIT,         SLUICE_E_NEW_EPOCH,
                                    SLUICE_E_STALE,      SLUICE_E_LEASE_EXPIRED, SLUICE_E_UNKNOWN_MEMBER};

    (void)state;
    for (size_t i = 0; i < sizeof(temporary) / sizeof(temporary[0]); i++) {
        result = temporary[i];
        assert_string_equal(entry_of(do_return, ""), "[{\"seq\":5,\"retry_ms\":1000}]");
        assert_non_null(strstr(logged, sluice_strerror(result)));
    }
    assert_int_equal(told, 0);
}

static void test_other_errors_end_the_event(void **state)
{
    (void)state;
    for (result = -140; result < 0; result++) {
        unsigned before = told;
        const char *entry;
        if (error_is_temporary(result))
            continue;
        entry = entry_of(do_return, "");
        assert_non_null(strstr(entry, "[{\"seq\":5,\"error\":{\"code\":\"failed\",\"message\":\"the function "
                                      "returned"));
        assert_int_equal(told, before + 1);
        assert_int_equal(told_error, result);
    }
    result = 3;
    assert_non_null(strstr(entry_of(do_return, ""), "the function returned 3, which has no meaning"));
    assert_int_equal(told_error, SLUICE_E_ARGUMENT);
}

static int do_too_much(sluice_event *event, void *arg)
{
    static char text[400000];

    (void)arg;
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < 3; i++)
        sluice_send(event, "c.2", "news", sluice_doc(event, "%s", text), NULL);
    return SLUICE_DONE;
}

static int do_too_many(sluice_event *event, void *arg)
{
    (void)arg;
    for (int i = 0; i < 1025; i++)
        sluice_send(event, "c.2", "news", NULL, NULL);
    return SLUICE_DONE;
}

static void test_step_that_fits_no_request_ends_the_event(void **state)
{
    (void)state;
    assert_non_null(strstr(entry_of(do_too_much, ""), "\"failed\",\"message\":\"3 operations with 1200"));
    assert_int_equal(told_error, SLUICE_E_TOO_LARGE);
    assert_non_null(strstr(entry_of(do_too_many, ""), "\"failed\",\"message\":\"1025 operations"));
    assert_int_equal(told, 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, member_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_operations_are_the_effects),
        TEST(test_nothing_done_is_handled_too),
        TEST(test_retry_drops_the_effects),
        TEST(test_refusal_is_an_effect_or_the_end_of_the_event),
        TEST(test_function_that_failed_ends_the_event),
        TEST(test_errors_that_may_pass_come_again),
        TEST(test_other_errors_end_the_event),
        TEST(test_step_that_fits_no_request_ends_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
