/* Turns as a whole: what is refused, what waits, what the reply says. */

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

/* Other options from now on. */
static void start_again(void)
{
    world_start(&w);
    set_up();
}

static void options_begin(void)
{
    world_stop(&w);
    world_init(&w);
}

/* -- replies ------------------------------------------------------------------------------------------- */

static void test_reply_brings_events_with_session_seq_and_attempt(void **state)
{
    (void)state;
    set_up();
    world_call(&w, quoted("[" INC "]"));
    world_say(&w, alice, "a:x", "{\"text\":\"hi\"}", "7");
    const char *reply = handler_turn(&bob, "");
    char wanted[512];
    snprintf(
        wanted, sizeof(wanted),
        "{'v':1,'id':%llu,'epoch':'epoch1','turn':1,'failed':[],'events':[{'event':'a:x','conn':'epoch1.1',"
        "'payload':{'text':'hi'},'i':7,'time_ms':1000000,'seq':1,'attempt':1,'session':{'n':1},"
        "'version':2}]}",
        (unsigned long long)w.next_id);
    assert_string_equal(reply, quoted(wanted));
}

static void test_reply_without_events_has_empty_lists(void **state)
{
    (void)state;
    set_up();
    char wanted[128];
    const char *reply = handler_turn(&bob, "");
    snprintf(wanted, sizeof(wanted), "{'v':1,'id':%llu,'epoch':'epoch1','turn':1,'failed':[],'events':[]}",
             (unsigned long long)w.next_id);
    assert_string_equal(reply, quoted(wanted));
}

static void test_member_holds_at_most_max(void **state)
{
    (void)state;
    set_up();
    struct conn *more[4] = {alice};
    for (int i = 1; i < 4; i++)
        more[i] = world_open(&w, "more", "");
    for (int i = 0; i < 4; i++)
        world_say(&w, more[i], "a:x", NULL, NULL);
    expect_turn(&bob, "'max':0", "", "");
    expect_turn(&bob, "'max':2", "", "1@1 2@1");
    expect_turn(&bob, "'max':2", "", "");
    expect_turn(&bob, "'max':2,'done':[{'seq':2,'ops':[]}]", "", "3@1");
    expect_turn(&bob, "'max':3", "", "4@1");
}

static void test_next_event_of_a_connection_comes_when_the_one_before_is_done(void **state)
{
    (void)state;
    set_up();
    say(3);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&bob, "", "", "");
    const char *reply = handler_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]");
    assert_string_equal(events_of(reply), "2@1");
    expect_has(reply, "'session':{'n':1},'version':2");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[]}]", "", "3@1");
    expect_turn(&bob, "'done':[{'seq':3,'ops':[]}]", "", "");
}

static void test_only_the_session_keys_travel(void **state)
{
    (void)state;
    set_up();
    handler_join(&eve, "h", "'a:*'", ",'session_keys':['b','none']");
    struct handler none = {.client = "none-client-00001", .link = 4};
    handler_join(&none, "i", "'a:*'", ",'session_keys':[]");
    world_call(&w, quoted("[{'op':'update','filter':{},'update':{'$set':{'a':1,'b':2,'c':3}}}]"));
    say(1);
    expect_has(handler_turn(&bob, ""), "'session':{'a':1,'b':2,'c':3},'version':2");
    expect_has(handler_turn(&eve, ""), "'session':{'b':2},'version':2");
    expect_has(handler_turn(&none, ""), "'session':{},'version':2");
}

/* -- waiting ------------------------------------------------------------------------------------------- */

static void test_turn_waits_for_an_event(void **state)
{
    (void)state;
    set_up();
    uint64_t ticket = handler_ask(&bob, "");
    world_advance(&w, 19000);
    assert_null(world_reply(&w, ticket));
    say(1);
    assert_string_equal(events_of(reply_of(ticket)), "1@1");
    world_advance(&w, 20000);
}

