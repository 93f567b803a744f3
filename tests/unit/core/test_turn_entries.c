/* Entries of a turn: all of one is applied, or nothing; what becomes of its event. */

#include <time.h>

#include "core/pairs.h"
#include "entry_case.h"

#define INC_ALL "{'op':'update','filter':{},'update':{'$inc':{'n':1}}}"

/* -- effects ------------------------------------------------------------------------------------------- */

static void test_effects_are_applied_in_their_order(void **state)
{
    (void)state;
    set_up();
    ask();
    world_call(&w, quoted("[{'op':'batch','event':'tick','interval_ms':1000}]"));
    expect_turn(&bob,
                "'done':[{'seq':1,'ops':["
                "{'op':'send','filter':{},'event':'one','payload':1},"
                "{'op':'update','conn':'epoch1.2','update':{'$set':{'n':5}}},"
                "{'op':'send','filter':{'n':5},'event':'tick','payload':2},"
                "{'op':'answer','payload':3},"
                "{'op':'send','filter':{'n':5},'event':'tick','payload':4,'unbatched':true},"
                "{'op':'batch','event':'tock','interval_ms':50},"
                "{'op':'send','filter':{'n':5},'event':'tock','payload':5},"
                "{'op':'close','filter':{'n':0},'code':4000,'reason':'bye'}]}]",
                "", "2@1");
    expect_events("alice <- {'e':'one','p':1}\n"
                  "carol <- {'e':'one','p':1}\n"
                  "alice <- {'e':'a:x','p':3,'i':7}\n"
                  "carol <- {'e':'batch_tick','p':{'d':[2]}}\n"
                  "carol <- {'e':'tick','p':4}\n"
                  "alice closed 4000 bye\n");
    world_advance(&w, 60);
    expect_events("carol <- {'e':'batch_tock','p':{'d':[5]}}\n");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[]}]", "", "");
}

/* Operations that fail as the last of an entry that would change everything. */
static const struct {
    const char *op;
    const char *failed; /* code, then, place */
} FAILING[] = {
    {"{'op':'update','conn':'epoch1.1','if_version':99,'update':{'$set':{'a':1}}}",
     "1 conflict again done[0].ops[6].if_version"},
    {"{'op':'update','conn':'epoch1.1','update':{'$set':{'a':{'$x':1}}}}",
     "1 bad_value dead done[0].ops[6].update.$set.a.$x"},
    {"{'op':'update','conn':'epoch1.1','update':{}}", "1 bad_update dead done[0].ops[6].update"},
    {"{'op':'update','conn':'epoch1.1','update':{'$push':{'n':1}}}",
     "1 update_failed dead done[0].ops[6].update.$push.n"},
    {"{'op':'update','filter':{'$or':[]},'update':{'$set':{'a':1}}}",
     "1 bad_filter dead done[0].ops[6].filter.$or"},
    {"{'op':'send','filter':{'a':null},'event':'x'}", "1 bad_filter dead done[0].ops[6].filter.a"},
    {"{'op':'send','conn':'epoch1.1','filter':{},'event':'x'}", "1 bad_argument dead done[0].ops[6]"},
    {"{'op':'send','filter':{},'event':'x y'}", "1 bad_argument dead done[0].ops[6].event"},
    {"{'op':'send','filter':{},'event':'x','payloat':1}", "1 unknown_key dead done[0].ops[6].payloat"},
    {"{'op':'sent','filter':{}}", "1 unknown_op dead done[0].ops[6].op"},
    {"{'op':'answer','conn':'epoch1.1'}", "1 bad_argument dead done[0].ops[6].i"},
    {"{'op':'answer','i':7}", "1 bad_argument dead done[0].ops[6].conn"},
    {"{'op':'answer','payload':1,'error':{'code':'x'}}", "1 bad_argument dead done[0].ops[6].error"},
    {"{'op':'answer','error':{'code':''}}", "1 bad_argument dead done[0].ops[6].error.code"},
    {"{'op':'close','filter':{},'code':1001}", "1 bad_argument dead done[0].ops[6].code"},
    {"{'op':'batch','event':'x','interval_ms':60001}", "1 bad_argument dead done[0].ops[6].interval_ms"},
    {"{'op':'batch','event':'third','interval_ms':50}", "1 limit again"},
    {"7", "1 bad_argument dead done[0].ops[6].op"},
    {"{'op':'get','conn':'epoch1.1'}", "1 bad_argument dead done[0].ops[6].op"},
};

