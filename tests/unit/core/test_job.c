#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"
#include "support/failing_alloc.h"

static struct conn *alice;
static struct member *bob;

/* Bob holds @held of alice's @count events; up to @per_conn at a time. */
static void begin(unsigned per_conn, unsigned count, unsigned held)
{
    alice = world_open(&w, "alice", "");
    bob = join_n("g", 1, "a", per_conn);
    say_n(alice, "a", count);
    if (held)
        got(ask(bob, held));
    assert_int_equal(bob->held_count, held);
    world_trace(&w);
}

static struct job *job_of(uint64_t seq)
{
    struct job *job = the_group("g")->jobs;
    while (job && job->seq != seq)
        job = job->next;
    assert_non_null(job);
    return job;
}

static void test_next_event_of_a_connection_comes_when_the_one_before_is_done(void **state)
{
    (void)state;
    begin(1, 3, 0);
    struct member *carol = join("g", 2, "a");
    expect_got(ask(bob, 9), "1@1");
    uint64_t ticket = ask(carol, 9);
    expect_got(ticket, "waits");
    done(bob, "1", 0);
    expect_got(ticket, "2@1");
    expect_got(done(carol, "2", 9), "3@1");
}

static void test_member_may_hold_many_of_a_connection_and_all_to_itself(void **state)
{
    (void)state;
    begin(3, 5, 0);
    struct member *carol = join_n("g", 2, "a", 3);
    expect_got(ask(bob, 9), "1@1 2@1 3@1");
    uint64_t ticket = ask(carol, 9);
    expect_got(ticket, "waits");
    expect_got(done(bob, "1", 9), "4@1");
    expect_got(ticket, "waits");
    expect_got(done(bob, "2 3 4", 9), "waits");
    expect_got(ticket, "5@1"); /* who has asked for longer */
}

static void test_job_is_first_when_no_earlier_one_is_held(void **state)
{
    (void)state;
    begin(3, 3, 3);
    assert_true(job_is_first(job_of(1)));
    assert_false(job_is_first(job_of(2)));
    job_end(job_of(1), JOB_HANDLED);
    assert_true(job_is_first(job_of(2)));
    groups_check(w.core);
}

static void test_changed_session_makes_later_held_ones_stale(void **state)
{
    (void)state;
    begin(3, 4, 3);
    job_changed_session(job_of(1));
    assert_false(job_of(1)->is_stale);
    assert_true(job_of(2)->is_stale);
    assert_true(job_of(3)->is_stale);
    assert_false(job_of(4)->is_stale);
    job_return(job_of(2), JOB_STALE, 0, "");
    assert_false(job_of(2)->is_stale);
    assert_false(job_of(3)->is_stale);
}

static void test_returned_job_takes_later_ones_along(void **state)
{
    (void)state;
    begin(4, 5, 4);
    assert_true(job_return(job_of(2), JOB_RETRY, 0, "later"));
    groups_check(w.core);
    assert_ptr_equal(job_of(1)->holder, bob);
    for (uint64_t seq = 2; seq <= 4; seq++)
        assert_null(job_of(seq)->holder);
    expect_given(bob, 9, "2@2 3@1 4@1"); /* those after it were no attempt */
}

static void test_job_that_was_stale_was_no_attempt(void **state)
{
    (void)state;
    begin(2, 2, 2);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(job_return(job_of(2), JOB_STALE, 0, ""));
        expect_given(bob, 9, "2@1");
    }
}

static void test_suspect_that_nobody_has_seen_is_one_still(void **state)
{
    (void)state;
    begin(1, 1, 1);
    member_end(bob, JOB_BLAMED);
    bob = join("g", 2, "a");
    expect_given(bob, 9, "1@2");
    assert_true(job_return(job_of(1), JOB_STALE, 0, "the reply had no room for it"));
    assert_true(job_of(1)->is_suspect);
    expect_given(bob, 9, "1@2");
    assert_true(bob->has_suspect);
    groups_check(w.core);
}

static void test_last_attempt_is_followed_by_death(void **state)
{
    (void)state;
    begin(1, 2, 1);
    for (unsigned i = 1; i < 5; i++) {
        assert_true(job_return(job_of(1), i % 2 ? JOB_RETRY : JOB_LEFT, 0, ""));
        got(ask(bob, 1));
    }
    assert_int_equal(job_of(1)->attempt, 5);
    assert_false(job_return(job_of(1), JOB_RETRY, 0, "five times in vain"));
    assert_int_equal(the_group("g")->dead->code, CODE_FAILED);
    assert_string_equal(the_group("g")->dead->message, "five times in vain");
    assert_int_equal(the_group("g")->dead->attempts, 5);
    expect_given(bob, 1, "2@1");
}

