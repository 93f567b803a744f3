#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"
#include "support/failing_alloc.h"

static bool matches(const char *group, const char *event)
{
    return group_matches(the_group(group), event, strlen(event));
}

static int declare(const char *name, const char *const *events)
{
    const struct group_rule rule = {.name = name, .events = events};
    join_fault = (struct fault){.code = CODE_OK};
    return core_group(w.core, &rule, &join_fault);
}

static void test_name_has_no_colon_and_at_most_64_bytes(void **state)
{
    (void)state;
    char long_name[66];
    memset(long_name, 'x', 65);
    assert_null(group_name_fault("a-b_c.d/E9", 10));
    assert_null(group_name_fault(long_name, 64));
    assert_non_null(group_name_fault(long_name, 65));
    assert_non_null(group_name_fault("", 0));
    assert_non_null(group_name_fault("a:b", 3));
    assert_non_null(group_name_fault("a b", 3));
    assert_non_null(group_name_fault("a\0b", 3));
    assert_non_null(group_name_fault("@a", 2));
}

static void test_group_listens_to_what_its_members_list(void **state)
{
    (void)state;
    join("g", 1, "a b:*");
    join("g", 2, "c");
    assert_true(matches("g", "a"));
    assert_true(matches("g", "b:x:y"));
    assert_true(matches("g", "c"));
    assert_false(matches("g", "b"));
    assert_false(matches("g", "d"));
    assert_true(groups_match(w.core, "c", 1));
    assert_false(groups_match(w.core, "d", 1));
    groups_check(w.core);
}

static void test_pattern_stays_for_a_while_after_its_last_lister(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a both"), *carol = join("g", 2, "both");
    member_end(bob, JOB_LEFT);
    world_advance(&w, 59999);
    assert_true(matches("g", "a"));
    assert_false(group_lists(the_group("g"), "a", 1));
    world_link_down(&w, carol->link); /* or it falls silent now */
    join("g", 3, "both");
    world_advance(&w, 1);
    assert_false(matches("g", "a"));
    assert_true(matches("g", "both"));
    groups_check(w.core);
}

static void test_pattern_that_is_listed_again_in_time_stays(void **state)
{
    (void)state;
    member_end(join("g", 1, "a"), JOB_LEFT);
    world_advance(&w, 40000);
    struct member *bob = join("g", 1, "a");
    world_advance(&w, 30000);
    assert_true(matches("g", "a"));
    member_end(bob, JOB_LEFT);
    world_advance(&w, 59999);
    assert_true(matches("g", "a"));
    world_advance(&w, 1);
    assert_null(group_find(w.core, "g", 1));
}

static void test_group_with_nothing_left_is_gone(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 1);
    member_end(bob, JOB_LEFT);
    world_advance(&w, 50000);
    assert_non_null(group_find(w.core, "g", 1));
    world_advance(&w, 10000);
    assert_null(group_find(w.core, "g", 1));
    assert_int_equal(alice->events, 0);
}

static void test_event_that_nobody_lists_any_more_dies_with_its_pattern(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a b");
    struct member *carol = join("g", 2, "b");
    say_n(alice, "a", 1);
    say_n(alice, "b", 2);
    member_end(bob, JOB_LEFT);
    expect_got(ask(carol, 9), "waits"); /* the lane's next is what she does not list */
    world_advance(&w, 19999);
    world_trace(&w);
    expect_got(ask(carol, 9), "waits");
    world_advance(&w, 20000);
    uint64_t ticket = ask(carol, 9);
    world_advance(&w, 20001);
    assert_int_equal(the_group("g")->counters.dead, 1);
    assert_int_equal(the_group("g")->dead->code, CODE_UNLISTED);
    assert_int_equal(the_group("g")->dead->seq, 1);
    ticket = ask(carol, 9);
    expect_got(ticket, "2@1");
    expect_got(done(carol, "2", 9), "3@1");
}

