#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/timers.h"

#define MANY 500

struct item {
    struct timer timer;
    unsigned fired;
    struct item *partner; /* stopped or started by on_stop, on_start */
};

static struct timers timers;
static uint64_t order[MANY];
static size_t order_len;

static int setup(void **state)
{
    (void)state;
    timers_init(&timers);
    order_len = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    timers_deinit(&timers);
    return 0;
}

static void on_fire(struct timer *timer, void *arg)
{
    struct item *item = (struct item *)timer;
    assert_false(timer_running(timer));
    assert_ptr_equal(arg, &timers);
    item->fired++;
    if (order_len < MANY)
        order[order_len++] = timer->at_ms;
}

static void on_stop(struct timer *timer, void *arg)
{
    on_fire(timer, arg);
    timer_stop(&timers, &((struct item *)timer)->partner->timer);
}

static void on_start(struct timer *timer, void *arg)
{
    on_fire(timer, arg);
    timer_start(&timers, &((struct item *)timer)->partner->timer, 1, on_fire);
}

static void test_fires_in_order_of_time(void **state)
{
    (void)state;
    static struct item items[MANY];
    memset(items, 0, sizeof(items));
    unsigned seed = 7;
    for (size_t i = 0; i < MANY; i++) {
        seed = seed * 1103515245u + 12345u;
        timer_start(&timers, &items[i].timer, seed % 1000, on_fire);
    }
    for (size_t i = 0; i < MANY; i += 3) /* some move, some stop */
        timer_start(&timers, &items[i].timer, 999 - items[i].timer.at_ms, on_fire);
    for (size_t i = 1; i < MANY; i += 3)
        timer_stop(&timers, &items[i].timer);
    timers_run(&timers, 499, &timers);
    size_t by_half = order_len;
    assert_true(by_half > 0 && timers_next(&timers) > 499);
    timers_run(&timers, 1000, &timers);
    assert_int_equal(timers.count, 0);
    for (size_t i = 1; i < order_len; i++)
        assert_true(order[i - 1] <= order[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(items[i].fired, i % 3 == 1 ? 0 : 1);
}

static void test_nothing_fires_before_its_time(void **state)
{
    (void)state;
    struct item item = {0};
    assert_true(timers_next(&timers) == UINT64_MAX);
    assert_int_equal(timer_start(&timers, &item.timer, 10, on_fire), 0);
    assert_true(timer_running(&item.timer));
    assert_int_equal(timers_next(&timers), 10);
    timers_run(&timers, 9, &timers);
    assert_int_equal(item.fired, 0);
    timers_run(&timers, 10, &timers);
    timers_run(&timers, 11, &timers);
    assert_int_equal(item.fired, 1);
}

static void test_due_timer_stopped_by_an_earlier_one_stays_silent(void **state)
{
    (void)state;
    struct item second = {0};
    struct item third = {0};
    struct item first = {.partner = &second};
    timer_start(&timers, &third.timer, 3, on_fire);
    timer_start(&timers, &second.timer, 2, on_fire);
    timer_start(&timers, &first.timer, 1, on_stop);
    timers_run(&timers, 5, &timers);
    assert_int_equal(first.fired, 1);
    assert_int_equal(second.fired, 0);
    assert_int_equal(third.fired, 1);
}

static void test_timer_started_meanwhile_waits_for_next_call(void **state)
{
    (void)state;
    struct item fresh = {0};
    struct item due = {0};
    struct item first = {.partner = &fresh};
    struct item second = {.partner = &due};
    timer_start(&timers, &first.timer, 2, on_start);
    timer_start(&timers, &second.timer, 2, on_start);
    timer_start(&timers, &due.timer, 3, on_fire); /* due itself, and started anew by `second` */
    timers_run(&timers, 5, &timers);
    assert_int_equal(first.fired + second.fired, 2);
    assert_int_equal(fresh.fired + due.fired, 0);
    assert_int_equal(timers_next(&timers), 1);
    timers_run(&timers, 5, &timers);
    assert_int_equal(fresh.fired, 1);
    assert_int_equal(due.fired, 1);
}

static void test_stopping_an_idle_timer_does_nothing(void **state)
{
    (void)state;
    struct item item = {0};
    struct item other = {0};
    timer_start(&timers, &other.timer, 4, on_fire);
    timer_stop(&timers, &item.timer);
    assert_int_equal(timers_next(&timers), 4);
    timer_stop(&timers, &other.timer);
    assert_true(timers_next(&timers) == UINT64_MAX);
}

static void test_reserved_room_is_not_moved(void **state)
{
    (void)state;
    struct item items[200];
    memset(items, 0, sizeof(items));
    assert_int_equal(timers_reserve(&timers, 200), 0);
    struct timer **heap = timers.heap;
    for (size_t i = 0; i < 200; i++)
        timer_start(&timers, &items[i].timer, i, on_fire);
    assert_ptr_equal(timers.heap, heap);
    for (size_t i = 0; i < 200; i++)
        timer_stop(&timers, &items[i].timer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fires_in_order_of_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_fires_before_its_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_due_timer_stopped_by_an_earlier_one_stays_silent, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_timer_started_meanwhile_waits_for_next_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stopping_an_idle_timer_does_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserved_room_is_not_moved, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
