/* Turns that are refused or lost, leases, and stopping, with a broker that does what a test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "turns.h"

/* ---- Turns that are refused, or lost ---- */

static void test_lost_member_joins_anew(void **state)
{
    static const char *const losses[] = {REFUSED("unknown_member"), REFUSED("bad_turn"), REFUSED("new_epoch"),
                                         HEAD "\"failed\":[],\"events\":[],\"released\":true}"};

    (void)state;
    handle(keep);
    for (unsigned i = 0; i < 4; i++) {
        char before[16];
        unsigned turns;
        memset(kept, 0, sizeof(kept));
        fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
        until(client, kept[2] != NULL);
        turns = fake_count(&fake, &fake.turns);
        snprintf(before, sizeof(before), "\"m%u\"", i + 2);
        logged[0] = '\0';
        until_turns(turns);
        fake_script(&fake, losses[i]);
        until(client, fake_count(&fake, &fake.joins) == i + 2);
        until_ready(client);
        until(client, strstr(fake_turn(&fake, fake.turns_seen_count - 1), before) != NULL);
        assert_non_null(strstr(fake_turn(&fake, fake.turns_seen_count - 1), "\"turn\":1,\"done\":[]"));
        assert_non_null(strstr(logged, "i group g: 2 events that functions keep belong to others now\n"));
        assert_string_equal(sluice_event_conn(kept[2]), "c.2"); /* readable until its end */
        assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
        assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
        pass(50);
    }
    assert_int_equal(told.count, 1); /* of bad_turn, which should not be */
    assert_int_equal(told.error, SLUICE_E_BAD_TURN);
}

static void test_turn_that_overtook_the_one_before_is_repeated(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
    until_turns(2);
    /* The second waits; of the third the broker says that it is none, as if the second had not come yet. */
    fake_script_next(&fake, TOO_EARLY(1));
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(4);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[" DONE(1) "],\"max\":8,\"wait_ms\":20000}");
    assert_turn(3, fake_turn(&fake, 2));
    assert_int_equal(fake.joins, 1);
    assert_int_equal(told.count, 0);
    sluice_finish(kept[2], SLUICE_DONE);
    until_turns(5);
}

/* The same where the reply of the second comes before that of the third is looked at. */
static void test_turn_that_overtook_one_that_has_ended_is_repeated(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    until_turns(2);
    fake_script_next(&fake, TOO_EARLY(1));
    sluice_finish(kept[1], SLUICE_DONE);
    sluice_poll(client, 0);
    until(NULL, fake_count(&fake, &fake.turns) == 3);
    fake_script(&fake, EVENTS(EVENT(2, "c.2")));
    usleep(50000);
    until_turns(4);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[" DONE(1) "],\"max\":8,\"wait_ms\":20000}");
    assert_turn(3, fake_turn(&fake, 2));
    assert_int_equal(fake.joins, 1);
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), 0);
    until_turns(5);
}

/* The same where the next one has been sent before the reply is looked at. */
static void test_turn_that_overtook_is_repeated_behind_the_next(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
    until_turns(2);
    fake_end_wait_with(&fake, EVENTS());
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(3);
    fake_end_wait_with(&fake, TOO_EARLY(1));
    sluice_finish(kept[2], SLUICE_DONE);
    until_turns(5);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[" DONE(1) "],\"max\":8,\"wait_ms\":20000}");
    assert_turn(3, "{\"member\":\"m1\",\"turn\":4,\"done\":[" DONE(2) "],\"max\":8,\"wait_ms\":20000}");
    assert_turn(4, fake_turn(&fake, 2));
    assert_int_equal(fake.joins, 1);
    assert_int_equal(told.count, 0);
}

/* The broker sends replies in order; the threads of nng may bring them in another. */
static void test_replies_are_taken_in_the_order_of_turns(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(client, "say", keep, NULL, "{group: 'g', max: 8, per_conn: 4}"), 0);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.1")));
    until_turns(2);
    fake_end_wait_with(&fake, "late");
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(3);
    fake_script(&fake, EVENTS(EVENT(2, "c.1") "," EVENT(4, "c.1")));
    pass(100);
    assert_string_equal(order, "1 2 ");
    fake_reply_late(&fake,
                    HEAD "\"failed\":[{\"seq\":1,\"code\":\"stale\",\"message\":\"m\",\"at\":\"done[0]\","
                         "\"then\":\"again\"}],\"events\":[" EVENT(1, "c.1") "]}");
    until(client, kept[4] != NULL);
    assert_string_equal(order, "1 2 1 2 4 ");
    for (unsigned seq = 1; seq <= 4; seq += 1 + (seq == 2))
        assert_int_equal(sluice_finish(kept[seq], SLUICE_DONE), 0);
    assert_int_equal(told.count, 0);
}

