#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/json_string.h"

/* Decode a copy of the very size, so that the address sanitizer sees a byte too many; where it stopped. */
static size_t decode(const void *text, size_t len, struct buf *out)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    size_t stop = (size_t)(json_string_decode(copy, copy + len, out) - copy);
    free(copy);
    return stop;
}

static void expect(const struct buf *text, size_t stop, const struct buf *want)
{
    struct buf out = BUF_INIT;
    buf_put_byte(&out, '<'); /* it appends */
    assert_int_equal(decode(text->data, text->len, &out), stop);
    assert_int_equal(out.len, 1 + want->len);
    assert_int_equal(out.data[0], '<');
    assert_memory_equal(out.data + 1, want->data ? want->data : out.data, want->len);
    buf_deinit(&out);
}

static void test_nothing_is_decoded_at_a_quote_or_the_end(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    struct buf want = BUF_INIT;
    buf_reserve(&text, 1);
    expect(&text, 0, &want);
    buf_put_text(&text, "\"abc\\n\"");
    expect(&text, 0, &want);
    buf_deinit(&text);
}

/* Text that is not ASCII, with and without blanks in it, shorter and longer than every copy and every room,
 * up to each thing that can end it. */
static void test_text_of_every_length_is_decoded_up_to_its_end(void **state)
{
    (void)state;
    static const char *const words[] = {"\xc3\xa4", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80", "\xd0\xb4 a",
                                        "\xe2\x82\xac\xc3\x9f, \xf4\x8f\xbf\xbf"};
    static const char *const ends[] = {"", "\"", "\x1f", "\\x", "\\", "\\u12"};
    for (size_t word = 0; word < 5; word++) {
        for (size_t count = 0; count < 90; count++) {
            for (size_t end = 0; end < sizeof(ends) / sizeof(ends[0]); end++) {
                for (size_t after = 0; after < 50; after += 7) {
                    struct buf text = BUF_INIT;
                    struct buf want = BUF_INIT;
                    buf_put_text(&text, "\\t");
                    buf_put_text(&want, "\t");
                    for (size_t i = 0; i < count; i++) {
                        buf_put_text(&text, words[word]);
                        buf_put_text(&want, words[word]);
                    }
                    size_t stop = text.len;
                    /* A quote would end the text otherwise, or make an escape of the backslash. */
                    bool has_more = *ends[end] && strcmp(ends[end], "\\") != 0;
                    buf_put_text(&text, ends[end]);
                    for (size_t i = 0; i < after && has_more; i++)
                        buf_put_byte(&text, '"');
                    expect(&text, stop, &want);
                    buf_deinit(&text);
                    buf_deinit(&want);
                }
            }
        }
    }
}

/* Of a row of backslashes each second one is the character; behind an even one a quote is the end. */
static void test_rows_of_backslashes_at_every_offset(void **state)
{
    (void)state;
    for (size_t before = 0; before < 140; before++) {
        for (size_t row = 0; row < 140; row++) {
            struct buf text = BUF_INIT;
            struct buf want = BUF_INIT;
            for (size_t i = 0; i < before; i++)
                buf_put_byte(&text, 'a');
            buf_put(&want, text.data, text.len);
            for (size_t i = 0; i < row; i++)
                buf_put_byte(&text, '\\');
            for (size_t i = 0; i < row / 2; i++)
                buf_put_byte(&want, '\\');
            buf_put_byte(&text, '"');
            if (row % 2 == 1)
                buf_put_text(&want, "\"");
            size_t stop = before + row + row % 2;
            for (int i = 0; i < 100; i++) /* so that it ends within a block, too */
                buf_put_byte(&text, '"');
            expect(&text, stop, &want);
            text.len = stop;
            expect(&text, stop, &want);
            buf_deinit(&text);
            buf_deinit(&want);
        }
    }
}

static void test_hexadecimal_digits_are_those_and_no_others(void **state)
{
    (void)state;
    static const char digits[] = "0123456789abcdefABCDEF";
    for (int at = 0; at < 4; at++) {
        for (int c = 1; c < 256; c++) {
            /* Far from the end of the text and near to it. */
            for (int after = 0; after < 120; after += 119) {
                char text[140];
                struct buf out = BUF_INIT;
                memset(text, '"', sizeof(text));
                memcpy(text, "\\u0041", 6);
                text[2 + at] = (char)c;
                size_t stop = decode(text, 7 + (size_t)after, &out);
                assert_int_equal(stop, strchr(digits, c) ? 6 : 0);
                buf_deinit(&out);
            }
        }
    }
}

static void test_a_buffer_that_failed_stays_as_it_is(void **state)
{
    (void)state;
    struct buf out = BUF_INIT;
    char text[500];
    memset(text, 'a', sizeof(text));
    memcpy(text + 200, "\\n\xc3\xa4\xc3\xa4\xc3\xa4", 8);
    text[400] = '"';
    buf_put_text(&out, "kept");
    out.failed = true;
    assert_int_equal(decode(text, sizeof(text), &out), 400);
    assert_int_equal(out.len, 4);
    assert_memory_equal(out.data, "kept", 4);
    assert_true(out.failed);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_decoded_at_a_quote_or_the_end),
        cmocka_unit_test(test_text_of_every_length_is_decoded_up_to_its_end),
        cmocka_unit_test(test_rows_of_backslashes_at_every_offset),
        cmocka_unit_test(test_hexadecimal_digits_are_those_and_no_others),
        cmocka_unit_test(test_a_buffer_that_failed_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
