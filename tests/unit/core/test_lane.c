#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"
#include "support/failing_alloc.h"

static struct lane *lane_of(const struct conn *conn)
{
    struct lane *lane = lane_find(conn, the_group("g"));
    assert_non_null(lane);
    return lane;
}

static void test_lane_stands_where_it_could_give_a_job(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join_n("g", 1, "a", 2);
    assert_null(lane_find(alice, the_group("g")));
    say_n(alice, "a", 4);
    assert_int_equal(lane_of(alice)->state, LANE_READY);
    got(ask(bob, 1));
    assert_int_equal(lane_of(alice)->state, LANE_MORE);
    got(ask(bob, 2));
    assert_int_equal(lane_of(alice)->state, LANE_IDLE);
    job_return(lane_of(alice)->jobs, JOB_RETRY, 100, "");
    assert_int_equal(lane_of(alice)->state, LANE_DELAYED);
    world_advance(&w, 100);
    assert_int_equal(lane_of(alice)->state, LANE_READY);
    got(ask(bob, 1));
    job_return(lane_of(alice)->jobs, JOB_BLAMED, 0, "");
    assert_int_equal(lane_of(alice)->state, LANE_SUSPECT);
    got(ask(bob, 2));
    assert_int_equal(lane_of(alice)->state, LANE_IDLE);
    groups_check(w.core);
}

static void test_suspect_behind_a_held_job_waits_for_that(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join_n("g", 1, "a", 3);
    say_n(alice, "a", 3);
    got(ask(bob, 3));
    struct lane *lane = lane_of(alice);
    job_return(lane->jobs->lane_next, JOB_BLAMED, 0, "");
    assert_int_equal(lane->state, LANE_IDLE);
    groups_check(w.core);
    uint64_t ticket = ask(bob, 3);
    expect_got(ticket, "waits");
    expect_got(done(bob, "1", 3), "2@2");
    assert_true(bob->has_suspect);
    expect_got(done(bob, "2", 3), "3@1"); /* it came back as a suspect too */
    assert_true(bob->has_suspect);
}

static void test_lane_goes_with_its_last_job(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 1);
    got(ask(bob, 1));
    got(done(bob, "1", 0));
    assert_null(alice->lanes);
    assert_int_equal(w.core->groups.free_lane_count, 1);
    assert_int_equal(w.core->groups.free_job_count, 1);
}

static void test_steady_state_allocates_one_block_for_an_event(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    const struct incoming in = {.event = "a", .event_len = 1};
    for (unsigned i = 1; i <= 3; i++) {
        failing_alloc_start(i == 1 ? 1000 : 1);
        core_conn_message(w.core, alice, &in);
        assert_false(failing_alloc_stop());
        got(ask(bob, 1));
        job_end(bob->held, JOB_HANDLED);
    }
}

static void test_what_is_kept_for_later_is_bounded(void **state)
{
    (void)state;
    struct groups *groups = &w.core->groups;
    struct job *jobs[5000];
    struct lane *lanes[5000];
    for (unsigned i = 0; i < 5000; i++) {
        jobs[i] = job_take(groups);
        lanes[i] = lane_take(groups);
        assert_true(jobs[i] && lanes[i]);
    }
    for (unsigned i = 0; i < 5000; i++) {
        jobs[i]->attempt = 7;
        lanes[i]->held = 7;
        job_drop(groups, jobs[i]);
        lane_drop(groups, lanes[i]);
    }
    assert_int_equal(groups->free_job_count, 4096);
    assert_int_equal(groups->free_lane_count, 4096);
    groups_check(w.core);
    struct job *job = job_take(groups);
    struct lane *lane = lane_take(groups);
    assert_true(job->attempt == 0 && lane->held == 0);
    job_drop(groups, job);
    lane_drop(groups, lane);
}

static void test_lane_that_nobody_lists_is_parked_until_somebody_does(void **state)
{
    (void)state;
    static const char *const events[] = {"a", "b", NULL};
    const struct group_rule rule = {.name = "g", .events = events};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    struct conn *alice = world_open(&w, "alice", ""), *carol = world_open(&w, "carol", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "b", 2);
    say_n(carol, "a", 1);
    expect_got(ask(bob, 9), "3@1");
    assert_int_equal(lane_of(alice)->state, LANE_PARKED);
    say_n(alice, "b", 1);
    assert_int_equal(lane_of(alice)->state, LANE_PARKED);
    assert_int_equal(the_group("g")->waiting, 0);
    struct member *dave = join("g", 2, "b");
    assert_int_equal(lane_of(alice)->state, LANE_READY);
    expect_got(ask(dave, 9), "1@1");
    groups_check(w.core);
}

static void test_parked_lane_moves_on_when_its_next_job_is_gone(void **state)
{
    (void)state;
    static const char *const events[] = {"a", "b", NULL};
    const struct group_rule rule = {.name = "g", .events = events};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "b", 1);
    say_n(alice, "a", 1);
    uint64_t ticket = ask(bob, 9);
    expect_got(ticket, "waits");
    job_bury(lane_of(alice)->jobs, CODE_TOO_OLD, "");
    expect_got(ticket, "2@1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_lane_stands_where_it_could_give_a_job),
        WORLD_TEST(test_suspect_behind_a_held_job_waits_for_that),
        WORLD_TEST(test_lane_goes_with_its_last_job),
        WORLD_TEST(test_steady_state_allocates_one_block_for_an_event),
        WORLD_TEST(test_what_is_kept_for_later_is_bounded),
        WORLD_TEST(test_lane_that_nobody_lists_is_parked_until_somebody_does),
        WORLD_TEST(test_parked_lane_moves_on_when_its_next_job_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