/* One of which the broker knows a newer one was applied: who has its events nobody knows. */
static void test_turn_that_came_too_late_is_the_end(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
    until_turns(2);
    fake_script_next(&fake, TOO_EARLY(4));
    sluice_finish(kept[1], SLUICE_DONE);
    until(client, fake_count(&fake, &fake.joins) == 2);
    assert_int_equal(told.error, SLUICE_E_BAD_TURN);
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
}

static void test_turn_is_repeated_when_its_link_ends(void **state)
{
    (void)state;
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    fake_script(&fake, "hang up");
    handle(note);
    until_turns(3);
    assert_turn(1, "{\"member\":\"m1\",\"turn\":2,\"done\":[" DONE(1) "],\"max\":8,\"wait_ms\":20000}");
    assert_turn(2, fake_turn(&fake, 1));
    assert_int_equal(fake.joins, 1);
}

static void test_overloaded_broker_gets_the_turn_again(void **state)
{
    int64_t begin = clock_now();

    (void)state;
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    fake_script(&fake, REFUSED("overloaded"));
    handle(note);
    until_turns(3);
    assert_in_range(clock_now() - begin, 900, 5000);
    assert_turn(2, fake_turn(&fake, 1));
    assert_string_equal(order, "1 ");
}

static void test_refused_join_is_told(void **state)
{
    (void)state;
    fake.join_reply = "{\"ok\":false,\"code\":\"limit\",\"message\":\"too many groups\"}";
    assert_int_equal(sluice_subscribe(client, "say", note, NULL, "{group: 'g'}"), 0);
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_LIMIT);
    assert_false(sluice_is_ready(client));
    fake.join_reply = "{\"ok\":true}";
    until(client, told.count == 2); /* after five seconds */
    assert_int_equal(told.error, SLUICE_E_PROTOCOL);
}

static void test_broker_started_anew_is_joined(void **state)
{
    (void)state;
    handle(note);
    fake_go_away(&fake);
    pass(50);
    snprintf(fake.epoch, sizeof(fake.epoch), "epoch2");
    fake_script(&fake, REFUSED("unknown_member")); /* the turn that was repeated */
    fake_come_back(&fake);
    until(client, fake_count(&fake, &fake.joins) == 2);
    until_turns(3);
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    until_turns(4);
    assert_turn(3, "{\"member\":\"m2\",\"turn\":2,\"done\":[" DONE(1) "],\"max\":8,\"wait_ms\":20000}");
    assert_non_null(strstr(fake_turn(&fake, 2), "\"turn\":1"));
}

/* ---- Leases ---- */

static int take_time(sluice_event *event)
{
    (void)event;
    usleep(120000);
    return SLUICE_DONE;
}

static void test_leases_of_events_that_wait_are_renewed(void **state)
{
    (void)state;
    fake.lease_ms = 300;
    extra = take_time;
    handle(note);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2") "," EVENT(3, "c.3") "," EVENT(4, "c.4")));
    until(client, strlen(order) == 8);
    until(client, fake_count(&fake, &fake.requests) >= 1);
    assert_non_null(
        strstr(fake_seen(&fake, 0), "\"ops\":[{\"op\":\"extend\",\"member\":\"m1\",\"seqs\":[2,3,4]}]"));
}

static int renew(sluice_event *event)
{
    assert_int_equal(sluice_extend(event), SLUICE_E_LEASE_EXPIRED); /* the fake says nothing of `extended` */
    return SLUICE_DONE;
}

static void test_function_renews_its_lease(void **state)
{
    (void)state;
    extra = renew;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(7, "c.1")));
    until_turns(2);
    assert_non_null(
        strstr(fake_seen(&fake, 0), "\"ops\":[{\"op\":\"extend\",\"member\":\"m1\",\"seqs\":[7]}]"));
    fake.reply = "{\"v\":1,\"id\":$ID,\"epoch\":\"epoch1\",\"results\":[{\"ok\":true,\"extended\":1}]}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(sluice_extend(kept[7]), 0);
    fake.reply =
        "{\"v\":1,\"id\":$ID,\"epoch\":\"epoch1\",\"results\":[{\"ok\":false,\"code\":\"unknown_member\"}]}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(sluice_extend(kept[7]), SLUICE_E_UNKNOWN_MEMBER);
    until(client, fake_count(&fake, &fake.joins) == 2);
    assert_int_equal(sluice_extend(kept[7]), SLUICE_E_LEASE_EXPIRED);
    sluice_event *step = sluice_begin(client);
    assert_int_equal(sluice_extend(step), SLUICE_E_STATE);
    assert_int_equal(sluice_extend(NULL), SLUICE_E_ARGUMENT);
    sluice_cancel(step);
}

