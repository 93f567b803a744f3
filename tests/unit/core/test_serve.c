#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"

/* @count connections that say @event once each. */
static void crowd_says(const char *event, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        world_say(&w, world_open(&w, "one", ""), event, NULL, NULL);
}

static unsigned count_of(uint64_t ticket)
{
    unsigned count = 0;
    for (const char *at = got(ticket); *at; count++) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    return count;
}

static void test_who_asked_first_is_served_first(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    uint64_t carols = ask(carol, 1), bobs = ask(bob, 1);
    crowd_says("a", 1);
    expect_got(bobs, "waits");
    expect_got(carols, "1@1");
    crowd_says("a", 1);
    expect_got(bobs, "2@1");
}

static void test_connections_are_served_in_the_order_in_which_they_came(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    struct conn *alice = world_open(&w, "alice", "");
    say_n(alice, "a", 3);
    crowd_says("a", 2);
    expect_got(ask(bob, 2), "1@1 4@1");
    expect_got(done(bob, "1 4", 2), "2@1 5@1");
}

static void test_member_holds_no_more_than_it_wants(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    crowd_says("a", 10);
    expect_got(ask(bob, 3), "1@1 2@1 3@1");
    uint64_t ticket = ask(bob, 3);
    expect_got(ticket, "waits");
    expect_got(done(bob, "2", 3), "4@1");
    expect_got(ticket, ""); /* a newer turn ends the wait of the one before */
    expect_got(done(bob, "1 3 4", 0), "");
}

static void test_share_is_what_waits_by_those_who_ask(void **state)
{
    (void)state;
    struct member *members[4];
    uint64_t tickets[4];
    for (unsigned i = 0; i < 4; i++) {
        members[i] = join("g", i + 1, "a");
        tickets[i] = ask(members[i], 1000);
    }
    crowd_says("a", 102);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(count_of(tickets[i]), i < 3 ? 26 : 24);
}

static void test_small_shares_are_not_made_smaller(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    uint64_t bobs = ask(bob, 100), carols = ask(carol, 100);
    crowd_says("a", 20);
    assert_int_equal(count_of(bobs), 16);
    assert_int_equal(count_of(carols), 4);
}

static void test_long_lanes_count_for_what_they_can_give(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    uint64_t bobs = ask(bob, 1000), carols = ask(carol, 1000);
    for (unsigned i = 0; i < 60; i++)
        say_n(world_open(&w, "one", ""), "a", 20);
    assert_int_equal(count_of(bobs), 30);
    assert_int_equal(count_of(carols), 30);
}

static void test_members_that_are_full_do_not_count_for_shares(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    crowd_says("a", 1);
    expect_got(ask(bob, 1), "1@1");
    ask(bob, 1);
    uint64_t carols = ask(carol, 1000);
    crowd_says("a", 40);
    assert_int_equal(count_of(carols), 40);
}

static void test_one_reply_carries_about_768_KiB(void **state)
{
    (void)state;
    static char payload[62003];
    memset(payload, 'x', 62002);
    payload[0] = payload[62001] = '"';
    struct member *bob = join("g", 1, "a");
    for (unsigned i = 0; i < 15; i++)
        world_say(&w, world_open(&w, "one", ""), "a", payload, NULL);
    expect_got(ask(bob, 20), "1@1 2@1 3@1 4@1 5@1 6@1 7@1 8@1 9@1 10@1 11@1 12@1");
    expect_got(ask(bob, 20), "13@1 14@1 15@1");
}

static void test_wait_that_is_over_is_replied_with_nothing(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    uint64_t ticket = turn_with(bob, "[]", 5, 300);
    world_advance(&w, 299);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    expect_got(ticket, "");
    assert_int_equal(bob->group->asking_count, 0);
}

static void test_who_wants_nothing_or_does_not_wait_is_replied_at_once(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    expect_got(turn_with(bob, "[]", 0, 20000), "");
    expect_got(turn_with(bob, "[]", 9, 0), "");
    crowd_says("a", 2);
    expect_got(turn_with(bob, "[]", 9, 0), "1@1 2@1");
}

/* -- more of one connection ---------------------------------------------------------------------------- */

static void test_lanes_take_turns_when_many_of_each_may_be_held(void **state)
{
    (void)state;
    struct member *bob = join_n("g", 1, "a", 3);
    struct conn *alice = world_open(&w, "alice", ""), *carol = world_open(&w, "carol", "");
    say_n(alice, "a", 5);
    say_n(carol, "a", 5);
    expect_got(ask(bob, 4), "1@1 2@1 6@1 7@1");
    expect_got(ask(bob, 9), "3@1 8@1");
    expect_got(ask(bob, 9), "waits");
    groups_check(w.core);
}

static void test_one_lane_fills_a_member(void **state)
{
    (void)state;
    struct member *bob = join_n("g", 1, "a", 200);
    say_n(world_open(&w, "alice", ""), "a", 100);
    assert_int_equal(count_of(ask(bob, 64)), 64);
    assert_int_equal(count_of(ask(bob, 80)), 16);
}

