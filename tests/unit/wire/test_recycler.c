#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "wire/recycler.h"

static void test_memory_of_every_size_can_be_written(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 2 * RECYCLER_MAX; size += size < 2048 ? 1 : 511) {
        void *memory = recycler_take(size);
        assert_non_null(memory);
        memset(memory, 0xaa, size);
        recycler_give(memory, size);
    }
    recycler_clear();
}

static void test_objects_under_way_are_different_ones(void **state)
{
    (void)state;
    uint8_t *objects[64];
    for (unsigned i = 0; i < 64; i++) {
        objects[i] = recycler_take(100 + i);
        memset(objects[i], (int)i, 100 + i);
    }
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = round; i < 64; i += 3) {
            assert_int_equal(objects[i][0], i);
            assert_int_equal(objects[i][99 + i], i);
            recycler_give(objects[i], 100 + i);
            objects[i] = recycler_take(100 + i);
            memset(objects[i], (int)i, 100 + i);
        }
    }
    for (unsigned i = 0; i < 64; i++)
        recycler_give(objects[i], 100 + i);
    recycler_clear();
}

static void test_refused_memory_is_told(void **state)
{
    (void)state;
    recycler_clear();
    failing_alloc_start(0);
    assert_null(recycler_take(100));
    assert_true(failing_alloc_stop());
    recycler_give(NULL, 100);
}

#ifndef RECYCLER_KEEPS_NOTHING

static void test_what_was_given_back_needs_no_malloc(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 500, 1024, 1025, 2049, 5000, RECYCLER_MAX};
    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        recycler_clear();
        recycler_give(recycler_take(sizes[i]), sizes[i]);
        failing_alloc_start(0);
        void *memory = recycler_take(sizes[i]);
        assert_non_null(memory);
        assert_false(failing_alloc_stop());
        recycler_give(memory, sizes[i]);
    }
    recycler_clear();
}

static void test_what_is_kept_has_a_bound(void **state)
{
    enum { COUNT = 4096 };
    static void *objects[COUNT];
    unsigned kept = 0;
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        objects[i] = recycler_take(4096);
    for (unsigned i = 0; i < COUNT; i++)
        recycler_give(objects[i], 4096);
    for (unsigned i = 0; i < COUNT; i++) {
        failing_alloc_start(0);
        objects[i] = recycler_take(4096);
        if (!failing_alloc_stop())
            kept++;
        else
            objects[i] = recycler_take(4096);
    }
    assert_in_range(kept, 100, COUNT / 2);
    for (unsigned i = 0; i < COUNT; i++)
        recycler_give(objects[i], 4096);
    recycler_clear();
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_of_every_size_can_be_written),
        cmocka_unit_test(test_objects_under_way_are_different_ones),
        cmocka_unit_test(test_refused_memory_is_told),
#ifndef RECYCLER_KEEPS_NOTHING
        cmocka_unit_test(test_what_was_given_back_needs_no_malloc),
        cmocka_unit_test(test_what_is_kept_has_a_bound),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
