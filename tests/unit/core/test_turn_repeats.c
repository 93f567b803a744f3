/* Turns that come again, as nng repeats them: nothing is applied twice. */

#include "core/conn.h"
#include "handler.h"

static struct handler bob, eve;
static struct conn *alice;

static void set_up(void)
{
    bob = (struct handler){.client = "bob-client-000001", .link = 2};
    eve = (struct handler){.client = "eve-client-000001", .link = 3};
    alice = world_open(&w, "alice", "");
    handler_join(&bob, "g", "'a:*'", "");
}

static void say(unsigned times)
{
    while (times--)
        world_say(&w, alice, "a:x", NULL, NULL);
}

static void test_repeat_applies_nothing_and_gets_the_same(void **state)
{
    (void)state;
    set_up();
    struct conn *carol = world_open(&w, "carol", "");
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "'max':1", "", "1@1");
    const char *turn = "'wait_ms':0,'done':[{'seq':1,'ops':[" INC "]},{'seq':77,'ops':[]}]";
    const char *reply = reply_of(handler_ask(&bob, turn));
    assert_string_equal(failed_of(reply), "77 lease_expired none");
    assert_string_equal(events_of(reply), "2@1");
    for (int i = 0; i < 3; i++) {
        world_advance(&w, 1000);
        reply = reply_of(handler_send(&bob, 2, turn));
        assert_string_equal(failed_of(reply), "77 lease_expired none");
        assert_string_equal(events_of(reply), "2@1");
        expect_lacks(reply, "released");
    }
    expect_increments(1);
    assert_int_equal(w.counters.requests_repeated, 3);
    expect_turn(&bob, "'done':[{'seq':2,'ops':[]}]", "", "");
}

static void test_repeat_is_judged_by_the_bytes_of_done(void **state)
{
    (void)state;
    set_up();
    say(2);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]", "", "2@1");
    expect_refused(reply_of(handler_send(&bob, 2, "'wait_ms':0,'done':[{'seq':1,'ops':[]}]")), "bad_turn");
    expect_refused(reply_of(handler_send(&bob, 2, "'wait_ms':0")), "bad_turn");
    const char *reply =
        reply_of(handler_send(&bob, 2, "'max':9,'wait_ms':1,'done':[{'seq':1,'ops':[" INC "]}]"));
    assert_string_equal(events_of(reply), "2@1");
    expect_increments(1);
}

static void test_repeat_takes_over_the_wait(void **state)
{
    (void)state;
    set_up();
    uint64_t first = handler_ask(&bob, "'wait_ms':10000");
    world_advance(&w, 6000);
    uint64_t second = handler_send(&bob, 1, "'wait_ms':10000");
    expect_trace(&w, "abandon 1\n");
    assert_true(world_abandoned(&w, first));
    assert_null(world_reply(&w, second));
    world_advance(&w, 3999);
    assert_null(world_reply(&w, second));
    world_advance(&w, 1); /* the wait does not begin anew: whoever repeats is answered in time */
    assert_string_equal(events_of(reply_of(second)), "");
}

static void test_event_goes_to_the_repeat(void **state)
{
    (void)state;
    set_up();
    handler_ask(&bob, "");
    uint64_t second = handler_send(&bob, 1, "");
    say(1);
    const char *reply = reply_of(second);
    assert_string_equal(events_of(reply), "1@1");
    char wanted[40];
    snprintf(wanted, sizeof(wanted), "{'v':1,'id':%llu,", (unsigned long long)w.next_id);
    expect_has(reply, wanted);
}

static void test_repeat_that_may_not_wait_is_replied(void **state)
{
    (void)state;
    set_up();
    handler_ask(&bob, "");
    w.is_crowded = true;
    expect_has(reply_of(handler_send(&bob, 1, "")), "'pause_ms':1000");
    expect_trace(&w, "abandon 1\n");
}

static void test_repeat_after_the_events_were_given_away(void **state)
{
    (void)state;
    set_up();
    struct conn *carol = world_open(&w, "carol", "");
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1");
    char extend[128];
    world_advance(&w, 20000);
    snprintf(extend, sizeof(extend), "[{'op':'extend','member':'%s','seqs':[2]}]", bob.member);
    expect_has(handler_call(&bob, extend), "'extended':1");
    assert_string_equal(events_of(reply_of(handler_send(&bob, 1, "'wait_ms':0"))), "1@1 2@1");
    world_advance(&w, 10000); /* the lease of 1 is over */
    for (int i = 0; i < 2; i++) {
        const char *reply = reply_of(handler_send(&bob, 1, "'wait_ms':0"));
        expect_has(reply, "'turn':1,'released':true,'failed':[],'events':[]");
    }
}

static void test_repeat_of_a_turn_that_brought_nothing_brings_nothing(void **state)
{
    (void)state;
    set_up();
    expect_turn(&bob, "", "", "");
    say(1);
    assert_string_equal(events_of(reply_of(handler_send(&bob, 1, "'wait_ms':0"))), "");
    expect_turn(&bob, "", "", "1@1");
}

static void test_repeat_over_another_link_moves_the_member_there(void **state)
{
    (void)state;
    set_up();
    say(1);
    expect_turn(&bob, "", "", "1@1");
    bob.link = 22;
    assert_string_equal(events_of(reply_of(handler_send(&bob, 1, "'wait_ms':0"))), "1@1");
    world_link_down(&w, 2);
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]", "", "");
    expect_increments(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_repeat_applies_nothing_and_gets_the_same),
        WORLD_TEST(test_repeat_is_judged_by_the_bytes_of_done),
        WORLD_TEST(test_repeat_takes_over_the_wait),
        WORLD_TEST(test_event_goes_to_the_repeat),
        WORLD_TEST(test_repeat_that_may_not_wait_is_replied),
        WORLD_TEST(test_repeat_after_the_events_were_given_away),
        WORLD_TEST(test_repeat_of_a_turn_that_brought_nothing_brings_nothing),
        WORLD_TEST(test_repeat_over_another_link_moves_the_member_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