static void test_wait_ends_after_wait_ms(void **state)
{
    (void)state;
    set_up();
    uint64_t ticket = handler_ask(&bob, "'wait_ms':25000");
    world_advance(&w, 24999);
    assert_null(world_reply(&w, ticket));
    world_advance(&w, 1);
    assert_string_equal(events_of(reply_of(ticket)), "");
    expect_lacks(reply_of(ticket), "pause_ms");
    ticket = handler_ask(&bob, ""); /* 20 s, where nothing is said */
    world_advance(&w, 19999);
    assert_null(world_reply(&w, ticket));
    world_advance(&w, 1);
    reply_of(ticket);
}

static void test_member_that_may_not_wait_is_told_to_pause(void **state)
{
    (void)state;
    set_up();
    w.is_crowded = true;
    uint64_t ticket = handler_ask(&bob, "");
    assert_true(w.tickets[ticket % WORLD_TICKETS].is_replied); /* within the call */
    expect_has(reply_of(ticket), "'turn':1,'pause_ms':1000,'failed':[],'events':[]");
}

static void test_member_that_may_not_wait_gets_what_is_there(void **state)
{
    (void)state;
    set_up();
    say(1);
    w.is_crowded = true;
    const char *reply = reply_of(handler_ask(&bob, ""));
    assert_string_equal(events_of(reply), "1@1");
    expect_lacks(reply, "pause_ms");
    expect_lacks(handler_turn(&bob, ""), "pause_ms"); /* nor does one that does not want to wait */
}

static void test_newer_turn_ends_the_wait_of_the_one_before(void **state)
{
    (void)state;
    set_up();
    uint64_t first = handler_ask(&bob, "");
    assert_null(world_reply(&w, first));
    uint64_t second = handler_ask(&bob, "");
    expect_has(reply_of(first), "'turn':1,'failed':[]");
    assert_string_equal(events_of(reply_of(first)), "");
    assert_null(world_reply(&w, second));
    say(1);
    assert_string_equal(events_of(reply_of(second)), "1@1");
}

static void test_what_failed_is_told_at_once(void **state)
{
    (void)state;
    set_up();
    expect_has(reply_of(handler_ask(&bob, "'done':[{'seq':9,'ops':[]}],'wait_ms':20000")),
               "'turn':1,'failed':[{'seq':9,'code':'lease_expired'");
}

static void test_leaving_ends_the_wait(void **state)
{
    (void)state;
    set_up();
    char leave[128];
    uint64_t ticket = handler_ask(&bob, "");
    snprintf(leave, sizeof(leave), "[{'op':'count'},{'op':'leave','member':'%s'},{'op':'count'}]",
             bob.member);
    assert_string_equal(
        handler_call(&bob, leave),
        quoted("[{'ok':true,'count':1},{'ok':true,'left':true,'returned':0},{'ok':true,'count':1}]"));
    assert_string_equal(events_of(reply_of(ticket)), "");
    expect_refused(handler_turn(&bob, ""), "unknown_member");
}

static void test_joining_anew_ends_the_wait(void **state)
{
    (void)state;
    set_up();
    struct handler before = bob;
    uint64_t ticket = handler_ask(&bob, "");
    expect_has(handler_join(&bob, "g", "'a:*'", ""), "'created':true");
    assert_string_equal(events_of(reply_of(ticket)), "");
    assert_string_not_equal(before.member, bob.member);
    expect_refused(handler_turn(&before, ""), "unknown_member");
    say(1);
    expect_turn(&bob, "", "", "1@1");
}

static void test_waiting_members_when_the_core_ends(void **state)
{
    (void)state;
    set_up();
    say(1);
    expect_turn(&bob, "", "", "1@1");
    handler_ask(&bob, "");
    handler_join(&eve, "g", "'a:*'", "");
    handler_ask(&eve, "");
    /* freeing it is what the test is about */
}