static void test_failing_operation_undoes_the_whole_entry(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(FAILING) / sizeof(FAILING[0]); i++) {
        char done[2048];
        world_stop(&w);
        world_init(&w);
        w.options.max_batches = 2;
        world_start(&w);
        set_up();
        world_call(&w, quoted("[{'op':'batch','event':'tick','interval_ms':1000}]"));
        world_say(&w, alice, "a:x", "1", "7");
        world_say(&w, carol, "a:x", "2", "8");
        expect_turn(&bob, "'max':1", "", "1@1");
        snprintf(done, sizeof(done),
                 "'max':0,'done':[{'seq':1,'ops':[" INC_ALL ",{'op':'send','filter':{},'event':'one'},"
                 "{'op':'send','filter':{},'event':'tick','payload':1},{'op':'answer','payload':3},"
                 "{'op':'batch','event':'tock','interval_ms':50},"
                 "{'op':'close','conn':'epoch1.2','code':4000},%s]}]",
                 FAILING[i].op);
        assert_string_equal(failed_of(handler_turn(&bob, done)), FAILING[i].failed);
        bool again = strstr(FAILING[i].failed, " again") != NULL;
        expect_events(again
                          ? ""
                          : "alice <- {'e':'@error','p':{'code':'failed','message':'the handlers failed with "
                            "this event','temporary':false,'event':'a:x'},'i':7}\n");
        world_advance(&w, 2000);
        expect_events("");
        expect_n(0);
        assert_int_equal(core_conn_count(w.core), 2);
        expect_turn(&bob, "", "", again ? "1@2 2@1" : "2@1");
    }
}

static void test_operations_without_effect_are_refused(void **state)
{
    (void)state;
    static const char *const ops[] = {
        "'op':'hello'",
        "'op':'subscribe','events':['a']",
        "'op':'stats'",
        "'op':'get','conn':'epoch1.1'",
        "'op':'count'",
        "'op':'find'",
        "'op':'join','group':'x','events':['a']",
        "'op':'leave','member':'x'",
        "'op':'extend','member':'x'",
        "'op':'inspect','group':'g'",
        "'op':'dead','group':'g'",
    };
    unsigned count = sizeof(ops) / sizeof(ops[0]);
    set_up();
    say(count);
    expect_turn(&bob, "", "", "1@1");
    for (unsigned seq = 1; seq <= count; seq++) {
        char done[256], failed[80];
        snprintf(done, sizeof(done), "'done':[{'seq':%u,'ops':[" INC ",{%s}]}]", seq, ops[seq - 1]);
        snprintf(failed, sizeof(failed), "%u bad_argument dead done[0].ops[1].op", seq);
        const char *reply = handler_turn(&bob, done);
        assert_string_equal(failed_of(reply), failed);
        expect_has(reply, " has no effect to apply; send it as a request of its own");
    }
    expect_n(0);
}

static void test_entries_stand_for_themselves(void **state)
{
    (void)state;
    set_up();
    struct conn *dave = world_open(&w, "dave", "");
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    world_say(&w, dave, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    expect_turn(&bob,
                "'max':0,'done':[{'seq':3,'ops':[" INC "]},{'seq':2,'ops':[" INC ",{'op':'nonsense'}]},"
                "{'seq':1,'ops':[" INC "]}]",
                "2 unknown_op dead done[1].ops[1].op", "");
    expect_n(2);
}

static void test_session_in_the_next_entry_includes_the_one_before(void **state)
{
    (void)state;
    set_up();
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1");
    expect_turn(
        &bob,
        "'done':[{'seq':1,'ops':[" INC "]},"
        "{'seq':2,'ops':[{'op':'update','conn':'epoch1.1','if_version':3,'update':{'$inc':{'n':1}}}]}]",
        "", "");
    expect_n(2);
}

/* -- error, retry_ms ----------------------------------------------------------------------------------- */

static void test_refused_event_is_done_and_its_client_told(void **state)
{
    (void)state;
    set_up();
    ask();
    say(1);
    expect_turn(
        &bob,
        "'done':[{'seq':1,'error':{'code':'no_money','message':'none left','temporary':true,'data':[1]}}]",
        "", "2@1");
    expect_events("alice <- {'e':'@error','p':{'code':'no_money','message':'none "
                  "left','temporary':true,'event':'a:x','data':[1]},'i':7}\n");
    expect_turn(&bob, "'done':[{'seq':2,'error':{'code':'no'}}]", "", ""); /* who did not ask is not told */
    expect_events("");
    expect_has(world_call(&w, quoted("[{'op':'dead','group':'g'}]")), "'events':[]");
}

static void test_wrong_error_kills_the_event(void **state)
{
    (void)state;
    set_up();
    world_say(&w, alice, "a:x", NULL, "7");
    say(3);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&bob, "'done':[{'seq':1,'error':{'code':''}}]", "1 bad_argument dead done[0].error.code",
                "2@1");
    expect_turn(&bob, "'done':[{'seq':2,'error':{'code':''}}]", "2 bad_argument dead done[0].error.code",
                "3@1");
    expect_turn(&bob, "'done':[{'seq':3,'error':{'cod':'x'}}]", "3 unknown_key dead done[0].error.cod",
                "4@1");
    expect_turn(&bob, "'done':[{'seq':4,'error':'x'}]", "4 bad_argument dead done[0].error", "");
}

