#include "unit/ipc/fixture.h"

#include <unistd.h>

#include "ipc/calls.h"

static void test_serves_several_addresses_at_once(void **state)
{
    struct fixture *f = *state;
    fixture_add_calls(f, "more");
    fixture_add_calls(f, "tcp://127.0.0.1:0");
    fixture_start(f);
    assert_null(ipc_calls_address(f->ipc, 3));
    for (size_t i = 0; i < 3; i++) {
        struct requester r;
        requester_open(&r, ipc_calls_address(f->ipc, i));
        assert_echo(f, &r, "hello");
        assert_echo(f, &r, "");
        assert_int_equal(i == 2, f->told[f->told_count - 1].is_tcp);
        requester_close(&r);
    }
    assert_string_not_equal(ipc_calls_address(f->ipc, 2), "tcp://127.0.0.1:0");
}

#define MANY 300

static void reply_to(struct fixture *f, const struct told *told)
{
    ipc_reply(f->ipc, told->ticket, told->start, strlen(told->start));
}

static void test_300_requests_wait_and_are_replied_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct requester r[20];
    struct question *q[MANY];
    char text[16];
    f->hold = true;
    fixture_start(f);
    for (int i = 0; i < 20; i++)
        requester_open(&r[i], f->calls[0]);
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "q%d.", i);
        q[i] = ask(&r[i % 20], text, 0);
    }
    fixture_until_told(f, TOLD_REQUEST, MANY);
    assert_int_equal(MANY, f->counters.requests_waiting);
    for (int i = 0; i < MANY; i++) { /* 7 and 300 have no common factor: all, in a mixed order */
        snprintf(text, sizeof text, "q%d.", i * 7 % MANY);
        reply_to(f, told_request(f, text));
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(text, sizeof text, "q%d.", i);
        fixture_until_over(f, q[i]);
        assert_int_equal(0, q[i]->result);
        assert_string_equal(text, q[i]->reply);
        question_free(q[i]);
    }
    fixture_until_counter(f, &f->counters.requests_waiting, 0);
    for (int i = 0; i < 20; i++)
        requester_close(&r[i]);
}

static void test_others_are_heard_while_hundreds_wait(void **state)
{
    struct fixture *f = *state;
    struct requester r[20], late;
    struct question *q[MANY];
    f->hold = true;
    fixture_start(f);
    for (int i = 0; i < 20; i++)
        requester_open(&r[i], f->calls[0]);
    for (int i = 0; i < MANY; i++)
        q[i] = ask(&r[i % 20], "wait", 0);
    fixture_until_told(f, TOLD_REQUEST, MANY);
    f->hold = false;
    requester_open(&late, f->calls[0]);
    assert_echo(f, &late, "not deaf");
    requester_close(&late);
    for (int i = 0; i < 20; i++)
        requester_close(&r[i]);
    fixture_until_counter(f, &f->counters.requests_waiting, 0);
    for (int i = 0; i < MANY; i++)
        question_free(q[i]);
}

static void test_link_with_too_many_waiting_is_ended(void **state)
{
    struct fixture *f = *state;
    struct requester good;
    int raw;
    f->hold = true;
    f->options.max_waiting_per_link = 4;
    fixture_start(f);
    requester_open(&good, f->calls[0]);
    struct question *q = ask(&good, "good", 0);
    fixture_until_told(f, TOLD_REQUEST, 1);
    raw = raw_connect(f->calls[0]);
    raw_greet(raw, SP_REQ);
    for (int i = 0; i < 4; i++)
        assert_true(raw_request(raw, f->calls[0], 'x', 10));
    fixture_until_told(f, TOLD_REQUEST, 5);
    fixture_run(f, 50);
    assert_int_equal(0, told_times(f, TOLD_DOWN));
    assert_true(ipc_may_wait(f->ipc, f->told[f->told_count - 1].ticket));
    assert_true(raw_request(raw, f->calls[0], 'x', 10));
    fixture_until_told(f, TOLD_DOWN, 1);
    assert_true(raw_is_ended(raw, 1000));
    assert_int_equal(1, f->counters.requests_waiting);
    reply_to(f, told_request(f, "good"));
    fixture_until_over(f, q);
    assert_int_equal(0, q->result);
    question_free(q);
    close(raw);
    requester_close(&good);
}

/* A core that asks whether a request may wait. */
static void reply_unless_it_may_wait(void *arg, const struct ipc_peer *peer, ipc_ticket ticket,
                                     const void *body, size_t len)
{
    struct fixture *f = arg;
    (void)peer;
    if (!ipc_may_wait(f->ipc, ticket))
        ipc_reply(f->ipc, ticket, body, len);
}