static void test_turns_go_on_while_the_core_stops(void **state)
{
    (void)state;
    set_up();
    handler_join(&eve, "life", "'@disconnect'", "");
    say(2);
    expect_turn(&bob, "", "", "1@1");
    core_stop(w.core, 1000);
    world_advance(&w, 2000);
    expect_trace(&w, "alice closed 1001 the server is going away\n");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]", "", "2@1");
    expect_increments(1); /* the session lives until its last event is done */
    expect_turn(&bob, "'done':[{'seq':2,'ops':[]}]", "", "");
    expect_turn(&eve, "", "", "1@1");
    expect_turn(&eve, "'done':[{'seq':1,'ops':[]}]", "", "");
    expect_has(world_call(&w, quoted("[{'op':'get','conn':'epoch1.1'}]")), "'found':false");
}

/* -- what is refused ----------------------------------------------------------------------------------- */

static void test_only_its_own_client_has_a_member(void **state)
{
    (void)state;
    set_up();
    struct handler stranger = {.client = "eve-client-000001", .link = 3};
    strcpy(stranger.member, bob.member);
    expect_refused(handler_turn(&stranger, ""), "unknown_member");
    stranger.client = "bob-client-00000"; /* a part of the other */
    expect_refused(handler_turn(&stranger, ""), "unknown_member");
    strcpy(stranger.member, "nobody");
    expect_refused(handler_turn(&stranger, ""), "unknown_member");
    expect_turn(&bob, "", "", "");
}

static void test_other_numbers_are_bad_turns(void **state)
{
    (void)state;
    set_up();
    expect_refused(reply_of(handler_send(&bob, 0, "")), "bad_turn");
    expect_refused(reply_of(handler_send(&bob, 2, "")), "bad_turn");
    expect_turn(&bob, "", "", "");
    expect_turn(&bob, "", "", "");
    expect_refused(reply_of(handler_send(&bob, 1, "'wait_ms':0")), "bad_turn");
    expect_refused(reply_of(handler_send(&bob, 4, "'wait_ms':0")), "bad_turn");
    expect_refused(reply_of(handler_send(&bob, 2, "'wait_ms':0,'done':[]")), "bad_turn");
    expect_turn(&bob, "", "", "");
}

static void expect_place(const char *rest, const char *code, const char *place)
{
    char wanted[80];
    const char *reply = reply_of(handler_send(&bob, bob.turn + 1, rest));
    expect_refused(reply, code);
    snprintf(wanted, sizeof(wanted), "'at':'%s'}", place);
    expect_has(reply, wanted);
}

static void test_turn_that_is_wrong_as_a_whole_applies_nothing(void **state)
{
    (void)state;
    set_up();
    say(1);
    expect_turn(&bob, "", "", "1@1");
    expect_place("'done':[{'seq':1,'ops':[" INC "]},7]", "bad_argument", "done[1]");
    expect_place("'done':[{'seq':1,'ops':[" INC "]},{}]", "bad_argument", "done[1].seq");
    expect_place("'done':[{'seq':1,'ops':[" INC "]},{'seq':-1}]", "bad_argument", "done[1].seq");
    expect_place("'done':[{'seq':1,'ops':[" INC "]},{'seq':'1'}]", "bad_argument", "done[1].seq");
    expect_place("'done':{}", "bad_argument", "done");
    expect_place("'done':[{'seq':1,'ops':[" INC "]}],'max':1025", "bad_argument", "max");
    expect_place("'done':[{'seq':1,'ops':[" INC "]}],'wait_ms':25001", "bad_argument", "wait_ms");
    expect_place("'done':[{'seq':1,'ops':[" INC "]}],'waitms':0", "unknown_key", "waitms");
    expect_increments(0);
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC "]}]", "", "");
    expect_increments(1);
}