static void test_many_unlisted_events_are_buried_in_slices(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    join("g", 2, "b");
    w.is_tcp = false;
    say_n(alice, "a", 2500);
    member_end(bob, JOB_LEFT);
    world_advance(&w, 30000);
    ask(join("g", 3, "b"), 1); /* keeps the group */
    world_advance(&w, 29999);
    w.now.mono_ms += 1;
    core_tick(w.core, w.now);
    assert_int_equal(the_group("g")->counters.dead, 1000);
    assert_int_equal(core_next(w.core), w.now.mono_ms);
    world_advance(&w, 5);
    assert_int_equal(the_group("g")->counters.dead, 2500);
    assert_int_equal(the_group("g")->dead_count, 1000);
    groups_check(w.core);
}

static void test_many_events_are_looked_at_in_slices(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    ask(join("g", 2, "b"), 0);
    say_n(alice, "b", 15000); /* stay */
    say_n(alice, "a", 1);
    member_end(bob, JOB_LEFT);
    world_advance(&w, 30000);
    ask(join("g", 3, "b"), 0);
    world_advance(&w, 29999);
    w.now.mono_ms += 1;
    core_tick(w.core, w.now);
    assert_int_equal(the_group("g")->counters.dead, 0);
    assert_int_equal(core_next(w.core), w.now.mono_ms);
    core_tick(w.core, w.now);
    assert_int_equal(the_group("g")->counters.dead, 1);
    assert_int_equal(the_group("g")->job_count, 15000);
    assert_true(core_next(w.core) > w.now.mono_ms);
}

static void test_declared_group_listens_for_ever(void **state)
{
    (void)state;
    static const char *const events[] = {"a", "b:*", NULL};
    assert_int_equal(declare("g", events), 0);
    struct member *bob = join("g", 1, "a c");
    member_end(bob, JOB_LEFT);
    world_advance(&w, 200000);
    assert_true(matches("g", "a"));
    assert_true(matches("g", "b:x"));
    assert_false(matches("g", "c"));
}

static void test_declared_options_hold_for_the_group(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g",
                                    .refuses_when_full = true,
                                    .max_age_ms = 7,
                                    .max_attempts = 2,
                                    .backlog = 3,
                                    .backlog_bytes = 999};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    const struct group *group = the_group("g");
    assert_true(group->refuses_when_full);
    assert_int_equal(group->max_age_ms, 7);
    assert_int_equal(group->max_attempts, 2);
    assert_int_equal(group->max_backlog, 3);
    assert_int_equal(group->max_backlog_bytes, 999);
}

static void test_wrong_declarations_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"a*", NULL};
    assert_int_equal(declare("g:h", NULL), -1);
    assert_int_equal(join_fault.code, CODE_BAD_ARGUMENT);
    assert_int_equal(declare("g", bad), -1);
    assert_int_equal(join_fault.code, CODE_BAD_EVENT);
    world_flush(&w);
    assert_null(group_find(w.core, "g", 1));
}

static void test_seq_of_a_name_never_starts_again(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    join("g", 1, "a");
    say_n(alice, "a", 5);
    world_advance(&w, 200000);
    assert_null(group_find(w.core, "g", 1));
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 1);
    expect_got(ask(bob, 1), "6@1");
    struct member *carol = join("other", 2, "a");
    say_n(alice, "a", 1);
    expect_got(ask(carol, 1), "6@1");
}

static void test_groups_are_limited(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_groups = 2;
    world_start(&w);
    join("g", 1, "a");
    join("h", 1, "a");
    assert_null(try_join("i", 1, "a", 1));
    assert_int_equal(join_fault.code, CODE_LIMIT);
    assert_non_null(try_join("h", 2, "a", 1));
}

static void test_patterns_of_a_group_are_limited(void **state)
{
    (void)state;
    char words[512] = "";
    for (unsigned i = 0; i < GROUP_PATTERNS; i++)
        snprintf(words + strlen(words), 8, i ? " p%u" : "p%u", i);
    join("g", 1, words);
    assert_null(try_join("g", 2, "p1 another", 1));
    assert_int_equal(join_fault.code, CODE_LIMIT);
    groups_check(w.core); /* p1 is not listed by one that is not there */
    join("g", 2, "p1");
}

static void test_group_that_nobody_could_join_is_gone(void **state)
{
    (void)state;
    struct fault fault;
    assert_non_null(group_make(w.core, "g", 1, &fault));
    assert_non_null(group_find(w.core, "g", 1));
    world_flush(&w);
    assert_null(group_find(w.core, "g", 1));
}

