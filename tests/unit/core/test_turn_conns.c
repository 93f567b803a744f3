/* Events of one connection: several held at a time, in order, and up to its end. */

#include "entry_case.h"

/* -- per_conn ------------------------------------------------------------------------------------------ */

static void test_several_of_a_connection_are_held_in_order(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':2");
    say(4);
    expect_turn(&bob, "", "", "1@1 2@1");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]},{'seq':2,'ops':[]}]", "", "3@1 4@1");
    expect_turn(&bob, "'done':[{'seq':3,'ops':[]}]", "", "");
    expect_turn(&bob, "'done':[{'seq':4,'ops':[]}]", "", "");
}

static void test_entry_is_stale_after_an_earlier_one_changed_the_session(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':3");
    say(3);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    expect_turn(&bob,
                "'max':0,'done':[{'seq':1,'ops':[" INC "]},{'seq':2,'ops':[" INC "]},{'seq':3,'ops':[" INC
                "]}]",
                "2 stale again; 3 stale again", "");
    expect_n(1);
    const char *reply = handler_turn(&bob, "");
    assert_string_equal(events_of(reply), "2@1 3@1"); /* not a second attempt */
    expect_has(reply, "'session':{'n':1}");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[]}]", "", "");
    expect_turn(&bob, "'done':[{'seq':3,'ops':[" INC "]}]", "", "");
    expect_n(2);
}

static void test_session_changed_by_somebody_else_makes_nothing_stale(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':2");
    say(2);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    world_call(&w, quoted("[" INC "]"));
    expect_turn(&bob, "'done':[{'seq':3,'ops':[" INC "]},{'seq':1,'ops':[]},{'seq':2,'ops':[]}]", "", "");
    expect_n(2);
}

static void test_entries_out_of_order_are_stale(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':3");
    say(3);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    expect_turn(&bob,
                "'max':0,'done':[{'seq':2,'ops':[" INC "]},{'seq':3,'ops':[" INC "]},{'seq':1,'ops':[" INC
                "]}]",
                "2 stale again; 3 stale again", "");
    expect_n(1);
    expect_turn(&bob, "", "", "2@1 3@1");
}

static void test_event_not_done_takes_the_later_ones_along(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':3");
    say(3);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1 4@1");
    expect_turn(
        &bob, "'max':0,'done':[{'seq':1,'retry_ms':100},{'seq':2,'ops':[" INC "]},{'seq':4,'ops':[" INC "]}]",
        "2 stale again", "");
    expect_turn(&bob, "'max':0,'done':[{'seq':3,'ops':[" INC "]}]", "3 lease_expired none", "");
    expect_n(1);
    expect_turn(&bob, "", "", "");
    world_advance(&w, 100);
    expect_turn(&bob, "", "", "1@2 2@1 3@1");
    expect_turn(
        &bob,
        "'max':0,'done':[{'seq':1,'ops':[{'op':'update','conn':'epoch1.1','if_version':9,'update':{'$set':"
        "{'n':9}}}]},{'seq':2,'ops':[]},{'seq':3,'ops':[]}]",
        "1 conflict again done[0].ops[0].if_version; 2 stale again; 3 stale again", "");
    expect_turn(&bob, "", "", "1@3 2@1 3@1");
}

static void test_dead_event_leaves_the_later_ones_where_they_are(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':2");
    say(2);
    expect_turn(&bob, "", "", "1@1 2@1");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[7]},{'seq':2,'ops':[" INC "]}]",
                "1 bad_argument dead done[0].ops[0].op", "");
    expect_n(1);
}

static void test_connection_is_held_by_one_member(void **state)
{
    (void)state;
    struct handler eve = {.client = "eve-client-000001", .link = 3};
    set_up_per_conn(",'per_conn':2");
    handler_join(&eve, "g", "'a:*'", ",'per_conn':2");
    say(1);
    expect_turn(&bob, "", "", "1@1");
    say(2);
    expect_turn(&eve, "", "", "");
    expect_turn(&bob, "", "", "2@1");
    expect_turn(&eve, "", "", "");
    expect_turn(&bob, "'max':0,'done':[{'seq':1,'ops':[]},{'seq':2,'ops':[]}]", "", "");
    expect_turn(&eve, "", "", "3@1");
}

/* -- connections that end ------------------------------------------------------------------------------ */

static void test_entry_that_closes_its_own_connection(void **state)
{
    (void)state;
    set_up();
    ask();
    say(1);
    expect_turn(
        &bob,
        "'done':[{'seq':1,'ops':[{'op':'answer','payload':'bye'},{'op':'close','conn':'epoch1.1','code':4000}"
        "," INC "]}]",
        "", "2@1");
    expect_events("alice <- {'e':'a:x','p':'bye','i':7}\nalice closed 4000 \n");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[" INC ",{'op':'send','conn':'epoch1.1','event':'x'}]}]", "",
                "3@1");
    expect_n(2); /* the session is there for what is left */
    expect_events("");
    const char *reply = handler_turn(&bob, "'done':[{'seq':3,'ops':[" INC "]}]");
    assert_string_equal(failed_of(reply), "");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), "'found':false");
    assert_int_equal(core_conn_count(w.core), 1);
}

static void test_entry_that_closes_everybody(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':3");
    say(2);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    expect_turn(&bob,
                "'done':[{'seq':3,'ops':[{'op':'close','filter':{},'code':4000}]},{'seq':1,'ops':[" INC "]}]",
                "", "4@1 5@1");
    expect_n(1);
    expect_events("alice closed 4000 \ncarol closed 4000 \n");
}

static void test_connection_that_ends_while_its_event_is_held(void **state)
{
    (void)state;
    set_up();
    ask();
    world_close(&w, alice, 1001, "gone");
    expect_turn(&bob, "", "", "");
    expect_turn(&bob,
                "'done':[{'seq':1,'ops':[" INC ",{'op':'answer','payload':1},{'op':'send','filter':{},"
                "'event':'left'}]}]",
                "", "2@1");
    expect_events("carol <- {'e':'left'}\n");
    expect_n(1);
    expect_turn(&bob, "'done':[{'seq':2,'ops':[{'op':'answer'}]}]", "2 bad_argument dead done[0].ops[0].i",
                "");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), "'found':false");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_several_of_a_connection_are_held_in_order),
        WORLD_TEST(test_entry_is_stale_after_an_earlier_one_changed_the_session),
        WORLD_TEST(test_session_changed_by_somebody_else_makes_nothing_stale),
        WORLD_TEST(test_entries_out_of_order_are_stale),
        WORLD_TEST(test_event_not_done_takes_the_later_ones_along),
        WORLD_TEST(test_dead_event_leaves_the_later_ones_where_they_are),
        WORLD_TEST(test_connection_is_held_by_one_member),
        WORLD_TEST(test_entry_that_closes_its_own_connection),
        WORLD_TEST(test_entry_that_closes_everybody),
        WORLD_TEST(test_connection_that_ends_while_its_event_is_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
