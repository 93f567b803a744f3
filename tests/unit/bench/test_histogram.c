#include "bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct histogram h;

static int fresh(void **state)
{
    (void)state;
    histogram_init(&h);
    return 0;
}

static void test_empty_one_has_zeros(void **state)
{
    (void)state;
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    assert_int_equal(histogram_quantile(&h, 1.0), 0);
    assert_true(histogram_mean(&h) == 0.0);
}

static void test_small_values_are_exact(void **state)
{
    (void)state;
    for (uint64_t v = 1; v <= 100; v++)
        histogram_record(&h, v);
    assert_int_equal(histogram_quantile(&h, 0.0), 1);
    assert_int_equal(histogram_quantile(&h, 0.5), 50);
    assert_int_equal(histogram_quantile(&h, 0.501), 51);
    assert_int_equal(histogram_quantile(&h, 0.99), 99);
    assert_int_equal(histogram_quantile(&h, 1.0), 100);
    assert_true(histogram_mean(&h) == 50.5);
}

static void test_any_value_is_at_most_one_128th_too_high(void **state)
{
    (void)state;
    for (uint64_t v = 1; v < 1ULL << HISTOGRAM_MAX_BITS; v += v / 5 + 1) {
        uint64_t got;

        histogram_init(&h);
        histogram_record(&h, v);
        histogram_record(&h, UINT64_MAX); /* else the maximum would hide the slot's end */
        got = histogram_quantile(&h, 0.5);
        assert_true(got >= v);
        assert_true(got - v <= v / 128);
    }
}

/* Slots that overlap or leave gaps would give two values in a row one order or another wrong. */
static void test_slots_follow_each_other_at_each_power_of_two(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit < HISTOGRAM_MAX_BITS; bit++) {
        uint64_t power = 1ULL << bit;

        histogram_init(&h);
        histogram_record(&h, power - 1);
        histogram_record(&h, power);
        histogram_record(&h, UINT64_MAX);
        assert_int_equal(histogram_quantile(&h, 0.3), power - 1);
        assert_true(histogram_quantile(&h, 0.6) >= power);
        assert_true(histogram_quantile(&h, 0.6) <= power + power / 128);
    }
}

static void test_value_beyond_the_range_counts_and_keeps_the_maximum_exact(void **state)
{
    (void)state;
    histogram_record(&h, 7);
    histogram_record(&h, (1ULL << HISTOGRAM_MAX_BITS) + 12345);
    assert_int_equal(h.count, 2);
    assert_int_equal(histogram_quantile(&h, 0.5), 7);
    assert_int_equal(histogram_quantile(&h, 1.0), (1ULL << HISTOGRAM_MAX_BITS) + 12345);
}

static void test_quantile_never_exceeds_the_maximum(void **state)
{
    (void)state;
    histogram_record(&h, 1000001);
    assert_int_equal(histogram_quantile(&h, 0.5), 1000001);
    assert_int_equal(h.min, 1000001);
}

static void test_rare_slow_one_shows_in_p999_but_not_in_p99(void **state)
{
    (void)state;
    for (int i = 0; i < 998; i++)
        histogram_record(&h, 100);
    histogram_record(&h, 5000000);
    histogram_record(&h, 5000000);
    assert_int_equal(histogram_quantile(&h, 0.99), 100);
    assert_true(histogram_quantile(&h, 0.999) >= 5000000);
}

static void test_merged_one_equals_one_that_saw_all(void **state)
{
    static struct histogram all, a, b;

    (void)state;
    histogram_init(&all);
    histogram_init(&a);
    histogram_init(&b);
    for (uint64_t v = 3; v < 1000000; v = v * 3 / 2) {
        histogram_record(&all, v);
        histogram_record(v % 2 ? &a : &b, v);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &all, sizeof(a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_empty_one_has_zeros, fresh),
        cmocka_unit_test_setup(test_small_values_are_exact, fresh),
        cmocka_unit_test_setup(test_any_value_is_at_most_one_128th_too_high, fresh),
        cmocka_unit_test_setup(test_slots_follow_each_other_at_each_power_of_two, fresh),
        cmocka_unit_test_setup(test_value_beyond_the_range_counts_and_keeps_the_maximum_exact, fresh),
        cmocka_unit_test_setup(test_quantile_never_exceeds_the_maximum, fresh),
        cmocka_unit_test_setup(test_rare_slow_one_shows_in_p999_but_not_in_p99, fresh),
        cmocka_unit_test_setup(test_merged_one_equals_one_that_saw_all, fresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
