/* Turns in odd orders: links that end while a turn waits, members that join again, connections that end among
 * entries, memory that is refused anywhere. */

#include "core/conn.h"
#include "handler.h"

static struct handler bob, eve;
static struct conn *alice, *carol;

static void set_up(void)
{
    bob = (struct handler){.client = "bob-client-000001", .link = 2};
    eve = (struct handler){.client = "eve-client-000001", .link = 3};
    alice = world_open(&w, "alice", "");
    carol = world_open(&w, "carol", "");
    handler_join(&bob, "g", "'a:*'", "");
}

static void say(struct conn *conn, unsigned times)
{
    while (times--)
        world_say(&w, conn, "a:x", NULL, NULL);
}

static void expect_unknown(struct handler *handler)
{
    expect_has(reply_of(handler_send(handler, handler->turn + 1, "'wait_ms':0")), "'code':'unknown_member'");
}

/* -- links --------------------------------------------------------------------------------------------- */

static void test_link_that_ends_while_a_turn_waits(void **state)
{
    (void)state;
    set_up();
    handler_join(&eve, "g", "'a:*'", "");
    uint64_t ticket = handler_ask(&bob, "");
    world_link_down(&w, 2);
    say(alice, 1);
    assert_string_equal(events_of(reply_of(ticket)), "");
    expect_turn(&eve, "", "", "1@1");
    expect_unknown(&bob);
}

static void test_member_over_tcp_comes_back_by_repeating_its_turn(void **state)
{
    (void)state;
    w.is_tcp = true;
    set_up();
    uint64_t ticket = handler_ask(&bob, "");
    world_link_down(&w, 2);
    say(alice, 1);
    assert_null(world_reply(&w, ticket)); /* nobody would read it */
    world_advance(&w, 1000);
    bob.link = 22;
    uint64_t again = handler_send(&bob, 1, "");
    assert_true(world_abandoned(&w, ticket));
    assert_string_equal(events_of(reply_of(again)), "1@1");
    world_advance(&w, 5000);
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]}]", "", "");
}

static void test_member_over_tcp_that_does_not_come_back(void **state)
{
    (void)state;
    w.is_tcp = true;
    set_up();
    handler_join(&eve, "g", "'a:*'", "");
    say(alice, 1);
    expect_turn(&bob, "", "", "1@1");
    world_link_down(&w, 2);
    world_advance(&w, 1999);
    expect_turn(&eve, "", "", "");
    world_advance(&w, 1);
    expect_turn(&eve, "", "", "1@2");
    expect_unknown(&bob);
}

static void test_link_that_is_not_the_last_one_does_not_count(void **state)
{
    (void)state;
    set_up();
    say(alice, 1);
    bob.link = 22;
    expect_turn(&bob, "", "", "1@1");
    world_link_down(&w, 2);
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]}]", "", "");
}

/* -- members that come and go -------------------------------------------------------------------------- */

static void test_joining_anew_gives_back_what_was_held(void **state)
{
    (void)state;
    set_up();
    say(alice, 1);
    say(carol, 1);
    expect_turn(&bob, "", "", "1@1 2@1");
    uint64_t ticket = handler_ask(&bob, "'max':9");
    struct handler before = bob;
    expect_has(handler_join(&bob, "g", "'a:*'", ""), "'created':true");
    assert_string_equal(events_of(reply_of(ticket)), "");
    expect_unknown(&before);
    expect_turn(&bob, "", "", "1@2"); /* one by one: it may have died of one of them */
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]}]", "", "2@2");
}

static void test_silent_member_is_gone_and_a_waiting_one_is_not_silent(void **state)
{
    (void)state;
    set_up();
    handler_join(&eve, "g", "'a:*'", "");
    expect_turn(&bob, "", "", "");
    for (int i = 0; i < 4; i++) {
        uint64_t ticket = handler_ask(&eve, "");
        world_advance(&w, 20000);
        reply_of(ticket);
    }
    expect_unknown(&bob);
    expect_turn(&eve, "", "", "");
}

static void test_older_turn_is_no_repeat_once_a_newer_one_came(void **state)
{
    (void)state;
    set_up();
    uint64_t first = handler_ask(&bob, "");
    uint64_t second = handler_ask(&bob, "'done':[]");
    expect_has(reply_of(first), "'turn':1,");
    expect_has(reply_of(handler_send(&bob, 1, "")), "'code':'bad_turn'");
    assert_null(world_reply(&w, second));
    say(alice, 1);
    assert_string_equal(events_of(reply_of(second)), "1@1");
}

