#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gaps.h"

static struct gaps gaps;

static int teardown(void **state)
{
    (void)state;
    gaps_reset(&gaps);
    return 0;
}

static uint64_t event(const char *name, uint64_t seq)
{
    return gaps_event(&gaps, name, 1, seq);
}

static uint64_t alive(const char *name, uint64_t seq)
{
    return gaps_alive(&gaps, name, 1, seq);
}

static void test_first_event_has_no_past(void **state)
{
    (void)state;
    assert_int_equal(event("a", 100), 0);
    assert_int_equal(event("a", 101), 0);
}

static void test_missing_numbers_are_lost_events(void **state)
{
    (void)state;
    event("a", 1);
    assert_int_equal(event("a", 5), 3);
    assert_int_equal(event("a", 6), 0);
}

static void test_names_count_apart(void **state)
{
    (void)state;
    event("a", 1);
    event("b", 10);
    assert_int_equal(event("a", 2), 0);
    assert_int_equal(event("b", 12), 1);
}

static void test_number_that_starts_again_is_no_gap(void **state)
{
    (void)state;
    event("a", 50);
    assert_int_equal(event("a", 1), 0);
    assert_int_equal(event("a", 2), 0);
    assert_int_equal(event("a", 1), 0); /* and again */
    event("a", 50);
    assert_int_equal(event("a", 4), 3); /* three of the new count did not come */
}

static void test_alive_shows_the_loss_of_the_last(void **state)
{
    (void)state;
    event("a", 7);
    assert_int_equal(alive("a", 7), 0);
    gaps_base(&gaps);
    assert_int_equal(alive("a", 9), 2);
    assert_int_equal(alive("a", 9), 0); /* told once */
    assert_int_equal(event("a", 10), 0);
}

static void test_first_alive_is_where_counting_begins(void **state)
{
    (void)state;
    assert_int_equal(alive("a", 1000), 0);
    gaps_base(&gaps);
    assert_int_equal(event("a", 1001), 0);
    assert_int_equal(event("a", 1003), 1);
}

static void test_name_that_a_later_alive_adds_was_missed(void **state)
{
    (void)state;
    alive("a", 1);
    gaps_base(&gaps);
    assert_int_equal(alive("b", 3), 1); /* at least one */
    assert_int_equal(alive("b", 4), 1);
}

static void test_alive_with_a_lower_number_began_anew(void **state)
{
    (void)state;
    event("a", 50);
    gaps_base(&gaps);
    assert_int_equal(alive("a", 2), 2);
    assert_int_equal(event("a", 3), 0);
}

static void test_reset_forgets(void **state)
{
    (void)state;
    event("a", 1);
    gaps_base(&gaps);
    gaps_reset(&gaps);
    assert_int_equal(event("a", 100), 0);
    assert_int_equal(alive("b", 5), 0);
}

static void test_table_has_a_bound(void **state)
{
    char name[16];

    (void)state;
    for (unsigned i = 0; i < 70000; i++) {
        int len = snprintf(name, sizeof(name), "n%u", i);
        gaps_event(&gaps, name, (size_t)len, 1);
    }
    assert_true(gaps.count <= 65536);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_first_event_has_no_past),
        TEST(test_missing_numbers_are_lost_events),
        TEST(test_names_count_apart),
        TEST(test_number_that_starts_again_is_no_gap),
        TEST(test_alive_shows_the_loss_of_the_last),
        TEST(test_first_alive_is_where_counting_begins),
        TEST(test_name_that_a_later_alive_adds_was_missed),
        TEST(test_alive_with_a_lower_number_began_anew),
        TEST(test_reset_forgets),
        TEST(test_table_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
