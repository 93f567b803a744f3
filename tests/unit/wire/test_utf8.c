#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/utf8.h"
#include "wire/utf8_vector.h"

/* Every code point there is, by the definition rather than by our encoder. */
static size_t encode_by_definition(unsigned c, unsigned char out[4])
{
    if (c < 0x80)
        return (void)(out[0] = (unsigned char)c), 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c /= 64)
        out[i] = (unsigned char)(0x80 + c % 64);
    out[0] = (unsigned char)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) + c);
    return n;
}

static void test_every_code_point_is_encoded_and_valid(void **state)
{
    (void)state;
    for (unsigned c = 0; c <= 0x10ffff; c++) {
        unsigned char want[4];
        char got[4];
        size_t n = encode_by_definition(c, want);
        bool is_surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(utf8_valid(want, n), !is_surrogate);
        assert_int_equal(utf8_char(want, n), is_surrogate ? 0 : n);
        if (is_surrogate)
            encode_by_definition(0xfffd, want);
        assert_int_equal(utf8_encode(c, got), n);
        assert_memory_equal(got, want, n);
        for (size_t cut = 1; cut < n && !is_surrogate; cut++) {
            assert_false(utf8_valid(want, cut));
            assert_int_equal(utf8_prefix(want, cut), 0);
        }
    }
}

static void test_no_code_point_beyond_the_last_is_encoded(void **state)
{
    (void)state;
    char got[4];
    assert_int_equal(utf8_encode(0x110000, got), 3);
    assert_memory_equal(got, "\xef\xbf\xbd", 3);
    assert_int_equal(utf8_encode(0xffffffff, got), 3);
}

/* All sequences of up to three bytes and, of four, those with bytes at the borders, against the grammar of
 * RFC 3629. */
static bool valid_by_grammar(const unsigned char *p, size_t n)
{
    while (n > 0) {
        size_t size = 0;
        unsigned low = 0x80;
        unsigned high = 0xbf;
        if (p[0] <= 0x7f)
            size = 1;
        else if (p[0] >= 0xc2 && p[0] <= 0xdf)
            size = 2;
        else if (p[0] >= 0xe0 && p[0] <= 0xef)
            size = 3;
        else if (p[0] >= 0xf0 && p[0] <= 0xf4)
            size = 4;
        if (size == 0 || size > n)
            return false;
        low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
        for (size_t i = 1; i < size; i++) {
            if (p[i] < (i == 1 ? low : 0x80) || p[i] > (i == 1 ? high : 0xbf))
                return false;
        }
        p += size;
        n -= size;
    }
    return true;
}

static void test_sequences_are_valid_as_the_grammar_says(void **state)
{
    (void)state;
    static const unsigned char borders[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
                                            0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1,
                                            0xf3, 0xf4, 0xf5, 0xf7, 0xf8, 0xfb, 0xfc, 0xfe, 0xff};
    unsigned char p[4];
    for (unsigned i = 0; i < 256 * 256; i++) {
        p[0] = (unsigned char)(i >> 8);
        p[1] = (unsigned char)i;
        if (utf8_valid(p, 2) != valid_by_grammar(p, 2))
            fail_msg("%02x %02x", p[0], p[1]);
        for (size_t j = 0; j < sizeof(borders); j++) {
            p[2] = borders[j];
            if (utf8_valid(p, 3) != valid_by_grammar(p, 3))
                fail_msg("%02x %02x %02x", p[0], p[1], p[2]);
            for (size_t k = 0; k < sizeof(borders) && p[0] >= 0xe0; k++) {
                p[3] = borders[k];
                if (utf8_valid(p, 4) != valid_by_grammar(p, 4))
                    fail_msg("%02x %02x %02x %02x", p[0], p[1], p[2], p[3]);
            }
        }
    }
}

/* How many bytes are whole characters, by the same grammar. */
static size_t prefix_by_grammar(const unsigned char *p, size_t n)
{
    size_t at = 0;
    for (size_t size = 1; size <= 4 && at + size <= n;) {
        bool is_character = valid_by_grammar(p + at, size);
        at += is_character ? size : 0;
        size = is_character ? 1 : size + 1;
    }
    return at;
}