static void test_turn_repeated_many_times_is_replied_once(void **state)
{
    (void)state;
    set_up();
    uint64_t tickets[6] = {handler_ask(&bob, "")};
    for (int i = 1; i < 6; i++)
        tickets[i] = handler_send(&bob, 1, "");
    say(alice, 1);
    for (int i = 0; i < 5; i++) {
        assert_true(world_abandoned(&w, tickets[i]));
        assert_null(world_reply(&w, tickets[i]));
    }
    assert_string_equal(events_of(reply_of(tickets[5])), "1@1");
}

static void test_member_that_holds_enough_waits_until_it_is_done(void **state)
{
    (void)state;
    set_up();
    say(alice, 1);
    say(carol, 1);
    expect_turn(&bob, "'max':1", "", "1@1");
    uint64_t ticket = handler_ask(&bob, "'max':1");
    world_advance(&w, 10000);
    assert_null(world_reply(&w, ticket));
    uint64_t next = handler_ask(&bob, "'max':1,'done':[{'seq':1,'ops':[]}]");
    assert_string_equal(events_of(reply_of(ticket)), "");
    assert_string_equal(events_of(reply_of(next)), "2@1");
}

/* -- connections that end ------------------------------------------------------------------------------ */

static void test_entry_closes_a_connection_that_another_group_holds(void **state)
{
    (void)state;
    set_up();
    handler_join(&eve, "h", "'a:*','@disconnect'", ",'per_conn':2");
    say(alice, 2);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&eve, "", "", "1@1 2@1");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[{'op':'close','conn':'epoch1.1','code':4000}]}]", "", "2@1");
    expect_trace(&w, "alice closed 4000 \n");
    expect_turn(&eve, "'done':[{'seq':1,'ops':[" INC "]}]", "", "3@1");
    expect_turn(&eve, "'done':[{'seq':2,'ops':[" INC "]}]", "2 stale again", "2@1 3@1");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[" INC "]}]", "", "");
    const char *reply = handler_turn(&eve, "'done':[{'seq':2,'ops':[]},{'seq':3,'ops':[" INC "]}]");
    assert_string_equal(failed_of(reply), "");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), "'found':false");
}

static void test_filters_do_not_see_a_connection_that_has_ended(void **state)
{
    (void)state;
    set_up();
    say(alice, 1);
    expect_turn(&bob, "", "", "1@1");
    world_close(&w, alice, 1001, "");
    expect_has(world_call(&w, quoted("[{'op':'count'}]")), "'count':1");
    expect_has(world_call(&w, quoted("[{'op':'update','filter':{},'update':{'$set':{'n':9}}}]")),
               "'matched':1");
    expect_has(world_call(&w, quoted("[" INC "]")), "'matched':1,'modified':1");
    expect_has(world_call(&w, quoted("[{'op':'send','conn':'epoch1.1','event':'x'}]")), "'matched':0");
    expect_has(world_call(&w, quoted("[{'op':'close','conn':'epoch1.1','code':4000}]")), "'matched':0");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), "'session':{'n':1}");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[{'op':'update','filter':{'n':1},'update':{'$inc':{'n':1}}}]}]",
                "", "");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), "'found':false");
}

static void test_question_of_a_connection_that_has_ended(void **state)
{
    (void)state;
    set_up();
    world_say(&w, alice, "a:x", NULL, "7");
    expect_turn(&bob, "", "", "1@1");
    world_close(&w, alice, 1001, "");
    expect_turn(&bob, "'done':[{'seq':1,'error':{'code':'x'}}]", "", "");
    world_advance(&w, 31000);
    expect_trace(&w, "");
}

static void test_stop_while_members_hold_and_wait(void **state)
{
    (void)state;
    set_up();
    handler_join(&eve, "g", "'a:*','@disconnect'", "");
    say(alice, 1);
    expect_turn(&bob, "", "", "1@1");
    uint64_t ticket = handler_ask(&eve, "");
    core_stop(w.core, 0);
    world_advance(&w, 1);
    assert_string_equal(events_of(reply_of(ticket)), "3@1"); /* carol's end; alice's waits for bob */
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC ",{'op':'send','filter':{},'event':'x'}]}]", "", "");
    expect_turn(&eve, "'done':[{'seq':3,'ops':[]}]", "", "2@1");
    expect_turn(&eve, "'done':[{'seq':2,'ops':[]}]", "", "");
    assert_int_equal(core_conn_count(w.core), 0);
}

/* -- refused memory ------------------------------------------------------------------------------------ */

/* What a scenario may do while an allocation of it is refused. */
typedef void scenario(void);

