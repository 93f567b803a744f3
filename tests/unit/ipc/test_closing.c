#include "unit/ipc/fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "ipc/closing.h"

static void test_closes_at_once_when_idle(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    uint64_t begin = clock_ms();
    fixture_stop(f);
    assert_true(clock_ms() - begin < 500);
    ipc_free(NULL);
}

static void test_closes_in_time_while_requests_wait(void **state)
{
    struct fixture *f = *state;
    int from_child;
    f->hold = true;
    f->options.max_waiting_per_link = 300;
    fixture_start(f);
    pid_t child = child_start(&from_child, "asks", f->calls[0], "300");
    fixture_until_told(f, TOLD_REQUEST, 300);
    size_t told = f->told_count;
    uint64_t begin = clock_ms();
    fixture_stop(f);
    assert_true(clock_ms() - begin < 2000);
    assert_int_equal(told, f->told_count);
    child_kill(child);
    close(from_child);
}

static void test_last_reply_still_goes_out(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    f->reply_bytes = 900000;
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    struct question *q = ask(&r, "last words", 0);
    fixture_until_told(f, TOLD_REQUEST, 1);
    fixture_stop(f);
    fixture_until_over(f, q);
    assert_int_equal(0, q->result);
    assert_int_equal(900000, q->reply_len);
    requester_close(&r);
    question_free(q);
}

static void test_peer_that_does_not_read_holds_nothing_up(void **state)
{
    struct fixture *f = *state;
    f->reply_bytes = 900000;
    fixture_start(f);
    int raw = raw_connect(f->calls[0]);
    raw_greet(raw, SP_REQ);
    for (int i = 0; i < 8; i++)
        assert_true(raw_request(raw, f->calls[0], 'x', 10));
    fixture_until_told(f, TOLD_REQUEST, 8);
    uint64_t begin = clock_ms();
    fixture_stop(f);
    assert_true(clock_ms() - begin < 2000);
    close(raw);
}

static atomic_bool is_stuck;

/* One of nng's threads that does not come back for long. */
static void wake_and_stay(void *arg)
{
    (void)arg;
    for (int i = 0; i < 500 && is_stuck; i++)
        usleep(10 * 1000);
}

static void test_closes_in_time_though_nng_hangs(void **state)
{
    struct fixture *f = *state;
    f->options.wake = wake_and_stay;
    fixture_start(f);
    is_stuck = true;
    int raw = raw_connect(f->calls[0]);
    raw_greet(raw, SP_REQ);
    usleep(100 * 1000);
    uint64_t begin = clock_ms();
    fixture_stop(f);
    assert_true(clock_ms() - begin < 2200);
    is_stuck = false;
    close(raw);
    usleep(200 * 1000); /* the thread that was left behind ends */
}

static void take_long(void *arg)
{
    (void)arg;
    usleep(300 * 1000);
}

static void release(void *arg)
{
    *(atomic_bool *)arg = true;
}

static void test_what_does_not_end_in_time_is_released_later(void **state)
{
    static atomic_bool is_released;
    (void)state;
    assert_false(closing_run(take_long, release, &is_released, 20));
    assert_false(is_released);
    for (int i = 0; i < 500 && !is_released; i++)
        usleep(10 * 1000);
    assert_true(is_released);
    is_released = false;
    assert_true(closing_run(take_long, release, &is_released, 5000));
    assert_false(is_released);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_closes_at_once_when_idle),
        TEST(test_closes_in_time_while_requests_wait),
        TEST(test_last_reply_still_goes_out),
        TEST(test_peer_that_does_not_read_holds_nothing_up),
        TEST(test_closes_in_time_though_nng_hangs),
        cmocka_unit_test(test_what_does_not_end_in_time_is_released_later),
    };
    return fixture_main(argc, argv, tests);
}
