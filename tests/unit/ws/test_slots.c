/* slots: read buffers that cost address space only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ws/slots.h"

#define COUNT 4

static unsigned resident_pages(void *slot)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char pages[64] = {0};
    unsigned count = 0;
    assert_true(SLOT_BYTES / page <= sizeof(pages));
    assert_int_equal(mincore(slot, SLOT_BYTES, pages), 0);
    for (size_t i = 0; i < SLOT_BYTES / page; i++)
        count += pages[i] & 1;
    return count;
}

static void *get(size_t size)
{
    return slots_realloc(NULL, size, "test");
}

static void drop(void *block)
{
    assert_null(slots_realloc(block, 0, "test"));
}

static void test_a_slot_takes_no_memory_until_it_is_written(void **state)
{
    (void)state;
    char *slot = get(SLOT_BYTES);
    assert_int_equal(slots_taken(), 1);
    assert_int_equal((uintptr_t)slot % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_int_equal(resident_pages(slot), 0);
    slot[0] = slot[100] = 1;
    assert_int_equal(resident_pages(slot), 1);
    memset(slot, 7, SLOT_BYTES);
    drop(slot);
    assert_int_equal(slots_taken(), 0);
    assert_ptr_equal(get(SLOT_BYTES), slot); /* taken again, and empty */
    assert_int_equal(resident_pages(slot), 0);
    drop(slot);
}

static void test_slots_do_not_overlap_and_the_heap_serves_the_rest(void **state)
{
    (void)state;
    char *blocks[COUNT + 2];
    for (int i = 0; i < COUNT + 2; i++) {
        blocks[i] = get(SLOT_BYTES - (size_t)i);
        assert_non_null(blocks[i]);
        memset(blocks[i], i + 1, SLOT_BYTES - (size_t)i);
    }
    assert_int_equal(slots_taken(), COUNT);
    for (int i = 0; i < COUNT + 2; i++) {
        assert_int_equal(blocks[i][0], i + 1);
        assert_int_equal(blocks[i][SLOT_BYTES - (size_t)i - 1], i + 1);
    }
    for (int i = COUNT + 2; i-- > 0;)
        drop(blocks[i]);
    assert_int_equal(slots_taken(), 0);
}

static void test_other_sizes_come_from_the_heap(void **state)
{
    (void)state;
    char *small = get(SLOT_BYTES / 2), *large = get(SLOT_BYTES + 1);
    assert_int_equal(slots_taken(), 0);
    small = slots_realloc(small, SLOT_BYTES, "test"); /* and stay there */
    assert_non_null(small);
    assert_int_equal(slots_taken(), 0);
    drop(small);
    drop(large);
    drop(NULL);
}

static void test_a_slot_that_grows_moves_to_the_heap(void **state)
{
    (void)state;
    char *slot = get(SLOT_BYTES);
    memset(slot, 5, SLOT_BYTES);
    assert_ptr_equal(slots_realloc(slot, 100, "test"), slot);
    char *moved = slots_realloc(slot, SLOT_BYTES + 100, "test");
    assert_non_null(moved);
    assert_int_equal(slots_taken(), 0);
    assert_int_equal(moved[0], 5);
    assert_int_equal(moved[SLOT_BYTES - 1], 5);
    drop(moved);
}

static int setup(void **state)
{
    (void)state;
    slots_install(COUNT);
    slots_install(COUNT + 1); /* does nothing */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slot_takes_no_memory_until_it_is_written),
        cmocka_unit_test(test_slots_do_not_overlap_and_the_heap_serves_the_rest),
        cmocka_unit_test(test_other_sizes_come_from_the_heap),
        cmocka_unit_test(test_a_slot_that_grows_moves_to_the_heap),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