static void test_waiting_member_gets_more_of_what_it_holds(void **state)
{
    (void)state;
    struct member *bob = join_n("g", 1, "a", 2);
    struct conn *alice = world_open(&w, "alice", "");
    say_n(alice, "a", 1);
    expect_got(ask(bob, 9), "1@1");
    uint64_t ticket = ask(bob, 9);
    expect_got(ticket, "waits");
    say_n(alice, "a", 2);
    expect_got(ticket, "2@1");
}

/* -- members that list different events ---------------------------------------------------------------- */

static void test_event_goes_to_a_member_that_lists_it(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a b");
    uint64_t bobs = ask(bob, 9), carols = ask(carol, 9);
    crowd_says("b", 2);
    expect_got(bobs, "waits");
    expect_got(carols, "1@1 2@1");
    crowd_says("a", 1);
    expect_got(bobs, "3@1");
}

static void test_next_event_of_a_held_lane_may_be_for_somebody_else(void **state)
{
    (void)state;
    struct member *bob = join_n("g", 1, "a", 4), *carol = join_n("g", 2, "a b", 4);
    struct conn *alice = world_open(&w, "alice", ""), *dave = world_open(&w, "dave", "");
    world_say(&w, alice, "a", NULL, NULL);
    world_say(&w, alice, "b", NULL, NULL);
    world_say(&w, dave, "a", NULL, NULL);
    world_say(&w, dave, "a", NULL, NULL);
    expect_got(ask(bob, 9), "1@1 3@1 4@1");
    uint64_t carols = ask(carol, 9);
    expect_got(carols, "waits");
    done(bob, "1", 0);
    expect_got(carols, "2@1");
}

static void test_lanes_for_others_are_looked_at_in_slices(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "b");
    uint64_t ticket = ask(bob, 9);
    crowd_says("b", 9000);
    crowd_says("a", 1);
    world_flush(&w);
    assert_true(w.core->groups.is_unfinished);
    assert_int_equal(core_next(w.core), w.now.mono_ms);
    assert_null(world_reply(&w, ticket));
    expect_got(ticket, "9001@1"); /* the third slice */
    assert_false(w.core->groups.is_unfinished);
    uint64_t next = ask(bob, 9);
    for (unsigned i = 0; i < 3; i++)
        world_flush(&w);
    assert_false(w.core->groups.is_unfinished); /* all were seen, and nothing has changed */
    assert_int_equal(count_of(ask(carol, 100)), 100);
    assert_null(world_reply(&w, next));
}

/* -- suspects ------------------------------------------------------------------------------------------ */

/* A member dies with @count events of as many connections. */
static void lose(unsigned count)
{
    struct member *victim = join("g", 9, "a");
    crowd_says("a", count);
    got(ask(victim, count));
    assert_int_equal(victim->held_count, count);
    world_link_down(&w, 9);
}

static void test_suspects_come_alone_to_a_member_that_holds_nothing(void **state)
{
    (void)state;
    lose(3);
    struct member *bob = join("g", 1, "a");
    crowd_says("a", 3);
    expect_got(ask(bob, 9), "1@2");
    uint64_t ticket = ask(bob, 9);
    expect_got(ticket, "waits"); /* nothing beside it */
    expect_got(done(bob, "1", 9), "2@2");
    expect_got(done(bob, "2", 9), "3@2");
    expect_got(done(bob, "3", 9), "4@1 5@1 6@1");
}

static void test_suspects_go_to_several_members_at_once(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    lose(3);
    uint64_t bobs = ask(bob, 9), carols = ask(carol, 9);
    expect_got(bobs, "1@2");
    expect_got(carols, "2@2");
}

static void test_any_answer_clears_the_suspicion(void **state)
{
    (void)state;
    lose(1);
    struct member *bob = join("g", 1, "a");
    expect_got(ask(bob, 9), "1@2");
    crowd_says("a", 1);
    expect_got(turn_with(bob, "[{\"seq\":1,\"retry_ms\":0}]", 9, 0), "1@3 2@1");
}

static void test_members_are_drained_one_by_one_for_a_suspect(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    crowd_says("a", 2);
    expect_got(ask(bob, 1), "1@1");
    expect_got(ask(carol, 1), "2@1");
    lose(1);
    uint64_t bobs = ask(bob, 9), carols = ask(carol, 9);
    crowd_says("a", 1);
    expect_got(bobs, "waits"); /* is drained */
    expect_got(carols, "4@1");
    assert_true(bob->is_draining);
    assert_false(carol->is_draining);
    expect_got(done(bob, "1", 9), "3@2");
    assert_false(bob->is_draining);
}

static void test_all_are_drained_when_a_suspect_has_waited_for_long(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    crowd_says("a", 2);
    expect_got(ask(bob, 1), "1@1");
    expect_got(ask(carol, 1), "2@1");
    lose(1);
    uint64_t bobs = ask(bob, 9), carols = ask(carol, 9);
    world_advance(&w, 999);
    expect_got(carols, "waits"); /* there is nothing */
    assert_false(carol->is_draining);
    world_advance(&w, 1);
    assert_true(carol->is_draining);
    crowd_says("a", 1);
    expect_got(bobs, "waits");
    expect_got(carols, "waits");
    expect_got(done(carol, "2", 9), "3@2");
    expect_got(bobs, "4@1"); /* no suspect waits any more */
}