static void test_delayed_job_comes_when_its_time_has_come(void **state)
{
    (void)state;
    begin(2, 3, 2);
    assert_true(job_return(job_of(1), JOB_RETRY, 500, ""));
    uint64_t ticket = ask(bob, 9);
    world_advance(&w, 499);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    expect_got(ticket, "1@2 2@1");
}

static void test_delay_ends_with_the_job_that_is_delayed(void **state)
{
    (void)state;
    begin(1, 2, 1);
    job_return(job_of(1), JOB_RETRY, 500, "");
    job_bury(job_of(1), CODE_TOO_OLD, "");
    groups_check(w.core);
    expect_given(bob, 9, "2@1");
    world_advance(&w, 1000);
    groups_check(w.core);
}

static void test_two_delays_in_one_lane_are_both_kept(void **state)
{
    (void)state;
    begin(2, 2, 2);
    job_return(job_of(2), JOB_RETRY, 1000, "");
    job_return(job_of(1), JOB_RETRY, 300, "");
    uint64_t ticket = ask(bob, 9);
    world_advance(&w, 299);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    expect_got(ticket, "1@2");
    ticket = done(bob, "1", 9);
    world_advance(&w, 699);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    expect_got(ticket, "2@2");
}

static void test_without_a_timer_a_delayed_job_comes_at_once(void **state)
{
    (void)state;
    begin(1, 1, 1);
    struct timers *timers = &w.core->timers;
    static struct timer fillers[4096];
    unsigned used = 0;
    while (timers->count < timers->cap)
        timer_start(timers, &fillers[used++], UINT64_MAX, NULL);
    failing_alloc_start(0);
    assert_true(job_return(job_of(1), JOB_RETRY, 500, ""));
    assert_true(failing_alloc_stop());
    groups_check(w.core);
    while (used)
        timer_stop(timers, &fillers[--used]);
    expect_given(bob, 1, "1@2");
}

static void test_job_too_old_does_not_come_again(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .max_age_ms = 1000};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    begin(1, 2, 1);
    world_advance(&w, 999);
    assert_int_equal(the_group("g")->job_count, 2);
    world_advance(&w, 1);
    assert_int_equal(the_group("g")->job_count, 1); /* the one that is held may still be handled */
    assert_int_equal(the_group("g")->dead->seq, 2);
    assert_int_equal(the_group("g")->dead->code, CODE_TOO_OLD);
    assert_false(job_return(job_of(1), JOB_LEFT, 0, ""));
    assert_int_equal(the_group("g")->dead->next->code, CODE_TOO_OLD);
}

static void test_waiting_jobs_get_too_old_one_by_one(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .max_age_ms = 1000};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    begin(1, 1, 0);
    world_advance(&w, 400);
    say_n(alice, "a", 1);
    world_advance(&w, 600);
    assert_int_equal(the_group("g")->job_count, 1);
    world_advance(&w, 399);
    assert_int_equal(the_group("g")->job_count, 1);
    world_advance(&w, 1);
    assert_int_equal(the_group("g")->job_count, 0);
    say_n(alice, "a", 1); /* the timer goes on */
    world_advance(&w, 1000);
    assert_int_equal(the_group("g")->counters.dead, 3);
}

static void test_what_was_taken_along_gets_too_old_too(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .max_age_ms = 1000};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    begin(2, 2, 2);
    world_advance(&w, 1500);
    assert_int_equal(the_group("g")->job_count, 2);
    assert_false(job_return(job_of(1), JOB_RETRY, 0, ""));
    world_advance(&w, 1);
    assert_int_equal(the_group("g")->job_count, 0);
}

static void test_member_whose_job_dies_has_room_for_another(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .max_attempts = 1};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    begin(1, 1, 1);
    world_advance(&w, 15000);
    uint64_t ticket = ask(bob, 1);
    say_n(world_open(&w, "carol", ""), "a", 1);
    world_advance(&w, 14999);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    assert_int_equal(the_group("g")->counters.dead, 1);
    expect_got(ticket, "2@1");
}

static void test_held_jobs_are_found_by_seq(void **state)
{
    (void)state;
    alice = world_open(&w, "alice", "");
    bob = join_n("g", 1, "a", 256);
    struct conn *others[5];
    for (unsigned i = 0; i < 5; i++)
        say_n(others[i] = world_open(&w, "other", ""), "a", 200);
    got(ask(bob, 1000));
    while (bob->held_count < 1000) /* more than the table has slots, more than fit one reply */
        got(ask(bob, 1000));
    for (uint64_t seq = 1; seq <= 1000; seq++)
        assert_int_equal(member_job(bob, seq)->seq, seq);
    assert_null(member_job(bob, 1001));
    assert_null(member_job(bob, 0));
    job_end(job_of(257), JOB_HANDLED);
    assert_null(member_job(bob, 257));
    assert_non_null(member_job(bob, 1));
    assert_non_null(member_job(bob, 513));
    groups_check(w.core);
}