static void test_unknown_key_of_a_turn_is_told_the_nearest(void **state)
{
    (void)state;
    set_up();
    expect_has(reply_of(handler_send(&bob, 1, "'wait_m':0")), "did you mean `wait_ms`?");
}

static void test_request_is_either_operations_or_a_turn(void **state)
{
    (void)state;
    set_up();
    expect_has(reply_of(handler_send(&bob, 1, "'ops':[]")), "not both");
    expect_has(world_request(&w, quoted("{'v':1,'client':'bob-client-000001','id':1}")),
               "a request has `ops`, a list of operations, or a `member`, whose turn it is");
    const char *keys[] = {"turn", "max", "wait_ms", "done"};
    for (int i = 0; i < 4; i++) {
        char request[160], wanted[160];
        snprintf(request, sizeof(request), "{'v':1,'client':'bob-client-000001','id':1,'ops':[],'%s':%s}",
                 keys[i], i == 3 ? "[]" : "1");
        snprintf(wanted, sizeof(wanted),
                 "'code':'unknown_key','message':'only the turn of a `member` has this key','at':'%s'",
                 keys[i]);
        expect_has(world_request(&w, quoted(request)), wanted);
    }
    char request[160];
    snprintf(request, sizeof(request), "{'v':1,'client':'bob-client-000001','id':1,'member':'%s'}",
             bob.member);
    expect_has(world_request(&w, quoted(request)),
               "'code':'bad_argument','message':'this key is missing','at':'turn'");
    assert_int_equal(w.counters.requests_refused, 7);
}

static void test_too_much_for_one_turn(void **state)
{
    (void)state;
    options_begin();
    w.options.max_ops = 3;
    w.options.max_request_bytes = 64 * 1024;
    start_again();
    expect_place("'done':[{'seq':1,'ops':[0,0]},{'seq':2,'ops':[0,0]}]", "request_too_large", "done");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[0]},{'seq':2,'ops':[0,0]}]",
                "1 lease_expired none; 2 lease_expired none", "");
    static char done[65536] = "'done':[{'seq':1}";
    for (int i = 1; i < 342; i++) /* 64 KiB / 2 / 96 = 341 */
        strcat(done, ",{'seq':1}");
    strcat(done, "]");
    expect_place(done, "request_too_large", "done");
}

static void test_turn_carries_key_epoch_and_version(void **state)
{
    (void)state;
    options_begin();
    w.options.key = "s3cret";
    start_again();
    expect_refused(reply_of(handler_send(&bob, 1, "'epoch':'other'")), "new_epoch");
    w.is_tcp = true;
    expect_refused(reply_of(handler_send(&bob, 1, "")), "unauthorized");
    expect_refused(reply_of(handler_send(&bob, 1, "'key':'s3creT'")), "unauthorized");
    expect_turn(&bob, "'key':'s3cret','epoch':'epoch1'", "", "");
    expect_refused(world_request(&w, quoted("{'v':2,'member':'x','turn':1}")), "bad_version");
}

static void test_refused_turn_is_told_its_id(void **state)
{
    (void)state;
    set_up();
    char wanted[80];
    const char *reply = reply_of(handler_send(&bob, 5, ""));
    snprintf(wanted, sizeof(wanted), "{'v':1,'id':%llu,'epoch':'epoch1','ok':false,'code':'bad_turn',",
             (unsigned long long)w.next_id);
    expect_has(reply, wanted);
    expect_has(reply, "'turn':0}");
    expect_turn(&bob, "", "", "");
    expect_has(reply_of(handler_send(&bob, 3, "")), "'turn':1}");
}

/* -- bounds -------------------------------------------------------------------------------------------- */

static void test_events_of_a_turn_come_in_the_order_of_seq(void **state)
{
    (void)state;
    set_up();
    struct conn *carol = world_open(&w, "carol", "");
    say(1);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1");
    char extend[128];
    world_advance(&w, 100);
    snprintf(extend, sizeof(extend), "[{'op':'extend','member':'%s','seqs':[1]}]", bob.member);
    handler_call(&bob, extend);
    assert_string_equal(events_of(reply_of(handler_send(&bob, 1, "'wait_ms':0"))), "1@1 2@1");
}