static void test_retry_comes_again_after_its_time(void **state)
{
    (void)state;
    set_up();
    say(2);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&bob, "'done':[{'seq':1,'retry_ms':500}]", "", "");
    world_advance(&w, 499);
    expect_turn(&bob, "", "", ""); /* nor does the one behind it come */
    uint64_t ticket = handler_ask(&bob, "");
    world_advance(&w, 1);
    assert_string_equal(events_of(reply_of(ticket)), "1@2");
    expect_turn(&bob, "'done':[{'seq':1,'retry_ms':0}]", "", "1@3");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]}]", "", "2@1");
}

static void test_retried_too_often_is_dead(void **state)
{
    (void)state;
    set_up();
    ask();
    for (int attempt = 2; attempt <= 5; attempt++) {
        char wanted[8];
        snprintf(wanted, sizeof(wanted), "1@%d", attempt);
        expect_turn(&bob, "'done':[{'seq':1,'retry_ms':0}]", "", wanted);
    }
    expect_events("");
    expect_turn(&bob, "'done':[{'seq':1,'retry_ms':0}]", "", "");
    expect_has(world_trace(&w), "'code':'failed'");
    expect_has(world_call(&w, quoted("[{'op':'dead','group':'g'}]")), "'attempts':5");
}

static void test_conflict_comes_again_at_once_until_it_is_dead(void **state)
{
    (void)state;
    set_up();
    say(1);
    expect_turn(&bob, "", "", "1@1");
    const char *done = "'done':[{'seq':1,'ops':[{'op':'update','conn':'epoch1.1','if_version':9,'update':{'$"
                       "inc':{'n':1}}}]}]";
    for (int attempt = 2; attempt <= 5; attempt++) {
        char wanted[8];
        snprintf(wanted, sizeof(wanted), "1@%d", attempt);
        expect_turn(&bob, done, "1 conflict again done[0].ops[0].if_version", wanted);
    }
    expect_turn(&bob, done, "1 conflict dead done[0].ops[0].if_version", "");
}

static void test_entry_says_exactly_one_thing(void **state)
{
    (void)state;
    set_up();
    say(6);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&bob, "'done':[{'seq':1}]", "1 bad_argument dead done[0]", "2@1");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[],'retry_ms':0}]", "2 bad_argument dead done[0]", "3@1");
    expect_turn(&bob, "'done':[{'seq':3,'ops':[],'error':{'code':'x'}}]", "3 bad_argument dead done[0]",
                "4@1");
    expect_turn(&bob, "'done':[{'seq':4,'retry_ms':3600001}]", "4 bad_argument dead done[0].retry_ms", "5@1");
    expect_turn(&bob, "'done':[{'seq':5,'opps':[]}]", "5 unknown_key dead done[0].opps", "6@1");
    expect_turn(&bob, "'done':[{'seq':6,'ops':{}}]", "6 bad_argument dead done[0].ops", "");
}

/* -- what is not held ---------------------------------------------------------------------------------- */

static void test_entry_of_an_event_that_is_not_held(void **state)
{
    (void)state;
    struct handler eve = {.client = "eve-client-000001", .link = 3};
    set_up();
    handler_join(&eve, "g", "'a:*'", "");
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&eve, "'max':1", "", "1@1");
    expect_turn(&bob, "", "", "2@1");
    expect_turn(&bob,
                "'done':[{'seq':1,'ops':[" INC "]},{'seq':99,'ops':[" INC "]},{'seq':2,'ops':[" INC "]}]",
                "1 lease_expired none; 99 lease_expired none", "");
    expect_n(1);
}