static void test_request_that_may_not_wait_can_be_replied_at_once(void **state)
{
    struct fixture *f = *state;
    struct requester r[4];
    struct question *q[5];
    f->options.max_waiting = 4;
    f->events.request = reply_unless_it_may_wait;
    fixture_start(f);
    for (int i = 0; i < 4; i++) {
        requester_open(&r[i], f->calls[0]);
        q[i] = ask(&r[i], "waits", 0);
    }
    fixture_until_counter(f, &f->counters.requests_waiting, 4);
    q[4] = ask(&r[0], "does not", 0);
    fixture_until_over(f, q[4]);
    assert_string_equal("does not", q[4]->reply);
    for (int i = 0; i < 4; i++)
        assert_false(question_is_over(q[i]));
    assert_int_equal(0, told_times(f, TOLD_DOWN));
    for (int i = 0; i < 4; i++)
        requester_close(&r[i]);
    for (int i = 0; i < 5; i++)
        question_free(q[i]);
}

static void test_newest_link_is_ended_when_too_many_wait_in_all(void **state)
{
    struct fixture *f = *state;
    struct requester r[4], last;
    struct question *q[4];
    f->hold = true;
    f->options.max_waiting = 4;
    fixture_start(f);
    for (int i = 0; i < 4; i++) {
        requester_open(&r[i], f->calls[0]);
        q[i] = ask(&r[i], "waits", 0);
    }
    fixture_until_counter(f, &f->counters.requests_waiting, 4);
    requester_open(&last, f->calls[0]);
    struct question *one_more = ask(&last, "one more", 0);
    fixture_until_told(f, TOLD_DOWN, 1);
    assert_int_equal(told_request(f, "one more")->link, f->told[f->told_count - 1].link);
    f->hold = false; /* it connects again and repeats, and is answered now */
    fixture_until_over(f, one_more);
    assert_string_equal("one more", one_more->reply);
    requester_close(&last);
    question_free(one_more);
    for (int i = 0; i < 4; i++) {
        requester_close(&r[i]);
        question_free(q[i]);
    }
}

static void test_repeat_over_another_link_takes_over_the_wait(void **state)
{
    struct fixture *f = *state;
    struct requester first, second;
    f->hold = true;
    fixture_start(f);
    requester_open(&first, f->calls[0]);
    requester_open(&second, f->calls[0]);
    struct question *older = ask(&first, "turn 7", 0);
    fixture_until_told(f, TOLD_REQUEST, 1);
    ipc_ticket ticket = told_request(f, "turn 7")->ticket;
    struct question *newer = ask(&second, "turn 7 again", 0);
    fixture_until_told(f, TOLD_REQUEST, 2);
    ipc_abandon(f->ipc, ticket);
    assert_int_equal(1, f->counters.requests_waiting);
    assert_false(ipc_may_wait(f->ipc, ticket));
    ipc_reply(f->ipc, ticket, "never", 5);
    reply_to(f, told_request(f, "turn 7 again"));
    fixture_until_over(f, newer);
    fixture_run(f, 50);
    assert_false(question_is_over(older));
    f->hold = false;
    assert_echo(f, &first, "the link is still good");
    requester_close(&first);
    requester_close(&second);
    question_free(older);
    question_free(newer);
}

static void test_too_long_request_ends_its_link_only(void **state)
{
    struct fixture *f = *state;
    struct requester good;
    f->options.max_request_bytes = 1000;
    fixture_add_calls(f, "tcp://127.0.0.1:0");
    fixture_start(f);
    requester_open(&good, f->calls[0]);
    assert_echo(f, &good, "before");
    for (size_t i = 0; i < 2; i++) {
        const char *address = ipc_calls_address(f->ipc, i);
        int raw = raw_connect(address);
        raw_greet(raw, SP_REQ);
        assert_true(raw_request(raw, address, 'm', 1000));
        fixture_until_told(f, TOLD_REQUEST, 2 + i);
        assert_int_equal(1000, f->told[f->told_count - 1].len);
        assert_true(raw_request(raw, address, 'n', 1001));
        fixture_until_told(f, TOLD_DOWN, 1 + i);
        assert_true(raw_is_ended(raw, 1000));
        assert_null(told_request(f, "n"));
        close(raw);
    }
    assert_echo(f, &good, "after");
    requester_close(&good);
}

