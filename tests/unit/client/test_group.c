/* The events that a member holds: their functions, their order, and those that are not its own any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "member.h"

static char order[512]; /* seqs that functions were called with */
static sluice_event *kept[64];
static unsigned slow_us;

static int note(sluice_event *event, void *arg)
{
    size_t len = strlen(order);

    (void)arg;
    snprintf(order + len, sizeof(order) - len, "%llu ", (unsigned long long)sluice_event_seq(event));
    if (slow_us > 0)
        usleep(slow_us);
    return SLUICE_DONE;
}

static int keep(sluice_event *event, void *arg)
{
    note(event, arg);
    kept[sluice_event_seq(event)] = event;
    return SLUICE_LATER;
}

static int setup(void **state)
{
    order[0] = '\0';
    slow_us = 0;
    memset(kept, 0, sizeof(kept));
    return step_setup(state);
}

#define DONE(n) "{\"seq\":" #n ",\"ops\":[]}"

static void test_functions_are_called_in_the_order_of_the_events(void **state)
{
    (void)state;
    handle_all(note, 1);
    event_comes(3, "c.1", "");
    event_comes(1, "c.2", "");
    event_comes(2, "c.3", "");
    group_work(the_group);
    assert_string_equal(order, "3 1 2 ");
    assert_string_equal(entries(), "[" DONE(3) "," DONE(1) "," DONE(2) "]");
}

static int look(sluice_event *event, void *arg)
{
    (void)arg;
    assert_string_equal(sluice_event_name(event), "say");
    assert_string_equal(sluice_event_epoch(event), "epoch1");
    assert_int_equal(sluice_event_attempt(event), 3);
    assert_int_equal(sluice_event_seq(event), 9);
    assert_string_equal(sluice_event_key(event), "epoch1/g/9");
    return note(event, arg);
}

static void test_what_an_event_of_a_group_tells(void **state)
{
    (void)state;
    handle_all(look, 1);
    events_come(
        "[{\"event\":\"say\",\"conn\":\"c.1\",\"session\":{},\"version\":1,\"seq\":9,\"attempt\":3}]");
    group_work(the_group);
    assert_string_equal(order, "9 ");
    assert_int_equal(sluice_event_attempt(step), 0);
    assert_int_equal(sluice_event_attempt(NULL), 0);
    assert_string_equal(sluice_event_key(step), "");
    assert_string_equal(sluice_event_key(NULL), "");
}

static void test_events_that_cannot_be_read_are_left_out(void **state)
{
    (void)state;
    handle_all(note, 1);
    events_come(
        "[{\"conn\":\"c.1\",\"seq\":1,\"attempt\":1},{\"event\":7,\"seq\":2},{\"event\":\"say\",\"conn\":5,"
        "\"seq\":3},{\"event\":\"say\",\"conn\":\"c.1\",\"seq\":4,\"attempt\":1},7]");
    group_work(the_group);
    assert_string_equal(order, "4 ");
}

static void test_first_pattern_handles_the_event(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(the_client, "say:*", look, NULL, "{group: 'g'}"), 0);
    assert_int_equal(sluice_subscribe(the_client, "say", note, NULL, "{group: 'g'}"), 0);
    handle_all(look, 1);
    event_comes(1, "c.1", "");
    group_work(the_group);
    assert_string_equal(order, "1 ");
}

static void test_event_that_nobody_here_lists_goes_back(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(the_client, "other", note, NULL, "{group: 'g'}"), 0);
    the_group = the_client->groups;
    event_comes(1, "c.1", "");
    group_work(the_group);
    assert_string_equal(order, "");
    assert_string_equal(entries(), "[{\"seq\":1,\"retry_ms\":1000}]");
}

static void test_kept_events_are_finished_in_any_order(void **state)
{
    (void)state;
    handle_all(keep, 1);
    for (unsigned seq = 1; seq <= 3; seq++) {
        char conn[8];
        snprintf(conn, sizeof(conn), "c.%u", seq);
        event_comes(seq, conn, "");
    }
    group_work(the_group);
    assert_string_equal(entries(), "[]");
    assert_int_equal(group_held(the_group), 3);
    assert_int_equal(sluice_send(kept[2], "c.9", "news", sluice_event_session(kept[2]), NULL), 0);
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), 0);
    assert_int_equal(sluice_finish(kept[1], sluice_retry(kept[1], 7)), 0);
    assert_string_equal(entries(),
                        "[{\"seq\":2,\"ops\":[{\"op\":\"send\",\"conn\":\"c.9\",\"event\":\"news\","
                        "\"payload\":{}}]},{\"seq\":1,\"retry_ms\":7}]");
    assert_int_equal(sluice_finish(kept[3], SLUICE_LATER), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_finish(kept[3], SLUICE_DONE), 0);
    assert_string_equal(entries(), "[" DONE(3) "]");
    assert_int_equal(sluice_finish(step, SLUICE_DONE), SLUICE_E_STATE);
    assert_int_equal(sluice_finish(NULL, SLUICE_DONE), SLUICE_E_ARGUMENT);
}

