#include "unit/ipc/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <nng/protocol/pubsub0/sub.h>

/* Each link is told up once, before its first request, and down once, after its last. */
static void assert_links_are_told_in_order(const struct fixture *f)
{
    static struct link_told {
        unsigned ups, downs;
    } links[TRACE_MAX];
    memset(links, 0, sizeof links);
    for (size_t i = 0; i < f->told_count; i++) {
        const struct told *told = &f->told[i];
        if (told->what == TOLD_SUBSCRIBERS)
            continue;
        assert_in_range(told->link, 1, TRACE_MAX - 1);
        struct link_told *link = &links[told->link];
        assert_int_equal(told->what == TOLD_UP ? 0 : 1, link->ups);
        assert_int_equal(0, link->downs);
        link->ups += told->what == TOLD_UP;
        link->downs += told->what == TOLD_DOWN;
    }
}

static bool are_all_down(struct fixture *f, void *arg)
{
    (void)arg;
    return f->counters.call_links == 0;
}

/* The request is there when the pipe is made, so nng hands it over while it still tells of the pipe. */
static void test_request_sent_with_the_greeting_is_never_lost(void **state)
{
    struct fixture *f = *state;
    enum { PEERS = 400 };
    fixture_start(f);
    for (int i = 0; i < PEERS; i++) {
        int raw = raw_connect(f->calls[0]);
        char bytes[8 + 9 + 4 + 3] = "\0SP\0\0\x30\0\0"
                                    "\1\0\0\0\0\0\0\0\7"
                                    "\x80\0\0\1"
                                    "raw";
        bytes[5] = SP_REQ;
        assert_int_equal(sizeof bytes, write(raw, bytes, sizeof bytes));
        raw_read_greeting(raw);
        fixture_until_told(f, TOLD_REQUEST, (size_t)i + 1);
        close(raw);
    }
    fixture_until(f, are_all_down, NULL);
    assert_int_equal(PEERS, told_times(f, TOLD_UP));
    assert_int_equal(PEERS, told_times(f, TOLD_DOWN));
    assert_links_are_told_in_order(f);
}

static void test_nothing_of_a_link_comes_after_its_end(void **state)
{
    struct fixture *f = *state;
    enum { PEERS = 900 };
    f->hold = true; /* so that contexts stay with dead links */
    fixture_start(f);
    for (int i = 0; i < PEERS; i++) {
        int raw = raw_connect(f->calls[0]);
        raw_greet(raw, SP_REQ);
        for (int n = 0; n < 14; n++)
            raw_request(raw, f->calls[0], 'x', 3);
        if (i % 2 == 0)
            fixture_run(f, 1);
        close(raw);
    }
    fixture_run(f, 100);
    fixture_until(f, are_all_down, NULL);
    assert_links_are_told_in_order(f);
    assert_int_equal(0, f->counters.requests_waiting);
    assert_int_equal(told_times(f, TOLD_UP), told_times(f, TOLD_DOWN));
    f->hold = false;
    assert_serves(f, f->calls[0]);
}

static void test_killed_process_is_known_at_once(void **state)
{
    struct fixture *f = *state;
    int from_child;
    f->hold = true;
    f->options.max_waiting_per_link = 300;
    fixture_start(f);
    pid_t pid = child_start(&from_child, "asks", f->calls[0], "300");
    fixture_until_told(f, TOLD_REQUEST, 300);
    uint64_t begin = clock_ms();
    kill(pid, SIGKILL);
    fixture_until_told(f, TOLD_DOWN, 1);
    assert_true(clock_ms() - begin < 500);
    assert_int_equal(0, f->counters.requests_waiting);
    assert_links_are_told_in_order(f);
    child_kill(pid);
    close(from_child);
}

static void test_peer_of_another_protocol_is_no_link(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        int raw = raw_connect(f->calls[0]);
        raw_greet(raw, i % 2 ? SP_SUB : SP_PAIR);
        assert_true(raw_is_ended(raw, 1000));
        close(raw);
        raw = raw_connect(f->event_addresses[0]);
        raw_greet(raw, SP_REQ);
        assert_true(raw_is_ended(raw, 1000));
        close(raw);
    }
    fixture_run(f, 50);
    assert_int_equal(0, f->told_count);
    assert_int_equal(0, f->counters.call_links);
    assert_int_equal(0, f->counters.subscriber_links);
}

static void test_garbage_ends_its_link_only(void **state)
{
    struct fixture *f = *state;
    struct requester good;
    static const char *const garbage[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\0SP\1\0\x30\0\0",
                                          "\0SX\0\0\x30\0\0", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    fixture_start(f);
    requester_open(&good, f->calls[0]);
    assert_echo(f, &good, "before");
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        int raw = raw_connect(f->calls[0]);
        assert_true(write(raw, garbage[i], 8) == 8);
        raw_read_greeting(raw);
        assert_true(raw_is_ended(raw, 1000));
        close(raw);
    }
    /* a good greeting, then: a frame of an unknown kind, one too short for REQ's id, one without an end of
     * the trace */
    static const char frames[][22] = {"\7\0\0\0\0\0\0\0\4abcd", "\1\0\0\0\0\0\0\0\2ab",
                                      "\1\0\0\0\0\0\0\0\6\0\0\0\1ab"};
    static const size_t lens[] = {13, 11, 15};
    for (size_t i = 0; i < 3; i++) {
        int raw = raw_connect(f->calls[0]);
        raw_greet(raw, SP_REQ);
        assert_int_equal(lens[i], write(raw, frames[i], lens[i]));
        fixture_run(f, 20);
        assert_true(raw_is_ended(raw, 1000));
        close(raw);
    }
    fixture_run(f, 20);
    assert_int_equal(1, told_times(f, TOLD_REQUEST));
    assert_echo(f, &good, "after");
    assert_serves(f, f->calls[0]);
    requester_close(&good);
}

static void test_link_ids_are_never_reused(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    for (int i = 0; i < 30; i++)
        assert_serves(f, f->calls[0]);
    fixture_until(f, are_all_down, NULL);
    uint64_t last = 0;
    for (size_t i = 0; i < f->told_count; i++) {
        if (f->told[i].what != TOLD_UP)
            continue;
        assert_true(f->told[i].link > last);
        last = f->told[i].link;
    }
    assert_int_equal(30, told_times(f, TOLD_UP));
}

static void test_drain_stops_after_about_a_millisecond(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    struct question *q[200];
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    for (int i = 0; i < 200; i++)
        q[i] = ask(&r, "work", 0);
    for (int i = 0; i < 200; i++) {
        fixture_until_over(f, q[i]);
        question_free(q[i]);
    }
    assert_true(f->max_drain_us < 200000); /* far above, for a busy machine */
    requester_close(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_request_sent_with_the_greeting_is_never_lost),
        TEST(test_nothing_of_a_link_comes_after_its_end),
        TEST(test_killed_process_is_known_at_once),
        TEST(test_peer_of_another_protocol_is_no_link),
        TEST(test_garbage_ends_its_link_only),
        TEST(test_link_ids_are_never_reused),
        TEST(test_drain_stops_after_about_a_millisecond),
    };
    return fixture_main(argc, argv, tests);
}
