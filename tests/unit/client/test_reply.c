#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "reply.h"
#include "wire/json.h"

static struct buf bytes;
static struct reply reply;
static struct sluice_fault fault;

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&bytes);
    return 0;
}

/* Read the reply to request 7. */
static int read_json(const char *json)
{
    size_t offset;

    buf_reset(&bytes);
    assert_null(json_to_mp(json, strlen(json), &bytes, &offset));
    return reply_read(&reply, bytes.data, bytes.len, 7, &fault);
}

static void test_results_come_one_by_one(void **state)
{
    const uint8_t *raw;
    size_t len;

    (void)state;
    assert_int_equal(
        read_json("{\"v\":1,\"id\":7,\"epoch\":\"abc\",\"new\":[1],\"results\":[{\"ok\":true,\"matched\":3},"
                  "{\"ok\":false,\"code\":\"conflict\",\"message\":\"m\",\"at\":\"ops[1]\"}]}"),
        0);
    assert_int_equal(reply.count, 2);
    assert_memory_equal(reply.epoch, "abc", 3);
    assert_int_equal(reply_result(&reply.results, &raw, &len, &fault), 0);
    assert_int_equal(reply_result(&reply.results, &raw, &len, &fault), SLUICE_E_CONFLICT);
    assert_string_equal(fault.code, "conflict");
    assert_string_equal(fault.message, "m");
    assert_string_equal(fault.at, "ops[1]");
    assert_int_equal(reply_result(&reply.results, &raw, &len, &fault), SLUICE_E_PROTOCOL);
}

static void test_refused_request_is_its_error(void **state)
{
    (void)state;
    assert_int_equal(
        read_json(
            "{\"v\":1,\"id\":7,\"epoch\":\"abc\",\"ok\":false,\"code\":\"new_epoch\",\"message\":\"m\"}"),
        SLUICE_E_NEW_EPOCH);
    assert_int_equal(reply.epoch_len, 3);
    assert_int_equal(read_json("{\"ok\":false,\"code\":\"overloaded\"}"), SLUICE_E_OVERLOADED);
    assert_true(fault.message[0] != '\0'); /* a text of our own */
    assert_int_equal(read_json("{\"ok\":false,\"code\":\"of_the_future\",\"message\":\"m\"}"),
                     SLUICE_E_REFUSED);
    assert_string_equal(fault.code, "of_the_future");
}

static void test_what_is_no_reply_is_not_understood(void **state)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "7",
        "{\"id\":7}",
        "{\"id\":8,\"results\":[]}",
        "{\"id\":\"7\",\"results\":[]}",
        "{\"id\":7,\"results\":{}}",
        "{\"id\":7,\"ok\":true}",
        "{\"id\":7,\"ok\":3}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (read_json(bad[i]) != SLUICE_E_PROTOCOL)
            fail_msg("%s", bad[i]);
}

/* Whatever bytes come: no read beyond them (the sanitizers look), no result taken for a good one. */
static void test_cut_replies_are_refused(void **state)
{
    const uint8_t *raw;
    size_t len;

    (void)state;
    assert_int_equal(
        read_json("{\"v\":1,\"id\":7,\"epoch\":\"abc\",\"results\":[{\"ok\":true,\"matched\":3}]}"), 0);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes.data, cut);
        copy = realloc(copy, cut ? cut : 1);
        if (reply_read(&reply, copy, cut, 7, &fault) == 0)
            assert_int_equal(reply_result(&reply.results, &raw, &len, &fault), SLUICE_E_PROTOCOL);
        free(copy);
    }
}

static void test_results_that_are_no_results(void **state)
{
    static const char *const bad[] = {"3", "{}", "{\"ok\":1}", "[]"};
    const uint8_t *raw;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"id\":7,\"results\":[%s]}", bad[i]);
        assert_int_equal(read_json(json), 0);
        assert_int_equal(reply_result(&reply.results, &raw, &len, &fault), SLUICE_E_PROTOCOL);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_results_come_one_by_one),
        TEST(test_refused_request_is_its_error),
        TEST(test_what_is_no_reply_is_not_understood),
        TEST(test_cut_replies_are_refused),
        TEST(test_results_that_are_no_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
