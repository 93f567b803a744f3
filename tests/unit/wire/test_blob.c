#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "wire/blob.h"
#include "wire/recycler.h"

static void test_blob_is_a_copy(void **state)
{
    (void)state;
    char bytes[] = "abc";
    struct blob *b = blob_new(bytes, 3);
    bytes[0] = 'x';
    assert_int_equal(b->len, 3);
    assert_int_equal(b->refs, 1);
    assert_memory_equal(b->data, "abc", 3);
    blob_unref(b);
}

static void test_blob_without_bytes_is_room(void **state)
{
    (void)state;
    struct blob *b = blob_new(NULL, 1000);
    memset(b->data, 7, 1000);
    assert_int_equal(b->len, 1000);
    blob_unref(b);
    b = blob_new(NULL, 0);
    assert_int_equal(b->len, 0);
    blob_unref(b);
}

static void test_last_reference_frees(void **state)
{
    (void)state;
    struct blob *b = blob_new("abc", 3);
    assert_ptr_equal(blob_ref(b), b);
    assert_int_equal(b->refs, 2);
    blob_unref(b);
    assert_int_equal(b->refs, 1);
    assert_memory_equal(b->data, "abc", 3); /* the address sanitizer sees it if it were gone */
    blob_unref(b);
}

static void test_null_blob_is_fine(void **state)
{
    (void)state;
    assert_null(blob_ref(NULL));
    blob_unref(NULL);
}

static void test_refused_and_oversized_blobs_are_null(void **state)
{
    (void)state;
    recycler_clear(); /* so that memory is asked for */
    failing_alloc_start(0);
    assert_null(blob_new("abc", 3));
    assert_true(failing_alloc_stop());
    assert_null(blob_new(NULL, (size_t)UINT32_MAX + 1));
    assert_null(blob_new(NULL, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blob_is_a_copy),
        cmocka_unit_test(test_blob_without_bytes_is_room),
        cmocka_unit_test(test_last_reference_frees),
        cmocka_unit_test(test_null_blob_is_fine),
        cmocka_unit_test(test_refused_and_oversized_blobs_are_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