static void test_suspect_waits_for_a_member_that_lists_it(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "b"), *carol = join("g", 2, "a b");
    struct conn *alice = world_open(&w, "alice", "");
    say_n(alice, "b", 1);
    expect_got(ask(carol, 1), "1@1");
    lose(1);
    uint64_t bobs = ask(bob, 9), carols = ask(carol, 9);
    crowd_says("b", 1);
    expect_got(bobs, "3@1"); /* is not drained for what it does not list */
    expect_got(carols, "waits");
    expect_got(done(carol, "1", 9), "2@2");
}

static void test_suspect_that_no_live_member_lists_drains_nobody(void **state)
{
    (void)state;
    lose(1);
    struct member *bob = join("g", 1, "b");
    struct conn *alice = world_open(&w, "alice", "");
    say_n(alice, "b", 1);
    expect_got(ask(bob, 9), "2@1");
    uint64_t ticket = ask(bob, 9);
    world_advance(&w, 2000);
    crowd_says("b", 1);
    expect_got(ticket, "3@1");
}

static void test_slow_member_leaves_its_share_to_the_others(void **state)
{
    (void)state;
    struct member *slow = join("g", 1, "a"), *fast = join("g", 2, "a");
    crowd_says("a", 64);
    assert_int_equal(count_of(ask(slow, 16)), 16);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(count_of(ask(fast, 16)), 16);
        while (fast->held)
            job_end(fast->held, JOB_HANDLED);
    }
    assert_int_equal(fast->handled, 48);
    assert_int_equal(the_group("g")->job_count, 16);
}

static void test_suspects_that_nobody_lists_hold_up_no_others(void **state)
{
    (void)state;
    static char names[80][8];
    struct member *bob = join("g", 1, "b"), *carol = join("g", 2, "a"), *dave = join("g", 3, "a");
    for (unsigned i = 0; i < 80; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        say_n(world_open(&w, names[i], ""), "b", 1);
    }
    struct conn *alice = world_open(&w, "alice", ""), *erin = world_open(&w, "erin", "");
    got(ask(bob, 100));
    assert_int_equal(bob->held_count, 80);
    say_n(alice, "a", 1);
    expect_got(ask(carol, 1), "81@1");
    say_n(erin, "a", 2);
    expect_got(ask(dave, 1), "82@1");
    member_end(bob, JOB_BLAMED);
    member_end(carol, JOB_BLAMED);
    uint64_t ticket = ask(dave, 5);
    say_n(world_open(&w, "frank", ""), "a", 1);
    expect_got(ticket, "waits"); /* for 81, which is to be alone */
    expect_got(done(dave, "82", 5), "81@2");
    expect_got(done(dave, "81", 5), "83@1 84@1");
    bob = join("g", 1, "b");
    expect_given(bob, 9, "1@2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_suspects_that_nobody_lists_hold_up_no_others),
        WORLD_TEST(test_who_asked_first_is_served_first),
        WORLD_TEST(test_connections_are_served_in_the_order_in_which_they_came),
        WORLD_TEST(test_member_holds_no_more_than_it_wants),
        WORLD_TEST(test_share_is_what_waits_by_those_who_ask),
        WORLD_TEST(test_small_shares_are_not_made_smaller),
        WORLD_TEST(test_long_lanes_count_for_what_they_can_give),
        WORLD_TEST(test_members_that_are_full_do_not_count_for_shares),
        WORLD_TEST(test_one_reply_carries_about_768_KiB),
        WORLD_TEST(test_wait_that_is_over_is_replied_with_nothing),
        WORLD_TEST(test_who_wants_nothing_or_does_not_wait_is_replied_at_once),
        WORLD_TEST(test_lanes_take_turns_when_many_of_each_may_be_held),
        WORLD_TEST(test_one_lane_fills_a_member),
        WORLD_TEST(test_waiting_member_gets_more_of_what_it_holds),
        WORLD_TEST(test_event_goes_to_a_member_that_lists_it),
        WORLD_TEST(test_next_event_of_a_held_lane_may_be_for_somebody_else),
        WORLD_TEST(test_lanes_for_others_are_looked_at_in_slices),
        WORLD_TEST(test_suspects_come_alone_to_a_member_that_holds_nothing),
        WORLD_TEST(test_suspects_go_to_several_members_at_once),
        WORLD_TEST(test_any_answer_clears_the_suspicion),
        WORLD_TEST(test_members_are_drained_one_by_one_for_a_suspect),
        WORLD_TEST(test_all_are_drained_when_a_suspect_has_waited_for_long),
        WORLD_TEST(test_suspect_waits_for_a_member_that_lists_it),
        WORLD_TEST(test_suspect_that_no_live_member_lists_drains_nobody),
        WORLD_TEST(test_slow_member_leaves_its_share_to_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
