#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

#include "support/bytes.h"
#include "support/failing_alloc.h"
#include "wire/mp.h"

#define ALLOW_ALL (MP_ALLOW_BIN | MP_ALLOW_EXT | MP_ALLOW_NONFINITE | MP_ALLOW_ANY_KEYS)

static int check(const struct buf *b, unsigned flags, unsigned depth, struct fault *fault)
{
    struct mp_rules rules = {.flags = flags, .depth = depth, .code = CODE_BAD_VALUE};
    /* A copy of the very size, so that the address sanitizer sees a byte too many. */
    uint8_t *copy = malloc(b->len ? b->len : 1);
    if (b->len > 0)
        memcpy(copy, b->data, b->len);
    memset(fault, 0, sizeof(*fault));
    int result = mp_check(copy, b->len, &rules, NULL, fault);
    free(copy);
    return result;
}

static void assert_checked(const char *hex, unsigned flags, const char *message, const char *at)
{
    struct buf b = BUF_INIT;
    struct fault fault;
    bytes_put_hex(&b, hex);
    int result = check(&b, flags, 0, &fault);
    if (!message) {
        if (result != 0)
            fail_msg("%s: %s at '%s'", hex, fault.message, fault.at);
        assert_int_equal(fault.code, CODE_OK);
    } else {
        if (result != -1)
            fail_msg("%s is accepted, not '%s'", hex, message);
        if (!strstr(fault.message, message) || strcmp(fault.at, at) != 0)
            fail_msg("%s: '%s' at '%s', not '%s' at '%s'", hex, fault.message, fault.at, message, at);
        assert_int_equal(fault.code, CODE_BAD_VALUE);
    }
    buf_deinit(&b);
}

static void test_well_formed_values_pass(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "c0",
        "c2",
        "00",
        "ff",
        "cf ffffffffffffffff",
        "d3 8000000000000000",
        "cb 3ff8000000000000",
        "ca 3fc00000",
        "a0",
        "a3 e282ac",
        "d9 01 61",
        "90",
        "80",
        "93 01 90 80",
        "82 a161 01 a162 81 a163 92 c0 c3",
        "dd 00000001 c0",
        "df 00000001 a161 c0",
        "82 a161 01 a161 02",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_checked(rows[i], 0, NULL, NULL);
}

