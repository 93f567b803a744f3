#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/json_text.h"

static struct json_text_bits bits_one_by_one(const uint8_t *p)
{
    struct json_text_bits bits = {0, 0, 0};
    for (unsigned i = 0; i < JSON_TEXT_BLOCK; i++) {
        uint64_t bit = (uint64_t)1 << i;
        bits.stops |= p[i] < 0x20 || p[i] == '"' || p[i] == '\\' ? bit : 0;
        bits.backslashes |= p[i] == '\\' ? bit : 0;
        bits.high |= p[i] >= 0x80 ? bit : 0;
    }
    return bits;
}

static void expect_bits(struct json_text_bits got, struct json_text_bits want)
{
    assert_int_equal(got.stops, want.stops);
    assert_int_equal(got.backslashes, want.backslashes);
    assert_int_equal(got.high, want.high);
}

static void expect_block(const uint8_t *p)
{
    struct json_text_bits want = bits_one_by_one(p);
    expect_bits(json_text_block(p), want);
    expect_bits(json_text_block_words(p), want);
}

static void test_each_byte_at_each_place_beside_each_other(void **state)
{
    (void)state;
    static const uint8_t others[] = {'a', 0x00, 0x1f, ' ',  '!',  '"',  '#',
                                     '[', '\\', ']',  0x7f, 0x80, 0xa2, 0xff};
    uint8_t block[JSON_TEXT_BLOCK];
    for (size_t other = 0; other < sizeof(others); other++) {
        memset(block, others[other], sizeof(block));
        for (unsigned at = 0; at < sizeof(block); at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                block[at] = (uint8_t)byte;
                expect_block(block);
            }
            block[at] = others[other];
        }
    }
}

/* A copy of the very size, so that the address sanitizer sees a byte too many. */
static void expect_run(const uint8_t *text, size_t len, size_t want, bool is_high)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, text, len);
    uint64_t high = 0;
    assert_int_equal(json_text_run(copy, copy + len, &high) - copy, want);
    assert_int_equal(high != 0, is_high);
    free(copy);
}

static void test_a_run_ends_at_each_place_of_each_length(void **state)
{
    (void)state;
    uint8_t text[160];
    memset(text, 'a', sizeof(text));
    for (size_t len = 0; len <= sizeof(text); len++) {
        expect_run(text, len, len, false);
        for (size_t at = 0; at < len; at++) {
            text[at] = at % 3 == 0 ? '"' : at % 3 == 1 ? '\\' : '\n';
            expect_run(text, len, at, false);
            if (at + 1 < len) { /* what is behind the end of the run is not told */
                text[at + 1] = 0xc3;
                expect_run(text, len, at, false);
                text[at + 1] = 'a';
            }
            text[at] = 0xc3;
            expect_run(text, len, len, true);
            text[at] = 'a';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_at_each_place_beside_each_other),
        cmocka_unit_test(test_a_run_ends_at_each_place_of_each_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