static int finish_inside(sluice_event *event, void *arg)
{
    note(event, arg);
    assert_int_equal(sluice_finish(event, SLUICE_RETRY), 0);
    assert_int_equal(sluice_event_seq(event), 1); /* until it returns */
    return SLUICE_LATER;
}

static void test_function_may_finish_its_own_event(void **state)
{
    (void)state;
    handle_all(finish_inside, 1);
    event_comes(1, "c.1", "");
    group_work(the_group);
    assert_string_equal(entries(), "[{\"seq\":1,\"retry_ms\":1000}]");
}

static int keep_with_bad_document(sluice_event *event, void *arg)
{
    sluice_doc(event, "{");
    return keep(event, arg);
}

static void test_kept_event_that_failed_stays_until_it_is_finished(void **state)
{
    (void)state;
    handle_all(keep_with_bad_document, 1);
    sluice_on_error(the_client, NULL, NULL);
    event_comes(1, "c.1", "");
    group_work(the_group);
    assert_string_equal(entries(), "[]");
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), 0);
    assert_non_null(strstr(entries(), "\"code\":\"failed\""));
}

/* ---- The order of one connection ---- */

static void test_entry_waits_for_those_before_of_its_connection(void **state)
{
    (void)state;
    handle_all(keep, 4);
    event_comes(1, "c.1", "");
    event_comes(2, "c.1", "");
    event_comes(3, "c.2", "");
    event_comes(4, "c.1", "");
    group_work(the_group);
    sluice_finish(kept[4], SLUICE_DONE);
    sluice_finish(kept[2], SLUICE_DONE);
    sluice_finish(kept[3], SLUICE_DONE);
    assert_string_equal(entries(), "[" DONE(3) "]");
    sluice_finish(kept[1], SLUICE_DONE);
    assert_string_equal(entries(), "[" DONE(1) "," DONE(2) "," DONE(4) "]");
    assert_int_equal(group_held(the_group), 0);
}

static void test_retry_takes_those_behind_along(void **state)
{
    (void)state;
    handle_all(keep, 4);
    event_comes(1, "c.1", "");
    event_comes(2, "c.1", "");
    event_comes(3, "c.2", "");
    group_work(the_group);
    event_comes(4, "c.1", ""); /* its function is not called */
    sluice_finish(kept[1], SLUICE_RETRY);
    group_work(the_group);
    assert_string_equal(order, "1 2 3 ");
    assert_string_equal(entries(), "[{\"seq\":1,\"retry_ms\":1000}]");
    assert_string_equal(sluice_event_name(kept[2]), "say"); /* still readable */
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
    assert_string_equal(entries(), "[]");
    assert_int_equal(group_held(the_group), 1);
}

static void test_event_behind_one_that_is_sent_waits_for_nothing(void **state)
{
    (void)state;
    handle_all(keep, 4);
    event_comes(1, "c.1", "");
    event_comes(2, "c.1", "");
    group_work(the_group);
    sluice_finish(kept[1], SLUICE_DONE);
    assert_string_equal(entries(), "[" DONE(1) "]");
    sluice_finish(kept[2], SLUICE_DONE);
    assert_string_equal(entries(), "[" DONE(2) "]");
}

static void test_kept_beyond_its_lease_holds_up_nobody(void **state)
{
    (void)state;
    handle_all(keep, 4);
    the_group->lease_ms = 5;
    event_comes(1, "c.1", "");
    group_work(the_group);
    usleep(20000);
    event_comes(2, "c.1", "");
    group_work(the_group);
    sluice_finish(kept[2], SLUICE_DONE);
    assert_string_equal(entries(), "[" DONE(2) "]");
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
}

/* ---- What is not its own any more ---- */

static void test_forgotten_events_end_nowhere(void **state)
{
    (void)state;
    handle_all(keep, 1);
    event_comes(1, "c.1", "");
    event_comes(2, "c.2", "");
    group_work(the_group);
    event_comes(3, "c.3", "");
    sluice_finish(kept[2], SLUICE_DONE);
    group_forget(the_group);
    group_work(the_group);
    assert_string_equal(order, "1 2 ");
    assert_int_equal(group_held(the_group), 0);
    assert_int_equal(sluice_send(kept[1], "c.9", "news", NULL, NULL), 0);
    assert_int_equal(sluice_extend(kept[1]), SLUICE_E_LEASE_EXPIRED);
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
    assert_string_equal(entries(), "[]");
}

static void test_next_attempt_replaces_the_one_before(void **state)
{
    sluice_event *first;

    (void)state;
    handle_all(keep, 1);
    event_comes(1, "c.1", "");
    group_work(the_group);
    first = kept[1];
    event_comes(1, "c.1", ",\"attempt\":2");
    group_work(the_group);
    assert_int_equal(sluice_finish(first, SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
    assert_string_equal(entries(), "[]");
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), 0);
    assert_string_equal(entries(), "[" DONE(1) "]");
}