static void test_malformed_bytes_are_refused_with_offset_and_place(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        const char *message;
        const char *at;
    } rows[] = {
        {"", "at byte 0: there is no value", ""},
        {"c1", "at byte 0: 0xc1 begins no value", ""},
        {"92 01", "at byte 0: an array of more values than the bytes left can hold", ""},
        {"92 01 c1", "at byte 2: 0xc1 begins no value", "[1]"},
        {"91 a2 61", "at byte 1: the value is cut", "[0]"},
        {"91 cf 00", "at byte 1: the value is cut", "[0]"},
        {"81 a161", "at byte 3: a value is missing at the end", "a"},
        {"81 a0 c1", "at byte 2: 0xc1 begins no value", "[\"\"]"},
        {"81 c0", "at byte 0: a map of more pairs than", ""},
        {"81 a161 c1", "at byte 3: 0xc1 begins no value", "a"},
        {"81 c1 c0", "at byte 1: 0xc1 begins no value", ""},
        {"dd ffffffff c0", "at byte 0: an array of more values", ""},
        {"df ffffffff c0", "at byte 0: a map of more pairs", ""},
        {"92 90 df 80000000", "at byte 2: a map of more pairs", "[1]"},
        {"92 91 c0 93 c0", "at byte 3: an array of more values", "[1]"},
        {"92 91 c0", "at byte 3: a value is missing at the end", "[1]"},
        {"db ffffffff", "at byte 0: the value is cut", ""},
        {"01 02", "at byte 1: something follows the value", ""},
        {"80 c0", "at byte 1: something follows the value", ""},
        {"81 a161 91 82 a162 01 a163 93 c0 c0 c1", "at byte 13: 0xc1 begins no value", "a[0].c[2]"},
        {"a1 ff", "at byte 1: a string is not UTF-8", ""},
        {"a3 61 e2 82", "at byte 2: a string is not UTF-8", ""},
        {"a3 eda080", "at byte 1: a string is not UTF-8", ""},
        {"81 a161 92 a162 a2 61c3", "at byte 8: a string is not UTF-8", "a[1]"},
        {"81 a161 81 a1 ff c0", "at byte 5: a string is not UTF-8", "a"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_checked(rows[i].hex, ALLOW_ALL, rows[i].message, rows[i].at);
}

static void test_each_permission_is_needed_and_enough(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        unsigned flag;
        const char *message;
        const char *at;
    } rows[] = {
        {"81 a161 c4 01 00", MP_ALLOW_BIN, "binary values are not allowed", "a"},
        {"92 c0 c6 00000001 00", MP_ALLOW_BIN, "binary values are not allowed", "[1]"},
        {"91 d4 01 00", MP_ALLOW_EXT, "extension types are not allowed", "[0]"},
        {"c7 00 05", MP_ALLOW_EXT, "extension types are not allowed", ""},
        {"cb 7ff8000000000000", MP_ALLOW_NONFINITE, "NaN and infinities are not allowed", ""},
        {"81 a161 cb 7ff0000000000000", MP_ALLOW_NONFINITE, "NaN and infinities are not allowed", "a"},
        {"91 cb fff0000000000000", MP_ALLOW_NONFINITE, "NaN and infinities are not allowed", "[0]"},
        {"ca 7f800000", MP_ALLOW_NONFINITE, "NaN and infinities are not allowed", ""},
        {"81 01 c0", MP_ALLOW_ANY_KEYS, "keys must be strings, not an integer", ""},
        {"81 a161 81 c0 c0", MP_ALLOW_ANY_KEYS, "keys must be strings, not nil", "a"},
        {"82 a161 c0 01 c0", MP_ALLOW_ANY_KEYS, "keys must be strings, not an integer", ""},
        {"81 c3 c0", MP_ALLOW_ANY_KEYS, "keys must be strings, not a boolean", ""},
        {"81 80 c0", MP_ALLOW_ANY_KEYS, "keys must be strings, not a map", ""},
        {"82 91 82 a161 01 02 03 c0 a162 c0", MP_ALLOW_ANY_KEYS, "keys must be strings, not an array", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_checked(rows[i].hex, ALLOW_ALL & ~rows[i].flag, rows[i].message, rows[i].at);
        assert_checked(rows[i].hex, rows[i].flag, NULL, NULL);
        assert_checked(rows[i].hex, rows[i].flag | MP_REFUSE_DUPLICATES, NULL, NULL);
    }
}

static void test_depth_ends_where_the_rules_say(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct fault fault;
    for (unsigned depth = 0; depth <= MP_DEPTH_MAX + 1; depth++) {
        for (int innermost = 0; innermost < 2; innermost++) { /* a scalar in it, or nothing */
            buf_reset(&b);
            for (unsigned i = 0; i < depth; i++)
                buf_put_byte(&b, i + 1 == depth && !innermost ? 0x80 : 0x91);
            if (depth == 0 || innermost)
                buf_put_byte(&b, 0xc0);
            assert_int_equal(check(&b, 0, 0, &fault), depth <= MP_DEPTH ? 0 : -1);
            assert_int_equal(check(&b, 0, 1000, &fault), depth <= MP_DEPTH_MAX ? 0 : -1);
            assert_int_equal(check(&b, 0, MP_DEPTH + 1, &fault), depth <= MP_DEPTH + 1 ? 0 : -1);
            assert_int_equal(check(&b, 0, 3, &fault), depth <= 3 ? 0 : -1);
            if (depth > 3) {
                assert_string_equal(fault.message, "nested deeper than 3");
                assert_string_equal(fault.at, "[0][0][0]");
            }
        }
    }
    buf_deinit(&b);
}

static void test_place_goes_on_below_the_callers(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct mp_rules rules = {.code = CODE_BAD_FILTER};
    struct place ops = place_key(NULL, "ops", 3);
    struct place op = place_index(&ops, 1);
    struct place filter = place_key(&op, "filter", 6);
    assert_int_equal(mp_check("\x81\xa3$or\x91\x81\x01\x02", 9, &rules, &filter, &fault), -1);
    assert_int_equal(fault.code, CODE_BAD_FILTER);
    assert_string_equal(fault.at, "ops[1].filter.$or[0]");
}

static void test_duplicates_are_refused_where_asked(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        const char *at; /* NULL: there is none */
    } rows[] = {
        {"82 a161 01 a161 02", "a"},
        {"82 a161 01 d90161 02", "a"}, /* another form of the same string */
        {"82 a0 01 a0 02", "[\"\"]"},
        {"83 a161 01 a162 02 a162 03", "b"},
        {"82 a161 01 a26161 02", NULL},
        {"82 a161 01 a141 02", NULL},
        {"81 a161 81 a161 81 a161 01", NULL}, /* the same key on other levels */
        {"92 81 a161 01 81 a161 01", NULL},
        {"81 a178 92 80 82 a161 01 a161 02", "x[1].a"},
        {"82 a161 82 a162 01 a163 02 a161 02", "a"}, /* found after an inner map */
        {"83 a161 82 a162 01 a163 02 a162 01 a163 03", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_checked(rows[i].hex, 0, NULL, NULL);
        assert_checked(rows[i].hex, MP_REFUSE_DUPLICATES, rows[i].at ? "key is in the map twice" : NULL,
                       rows[i].at);
    }
}

/* A map of @count different keys; key number @twin (if not 0) is the same as the one before. */
static void put_map(struct buf *b, unsigned count, unsigned twin)
{
    char key[64];
    mp_put_map(b, count);
    for (unsigned i = 0; i < count; i++) {
        /* One length and a long common beginning: the worst case for comparing. */
        snprintf(key, sizeof(key), "key-with-a-long-common-beginning-%06u", i == twin && twin ? i - 1 : i);
        mp_put_text(b, key);
        mp_put_nil(b);
    }
}

static void test_duplicates_are_found_in_maps_of_every_size(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct fault fault;
    for (unsigned count = 1; count < 300; count++) {
        buf_reset(&b);
        put_map(&b, count, 0);
        assert_int_equal(check(&b, MP_REFUSE_DUPLICATES, 0, &fault), 0);
        for (unsigned twin = 1; twin < count; twin += 1 + count / 5) {
            char at[64];
            buf_reset(&b);
            put_map(&b, count, twin);
            assert_int_equal(check(&b, 0, 0, &fault), 0);
            assert_int_equal(check(&b, MP_REFUSE_DUPLICATES, 0, &fault), -1);
            snprintf(at, sizeof(at), "key-with-a-long-common-beginning-%06u", twin - 1);
            assert_string_equal(fault.at, at);
        }
    }
    buf_deinit(&b);
}

static void test_many_nested_maps_share_the_memory_for_keys(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct fault fault;
    char key[16];
    /* 60 levels of 30 keys each; the next level is the value of the 30th. */
    for (int level = 0; level < 60; level++) {
        mp_put_map(&b, 30);
        for (int i = 0; i < 30; i++) {
            snprintf(key, sizeof(key), "%d", i);
            mp_put_text(&b, key);
            if (i < 29 || level == 59)
                mp_put_nil(&b);
        }
    }
    assert_int_equal(check(&b, MP_REFUSE_DUPLICATES, 0, &fault), 0);
    memcpy(b.data + b.len - 4,
           "\xa2"
           "28",
           3); /* the innermost "29" */
    assert_int_equal(check(&b, MP_REFUSE_DUPLICATES, 0, &fault), -1);
    buf_deinit(&b);
}

static void test_large_maps_take_no_quadratic_time(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct fault fault;
    struct timespec begin;
    struct timespec end;
    put_map(&b, 200000, 0); /* 2 * 10^10 comparisons would take more than a minute */
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
    assert_int_equal(check(&b, MP_REFUSE_DUPLICATES, 0, &fault), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    assert_true(end.tv_sec - begin.tv_sec < 5);
    buf_deinit(&b);
}

static void test_refused_memory_is_overloaded_not_bad_input(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct mp_rules rules = {.flags = MP_REFUSE_DUPLICATES, .code = CODE_BAD_VALUE};
    put_map(&b, 1000, 0);
    unsigned long n = 0;
    for (;; n++) {
        struct fault fault = {0};
        failing_alloc_start(n);
        int result = mp_check(b.data, b.len, &rules, NULL, &fault);
        if (!failing_alloc_stop()) {
            assert_int_equal(result, 0);
            break;
        }
        assert_int_equal(result, -1);
        assert_int_equal(fault.code, CODE_OVERLOADED);
    }
    assert_true(n >= 3);
    buf_deinit(&b);
}

static void test_small_values_need_no_memory(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct fault fault = {0};
    struct mp_rules rules = {.flags = MP_REFUSE_DUPLICATES, .code = CODE_BAD_VALUE};
    put_map(&b, 64, 0);
    failing_alloc_start(0);
    int result = mp_check(b.data, b.len, &rules, NULL, &fault);
    assert_false(failing_alloc_stop());
    assert_int_equal(result, 0);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_well_formed_values_pass),
        cmocka_unit_test(test_malformed_bytes_are_refused_with_offset_and_place),
        cmocka_unit_test(test_each_permission_is_needed_and_enough),
        cmocka_unit_test(test_depth_ends_where_the_rules_say),
        cmocka_unit_test(test_place_goes_on_below_the_callers),
        cmocka_unit_test(test_duplicates_are_refused_where_asked),
        cmocka_unit_test(test_duplicates_are_found_in_maps_of_every_size),
        cmocka_unit_test(test_many_nested_maps_share_the_memory_for_keys),
        cmocka_unit_test(test_large_maps_take_no_quadratic_time),
        cmocka_unit_test(test_refused_memory_is_overloaded_not_bad_input),
        cmocka_unit_test(test_small_values_need_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
