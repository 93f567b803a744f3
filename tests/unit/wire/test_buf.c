#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "wire/buf.h"

static void test_new_buffer_is_empty_and_holds_no_memory(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    buf_put(&b, NULL, 0);
    buf_put_text(&b, "");
    assert_null(b.data);
    assert_false(b.failed);
    buf_deinit(&b);
}

static void test_appends_follow_each_other_while_it_grows(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < 100000; i++) {
        buf_put_byte(&b, (uint8_t)i);
        buf_put(&b, "xyz", 3);
    }
    assert_int_equal(b.len, 400000);
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(b.data[4 * i], (uint8_t)i);
        assert_memory_equal(b.data + 4 * i + 1, "xyz", 3);
    }
    assert_false(b.failed);
    buf_deinit(&b);
    assert_null(b.data);
    assert_int_equal(b.cap, 0);
}

static void test_grow_gives_the_place_of_the_new_bytes(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_non_null(buf_grow(&b, 0));
    assert_int_equal(b.len, 0);
    buf_put_text(&b, "ab");
    uint8_t *place = buf_grow(&b, 3);
    memcpy(place, "cde", 3);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "abcde", 5);
    buf_deinit(&b);
}

static void test_reserve_makes_room_without_content(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_true(buf_reserve(&b, 1000));
    assert_int_equal(b.len, 0);
    uint8_t *before = b.data;
    for (int i = 0; i < 1000; i++)
        buf_put_byte(&b, 1);
    assert_ptr_equal(b.data, before);
    buf_deinit(&b);
}

static void test_printf_appends_short_and_long_text(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    char *want = NULL;
    for (size_t len = 0; len < 600; len++) {
        buf_reset(&b);
        buf_put_text(&b, ">");
        buf_printf(&b, "%0*d|%s", (int)len, 7, "end");
        int n = asprintf(&want, ">%0*d|%s", (int)len, 7, "end");
        assert_int_equal(b.len, n);
        assert_memory_equal(b.data, want, b.len);
        free(want);
    }
    buf_deinit(&b);
}

static void test_printf_fills_the_last_free_byte(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_true(buf_reserve(&b, 16));
    size_t cap = b.cap;
    assert_non_null(buf_grow(&b, cap - 4));
    buf_printf(&b, "%s", "abcd"); /* 4 bytes and the zero of vsnprintf */
    assert_int_equal(b.len, cap);
    assert_memory_equal(b.data + cap - 4, "abcd", 4);
    buf_deinit(&b);
}

static void test_reset_forgets_content_and_keeps_memory(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_put_text(&b, "old");
    uint8_t *before = b.data;
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    buf_put_text(&b, "new");
    assert_ptr_equal(b.data, before);
    assert_memory_equal(b.data, "new", 3);
    buf_deinit(&b);
}

static void test_take_gives_the_bytes_away(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    size_t len = 99;
    buf_put_text(&b, "abc");
    uint8_t *bytes = buf_take(&b, &len);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "abc", 3);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    free(bytes);
    assert_null(buf_take(&b, &len));
    assert_int_equal(len, 0);
}

static void test_refused_allocation_sticks_and_keeps_what_was_there(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    char big[4096] = {0};
    buf_put_text(&b, "kept");
    failing_alloc_start(0);
    buf_put(&b, big, sizeof(big));
    assert_true(failing_alloc_stop());
    assert_true(b.failed);
    assert_int_equal(b.len, 4);
    /* Now memory is there again, but the content would have a hole. */
    buf_put_byte(&b, 'x');
    buf_put(&b, big, sizeof(big));
    buf_printf(&b, "%d", 1);
    assert_null(buf_grow(&b, 1));
    assert_false(buf_reserve(&b, 1));
    assert_false(buf_reserve(&b, 0));
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "kept", 4);
    buf_reset(&b);
    buf_put(&b, big, sizeof(big));
    assert_false(b.failed);
    assert_int_equal(b.len, sizeof(big));
    buf_deinit(&b);
}

static void test_cut_content_is_never_given_away(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    size_t len = 99;
    buf_put_text(&b, "half");
    failing_alloc_start(0);
    assert_false(buf_reserve(&b, 100000));
    failing_alloc_stop();
    assert_null(buf_take(&b, &len));
    assert_int_equal(len, 0);
    assert_false(b.failed);
    assert_null(b.data);
}

static void test_sizes_beyond_memory_are_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_put_text(&b, "abc");
    assert_false(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_reset(&b);
    assert_false(buf_reserve(&b, SIZE_MAX - 2));
    buf_reset(&b);
    assert_null(buf_grow(&b, SIZE_MAX / 2 + 2));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_buffer_is_empty_and_holds_no_memory),
        cmocka_unit_test(test_appends_follow_each_other_while_it_grows),
        cmocka_unit_test(test_grow_gives_the_place_of_the_new_bytes),
        cmocka_unit_test(test_reserve_makes_room_without_content),
        cmocka_unit_test(test_printf_appends_short_and_long_text),
        cmocka_unit_test(test_printf_fills_the_last_free_byte),
        cmocka_unit_test(test_reset_forgets_content_and_keeps_memory),
        cmocka_unit_test(test_take_gives_the_bytes_away),
        cmocka_unit_test(test_refused_allocation_sticks_and_keeps_what_was_there),
        cmocka_unit_test(test_cut_content_is_never_given_away),
        cmocka_unit_test(test_sizes_beyond_memory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