/* ---- Stopping ---- */

static void test_stop_finishes_and_leaves(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
    until_turns(2);
    sluice_stop(client);
    until_turns(3);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[],\"max\":0,\"wait_ms\":0}");
    pass(100); /* sluice_poll() returns as ever */
    sluice_finish(kept[1], SLUICE_DONE);
    sluice_finish(kept[2], SLUICE_RETRY);
    assert_int_equal(sluice_run(client), 0);
    assert_turn(
        3, "{\"member\":\"m1\",\"turn\":4,\"done\":[" DONE(1) ",{\"seq\":2,\"retry_ms\":1000}],\"max\":0,"
                                                              "\"wait_ms\":0}");
    assert_int_equal(fake.leaves, 1);
    assert_string_equal(fake.last_leave, "\"m1\"");
    assert_int_equal(fake.turns, 4);
    until(client, fake_count(&fake, &fake.joins) == 2); /* whoever goes on is a member again */
}

static int stop_inside(sluice_event *event)
{
    sluice_stop(sluice_event_client(event));
    return SLUICE_DONE;
}

static void test_stop_calls_functions_for_what_has_come(void **state)
{
    (void)state;
    extra = stop_inside;
    assert_int_equal(sluice_subscribe(client, "say", note, NULL, "{group: 'g', max: 8}"), 0);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2") "," EVENT(3, "c.3")));
    assert_int_equal(sluice_run(client), 0);
    assert_string_equal(order, "1 2 3 ");
    assert_turn(1, "{\"member\":\"m1\",\"turn\":2,\"done\":[" DONE(1) "," DONE(2) "," DONE(
                       3) "],\"max\":0,\"wait_ms\":0}");
    assert_int_equal(fake.leaves, 1);
}

static void test_stop_waits_no_longer_than_it_may(void **state)
{
    int64_t begin;

    (void)state;
    assert_int_equal(sluice_set_drain(client, -1), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_set_drain(NULL, 1), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_set_drain(client, 300), 0);
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    until(client, kept[1] != NULL);
    sluice_stop(client);
    begin = clock_now();
    assert_int_equal(sluice_run(client), 0);
    assert_in_range(clock_now() - begin, 280, 2000);
    assert_int_equal(fake.leaves, 1);
    assert_non_null(strstr(logged, "w group g: leaves with 1 events that are not finished"));
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
}

static void test_stop_without_a_broker_waits_for_nothing(void **state)
{
    int64_t begin;

    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    until(client, kept[1] != NULL);
    fake_go_away(&fake);
    begin = clock_now();
    sluice_stop(client);
    assert_int_equal(sluice_run(client), 0);
    assert_in_range(clock_now() - begin, 0, 2000);
    fake_come_back(&fake);
}

static void test_broker_that_says_nothing_does_not_hold_up_for_ever(void **state)
{
    int64_t begin;

    (void)state;
    sluice_set_drain(client, 300);
    handle(note);
    for (int i = 0; i < 10; i++)
        fake_script(&fake, "ignore"); /* the first goes to the one that waits */
    fake_next(&fake, FAKE_IGNORE);
    sluice_stop(client);
    begin = clock_now();
    assert_int_equal(sluice_run(client), 0);
    assert_in_range(clock_now() - begin, 280, 3000);
}

static void test_client_is_freed_with_events_that_functions_keep(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2") "," EVENT(3, "c.3")));
    until_turns(2);
    sluice_finish(kept[2], SLUICE_DONE); /* not sent */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_lost_member_joins_anew),
        TEST(test_turn_that_overtook_the_one_before_is_repeated),
        TEST(test_turn_that_overtook_one_that_has_ended_is_repeated),
        TEST(test_turn_that_overtook_is_repeated_behind_the_next),
        TEST(test_replies_are_taken_in_the_order_of_turns),
        TEST(test_turn_that_came_too_late_is_the_end),
        TEST(test_turn_is_repeated_when_its_link_ends),
        TEST(test_overloaded_broker_gets_the_turn_again),
        TEST(test_refused_join_is_told),
        TEST(test_broker_started_anew_is_joined),
        TEST(test_leases_of_events_that_wait_are_renewed),
        TEST(test_function_renews_its_lease),
        TEST(test_stop_finishes_and_leaves),
        TEST(test_stop_calls_functions_for_what_has_come),
        TEST(test_stop_waits_no_longer_than_it_may),
        TEST(test_stop_without_a_broker_waits_for_nothing),
        TEST(test_broker_that_says_nothing_does_not_hold_up_for_ever),
        TEST(test_client_is_freed_with_events_that_functions_keep),
    };
    return run_each(tests);
}