/* -- questions ----------------------------------------------------------------------------------------- */

static void test_question_is_ok_when_all_groups_are_done(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct member *carol = join("h", 2, "a");
    world_say(&w, alice, "a", NULL, "7");
    expect_got(ask(bob, 1), "1@1");
    expect_got(ask(carol, 1), "1@1");
    got(done(bob, "1", 0));
    expect_trace(&w, "");
    got(done(carol, "1", 0));
    expect_trace(&w, "alice <- {\"e\":\"@ok\",\"i\":7}\n");
    assert_int_equal(question_count(alice), 0);
    assert_int_equal(w.counters.questions_settled, 1);
}

static void test_question_has_failed_when_one_group_could_not(void **state)
{
    (void)state;
    begin(1, 0, 0);
    struct member *carol = join("h", 2, "a");
    world_say(&w, alice, "a", NULL, "\"x\"");
    got(ask(bob, 1));
    got(ask(carol, 1));
    job_bury(bob->held, CODE_BAD_FILTER, "bad");
    expect_trace(&w, "");
    got(done(carol, "1", 0));
    expect_trace(&w,
                 "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"failed\",\"message\":\"the handlers failed "
                 "with this event\",\"temporary\":false,\"event\":\"a\"},\"i\":\"x\"}\n");
}

static void test_answered_question_is_not_settled(void **state)
{
    (void)state;
    begin(1, 0, 0);
    world_say(&w, alice, "a", NULL, "7");
    got(ask(bob, 1));
    got(turn_with(bob, "[{\"seq\":1,\"ops\":[{\"op\":\"answer\",\"payload\":1}]}]", 0, 0));
    expect_trace(&w, "alice <- {\"e\":\"a\",\"p\":1,\"i\":7}\n");
}

static void test_event_that_ends_late_settles_no_newer_question(void **state)
{
    (void)state;
    begin(1, 0, 0);
    world_say(&w, alice, "a", NULL, "7");
    got(ask(bob, 1));
    for (unsigned i = 0; i < 3; i++) {
        world_advance(&w, 10000);
        member_extend(bob, bob->held);
    }
    assert_non_null(strstr(world_trace(&w), "timeout"));
    world_say(&w, alice, "a", NULL, "7");
    got(done(bob, "1", 0));
    expect_trace(&w, "");
    got(ask(bob, 1));
    got(done(bob, "2", 0));
    expect_trace(&w, "alice <- {\"e\":\"@ok\",\"i\":7}\n");
}

static void test_question_of_an_ended_connection_is_nobodys(void **state)
{
    (void)state;
    begin(1, 0, 0);
    world_say(&w, alice, "a", NULL, "7");
    got(ask(bob, 1));
    world_close(&w, alice, 1000, "");
    got(done(bob, "1", 0));
    expect_trace(&w, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_next_event_of_a_connection_comes_when_the_one_before_is_done),
        WORLD_TEST(test_member_may_hold_many_of_a_connection_and_all_to_itself),
        WORLD_TEST(test_job_is_first_when_no_earlier_one_is_held),
        WORLD_TEST(test_changed_session_makes_later_held_ones_stale),
        WORLD_TEST(test_returned_job_takes_later_ones_along),
        WORLD_TEST(test_job_that_was_stale_was_no_attempt),
        WORLD_TEST(test_suspect_that_nobody_has_seen_is_one_still),
        WORLD_TEST(test_last_attempt_is_followed_by_death),
        WORLD_TEST(test_delayed_job_comes_when_its_time_has_come),
        WORLD_TEST(test_delay_ends_with_the_job_that_is_delayed),
        WORLD_TEST(test_two_delays_in_one_lane_are_both_kept),
        WORLD_TEST(test_without_a_timer_a_delayed_job_comes_at_once),
        WORLD_TEST(test_job_too_old_does_not_come_again),
        WORLD_TEST(test_waiting_jobs_get_too_old_one_by_one),
        WORLD_TEST(test_what_was_taken_along_gets_too_old_too),
        WORLD_TEST(test_member_whose_job_dies_has_room_for_another),
        WORLD_TEST(test_held_jobs_are_found_by_seq),
        WORLD_TEST(test_question_is_ok_when_all_groups_are_done),
        WORLD_TEST(test_question_has_failed_when_one_group_could_not),
        WORLD_TEST(test_answered_question_is_not_settled),
        WORLD_TEST(test_event_that_ends_late_settles_no_newer_question),
        WORLD_TEST(test_question_of_an_ended_connection_is_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