/* Three connections whose sessions grow while their events are held: a repeat has no room for all. */
static void test_events_that_do_not_fit_the_reply_come_later(void **state)
{
    (void)state;
    options_begin();
    w.options.max_request_bytes = 64 * 1024;
    start_again();
    struct conn *more[3] = {alice, world_open(&w, "carol", ""), world_open(&w, "dave", "")};
    for (int i = 0; i < 3; i++)
        world_say(&w, more[i], "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    static char update[40000];
    int at = snprintf(update, sizeof(update), "[{'op':'update','filter':{},'update':{'$set':{'big':'");
    memset(update + at, 'x', 30000);
    strcpy(update + at + 30000, "'}}}]");
    expect_has(handler_call(&eve, update), "'modified':3");
    const char *reply = reply_of(handler_send(&bob, 1, "'wait_ms':0"));
    assert_true(strlen(reply) < 64 * 1024 + 100);
    assert_string_equal(events_of(reply), "1@1 2@1");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]},{'seq':2,'ops':[]}]", "", "3@1"); /* no attempt was lost */
}

static void test_event_that_fits_no_reply_is_dead(void **state)
{
    (void)state;
    options_begin();
    w.options.max_request_bytes = 64 * 1024;
    w.options.max_session_bytes = 128 * 1024;
    start_again();
    static char update[40000];
    for (int i = 0; i < 3; i++) {
        int at =
            snprintf(update, sizeof(update), "[{'op':'update','filter':{},'update':{'$set':{'big%d':'", i);
        memset(update + at, 'x', 30000);
        strcpy(update + at + 30000, "'}}}]");
        expect_has(handler_call(&eve, update), "'modified':1");
    }
    world_say(&w, alice, "a:x", NULL, "7");
    expect_turn(&bob, "", "", "");
    expect_has(world_call(&w, quoted("[{'op':'dead','group':'g'}]")), "'code':'reply_too_large'");
    expect_has(world_trace(&w), "'code':'failed'");
}

