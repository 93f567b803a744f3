#include "unit/ipc/fixture.h"

#include "support/failing_alloc.h"

static void test_start_with_refused_memory_fails_or_serves(void **state)
{
    struct fixture *f = *state;
    unsigned refused = 0;
    fixture_add_calls(f, "tcp://127.0.0.1:0");
    for (unsigned long n = 0; n < 1000; n++) {
        failing_alloc_start(n);
        int result = ipc_new(&f->ipc, &f->options, &f->events, f->error, sizeof f->error);
        bool was_refused = failing_alloc_stop();
        if (result == 0) { /* fewer contexts will do */
            assert_serves(f, f->calls[0]);
            fixture_stop(f);
        } else {
            assert_true(was_refused);
            assert_non_null(strstr(f->error, "ut of memory"));
            refused++;
        }
        if (!was_refused)
            break;
    }
    assert_in_range(refused, 5, 20);
}

static void test_requests_are_heard_after_memory_was_refused(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    struct question *q[100];
    f->hold = true;
    f->options.max_waiting_per_link = 200;
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    for (int i = 0; i < 100; i++) {
        q[i] = ask(&r, "waits", 0);
        failing_alloc_start(0); /* no new context now, but later */
        fixture_run(f, 1);
        failing_alloc_stop();
    }
    fixture_until_counter(f, &f->counters.requests_waiting, 100);
    requester_close(&r);
    fixture_until_counter(f, &f->counters.requests_waiting, 0);
    for (int i = 0; i < 100; i++)
        question_free(q[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_start_with_refused_memory_fails_or_serves),
        TEST(test_requests_are_heard_after_memory_was_refused),
    };
    return fixture_main(argc, argv, tests);
}
