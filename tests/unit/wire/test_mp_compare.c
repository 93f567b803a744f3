#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "support/random.h"
#include "wire/mp.h"

static struct mp_token from_uint(uint64_t value)
{
    return (struct mp_token){.type = MP_UINT, .uint = value};
}

static struct mp_token from_int(int64_t value)
{
    return value < 0 ? (struct mp_token){.type = MP_INT, .sint = value} : from_uint((uint64_t)value);
}

static struct mp_token from_real(double value)
{
    return (struct mp_token){.type = MP_FLOAT, .real = value};
}

static void assert_order(struct mp_token a, struct mp_token b, int want)
{
    assert_int_equal(mp_compare_numbers(&a, &b), want);
    assert_int_equal(mp_compare_numbers(&b, &a), -want);
}

static void test_integers_and_floats_compare_without_rounding(void **state)
{
    (void)state;
    assert_order(from_uint(1), from_real(1.0), 0);
    assert_order(from_uint(0), from_real(-0.0), 0);
    assert_order(from_int(-1), from_real(-1.0), 0);
    assert_order(from_uint(1), from_real(1.5), -1);
    assert_order(from_int(-1), from_real(-1.5), 1);
    assert_order(from_int(-2), from_real(-1.5), -1);
    assert_order(from_uint(0), from_real(5e-324), -1);
    assert_order(from_uint(0), from_real(-5e-324), 1);
    assert_order(from_int(-1), from_real(-5e-324), -1);
    /* 2^53 + 1 is no double: a cast would make these equal. */
    assert_order(from_uint(9007199254740993), from_real(9007199254740992.0), 1);
    assert_order(from_int(-9007199254740993), from_real(-9007199254740992.0), -1);
    assert_order(from_uint(UINT64_MAX), from_real(0x1p64), -1);
    assert_order(from_uint(UINT64_MAX), from_real(0x1.fffffffffffffp63), 1);
    assert_order(from_int(INT64_MAX), from_real(0x1p63), -1);
    assert_order(from_int(INT64_MIN), from_real(0x1p63), -1);
    assert_order(from_int(-1), from_real(0x1p63), -1);
    assert_order(from_int(INT64_MIN), from_real(-0x1p63), 0);
    assert_order(from_int(INT64_MIN), from_real(-0x1.0000000000001p63), 1);
    assert_order(from_int(INT64_MIN + 1), from_real(-0x1p63), 1);
    assert_order(from_uint(UINT64_MAX), from_real(INFINITY), -1);
    assert_order(from_int(INT64_MIN), from_real(-INFINITY), 1);
}

static void test_integers_compare_across_their_signs(void **state)
{
    (void)state;
    assert_order(from_int(-1), from_uint(UINT64_MAX), -1);
    assert_order(from_int(INT64_MIN), from_uint(0), -1);
    assert_order(from_uint(UINT64_MAX), from_uint(UINT64_MAX - 1), 1);
    assert_order(from_int(-5), from_int(-4), -1);
    assert_order(from_int(-5), from_int(-5), 0);
    /* A token made by hand may hold a positive number as MP_INT. */
    assert_order((struct mp_token){.type = MP_INT, .sint = 5}, from_uint(5), 0);
    assert_order((struct mp_token){.type = MP_INT, .sint = 5}, from_int(-5), 1);
}

static void test_what_is_no_number_has_no_order(void **state)
{
    (void)state;
    struct mp_token one = from_uint(1);
    struct mp_token nan = from_real(NAN);
    struct mp_token real = from_real(1.0);
    struct mp_token text = {.type = MP_STR, .bytes = "1", .len = 1};
    assert_int_equal(mp_compare_numbers(&nan, &one), 2);
    assert_int_equal(mp_compare_numbers(&one, &nan), 2);
    assert_int_equal(mp_compare_numbers(&nan, &nan), 2);
    assert_int_equal(mp_compare_numbers(&real, &nan), 2);
    assert_int_equal(mp_compare_numbers(&text, &one), 2);
    assert_int_equal(mp_compare_numbers(&one, &text), 2);
}

#if __LDBL_MANT_DIG__ >= 64
static struct mp_token random_number(struct random *r, long double *exact)
{
    struct mp_token token;
    uint64_t bits = random_next(r) >> random_below(r, 64);
    uint64_t kind = random_below(r, 4);
    if (kind == 0) {
        token = from_uint(bits);
        *exact = bits;
    } else if (kind == 1) {
        token = from_int(-(int64_t)(bits >> 1));
        *exact = -(long double)(bits >> 1);
    } else if (kind == 2) { /* near whole numbers, where casts go wrong */
        double real = nextafter((double)bits, random_below(r, 2) ? INFINITY : -INFINITY);
        real = random_below(r, 2) ? real : -real;
        token = from_real(real);
        *exact = real;
    } else {
        double real = (double)(int64_t)random_next(r) / (double)(1u << random_below(r, 31));
        token = from_real(real);
        *exact = real;
    }
    return token;
}

/* A long double of 64 bits and more holds all of these exactly. */
static void test_random_numbers_compare_as_long_doubles_do(void **state)
{
    (void)state;
    struct random r = random_new("mp_compare");
    for (int i = 0; i < 300000; i++) {
        long double x;
        long double y;
        struct mp_token a = random_number(&r, &x);
        struct mp_token b = random_number(&r, &y);
        if (random_below(&r, 2)) { /* the same value as another type, or its neighbour */
            b = x < 0 ? from_real((double)x) : from_uint((uint64_t)x + random_below(&r, 2));
            y = x < 0 ? (long double)(double)x : (long double)b.uint;
        }
        int want = x < y ? -1 : x > y;
        if (mp_compare_numbers(&a, &b) != want)
            fail_msg("%Lg and %Lg: wanted %d", x, y, want);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_and_floats_compare_without_rounding),
        cmocka_unit_test(test_integers_compare_across_their_signs),
        cmocka_unit_test(test_what_is_no_number_has_no_order),
#if __LDBL_MANT_DIG__ >= 64
        cmocka_unit_test(test_random_numbers_compare_as_long_doubles_do),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