/* Each entry is applied, or not, and the reply says which; whatever allocation is refused. */
static void test_turn_survives_refused_memory(void **state)
{
    (void)state;
    unsigned long refusals = 0;
    for (unsigned long n = 0;; n++) {
        options_begin();
        start_again();
        struct conn *carol = world_open(&w, "carol", "");
        world_say(&w, alice, "a:x", NULL, "7");
        world_say(&w, carol, "a:x", NULL, "8");
        world_say(&w, carol, "a:x", NULL, "9");
        expect_turn(&bob, "", "", "1@1 2@1");
        world_trace(&w);
        w.refuse_memory = true;
        w.refuse_at = n;
        const char *rest =
            "'wait_ms':0,'done':["
            "{'seq':1,'ops':[{'op':'update','conn':'epoch1.1','update':{'$inc':{'n':1}}},"
            "{'op':'send','filter':{},'event':'one','payload':1},{'op':'answer','payload':2}]},"
            "{'seq':55,'ops':[]},"
            "{'seq':2,'error':{'code':'no'}}]";
        uint64_t ticket = handler_ask(&bob, rest);
        char reply[2048];
        snprintf(reply, sizeof(reply), "%s", reply_of(ticket));
        bool was_refused = w.was_refused;
        w.refuse_memory = false;
        char trace[2048];
        snprintf(trace, sizeof(trace), "%s", world_trace(&w));
        bool has_lists = strstr(reply, "\"failed\":") != NULL;
        if (!has_lists) { /* not applied at all, or nothing could be told: then a repeat tells */
            expect_has(reply, "'code':'overloaded'");
            bob.turn = 1;
            ticket = handler_ask(&bob, rest);
            snprintf(reply, sizeof(reply), "%s", reply_of(ticket));
            size_t len = strlen(trace);
            snprintf(trace + len, sizeof(trace) - len, "%s", world_trace(&w));
        }
        const char *failed = failed_of(reply);
        bool one_failed = strstr(failed, "1 overloaded again") != NULL;
        bool two_failed = strstr(failed, "2 overloaded again") != NULL;
        assert_non_null(strstr(failed, "55 lease_expired none"));
        expect_increments(one_failed ? 0 : 1);
        assert_int_equal(strstr(trace, "alice <- {\"e\":\"a:x\",\"p\":2,\"i\":7}") != NULL, !one_failed);
        assert_int_equal(strstr(trace, "carol <- {\"e\":\"one\",\"p\":1}") != NULL, !one_failed);
        assert_int_equal(strstr(trace, "\"code\":\"no\"") != NULL, !two_failed);
        /* whatever was not done comes again */
        w.is_crowded = false;
        char events[64];
        snprintf(events, sizeof(events), "%s", events_of(reply));
        for (int i = 0; i < 4 && !strstr(events, "3@"); i++) {
            bob.turn++;
            size_t len = strlen(events);
            const char *done = strstr(events, "2@2")
                                   ? "'wait_ms':0,'done':[{'seq':1,'ops':[]},{'seq':2,'ops':[]}]"
                                   : "'wait_ms':0,'done':[{'seq':1,'ops':[]}]";
            snprintf(events + len, sizeof(events) - len, " %s",
                     events_of(reply_of(handler_send(&bob, bob.turn, done))));
        }
        assert_int_equal(strstr(events, "1@2") != NULL, one_failed);
        assert_int_equal(strstr(events, "2@2") != NULL, two_failed);
        assert_non_null(strstr(events, "3@1"));
        refusals += was_refused;
        if (!was_refused)
            break;
        assert_true(n < 1000);
    }
    assert_true(refusals > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_reply_brings_events_with_session_seq_and_attempt),
        WORLD_TEST(test_reply_without_events_has_empty_lists),
        WORLD_TEST(test_member_holds_at_most_max),
        WORLD_TEST(test_next_event_of_a_connection_comes_when_the_one_before_is_done),
        WORLD_TEST(test_only_the_session_keys_travel),
        WORLD_TEST(test_turn_waits_for_an_event),
        WORLD_TEST(test_wait_ends_after_wait_ms),
        WORLD_TEST(test_member_that_may_not_wait_is_told_to_pause),
        WORLD_TEST(test_member_that_may_not_wait_gets_what_is_there),
        WORLD_TEST(test_newer_turn_ends_the_wait_of_the_one_before),
        WORLD_TEST(test_what_failed_is_told_at_once),
        WORLD_TEST(test_leaving_ends_the_wait),
        WORLD_TEST(test_joining_anew_ends_the_wait),
        WORLD_TEST(test_waiting_members_when_the_core_ends),
        WORLD_TEST(test_turns_go_on_while_the_core_stops),
        WORLD_TEST(test_only_its_own_client_has_a_member),
        WORLD_TEST(test_other_numbers_are_bad_turns),
        WORLD_TEST(test_turn_that_is_wrong_as_a_whole_applies_nothing),
        WORLD_TEST(test_unknown_key_of_a_turn_is_told_the_nearest),
        WORLD_TEST(test_request_is_either_operations_or_a_turn),
        WORLD_TEST(test_too_much_for_one_turn),
        WORLD_TEST(test_turn_carries_key_epoch_and_version),
        WORLD_TEST(test_refused_turn_is_told_its_id),
        WORLD_TEST(test_events_of_a_turn_come_in_the_order_of_seq),
        WORLD_TEST(test_events_that_do_not_fit_the_reply_come_later),
        WORLD_TEST(test_event_that_fits_no_reply_is_dead),
        WORLD_TEST(test_turn_survives_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
