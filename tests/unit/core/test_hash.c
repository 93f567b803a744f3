#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

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
        cmocka_unit_test(test_values_are_counted_once_whatever_their_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
