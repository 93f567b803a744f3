#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/hash.h"
#include "core/value_set.h"
#include "wire/json.h"

#include <string.h>

/* The key 00 01 .. 0f and the inputs (nothing), 00, 00 01, ... of the paper's reference implementation. */
static void test_hash_has_the_values_of_the_paper(void **state)
{
    (void)state;
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t bytes[15];
    for (uint8_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = i;
    assert_true(hash_bytes(key, bytes, 0) == UINT64_C(0x726fdb47dd0e0e31));
    assert_true(hash_bytes(key, bytes, 15) == UINT64_C(0xa129ca6149be45e5)); /* the paper's own example */
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* All lengths, and of one text each with a bit changed, two words swapped, and another key. */
static void test_fingerprints_differ_where_anything_does(void **state)
{
    (void)state;
    enum { LEN = 75 };
    const uint64_t key[2] = {1, 2}, other[2] = {1, 1000003}, another[2] = {5, 2};
    static uint64_t prints[LEN + 1 + LEN * 8 + 3];
    uint8_t bytes[LEN] = {0};
    size_t count = 0;
    for (size_t len = 0; len <= LEN; len++)
        prints[count++] = hash_fingerprint(key, bytes, len); /* zeros, whose number is all there is */
    for (size_t i = 0; i < LEN; i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t bit = 0; bit < (size_t)LEN * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        prints[count++] = hash_fingerprint(key, bytes, LEN);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    prints[count++] = hash_fingerprint(other, bytes, LEN);
    prints[count++] = hash_fingerprint(another, bytes, LEN);
    for (size_t i = 0; i < 8; i++) {
        uint8_t swapped = bytes[i];
        bytes[i] = bytes[i + 16];
        bytes[i + 16] = swapped;
    }
    prints[count++] = hash_fingerprint(key, bytes, LEN);
    qsort(prints, count, sizeof(prints[0]), by_value);
    for (size_t i = 1; i < count; i++)
        assert_true(prints[i] != prints[i - 1]);
}

static void add(struct value_set *set, const char *json)
{
    struct buf mp = BUF_INIT;
    size_t offset;
    assert_null(json_to_mp(json, strlen(json), &mp, &offset));
    assert_int_equal(value_set_add(set, mp.data, mp.len), 0);
    buf_deinit(&mp);
}

static void test_values_are_counted_once_whatever_their_form(void **state)
{
    (void)state;
    const uint64_t key[2] = {1, 2};
    const struct {
        const char *json;
        size_t count;
    } rows[] = {
        {"1", 1},
        {"1.0", 1},
        {"1.5", 2},
        {"\"1\"", 3},
        {"true", 4},
        {"-3", 5},
        {"-3.0", 5},
        {"0", 6},
        {"-0.0", 6},
        {"9007199254740993", 7},
        {"9007199254740992.0", 8},
        {"18446744073709551615", 9},
        {"18446744073709551616", 10},
        {"\"a\"", 11},
        {"\"a\"", 11},
        {"null", 12},
        {"[1]", 13},
        {"[1]", 13},
    };
    struct value_set set;
    value_set_init(&set, key);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        add(&set, rows[i].json);
        if (set.count != rows[i].count)
            fail_msg("after %s: %zu", rows[i].json, set.count);
    }
    for (int i = 0; i < 1000; i++) {
        char text[16];
        int len = 0;
        for (int n = i + 1000; n > 0; n /= 10)
            text[len++] = (char)('0' + n % 10);
        text[len] = 0;
        if (text[0] != '0')
            add(&set, text);
    }
    assert_int_equal(set.count, 13 + 900);
    value_set_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_has_the_values_of_the_paper),
        cmocka_unit_test(test_fingerprints_differ_where_anything_does),
        cmocka_unit_test(test_values_are_counted_once_whatever_their_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
