#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "arena.h"

static void test_memory_is_aligned_and_apart(void **state)
{
    struct arena arena = {NULL};
    unsigned char *last = NULL;

    (void)state;
    for (size_t size = 1; size < 300; size++) {
        unsigned char *memory = arena_alloc(&arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        memset(memory, (int)(size & 0xff), size);
        if (last)
            assert_int_equal(last[size - 2], (size - 1) & 0xff);
        last = memory;
    }
    arena_deinit(&arena);
}

static void test_large_needs_are_met(void **state)
{
    struct arena arena = {NULL};
    char *large = arena_alloc(&arena, 1000000);

    (void)state;
    assert_non_null(large);
    memset(large, 1, 1000000);
    assert_non_null(arena_alloc(&arena, 10));
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_text(&arena, "", SIZE_MAX));
    arena_deinit(&arena);
}

static void test_knows_its_own_memory(void **state)
{
    struct arena arena = {NULL};
    char outside, *a = arena_alloc(&arena, 16), *b = arena_alloc(&arena, 100000);

    (void)state;
    assert_true(arena_owns(&arena, a));
    assert_true(arena_owns(&arena, b + 99999));
    assert_false(arena_owns(&arena, &outside));
    assert_false(arena_owns(&arena, NULL));
    arena_reset(&arena);
    assert_false(arena_owns(&arena, a));
    arena_deinit(&arena);
}

static void test_reset_keeps_one_small_chunk(void **state)
{
    struct arena arena = {NULL};
    void *first = arena_alloc(&arena, 16), *again;

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&arena, 1000));
    arena_reset(&arena);
    again = arena_alloc(&arena, 16);
    assert_ptr_equal(first, again);
    arena_deinit(&arena);
    assert_null(arena.chunks);
    arena_alloc(&arena, 100000);
    arena_reset(&arena);
    assert_null(arena.chunks); /* a large one is not kept */
}

static void test_text_is_terminated(void **state)
{
    struct arena arena = {NULL};

    (void)state;
    assert_string_equal(arena_text(&arena, "hello", 4), "hell");
    assert_string_equal(arena_text(&arena, NULL, 0), "");
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_is_aligned_and_apart),
        cmocka_unit_test(test_large_needs_are_met),
        cmocka_unit_test(test_knows_its_own_memory),
        cmocka_unit_test(test_reset_keeps_one_small_chunk),
        cmocka_unit_test(test_text_is_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