static void waits_and_is_handed_out(void)
{
    handler_ask(&bob, "");
    world_flush(&w);
    say(alice, 1);
    world_flush(&w);
}

static void repeats(void)
{
    handler_ask(&bob, "'wait_ms':0,'done':[]");
    handler_send(&bob, bob.turn, "'wait_ms':0,'done':[]");
    world_flush(&w);
    handler_send(&bob, bob.turn, "'wait_ms':0,'done':[]");
    world_flush(&w);
}

static void closes_its_own(void)
{
    handler_ask(&bob,
                "'wait_ms':0,'done':[{'seq':1,'ops':[{'op':'close','filter':{},'code':4000,'reason':'r'}]}]");
    world_flush(&w);
}

static void gives_back(void)
{
    handler_ask(&bob,
                "'wait_ms':0,'done':[{'seq':1,'retry_ms':100},{'seq':2,'ops':[0]},{'seq':3,'retry_ms':0}]");
    world_flush(&w);
}

static void dies(void)
{
    world_link_down(&w, 2);
    world_flush(&w);
}

static void lets_the_lease_end(void)
{
    world_advance(&w, 40000);
}

/* Each event that the group has accepted is there afterwards, and can be handled. */
static void expect_all_to_be_handled(void)
{
    char done[8192] = "'max':1024";
    w.is_tcp = false;
    handler_join(&eve, "g", "'a:*','@disconnect'", ",'per_conn':8");
    for (int i = 0; i < 40; i++) {
        const char *events = events_of(handler_turn(&eve, done));
        strcpy(done, "'max':1024,'done':[");
        for (const char *at = events; *at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : at + strlen(at))
            snprintf(done + strlen(done), sizeof(done) - strlen(done), "%s{'seq':%llu,'ops':[]}",
                     at == events ? "" : ",", strtoull(at, NULL, 10));
        strcat(done, "]");
        world_advance(&w, 2000);
    }
    expect_has(handler_call(&eve, "[{'op':'inspect','group':'g'}]"), "'events':[]");
    const char *stats = handler_call(&eve, "[{'op':'stats'}]");
    unsigned long long received, handled, refused, dead;
    assert_int_equal(sscanf(strstr(stats, "\"received\":"),
                            "\"received\":%llu,\"handled\":%llu,\"refused\":%llu", &received, &handled,
                            &refused),
                     3);
    sscanf(strstr(stats, "\"dead\":"), "\"dead\":%llu", &dead);
    assert_int_equal(received, handled + refused + dead);
}

static void test_refused_memory_loses_no_event(void **state)
{
    (void)state;
    static scenario *const scenarios[] = {waits_and_is_handed_out, repeats, closes_its_own, gives_back, dies,
                                          lets_the_lease_end};
    world_stop(&w);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
        for (unsigned long n = 0;; n++) {
            world_init(&w);
            world_start(&w);
            set_up();
            handler_join(&bob, "g", "'a:*','@disconnect'", ",'per_conn':2");
            core_subscribers(w.core, 1);
            world_say(&w, alice, "a:x", "1", "7");
            say(alice, 2);
            world_say(&w, carol, "a:x", NULL, "8");
            expect_turn(&bob, "", "", "1@1 2@1 4@1");
            w.refuse_memory = true;
            w.refuse_at = n;
            scenarios[i]();
            w.refuse_memory = false;
            bool was_refused = w.was_refused;
            expect_all_to_be_handled();
            world_stop(&w);
            if (!was_refused)
                break;
            assert_true(n < 1000);
        }
    }
    world_init(&w);
    world_start(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_link_that_ends_while_a_turn_waits),
        WORLD_TEST(test_member_over_tcp_comes_back_by_repeating_its_turn),
        WORLD_TEST(test_member_over_tcp_that_does_not_come_back),
        WORLD_TEST(test_link_that_is_not_the_last_one_does_not_count),
        WORLD_TEST(test_joining_anew_gives_back_what_was_held),
        WORLD_TEST(test_silent_member_is_gone_and_a_waiting_one_is_not_silent),
        WORLD_TEST(test_older_turn_is_no_repeat_once_a_newer_one_came),
        WORLD_TEST(test_turn_repeated_many_times_is_replied_once),
        WORLD_TEST(test_member_that_holds_enough_waits_until_it_is_done),
        WORLD_TEST(test_entry_closes_a_connection_that_another_group_holds),
        WORLD_TEST(test_filters_do_not_see_a_connection_that_has_ended),
        WORLD_TEST(test_question_of_a_connection_that_has_ended),
        WORLD_TEST(test_stop_while_members_hold_and_wait),
        WORLD_TEST(test_refused_memory_loses_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