/* Every pair of bytes, and tails at the edges, wherever it stands in text that is looked at in blocks. */
static void test_sequences_inside_long_text_are_valid_as_the_grammar_says(void **state)
{
    (void)state;
    static const unsigned char tails[] = {0x7f, 0x80, 0xbf, 0xc3};
    static const char *const around[] = {"x", "\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80"};
    for (unsigned i = 0; i < 256 * 256; i++) {
        const char *character = around[i % 4];
        size_t size = strlen(character), len = 49 + i % 16;
        unsigned char text[80];
        for (size_t j = 0; j < sizeof(tails) * sizeof(tails); j++) {
            size_t at = (i / 4 + j) % 16 + 16;
            for (size_t k = 0; k < len; k++)
                text[k] = (unsigned char)character[k % size];
            text[at] = (unsigned char)(i >> 8);
            text[at + 1] = (unsigned char)i;
            text[at + 2] = tails[j / sizeof(tails)];
            text[at + 3] = tails[j % sizeof(tails)];
            if (utf8_prefix(text, len) != prefix_by_grammar(text, len))
                fail_msg("%02x %02x %02x %02x at %zu of %zu, beside %zu bytes each", text[at], text[at + 1],
                         text[at + 2], text[at + 3], at, len, size);
        }
    }
}

/* The blocks are used where they can be, and never say more than is so. */
static void test_blocks_give_a_prefix(void **state)
{
    (void)state;
    static const char text[] =
        "Gr\xc3\xbc\xc3\x9f dich \xe4\xbd\xa0\xe5\xa5\xbd C: \xf0\x9f\x98\x80, all of it is fine";
    const uint8_t *bytes = (const uint8_t *)text;
    bool is_there = utf8_vector_prefix(bytes, sizeof(text)) > 0;
#if defined(__x86_64__)
    assert_true(is_there || !__builtin_cpu_supports("ssse3"));
#endif
    for (size_t len = 0; len < sizeof(text) && is_there; len++) {
        size_t n = utf8_vector_prefix(bytes, len), want = prefix_by_grammar(bytes, len);
        assert_true(n <= want && valid_by_grammar(bytes, n));
        if (want == len)
            assert_int_equal(n, len);
    }
}

static void test_prefix_ends_before_the_first_bad_byte_wherever_it_stands(void **state)
{
    (void)state;
    char text[64];
    for (size_t bad = 0; bad < sizeof(text); bad++) {
        memset(text, 'a', sizeof(text));
        text[bad] = '\xff';
        assert_int_equal(utf8_prefix(text, sizeof(text)), bad);
        assert_false(utf8_valid(text, sizeof(text)));
        text[bad] = '\xc3'; /* a lead without its tail */
        assert_int_equal(utf8_prefix(text, sizeof(text)), bad);
        assert_int_equal(utf8_prefix(text, bad), bad);
    }
    assert_true(utf8_valid("", 0));
    assert_true(utf8_valid(NULL, 0));
    assert_int_equal(utf8_char("", 0), 0);
}

static void test_cut_ends_at_a_character(void **state)
{
    (void)state;
    static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";
    static const size_t want[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t limit = 0; limit < 12; limit++)
        assert_int_equal(utf8_cut(text, 10, limit), want[limit]);
}

/* Every lead with every second byte, and tails at the edges of their range. */
static void test_a_character_is_the_same_as_a_word(void **state)
{
    (void)state;
    static const uint8_t tails[] = {0x00, 0x22, 0x7f, 0x80, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (int lead = 0x80; lead < 256; lead++)
        for (int second = 0; second < 256; second++)
            for (size_t i = 0; i < sizeof(tails); i++)
                for (size_t j = 0; j < sizeof(tails); j++) {
                    uint8_t bytes[4] = {(uint8_t)lead, (uint8_t)second, tails[i], tails[j]};
                    if (utf8_tailed(bytes) != utf8_char(bytes, 4))
                        fail_msg("%02x %02x %02x %02x", lead, second, tails[i], tails[j]);
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_point_is_encoded_and_valid),
        cmocka_unit_test(test_no_code_point_beyond_the_last_is_encoded),
        cmocka_unit_test(test_sequences_are_valid_as_the_grammar_says),
        cmocka_unit_test(test_sequences_inside_long_text_are_valid_as_the_grammar_says),
        cmocka_unit_test(test_blocks_give_a_prefix),
        cmocka_unit_test(test_prefix_ends_before_the_first_bad_byte_wherever_it_stands),
        cmocka_unit_test(test_cut_ends_at_a_character),
        cmocka_unit_test(test_a_character_is_the_same_as_a_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
