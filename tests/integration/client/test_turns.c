/* The turns of a member, one by one, with a broker that does what a test says. */
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

/* ---- What is said ---- */

static void test_member_joins_and_asks(void **state)
{
    (void)state;
    assert_int_equal(
        sluice_subscribe(client, "say", note, NULL,
                         "{group: 'g', per_conn: 3, lease_ms: 5000, session_keys: ['room'], max: 8}"),
        0);
    assert_int_equal(sluice_subscribe(client, "@connect", note, NULL, "{group: 'g'}"), 0);
    assert_false(sluice_is_ready(client));
    until_ready(client);
    until_turns(1);
    assert_string_equal(fake.last_join, "{\"op\":\"join\",\"group\":\"g\",\"events\":[\"say\",\"@connect\"],"
                                        "\"per_conn\":3,\"lease_ms\":5000,\"session_keys\":[\"room\"]}");
    assert_turn(0, "{\"member\":\"m1\",\"turn\":1,\"done\":[],\"max\":8,\"wait_ms\":20000}");
    pass(300);
    assert_int_equal(fake.turns, 1); /* and waits */
    assert_int_equal(fake.hellos, 1);
    assert_int_equal(fake.announcements, 0);
    assert_int_equal(strncmp(logged, "i group g: joined ipc://", 24), 0);
}

static void test_acknowledgement_and_next_fetch_are_one_request(void **state)
{
    (void)state;
    handle(note);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
    until_turns(2);
    assert_turn(
        1, "{\"member\":\"m1\",\"turn\":2,\"done\":[" DONE(1) "," DONE(2) "],\"max\":8,\"wait_ms\":20000}");
    fake_script(&fake, EVENTS(EVENT(3, "c.1")));
    until_turns(3);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[" DONE(3) "],\"max\":8,\"wait_ms\":20000}");
    pass(100);
    assert_int_equal(fake.turns, 3);
    assert_string_equal(order, "1 2 3 ");
}

static void test_finish_sends_a_newer_turn_at_once(void **state)
{
    int64_t begin;

    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2") "," EVENT(3, "c.3")));
    until_turns(2);
    assert_turn(
        1, "{\"member\":\"m1\",\"turn\":2,\"done\":[],\"max\":8,\"wait_ms\":20000}"); /* waits for more */
    pass(100);
    assert_int_equal(fake.turns, 2);
    begin = clock_now();
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), 0);
    until_turns(3);
    assert_true(clock_now() - begin < 1000);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[" DONE(2) "],\"max\":8,\"wait_ms\":20000}");
    assert_int_equal(sluice_finish(kept[1], SLUICE_RETRY), 0);
    assert_int_equal(sluice_finish(kept[3], SLUICE_DONE), 0);
    until_turns(4);
    assert_turn(3, "{\"member\":\"m1\",\"turn\":4,\"done\":[{\"seq\":1,\"retry_ms\":1000}," DONE(
                       3) "],\"max\":8,"
                          "\"wait_ms\":20000}");
    pass(100);
    assert_int_equal(fake.turns, 4);
}

static void test_full_member_asks_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(client, "say", keep, NULL, "{group: 'g', max: 2}"), 0);
    until_turns(1);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2")));
    until(client, kept[2] != NULL);
    pass(100);
    assert_int_equal(fake.turns, 1);
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(2);
    assert_turn(1, "{\"member\":\"m1\",\"turn\":2,\"done\":[" DONE(1) "],\"max\":2,\"wait_ms\":20000}");
}

static int send_much(sluice_event *event)
{
    for (int i = 0; i < 2; i++)
        sluice_send(event, "c.9", "news", NULL, NULL);
    return SLUICE_DONE;
}

static void test_what_does_not_fit_goes_with_the_next_turns(void **state)
{
    char turn[1024], entry[256];

    (void)state;
    snprintf(fake.limits, sizeof(fake.limits), "{\"max_ops\":5}");
    extra = send_much;
    handle(note);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2") "," EVENT(3, "c.3")));
    until_turns(3);
    snprintf(entry, sizeof(entry),
             "\"ops\":[{\"op\":\"send\",\"conn\":\"c.9\",\"event\":\"news\"},{\"op\":\"send\","
             "\"conn\":\"c.9\",\"event\":\"news\"}]}");
    snprintf(turn, sizeof(turn),
             "{\"member\":\"m1\",\"turn\":2,\"done\":[{\"seq\":1,%s,{\"seq\":2,%s],\"max\":0,\"wait_ms\":0}",
             entry, entry);
    assert_turn(1, turn);
    snprintf(turn, sizeof(turn),
             "{\"member\":\"m1\",\"turn\":3,\"done\":[{\"seq\":3,%s],\"max\":8,\"wait_ms\":20000}", entry);
    assert_turn(2, turn);
}

static int call_inside(sluice_event *event)
{
    const sluice_value *result;

    assert_int_equal(sluice_call(event, sluice_doc(event, "{op: 'count'}"), &result), 0);
    assert_int_equal(sluice_now(event, sluice_answer(event, NULL, NULL), &result), 0);
    return sluice_answer(event, NULL, NULL);
}

static void test_calls_go_their_own_way_while_a_turn_waits(void **state)
{
    (void)state;
    extra = call_inside;
    handle(keep);
    fake_script(
        &fake,
        EVENTS("{\"event\":\"say\",\"conn\":\"c.1\",\"session\":{},\"version\":1,\"seq\":1,\"attempt\":1,"
               "\"i\":\"x\"}"));
    until_turns(2); /* this one waits */
    assert_non_null(strstr(fake_seen(&fake, 0), "\"ops\":[{\"op\":\"count\"}]"));
    assert_non_null(
        strstr(fake_seen(&fake, 1), "\"ops\":[{\"conn\":\"c.1\",\"i\":\"x\",\"op\":\"answer\"}]"));
    assert_int_equal(sluice_call(kept[1], sluice_doc(kept[1], "{op: 'count'}"), NULL), 0);
    assert_int_equal(fake.turns, 2);
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(3);
    assert_turn(
        2, "{\"member\":\"m1\",\"turn\":3,\"done\":[{\"seq\":1,\"ops\":[{\"op\":\"answer\"}]}],\"max\":8,"
           "\"wait_ms\":20000}");
}

