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

#include "fake_broker.h"
#include "fixture.h"

#define HEAD        "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"turn\":$TURN,"
#define EVENTS(...) HEAD "\"failed\":[],\"events\":[" __VA_ARGS__ "]}"
#define EVENT(seq, conn)                                                                                     \
    "{\"event\":\"say\",\"conn\":\"" conn "\",\"session\":{},\"version\":1,\"seq\":" #seq ",\"attempt\":1}"
#define REFUSED(code)                                                                                        \
    "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"ok\":false,\"code\":\"" code "\",\"message\":\"m\"}"
#define DONE(seq) "{\"seq\":" #seq ",\"ops\":[]}"

static struct fake fake;
static sluice_client *client;
static char order[512], logged[4096];
static sluice_event *kept[32];
static int (*extra)(sluice_event *event); /* what the function does beside */

static void keep_log(sluice_client *of, char level, const char *message, void *arg)
{
    size_t len = strlen(logged);

    (void)of;
    (void)arg;
    snprintf(logged + len, sizeof(logged) - len, "%c %s\n", level, message);
}

static int setup(void **state)
{
    (void)state;
    alarm(120);
    memset(&told, 0, sizeof(told));
    memset(kept, 0, sizeof(kept));
    order[0] = logged[0] = '\0';
    extra = NULL;
    fake_start(&fake);
    snprintf(broker.calls, sizeof(broker.calls), "%s", fake.calls);
    client = new_client();
    sluice_on_log(client, keep_log, NULL);
    sluice_set_timeout(client, 2000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free_client(client);
    fake_stop(&fake);
    broker.pid = 0;
    broker.dir[0] = '\0';
    return 0;
}

static int note(sluice_event *event, void *arg)
{
    size_t len = strlen(order);

    (void)arg;
    snprintf(order + len, sizeof(order) - len, "%llu ", (unsigned long long)sluice_event_seq(event));
    return extra ? extra(event) : SLUICE_DONE;
}

static int keep(sluice_event *event, void *arg)
{
    note(event, arg);
    kept[sluice_event_seq(event)] = event;
    return SLUICE_LATER;
}

static void until_turns(unsigned count)
{
    until(client, fake_count(&fake, &fake.turns) >= count);
}

static void handle(sluice_handler_fn *fn)
{
    assert_int_equal(sluice_subscribe(client, "say", fn, NULL, "{group: 'g', max: 8}"), 0);
    until_turns(1);
}

static void assert_turn(size_t index, const char *expected)
{
    assert_string_equal(fake_turn(&fake, index), expected);
}

/* Step the client for a while. */
static void pass(int ms)
{
    int64_t end = clock_now() + ms;

    while (clock_now() < end)
        step_client(client);
}

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
    pthread_mutex_lock(&fake.lock);
    fake.script[fake.script_count++] = REFUSED("bad_turn");
    pthread_mutex_unlock(&fake.lock);
    sluice_finish(kept[1], SLUICE_DONE);
    until_turns(4);
    assert_turn(2, "{\"member\":\"m1\",\"turn\":3,\"done\":[" DONE(1) "],\"max\":8,\"wait_ms\":20000}");
    assert_turn(3, fake_turn(&fake, 2));
    assert_int_equal(fake.joins, 1);
    assert_int_equal(told.count, 0);
    sluice_finish(kept[2], SLUICE_DONE);
    until_turns(5);
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
        TEST(test_lost_member_joins_anew),
        TEST(test_turn_that_overtook_the_one_before_is_repeated),
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