static void test_huge_declared_length_takes_no_memory(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    int raw = raw_connect(f->calls[0]);
    raw_greet(raw, SP_REQ);
    uint8_t head[9] = {1, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_int_equal(9, write(raw, head, 9));
    fixture_run(f, 20);
    assert_true(raw_is_ended(raw, 1000));
    close(raw);
    assert_serves(f, f->calls[0]);
}

static void test_late_reply_to_a_dead_link_is_harmless(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    struct question *q[10];
    f->hold = true;
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    for (int i = 0; i < 10; i++)
        q[i] = ask(&r, "gone soon", 0);
    fixture_until_told(f, TOLD_REQUEST, 10);
    requester_close(&r); /* nng knows before the core does */
    for (size_t i = 0; i < f->told_count / 2; i++)
        if (f->told[i].what == TOLD_REQUEST)
            reply_to(f, &f->told[i]);
    fixture_until_told(f, TOLD_DOWN, 1);
    assert_int_equal(0, f->counters.requests_waiting);
    for (size_t i = 0; i < f->told_count; i++)
        if (f->told[i].what == TOLD_REQUEST)
            reply_to(f, &f->told[i]);
    for (int i = 0; i < 10; i++)
        question_free(q[i]);
    f->hold = false;
    assert_serves(f, f->calls[0]);
}

static void test_ticket_is_good_once(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    f->options.max_waiting_per_link = CALLS_RECEIVING;
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    assert_echo(f, &r, "first");
    ipc_ticket old = told_request(f, "first")->ticket;
    f->hold = true;
    struct question *q[CALLS_RECEIVING]; /* each context is used again */
    for (int i = 0; i < CALLS_RECEIVING; i++)
        q[i] = ask(&r, "second", 0);
    fixture_until_told(f, TOLD_REQUEST, 1 + CALLS_RECEIVING);
    ipc_reply(f->ipc, old, "wrong", 5);
    ipc_reply(f->ipc, 0, "wrong", 5);
    ipc_reply(f->ipc, UINT64_MAX, "wrong", 5);
    ipc_abandon(f->ipc, old);
    fixture_run(f, 50);
    for (int i = 0; i < CALLS_RECEIVING; i++)
        assert_false(question_is_over(q[i]));
    requester_close(&r);
    for (int i = 0; i < CALLS_RECEIVING; i++)
        question_free(q[i]);
}

static void test_peer_that_takes_no_replies_is_ended(void **state)
{
    struct fixture *f = *state;
    bool sent = true;
    f->options.max_waiting = 40;
    f->reply_bytes = 100000;
    fixture_start(f);
    int raw = raw_connect(f->calls[0]);
    raw_greet(raw, SP_REQ);
    for (int i = 0; i < 200 && sent && told_times(f, TOLD_DOWN) == 0; i++) {
        sent = raw_request(raw, f->calls[0], 'x', 10);
        fixture_run(f, 1);
    }
    fixture_until_told(f, TOLD_DOWN, 1);
    assert_true(told_times(f, TOLD_REQUEST) > 40);
    close(raw);
    f->reply_bytes = 0;
    assert_serves(f, f->calls[0]);
}

static void test_fast_peer_with_many_requests_under_way_is_served(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    struct question *q[MANY];
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    for (int i = 0; i < MANY; i++)
        q[i] = ask(&r, "quick", 0);
    for (int i = 0; i < MANY; i++) {
        fixture_until_over(f, q[i]);
        assert_int_equal(0, q[i]->result);
        question_free(q[i]);
    }
    assert_int_equal(0, told_times(f, TOLD_DOWN));
    assert_int_equal(MANY, told_times(f, TOLD_REQUEST));
    requester_close(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_serves_several_addresses_at_once),
        TEST(test_300_requests_wait_and_are_replied_in_any_order),
        TEST(test_others_are_heard_while_hundreds_wait),
        TEST(test_link_with_too_many_waiting_is_ended),
        TEST(test_request_that_may_not_wait_can_be_replied_at_once),
        TEST(test_newest_link_is_ended_when_too_many_wait_in_all),
        TEST(test_repeat_over_another_link_takes_over_the_wait),
        TEST(test_too_long_request_ends_its_link_only),
        TEST(test_huge_declared_length_takes_no_memory),
        TEST(test_late_reply_to_a_dead_link_is_harmless),
        TEST(test_ticket_is_good_once),
        TEST(test_peer_that_takes_no_replies_is_ended),
        TEST(test_fast_peer_with_many_requests_under_way_is_served),
    };
    return fixture_main(argc, argv, tests);
}