static void test_join_that_was_refused_listens_to_nothing(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "b c"), *carol;
    char events[512] = "";
    for (unsigned i = 0; i < GROUP_PATTERNS - 3; i++)
        snprintf(events + strlen(events), sizeof(events) - strlen(events), "%sp%u", i ? " " : "", i);
    carol = join("g", 2, events);
    member_end(bob, JOB_LEFT); /* b and c are kept for a while */
    world_advance(&w, 20000);
    assert_null(try_join("g", 3, "b x y", 1));
    assert_int_equal(join_fault.code, CODE_LIMIT);
    assert_false(matches("g", "x"));
    say_n(alice, "x", 1);
    assert_non_null(strstr(world_trace(&w), "no_handler"));
    groups_check(w.core);
    world_link_down(&w, carol->link);
    world_advance(&w, 40000);
    assert_false(matches("g", "b")); /* for no longer than without that */
    assert_true(matches("g", "p1"));
}

static void test_refused_memory_makes_no_group(void **state)
{
    (void)state;
    unsigned long n = 0;
    for (bool was_refused = true; was_refused; n++) {
        struct fault fault = {.code = CODE_OK};
        failing_alloc_start(n);
        const struct group *group = group_make(w.core, "g", 1, &fault);
        was_refused = failing_alloc_stop();
        assert_int_equal(group == NULL, was_refused);
        assert_int_equal(fault.code, was_refused ? CODE_OVERLOADED : CODE_OK);
        assert_ptr_equal(group_find(w.core, "g", 1), group);
    }
    assert_true(n > 1);
}

static void test_rates_are_of_the_time_between_two_samples(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 10);
    expect_got(ask(bob, 1), "1@1");
    done(bob, "1", 1);
    w.now.mono_ms += 2000;
    core_tick(w.core, w.now);
    groups_sample(w.core);
    assert_int_equal(the_group("g")->received_per_s * 10, 50);
    assert_int_equal(the_group("g")->handled_per_s * 10, 5);
    w.now.mono_ms += 1000;
    core_tick(w.core, w.now);
    groups_sample(w.core);
    assert_int_equal(the_group("g")->received_per_s * 10, 0);
}

static void test_timers_that_could_not_be_started_are_tried_again(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    timer_stop(&w.core->timers, &bob->timer);
    timer_stop(&w.core->timers, &bob->group->timer);
    w.core->groups.is_unarmed = true;
    world_flush(&w);
    assert_false(w.core->groups.is_unarmed);
    assert_true(timer_running(&bob->timer));
    assert_true(timer_running(&bob->group->timer));
    world_advance(&w, 60000 + 60000); /* silence, then the pattern's time */
    assert_null(group_find(w.core, "g", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_name_has_no_colon_and_at_most_64_bytes),
        WORLD_TEST(test_group_listens_to_what_its_members_list),
        WORLD_TEST(test_pattern_stays_for_a_while_after_its_last_lister),
        WORLD_TEST(test_pattern_that_is_listed_again_in_time_stays),
        WORLD_TEST(test_group_with_nothing_left_is_gone),
        WORLD_TEST(test_event_that_nobody_lists_any_more_dies_with_its_pattern),
        WORLD_TEST(test_many_unlisted_events_are_buried_in_slices),
        WORLD_TEST(test_many_events_are_looked_at_in_slices),
        WORLD_TEST(test_declared_group_listens_for_ever),
        WORLD_TEST(test_declared_options_hold_for_the_group),
        WORLD_TEST(test_wrong_declarations_are_refused),
        WORLD_TEST(test_seq_of_a_name_never_starts_again),
        WORLD_TEST(test_groups_are_limited),
        WORLD_TEST(test_patterns_of_a_group_are_limited),
        WORLD_TEST(test_group_that_nobody_could_join_is_gone),
        WORLD_TEST(test_join_that_was_refused_listens_to_nothing),
        WORLD_TEST(test_refused_memory_makes_no_group),
        WORLD_TEST(test_rates_are_of_the_time_between_two_samples),
        WORLD_TEST(test_timers_that_could_not_be_started_are_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
