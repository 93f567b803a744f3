#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/turn_failed.h"
#include "support/failing_alloc.h"
#include "wire/json.h"
#include "wire/mp.h"

#define LIMIT (512 * 1024)

static void add(struct turn_failed *failed, uint64_t seq, enum code code, const char *message, const char *at)
{
    struct fault fault = {.code = code};
    snprintf(fault.message, sizeof(fault.message), "%s", message);
    snprintf(fault.at, sizeof(fault.at), "%s", at);
    turn_failed_add(failed, seq, &fault, THEN_AGAIN);
}

static void expect_json(struct turn_failed *failed, const char *wanted)
{
    struct buf json = BUF_INIT;
    struct blob *blob = turn_failed_take(failed);
    assert_non_null(blob);
    assert_true(mp_to_json(blob->data, blob->len, &json));
    buf_put_byte(&json, 0);
    assert_string_equal(json.data, wanted);
    buf_deinit(&json);
    blob_unref(blob);
}

static void test_empty_list_is_nothing(void **state)
{
    (void)state;
    struct turn_failed failed;
    assert_int_equal(turn_failed_init(&failed, 0, LIMIT), 0);
    assert_null(turn_failed_take(&failed));
    assert_int_equal(turn_failed_init(&failed, 2, LIMIT), 0);
    turn_failed_skip(&failed);
    turn_failed_skip(&failed);
    assert_null(turn_failed_take(&failed));
}

static void test_items_tell_code_message_place_and_what_follows(void **state)
{
    (void)state;
    struct turn_failed failed;
    struct fault fault = {.code = CODE_BAD_FILTER, .message = "m", .at = "done[0]"};
    assert_int_equal(turn_failed_init(&failed, 3, LIMIT), 0);
    turn_failed_add(&failed, 1, &fault, THEN_DEAD);
    add(&failed, 2, CODE_CONFLICT, "n", "");
    fault.code = CODE_LEASE_EXPIRED;
    turn_failed_add(&failed, UINT64_MAX, &fault, THEN_NONE);
    expect_json(&failed,
                "[{\"seq\":1,\"code\":\"bad_filter\",\"message\":\"m\",\"at\":\"done[0]\",\"then\":\"dead\"},"
                "{\"seq\":2,\"code\":\"conflict\",\"message\":\"n\",\"then\":\"again\"},"
                "{\"seq\":18446744073709551615,\"code\":\"lease_expired\",\"message\":\"m\",\"at\":"
                "\"done[0]\",\"then\":\"none\"}]");
}

/* How many items of @entries, each with a long message, the list has, and how many of these messages. */
static uint32_t fill(struct turn_failed *failed, uint32_t entries, unsigned *messages)
{
    char message[256];
    memset(message, 'x', 255);
    message[255] = 0;
    for (uint32_t i = 0; i < entries; i++)
        add(failed, UINT64_MAX - i, CODE_SESSION_TOO_LARGE, message, message + 100);
    struct blob *blob = turn_failed_take(failed);
    struct mp_reader r = mp_reader(blob->data, blob->len), value;
    struct mp_token list, text;
    struct fault fault;
    const struct mp_rules rules = {.depth = 4};
    assert_int_equal(mp_check(blob->data, blob->len, &rules, NULL, &fault), 0);
    assert_true(mp_next(&r, &list));
    *messages = 0;
    for (uint32_t i = 0; i < list.count; i++) {
        assert_true(mp_map_get(r, "seq", 3, &value) && mp_next(&value, &text));
        assert_true(text.uint == UINT64_MAX - i);
        assert_true(mp_map_get(r, "message", 7, &value) && mp_next(&value, &text));
        *messages += text.len > 0;
        assert_true(mp_map_get(r, "then", 4, &value));
        mp_skip(&r);
    }
    blob_unref(blob);
    return list.count;
}

static void test_list_grows_for_messages_up_to_its_limit(void **state)
{
    (void)state;
    struct turn_failed failed;
    unsigned messages;
    assert_int_equal(turn_failed_init(&failed, 500, LIMIT), 0);
    assert_int_equal(fill(&failed, 500, &messages), 500);
    assert_int_equal(messages, 500);
    assert_int_equal(turn_failed_init(&failed, 2048, 300000), 0);
    assert_int_equal(fill(&failed, 2048, &messages), 2048);
    assert_in_range(messages, 350, 600); /* 100 KB are left for them, and what short items save */
}

/* An entry that was applied makes room for the others' messages. */
static void test_room_of_what_was_applied_is_for_the_rest(void **state)
{
    (void)state;
    struct turn_failed failed;
    unsigned all, messages;
    assert_int_equal(turn_failed_init(&failed, 2000, 1), 0);
    assert_int_equal(fill(&failed, 2000, &all), 2000);
    assert_int_equal(turn_failed_init(&failed, 2000, 1), 0);
    for (int i = 0; i < 1900; i++)
        turn_failed_skip(&failed);
    assert_int_equal(fill(&failed, 100, &messages), 100);
    assert_in_range(all, 1, 200);
    assert_int_equal(messages, 100);
}

static void test_refused_memory_costs_messages_and_no_item(void **state)
{
    (void)state;
    for (unsigned long n = 0;; n++) {
        struct turn_failed failed;
        unsigned messages = 0;
        failing_alloc_start(n);
        if (turn_failed_init(&failed, 500, LIMIT) < 0) {
            assert_true(failing_alloc_stop());
            continue;
        }
        assert_int_equal(fill(&failed, 500, &messages), 500);
        if (!failing_alloc_stop()) {
            assert_int_equal(messages, 500);
            break;
        }
        assert_true(messages > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_list_is_nothing),
        cmocka_unit_test(test_items_tell_code_message_place_and_what_follows),
        cmocka_unit_test(test_list_grows_for_messages_up_to_its_limit),
        cmocka_unit_test(test_room_of_what_was_applied_is_for_the_rest),
        cmocka_unit_test(test_refused_memory_costs_messages_and_no_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