static void test_second_entry_for_the_same_event(void **state)
{
    (void)state;
    set_up_per_conn(",'per_conn':4");
    say(2);
    expect_turn(&bob, "", "", "1@1 2@1");
    expect_turn(&bob,
                "'max':0,'done':[{'seq':1,'ops':[" INC "]},{'seq':1,'ops':[" INC "]},{'seq':2,'retry_ms':0},"
                "{'seq':2,'ops':[" INC "]}]",
                "1 lease_expired none; 2 stale again; 2 lease_expired none", "");
    expect_n(1);
}

/* A long entry in front, and each of the others asks what became of its event in those before it. */
static void test_many_entries_for_what_was_taken_along_cost_little(void **state)
{
    (void)state;
    struct buf request = BUF_INIT;
    const unsigned texts = 500000, others = 2000;
    set_up_per_conn(",'per_conn':4");
    say(2);
    expect_turn(&bob, "", "", "1@1 2@1");
    mp_put_map(&request, 7);
    put_number(&request, "v", 1);
    put_number(&request, "id", ++w.next_id);
    put_pair(&request, "client", bob.client);
    put_pair(&request, "member", bob.member);
    put_number(&request, "turn", ++bob.turn);
    put_number(&request, "wait_ms", 0);
    mp_put_text(&request, "done");
    mp_put_array(&request, 2 + others);
    mp_put_map(&request, 2);
    put_number(&request, "seq", 99);
    mp_put_text(&request, "ops");
    mp_put_array(&request, 1);
    mp_put_array(&request, texts);
    for (unsigned i = 0; i < texts; i++)
        mp_put_text(&request, "");
    for (unsigned i = 0; i <= others; i++) {
        mp_put_map(&request, 2);
        put_number(&request, "seq", 1 + (i > 0));
        put_number(&request, "retry_ms", 0);
    }
    clock_t begin = clock();
    const char *reply = reply_of(world_turn_raw(&w, bob.link, request.data, request.len));
    assert_true(clock() - begin < CLOCKS_PER_SEC);
    expect_has(reply, "'seq':2,'code':'stale'");
    expect_has(reply, "'seq':2,'code':'lease_expired'");
    assert_string_equal(events_of(reply), "1@2 2@1");
    buf_deinit(&request);
}

static void test_lease_ends(void **state)
{
    (void)state;
    set_up();
    say(1);
    expect_turn(&bob, "", "", "1@1");
    world_advance(&w, 29999);
    expect_turn(&bob, "", "", "");
    world_advance(&w, 1);
    const char *reply = handler_turn(&bob, "'max':0,'done':[{'seq':1,'ops':[" INC "]}]");
    assert_string_equal(failed_of(reply), "1 lease_expired none");
    expect_n(0);
    expect_turn(&bob, "", "", "1@2");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]", "", "");
    expect_n(1);
}

static void test_what_a_dead_member_held_comes_to_another_alone(void **state)
{
    (void)state;
    struct handler eve = {.client = "eve-client-000001", .link = 3};
    set_up();
    handler_join(&eve, "g", "'a:*'", "");
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1");
    world_link_down(&w, 2);
    expect_turn(&eve, "", "", "1@2");
    expect_turn(&eve, "", "", "");
    expect_turn(&eve, "'done':[{'seq':1,'ops':[" INC "]}]", "", "2@2");
    expect_turn(&eve, "'done':[{'seq':2,'ops':[" INC "]}]", "", "");
    expect_n(2);
    expect_has(handler_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]"), "'code':'unknown_member'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_effects_are_applied_in_their_order),
        WORLD_TEST(test_failing_operation_undoes_the_whole_entry),
        WORLD_TEST(test_operations_without_effect_are_refused),
        WORLD_TEST(test_entries_stand_for_themselves),
        WORLD_TEST(test_session_in_the_next_entry_includes_the_one_before),
        WORLD_TEST(test_refused_event_is_done_and_its_client_told),
        WORLD_TEST(test_wrong_error_kills_the_event),
        WORLD_TEST(test_retry_comes_again_after_its_time),
        WORLD_TEST(test_retried_too_often_is_dead),
        WORLD_TEST(test_conflict_comes_again_at_once_until_it_is_dead),
        WORLD_TEST(test_entry_says_exactly_one_thing),
        WORLD_TEST(test_entry_of_an_event_that_is_not_held),
        WORLD_TEST(test_second_entry_for_the_same_event),
        WORLD_TEST(test_many_entries_for_what_was_taken_along_cost_little),
        WORLD_TEST(test_lease_ends),
        WORLD_TEST(test_what_a_dead_member_held_comes_to_another_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