static void test_two_groups_of_a_client_take_turns_of_their_own(void **state)
{
    (void)state;
    handle(keep);
    assert_int_equal(sluice_subscribe(client, "say", note, NULL, "{group: 'h', max: 5}"), 0);
    until_turns(2);
    assert_turn(0, "{\"member\":\"m1\",\"turn\":1,\"done\":[],\"max\":8,\"wait_ms\":20000}");
    assert_turn(1, "{\"member\":\"m2\",\"turn\":1,\"done\":[],\"max\":5,\"wait_ms\":20000}");
}

static void test_more_patterns_join_anew_when_nothing_is_held(void **state)
{
    (void)state;
    handle(keep);
    fake_script(&fake, EVENTS(EVENT(1, "c.1")));
    until_turns(2);
    assert_int_equal(sluice_subscribe(client, "more", note, NULL, "{group: 'g'}"), 0);
    until_turns(3); /* ends the wait, and asks for nothing */
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[],\"max\":0,\"wait_ms\":0}");
    pass(100);
    assert_int_equal(fake.leaves, 0);
    sluice_finish(kept[1], SLUICE_DONE);
    until(client, fake_count(&fake, &fake.joins) == 2);
    assert_string_equal(fake.last_leave, "\"m1\"");
    assert_non_null(strstr(fake.last_join, "[\"say\",\"more\"]"));
    until_turns(5);
    assert_turn(3, "{\"member\":\"m1\",\"turn\":4,\"done\":[" DONE(1) "],\"max\":0,\"wait_ms\":0}");
    assert_turn(4, "{\"member\":\"m2\",\"turn\":1,\"done\":[],\"max\":8,\"wait_ms\":20000}");
}

/* ---- What is told ---- */

static void test_refused_entries_are_told(void **state)
{
    (void)state;
    handle(note);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.2") "," EVENT(3, "c.3")));
    until_turns(2);
    fake_script(&fake, HEAD
                "\"failed\":[{\"seq\":2,\"code\":\"bad_filter\",\"message\":\"no\",\"at\":\"done[1].ops[0]."
                "filter\",\"then\":\"dead\"},{\"seq\":3,\"code\":\"lease_expired\",\"message\":\"too "
                "late\",\"then\":\"none\"},{\"seq\":1,\"code\":\"stale\",\"message\":\"old\",\"then\":"
                "\"again\"},{\"seq\":99,\"code\":\"bad_value\",\"then\":\"dead\"}],\"events\":[]}");
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_BAD_FILTER);
    assert_string_equal(told.message, "no");
    assert_string_equal(told.at, "ops[0].filter");
    assert_string_equal(told.event, "say");
    pass(50);
    assert_int_equal(told.count, 1);
    assert_non_null(strstr(logged, "i group g: an event say was not finished: too late\n"));
    assert_non_null(strstr(logged, "i group g: an event say was not finished: old\n"));
}

static void test_entry_that_comes_again_takes_its_connection_along(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(client, "say", keep, NULL, "{group: 'g', max: 8, per_conn: 4}"), 0);
    until_turns(1);
    fake_script(&fake, EVENTS(EVENT(1, "c.1") "," EVENT(2, "c.1") "," EVENT(3, "c.2")));
    until_turns(2);
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(3);
    fake_script(&fake,
                HEAD "\"failed\":[{\"seq\":1,\"code\":\"conflict\",\"message\":\"m\",\"then\":\"again\"}],"
                     "\"events\":[" EVENT(1, "c.1") "]}");
    kept[1] = NULL;
    until(client, kept[1] != NULL);
    assert_int_equal(told.error, SLUICE_E_CONFLICT);
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
    assert_int_equal(sluice_finish(kept[3], SLUICE_DONE), 0);
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), 0);
}

static void test_pause_is_kept(void **state)
{
    int64_t begin;

    (void)state;
    fake_script(&fake, HEAD "\"failed\":[],\"events\":[],\"pause_ms\":400}");
    handle(note);
    begin = clock_now();
    until_turns(2);
    assert_in_range(clock_now() - begin, 350, 5000);
    assert_turn(1, "{\"member\":\"m1\",\"turn\":2,\"done\":[],\"max\":8,\"wait_ms\":20000}");
}

static void test_broker_that_does_not_wait_is_not_asked_without_end(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        fake_script(&fake, EVENTS());
    handle(note);
    pass(1500);
    assert_in_range(fake_count(&fake, &fake.turns), 2, 3);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_member_joins_and_asks),
        TEST(test_acknowledgement_and_next_fetch_are_one_request),
        TEST(test_finish_sends_a_newer_turn_at_once),
        TEST(test_full_member_asks_for_nothing),
        TEST(test_what_does_not_fit_goes_with_the_next_turns),
        TEST(test_calls_go_their_own_way_while_a_turn_waits),
        TEST(test_two_groups_of_a_client_take_turns_of_their_own),
        TEST(test_more_patterns_join_anew_when_nothing_is_held),
        TEST(test_refused_entries_are_told),
        TEST(test_entry_that_comes_again_takes_its_connection_along),
        TEST(test_pause_is_kept),
        TEST(test_broker_that_does_not_wait_is_not_asked_without_end),
    };
    return run_each(tests);
}