static void test_forgotten_connection_keeps_nothing(void **state)
{
    (void)state;
    handle_all(note, 4);
    event_comes(1, "c.1", "");
    event_comes(2, "c.2", "");
    event_comes(3, "c.1", "");
    group_work(the_group);
    group_forget_conn(the_group, "c.1");
    assert_string_equal(entries(), "[" DONE(2) "]");
    assert_int_equal(group_held(the_group), 0);
}

static void test_event_taken_back_with_another_is_the_new_one(void **state)
{
    (void)state;
    handle_all(keep, 4);
    the_group->lease_ms = 5;
    event_comes(1, "c.1", "");
    event_comes(2, "c.1", "");
    group_work(the_group);
    sluice_finish(kept[2], SLUICE_RETRY); /* goes out when the one before is finished */
    usleep(20000);
    event_comes(2, "c.1", ""); /* somebody else has finished that; this attempt of ours did not count */
    assert_string_equal(entries(), "[]");
    group_work(the_group);
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), 0);
    assert_string_equal(entries(), "[" DONE(2) "]");
}

static int lose_and_return(sluice_event *event, void *arg)
{
    note(event, arg);
    sluice_finish(kept[1], SLUICE_RETRY); /* takes this one along */
    return SLUICE_DONE;
}

static void test_event_may_be_lost_while_its_function_runs(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(the_client, "keep", keep, NULL, "{group: 'g', per_conn: 4}"), 0);
    handle_all(lose_and_return, 4);
    events_come(
        "[{\"event\":\"keep\",\"conn\":\"c.1\",\"seq\":1,\"attempt\":1},{\"event\":\"say\",\"conn\":\"c.1\","
        "\"seq\":2,\"attempt\":1}]");
    group_work(the_group);
    assert_string_equal(order, "1 2 ");
    assert_string_equal(entries(), "[{\"seq\":1,\"retry_ms\":1000}]");
    assert_int_equal(group_held(the_group), 0);
}

/* ---- How much at once ---- */

static void test_slow_functions_let_finished_events_go(void **state)
{
    (void)state;
    handle_all(note, 1);
    slow_us = 3000;
    for (unsigned seq = 1; seq <= 6; seq++)
        event_comes(seq, "c.1", "");
    group_work(the_group);
    assert_in_range(strlen(order) / 2, 1, 2);
    assert_true(the_group->waiting.count >= 4);
}

static void test_slow_member_wants_few(void **state)
{
    (void)state;
    handle_all(note, 1);
    assert_in_range(group_wants(the_group), 8, 32); /* nothing is known yet */
    for (unsigned i = 0; i < 200; i++) {
        event_comes(1, "c.1", "");
        group_work(the_group);
        entries();
    }
    assert_int_equal(group_wants(the_group), GROUP_MAX_HELD);
    slow_us = 60000;
    for (unsigned i = 0; i < 12; i++) {
        event_comes(1, "c.1", "");
        group_work(the_group);
        entries();
    }
    assert_in_range(group_wants(the_group), 1, 3);
}

static void test_bound_holds_with_kept_ones(void **state)
{
    (void)state;
    assert_int_equal(sluice_subscribe(the_client, "*", keep, NULL, "{group: 'g', max: 3}"), 0);
    the_group = the_client->groups;
    assert_int_equal(group_wants(the_group), 3);
    event_comes(1, "c.1", "");
    event_comes(2, "c.2", "");
    group_work(the_group);
    assert_int_equal(group_wants(the_group), 3);
    assert_int_equal(group_held(the_group), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, member_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_functions_are_called_in_the_order_of_the_events),
        TEST(test_what_an_event_of_a_group_tells),
        TEST(test_events_that_cannot_be_read_are_left_out),
        TEST(test_first_pattern_handles_the_event),
        TEST(test_event_that_nobody_here_lists_goes_back),
        TEST(test_kept_events_are_finished_in_any_order),
        TEST(test_function_may_finish_its_own_event),
        TEST(test_kept_event_that_failed_stays_until_it_is_finished),
        TEST(test_entry_waits_for_those_before_of_its_connection),
        TEST(test_retry_takes_those_behind_along),
        TEST(test_event_behind_one_that_is_sent_waits_for_nothing),
        TEST(test_kept_beyond_its_lease_holds_up_nobody),
        TEST(test_forgotten_events_end_nowhere),
        TEST(test_next_attempt_replaces_the_one_before),
        TEST(test_forgotten_connection_keeps_nothing),
        TEST(test_event_taken_back_with_another_is_the_new_one),
        TEST(test_event_may_be_lost_while_its_function_runs),
        TEST(test_slow_functions_let_finished_events_go),
        TEST(test_slow_member_wants_few),
        TEST(test_bound_holds_with_kept_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
