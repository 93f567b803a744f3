#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Each allocation in turn is refused to the transcoders: the buffer says so, nothing leaks, and the text is
 * not blamed. */

#include "support/failing_alloc.h"
#include "wire/json.h"
#include "wire/mp.h"

/* Long and deep enough to make every kind of append the one that needs memory. */
static void make_document(struct buf *text)
{
    buf_put_text(text, "{\"list\":[");
    for (int i = 0; i < 40; i++)
        buf_printf(text,
                   "%s{\"number\":%d,\"real\":%d.5,\"text\":\"some text that is longer than 31 bytes %d\","
                   "\"escaped\":\"a\\nlong text with an escape and more than 31 bytes\\u20ac\"}",
                   i ? "," : "", i * 1000, i, i);
    buf_put_text(text, "],\"words\":[null,true,false,-1,-0.0,18446744073709551615]}");
}

static void test_json_to_mp_fails_the_buffer_only(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    unsigned long n = 0;
    make_document(&text);
    for (;; n++) {
        struct buf out = BUF_INIT;
        size_t offset = 0;
        failing_alloc_start(n);
        const char *error = json_to_mp((char *)text.data, text.len, &out, &offset);
        bool was_refused = failing_alloc_stop();
        assert_null(error);
        assert_int_equal(out.failed, was_refused);
        buf_deinit(&out);
        if (!was_refused)
            break;
    }
    assert_true(n >= 4);
    buf_deinit(&text);
}

static void test_bad_text_is_still_found_without_memory(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    make_document(&text);
    text.data[text.len - 1] = ']';
    for (unsigned long n = 0; n < 4; n++) {
        struct buf out = BUF_INIT;
        size_t offset = 0;
        failing_alloc_start(n);
        const char *error = json_to_mp((char *)text.data, text.len, &out, &offset);
        assert_true(failing_alloc_stop());
        assert_string_equal(error, "a ',' or '}' must stand here");
        assert_int_equal(offset, text.len - 1);
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
    }
    buf_deinit(&text);
}

/* One string alone needs memory again and again; the text behind it is read all the same. */
static void test_a_long_string_with_escapes_is_read_without_memory(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    unsigned long n = 0;
    bool was_refused = true;
    buf_put_byte(&text, '"');
    for (int i = 0; i < 200; i++)
        buf_put_text(&text, "a run\\n\\u20ac\xc3\xa4, ");
    buf_put_text(&text, "\x01\"");
    size_t fault = text.len - 2;
    for (; was_refused; n++) {
        struct buf out = BUF_INIT;
        size_t offset = 0;
        failing_alloc_start(n);
        const char *error = json_to_mp((char *)text.data, text.len, &out, &offset);
        was_refused = failing_alloc_stop();
        assert_string_equal(error, "control character in a string");
        assert_int_equal(offset, fault);
        buf_deinit(&out);
    }
    assert_true(n >= 4);
    buf_deinit(&text);
}

static void test_mp_to_json_fails_the_buffer_only(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    struct buf mp = BUF_INIT;
    size_t offset;
    unsigned long n = 0;
    make_document(&text);
    assert_null(json_to_mp((char *)text.data, text.len, &mp, &offset));
    buf_put_byte(&mp, 0xc4);
    buf_put_byte(&mp, 200);
    buf_put(&mp, text.data, 200);
    for (;; n++) {
        struct buf out = BUF_INIT;
        struct mp_reader r = mp_reader(mp.data, mp.len);
        const uint8_t *value;
        size_t len;
        failing_alloc_start(n);
        while (mp_raw(&r, &value, &len))
            assert_true(mp_to_json(value, len, &out));
        bool was_refused = failing_alloc_stop();
        assert_int_equal(out.failed, was_refused);
        buf_deinit(&out);
        if (!was_refused)
            break;
    }
    assert_true(n >= 4);
    buf_deinit(&text);
    buf_deinit(&mp);
}

static void test_members_are_walked_without_memory_for_their_keys(void **state)
{
    (void)state;
    static const char text[] = "{\"a\\n\":1,\"b\":2}";
    for (unsigned long n = 0; n < 2; n++) {
        struct json_reader r = json_reader(text, sizeof(text) - 1);
        struct buf key = BUF_INIT;
        struct buf value = BUF_INIT;
        bool was_failed = false;
        int members = 0;
        failing_alloc_start(n);
        assert_true(json_object(&r));
        while (json_member(&r, &key)) {
            members++;
            was_failed = was_failed || key.failed;
            assert_true(json_value(&r, &value));
            was_failed = was_failed || value.failed;
        }
        assert_true(failing_alloc_stop());
        assert_true(was_failed);
        assert_int_equal(members, 2);
        assert_null(r.error);
        buf_deinit(&key);
        buf_deinit(&value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_to_mp_fails_the_buffer_only),
        cmocka_unit_test(test_bad_text_is_still_found_without_memory),
        cmocka_unit_test(test_a_long_string_with_escapes_is_read_without_memory),
        cmocka_unit_test(test_mp_to_json_fails_the_buffer_only),
        cmocka_unit_test(test_members_are_walked_without_memory_for_their_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
