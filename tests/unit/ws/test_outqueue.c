#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "ws/frame.h"
#include "ws/outqueue.h"

#define ROOM 64

static struct outqueue queue;
static struct buf scratch = BUF_INIT;
static uint8_t room[ROOM];

static int setup(void **state)
{
    (void)state;
    outqueue_init(&queue, ENCODING_JSON);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    outqueue_clear(&queue);
    buf_deinit(&scratch);
    return 0;
}

/* A message whose frame has @len bytes (at least 10, at most 127). */
static struct message *message_of(size_t len)
{
    char event[128];
    memset(event, 'x', sizeof(event));
    struct message *m = message_new(event, len - 10, NULL, 0, NULL);
    assert_int_equal(frame_of(m, ENCODING_JSON, &scratch)->len, len);
    return m;
}

static int push(size_t len, unsigned max_items, size_t max_bytes)
{
    struct message *m = message_of(len);
    int result = outqueue_push(&queue, m, max_items, max_bytes);
    message_unref(m);
    return result;
}

static void test_order_is_kept(void **state)
{
    (void)state;
    struct outqueue_span span;
    unsigned next_in = 0;
    unsigned next_out = 0;
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < round % 7; i++) {
            char event[8];
            snprintf(event, sizeof(event), "%06u", next_in++);
            struct message *m = message_new(event, 6, NULL, 0, NULL);
            frame_of(m, ENCODING_JSON, &scratch);
            assert_int_equal(outqueue_push(&queue, m, 1000, 100000), 0);
            message_unref(m);
        }
        if (round % 3 == 0 && outqueue_gather(&queue, room, ROOM, &span)) {
            for (unsigned i = 0; i < span.count; i++) {
                char number[8];
                memcpy(number, span.bytes + i * 16 + 8, 6);
                number[6] = '\0';
                assert_int_equal(atoi(number), next_out++);
            }
            outqueue_drop(&queue, span.count);
        }
    }
    assert_int_equal(queue.count, next_in - next_out);
    assert_int_equal(queue.bytes, queue.count * 16u);
}

static void test_empty_queue_has_nothing(void **state)
{
    (void)state;
    struct outqueue_span span;
    assert_false(outqueue_gather(&queue, room, ROOM, &span));
    outqueue_drop(&queue, 3);
    assert_int_equal(outqueue_clear(&queue), 0);
}

static void test_only_whole_frames_are_gathered(void **state)
{
    (void)state;
    struct outqueue_span span;
    push(30, 9, 999);
    push(30, 9, 999);
    push(30, 9, 999);
    assert_true(outqueue_gather(&queue, room, ROOM, &span));
    assert_ptr_equal(span.bytes, room);
    assert_int_equal(span.len, 60);
    assert_int_equal(span.count, 2);
    outqueue_drop(&queue, span.count);
    assert_true(outqueue_gather(&queue, room, ROOM, &span));
    assert_int_equal(span.len, 30);
}

static void test_exact_fit_is_gathered(void **state)
{
    (void)state;
    struct outqueue_span span;
    push(34, 9, 999);
    push(30, 9, 999);
    assert_true(outqueue_gather(&queue, room, ROOM, &span));
    assert_int_equal(span.len, ROOM);
    assert_int_equal(span.count, 2);
}

static void test_long_frame_is_not_copied(void **state)
{
    (void)state;
    struct outqueue_span span;
    struct message *m = message_of(100);
    outqueue_push(&queue, m, 9, 999);
    push(20, 9, 999);
    assert_true(outqueue_gather(&queue, room, ROOM, &span));
    assert_ptr_equal(span.bytes, m->frame[ENCODING_JSON]->data);
    assert_int_equal(span.len, 100);
    assert_int_equal(span.count, 1);
    message_unref(m);
}

static void test_full_by_items_refuses(void **state)
{
    (void)state;
    assert_int_equal(push(20, 2, 999), 0);
    assert_int_equal(push(20, 2, 999), 0);
    assert_int_equal(push(20, 2, 999), 1);
    assert_int_equal(queue.count, 2);
    outqueue_drop(&queue, 1);
    assert_int_equal(push(20, 2, 999), 0);
}

static void test_full_by_bytes_refuses(void **state)
{
    (void)state;
    assert_int_equal(push(20, 9, 50), 0);
    assert_int_equal(push(30, 9, 50), 0);
    assert_int_equal(push(10, 9, 50), 1);
    assert_int_equal(queue.bytes, 50);
    outqueue_drop(&queue, 1);
    assert_int_equal(queue.bytes, 30);
    assert_int_equal(push(10, 9, 50), 0);
}

static void test_empty_queue_takes_a_message_of_any_length(void **state)
{
    (void)state;
    assert_int_equal(push(100, 9, 50), 0);
    assert_int_equal(push(10, 9, 50), 1);
}

static void test_messages_are_shared_and_given_back(void **state)
{
    (void)state;
    struct message *m = message_of(20);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(outqueue_push(&queue, m, 1000, 100000), 0);
    assert_int_equal(m->refs, 101);
    outqueue_drop(&queue, 40);
    assert_int_equal(m->refs, 61);
    assert_int_equal(outqueue_clear(&queue), 60);
    assert_int_equal(m->refs, 1);
    assert_null(queue.ring);
    message_unref(m);
}

static void test_long_ring_is_freed_when_it_runs_empty(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++)
        push(20, 1000, 100000);
    outqueue_drop(&queue, 99);
    assert_non_null(queue.ring);
    outqueue_drop(&queue, 1);
    assert_null(queue.ring);
    assert_int_equal(push(20, 9, 999), 0);
}

static void test_refused_memory_leaves_the_queue_as_it_was(void **state)
{
    (void)state;
    unsigned refusals = 0;
    for (unsigned i = 0; i < 40; i++) {
        struct message *m = message_of(10 + i);
        size_t bytes = queue.bytes;
        failing_alloc_start(0);
        int result = outqueue_push(&queue, m, 1000, 100000);
        if (failing_alloc_stop()) {
            refusals++;
            assert_int_equal(result, -ENOMEM);
            assert_int_equal(queue.count, i);
            assert_int_equal(queue.bytes, bytes);
            assert_int_equal(m->refs, 1);
            result = outqueue_push(&queue, m, 1000, 100000);
        }
        assert_int_equal(result, 0);
        assert_int_equal(m->refs, 2);
        message_unref(m);
    }
    assert_int_equal(refusals, 5); /* 4, 8, 16, 32, 64 */
    for (unsigned i = 0; i < 40; i++) {
        struct outqueue_span span;
        assert_true(outqueue_gather(&queue, room, 0, &span));
        assert_int_equal(span.len, 10 + i);
        outqueue_drop(&queue, 1);
    }
    assert_int_equal(queue.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_queue_has_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_whole_frames_are_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exact_fit_is_gathered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_frame_is_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_by_items_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_by_bytes_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_queue_takes_a_message_of_any_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_are_shared_and_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_ring_is_freed_when_it_runs_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_memory_leaves_the_queue_as_it_was, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
