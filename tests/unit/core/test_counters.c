#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "core/counters.h"

static void test_counter_rows_name_and_read_each_counter(void **state)
{
    (void)state;
    struct counters counters = {.connections = 3, .listener_restarts = 9};
    assert_int_equal(counters_count() * sizeof(uint64_t), sizeof(counters));
    struct counter_row first = counters_row(&counters, 0);
    struct counter_row last = counters_row(&counters, counters_count() - 1);
    assert_string_equal(first.name, "connections");
    assert_int_equal(first.kind, COUNTER_GAUGE);
    assert_int_equal(first.value, 3);
    assert_string_equal(last.name, "listener_restarts");
    assert_string_equal(last.unit, "restarts");
    assert_int_equal(last.kind, COUNTER_COUNTER);
    assert_int_equal(last.value, 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_rows_name_and_read_each_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
