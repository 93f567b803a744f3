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

/* ---- Turns ---- */

static struct turn_reply turn;

static int read_turn(const char *json)
{
    size_t offset;

    buf_reset(&bytes);
    assert_null(json_to_mp(json, strlen(json), &bytes, &offset));
    return turn_reply_read(&turn, bytes.data, bytes.len, 7, &fault);
}

static void test_reply_to_a_turn(void **state)
{
    struct failed_entry failed;

    (void)state;
    assert_int_equal(
        read_turn(
            "{\"v\":1,\"id\":7,\"epoch\":\"abc\",\"turn\":3,\"failed\":[{\"seq\":41,\"code\":\"conflict\","
            "\"message\":\"m\",\"at\":\"done[12].ops[1].if_version\",\"then\":\"again\"},{\"seq\":42,"
            "\"code\":"
            "\"of_the_future\",\"then\":\"dead\",\"at\":\"done[0]\"}],\"events\":[{},{}],\"pause_ms\":1000}"),
        0);
    assert_memory_equal(turn.epoch, "abc", 3);
    assert_int_equal(turn.event_count, 2);
    assert_int_equal(turn.failed_count, 2);
    assert_true(turn.pause_ms == 1000);
    assert_false(turn.is_released);
    assert_true(turn_reply_failed(&turn.failed, &failed));
    assert_int_equal(failed.seq, 41);
    assert_true(failed.is_again);
    assert_int_equal(failed.fault.error, SLUICE_E_CONFLICT);
    assert_string_equal(failed.fault.message, "m");
    assert_string_equal(failed.fault.at, "ops[1].if_version");
    assert_true(turn_reply_failed(&turn.failed, &failed));
    assert_false(failed.is_again);
    assert_int_equal(failed.fault.error, SLUICE_E_REFUSED);
    assert_string_equal(failed.fault.at, "");
}

static void test_what_a_turn_may_be_told(void **state)
{
    struct failed_entry failed;

    (void)state;
    assert_int_equal(read_turn("{\"id\":7,\"failed\":[7,{}],\"events\":[],\"released\":true}"), 0);
    assert_true(turn.is_released);
    assert_true(turn.pause_ms == 0);
    assert_null(turn.epoch);
    assert_false(turn_reply_failed(&turn.failed, &failed));
    assert_false(turn_reply_failed(&turn.failed, &failed));
    assert_int_equal(read_turn("{\"id\":8,\"failed\":[],\"events\":[]}"), SLUICE_E_PROTOCOL);
    assert_int_equal(read_turn("{\"id\":7,\"failed\":[]}"), SLUICE_E_PROTOCOL);
    assert_int_equal(read_turn("{\"id\":7,\"failed\":{},\"events\":[]}"), SLUICE_E_PROTOCOL);
    assert_int_equal(read_turn("[]"), SLUICE_E_PROTOCOL);
    assert_int_equal(read_turn("{\"id\":7,\"epoch\":\"e\",\"ok\":false,\"code\":\"unknown_member\"}"),
                     SLUICE_E_UNKNOWN_MEMBER);
    assert_memory_equal(turn.epoch, "e", 1);
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
        cmocka_unit_test_teardown(test_reply_to_a_turn, teardown),
        cmocka_unit_test_teardown(test_what_a_turn_may_be_told, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
