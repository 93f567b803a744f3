/* The operations about groups, and what hello and stats tell of them. */

#include "core/conn.h"
#include "handler.h"

static struct handler bob, eve;

static void set_up(void)
{
    bob = (struct handler){.client = "bob-client-000001", .link = 2};
    eve = (struct handler){.client = "eve-client-000001", .link = 3};
}

static void options_begin(void)
{
    world_stop(&w);
    world_init(&w);
    set_up();
}

static void expect_error(const char *ops, const char *code, const char *place)
{
    char wanted[160];
    const char *results = handler_call(&bob, ops);
    snprintf(wanted, sizeof(wanted), "{'ok':false,'code':'%s'", code);
    expect_has(results, wanted);
    snprintf(wanted, sizeof(wanted), "'at':'ops[0]%s'", place);
    expect_has(results, wanted);
}

/* "member" of @handler into the operations' text. */
static const char *with_member(const struct handler *handler, const char *format)
{
    static char ops[512];
    snprintf(ops, sizeof(ops), format, handler->member);
    return ops;
}

/* -- join ---------------------------------------------------------------------------------------------- */

static void test_join_tells_the_terms(void **state)
{
    (void)state;
    set_up();
    char wanted[256];
    const char *results = handler_join(&bob, "chat", "'a:*'", "");
    snprintf(wanted, sizeof(wanted),
             "[{'ok':true,'member':'%s','turn':0,'lease_ms':30000,'created':true,'attempts':5}]", bob.member);
    assert_string_equal(results, quoted(wanted));
    expect_has(handler_join(&eve, "chat", "'a:*'", ",'lease_ms':100,'per_conn':256"), "'lease_ms':100,");
    assert_string_not_equal(bob.member, eve.member);
}

static void test_join_before_the_first_turn_gives_the_same_member(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "chat", "'a:*'", "");
    struct handler before = bob;
    expect_has(handler_join(&bob, "chat", "'b:*'", ",'lease_ms':500"), "'lease_ms':500,'created':false");
    assert_string_equal(before.member, bob.member);
    world_say(&w, alice, "b:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1");
    expect_has(handler_join(&bob, "chat", "'b:*'", ""), "'created':true");
    assert_string_not_equal(before.member, bob.member);
    expect_turn(&bob, "", "", "1@2");
}

static void test_one_membership_in_each_group(void **state)
{
    (void)state;
    set_up();
    struct handler other = bob;
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "chat", "'a:*'", "");
    expect_has(handler_join(&other, "log", "'a:*'", ""), "'created':true");
    world_say(&w, alice, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&other, "", "", "1@1");
}

static void test_repeated_join_gets_its_stored_reply(void **state)
{
    (void)state;
    set_up();
    char first[512];
    const char *request =
        "{'v':1,'client':'bob-client-000001','id':1,'ops':[{'op':'join','group':'g','events':"
        "['a']}]}";
    snprintf(first, sizeof(first), "%s", world_request(&w, quoted(request)));
    expect_has(first, "'created':true");
    assert_string_equal(world_request(&w, quoted(request)), first);
    assert_int_equal(w.counters.requests_repeated, 1);
}

static void test_join_refuses_what_is_wrong(void **state)
{
    (void)state;
    set_up();
#define JOIN(group, events, rest) "[{'op':'join','group':" group ",'events':[" events "]" rest "}]"
    expect_error(JOIN("''", "'a'", ""), "bad_argument", ".group");
    expect_error(JOIN("'a:b'", "'a'", ""), "bad_argument", ".group");
    expect_error(JOIN("'a b'", "'a'", ""), "bad_argument", ".group");
    expect_error(JOIN("'1234567890123456789012345678901234567890123456789012345678901234x'", "'a'", ""),
                 "bad_argument", ".group");
    expect_error("[{'op':'join','events':['a']}]", "bad_argument", ".group");
    expect_error("[{'op':'join','group':'g'}]", "bad_argument", ".events");
    expect_error(JOIN("'g'", "", ""), "bad_argument", ".events");
    expect_error(JOIN("'g'", "'a','b*'", ""), "bad_event", ".events[1]");
    expect_error(JOIN("'g'", "'a',7", ""), "bad_argument", ".events");
    expect_error(JOIN("'g'", "'a'", ",'lease_ms':99"), "bad_argument", ".lease_ms");
    expect_error(JOIN("'g'", "'a'", ",'lease_ms':3600001"), "bad_argument", ".lease_ms");
    expect_error(JOIN("'g'", "'a'", ",'per_conn':0"), "bad_argument", ".per_conn");
    expect_error(JOIN("'g'", "'a'", ",'per_conn':257"), "bad_argument", ".per_conn");
    expect_error(JOIN("'g'", "'a'", ",'session_keys':['a','b\\u0000c']"), "bad_argument", ".session_keys[1]");
    expect_error(JOIN("'g'", "'a'", ",'lease':1"), "unknown_key", ".lease");
    char many[2048] = "[{'op':'join','group':'g','events':['a'],'session_keys':['k'";
    for (int i = 0; i < 64; i++)
        strcat(many, ",'k'");
    strcat(many, "]}]");
    expect_error(many, "bad_argument", ".session_keys");
    char patterns[2048] = "[{'op':'join','group':'g','events':['a'";
    for (int i = 0; i < 64; i++)
        strcat(patterns, ",'a'");
    strcat(patterns, "]}]");
    expect_error(patterns, "bad_argument", ".events");
    expect_has(handler_call(&bob, "[{'op':'inspect','group':'g'}]"), "'code':'unknown_group'");
}

static void test_groups_and_members_are_bounded(void **state)
{
    (void)state;
    options_begin();
    w.options.max_groups = 1;
    w.options.max_members = 1;
    world_start(&w);
    handler_join(&bob, "g", "'a'", "");
    expect_has(handler_call(&eve, "[{'op':'join','group':'h','events':['a']}]"), "'code':'limit'");
    expect_has(handler_call(&eve, "[{'op':'join','group':'g','events':['a']}]"), "'code':'limit'");
    handler_call(&bob, with_member(&bob, "[{'op':'leave','member':'%s'}]"));
    handler_join(&eve, "g", "'a'", "");
}

static void test_patterns_of_a_group_are_bounded(void **state)
{
    (void)state;
    set_up();
    char patterns[2048] = "'p0'";
    for (int i = 1; i < 64; i++)
        snprintf(patterns + strlen(patterns), sizeof(patterns) - strlen(patterns), ",'p%d'", i);
    handler_join(&bob, "g", patterns, "");
    handler_join(&eve, "g", "'p5','p6'", "");
    expect_has(handler_call(&eve, "[{'op':'join','group':'g','events':['p7','more']}]"), "'code':'limit'");
}

static void test_client_may_have_any_bytes(void **state)
{
    (void)state;
    set_up();
    const char *join =
        "{'v':1,'client':'0\\u0000-34567890123456','id':%d,'ops':[{'op':'join','group':'g','events':"
        "['a']}]}";
    char request[256];
    snprintf(request, sizeof(request), join, 1);
    expect_has(world_request(&w, quoted(request)), "'created':true");
    snprintf(request, sizeof(request), join, 2);
    expect_has(world_request(&w, quoted(request)), "'created':false");
}

/* -- leave --------------------------------------------------------------------------------------------- */

static void test_leave_gives_back_what_is_held_without_blame(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", ""), *carol = world_open(&w, "carol", "");
    handler_join(&bob, "g", "'a:*'", ",'per_conn':2");
    handler_join(&eve, "g", "'a:*'", ",'per_conn':2");
    world_say(&w, alice, "a:x", NULL, NULL);
    world_say(&w, alice, "a:x", NULL, NULL);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1");
    assert_string_equal(handler_call(&bob, with_member(&bob, "[{'op':'leave','member':'%s'}]")),
                        quoted("[{'ok':true,'left':true,'returned':3}]"));
    assert_string_equal(handler_call(&bob, with_member(&bob, "[{'op':'leave','member':'%s'}]")),
                        quoted("[{'ok':true,'left':false,'returned':0}]"));
    expect_turn(&eve, "", "", "1@2 2@2 3@2"); /* together: nobody is suspected */
}

static void test_only_its_own_client_makes_a_member_leave(void **state)
{
    (void)state;
    set_up();
    handler_join(&bob, "g", "'a:*'", "");
    expect_has(handler_call(&eve, with_member(&bob, "[{'op':'leave','member':'%s'}]")), "'left':false");
    expect_turn(&bob, "", "", "");
}

/* -- extend -------------------------------------------------------------------------------------------- */

static void test_extended_leases_begin_anew(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", ""), *carol = world_open(&w, "carol", "");
    handler_join(&bob, "g", "'a:*'", ",'lease_ms':1000");
    world_say(&w, alice, "a:x", NULL, NULL);
    world_say(&w, carol, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1");
    world_advance(&w, 900);
    assert_string_equal(handler_call(&bob, with_member(&bob, "[{'op':'extend','member':'%s'}]")),
                        quoted("[{'ok':true,'extended':2}]"));
    world_advance(&w, 900);
    assert_string_equal(
        handler_call(&bob, with_member(&bob, "[{'op':'extend','member':'%s','seqs':[7,2,2]}]")),
        quoted("[{'ok':true,'extended':2}]"));
    world_advance(&w, 100);
    expect_turn(&bob, "'max':0,'done':[{'seq':1,'ops':[]},{'seq':2,'ops':[]}]", "1 lease_expired none", "");
}

static void test_extend_refuses_what_is_wrong(void **state)
{
    (void)state;
    set_up();
    handler_join(&bob, "g", "'a:*'", "");
    expect_error("[{'op':'extend','member':'nobody'}]", "unknown_member", ".member");
    expect_error(with_member(&bob, "[{'op':'extend','member':'%s','seqs':[1,'2']}]"), "bad_argument",
                 ".seqs[1]");
    expect_error(with_member(&bob, "[{'op':'extend','member':'%s','seqs':{}}]"), "bad_argument", ".seqs");
    expect_has(handler_call(&eve, with_member(&bob, "[{'op':'extend','member':'%s'}]")),
               "'code':'unknown_member'");
}

/* -- inspect ------------------------------------------------------------------------------------------- */

static void test_inspect_shows_every_event_and_its_state(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", ""), *carol = world_open(&w, "carol", ""),
                *dave = world_open(&w, "dave", "");
    handler_join(&bob, "g", "'a:*'", "");
    world_say(&w, alice, "a:x", NULL, NULL);
    world_say(&w, alice, "a:y", NULL, NULL);
    world_say(&w, carol, "a:x", NULL, NULL);
    world_say(&w, carol, "a:x", NULL, NULL);
    world_say(&w, dave, "a:x", NULL, NULL);
    expect_turn(&bob, "'max':2", "", "1@1 3@1");
    expect_turn(&bob, "'max':1,'done':[{'seq':3,'retry_ms':500}]", "", "");
    world_advance(&w, 200);
    char wanted[256], results[4096];
    snprintf(results, sizeof(results), "%s", handler_call(&bob, "[{'op':'inspect','group':'g'}]"));
    expect_has(results, "[{'ok':true,'group':'g','events':[{'seq':1,'event':'a:x','conn':'epoch1.1',");
    snprintf(
        wanted, sizeof(wanted),
        "{'seq':1,'event':'a:x','conn':'epoch1.1','attempt':1,'state':'held','suspect':false,'member':'%s',"
        "'lease_ms':29800,'age_ms':200,'bytes':",
        bob.member);
    expect_has(results, wanted);
    expect_has(results,
               "{'seq':2,'event':'a:y','conn':'epoch1.1','attempt':0,'state':'waiting','suspect':false,"
               "'age_ms':200,'bytes':");
    expect_has(results,
               "{'seq':3,'event':'a:x','conn':'epoch1.2','attempt':1,'state':'delayed','suspect':false,"
               "'due_ms':300,'age_ms':200,'bytes':");
    expect_has(results,
               "{'seq':4,'event':'a:x','conn':'epoch1.2','attempt':0,'state':'waiting','suspect':false,");
    expect_has(results,
               "{'seq':5,'event':'a:x','conn':'epoch1.3','attempt':0,'state':'waiting','suspect':false,");
    expect_lacks(results, "'next'");
    world_link_down(&w, 2);
    expect_has(handler_call(&bob, "[{'op':'inspect','group':'g','limit':1}]"),
               "'attempt':1,'state':'waiting','suspect':true,'age_ms':200,");
}

static void test_inspect_goes_page_by_page(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "g", "'a:*'", "");
    for (int i = 0; i < 5; i++)
        world_say(&w, alice, "a:x", NULL, NULL);
    const char *results = handler_call(&bob, "[{'op':'inspect','group':'g','limit':2}]");
    expect_has(results, "{'seq':2,");
    expect_lacks(results, "{'seq':3,");
    expect_has(results, "],'next':2}");
    results = handler_call(&bob, "[{'op':'inspect','group':'g','limit':3,'after':2}]");
    expect_lacks(results, "{'seq':2,");
    expect_has(results, "[{'seq':3,");
    expect_has(results, "{'seq':5,");
    expect_lacks(results, "'next'");
    expect_has(handler_call(&bob, "[{'op':'inspect','group':'g','after':5}]"), "'events':[]}");
    expect_error("[{'op':'inspect','group':'g','limit':0}]", "bad_argument", ".limit");
    expect_error("[{'op':'inspect','group':'g','limit':1001}]", "bad_argument", ".limit");
    expect_error("[{'op':'inspect','group':'h'}]", "unknown_group", ".group");
    expect_error("[{'op':'dead','group':'h'}]", "unknown_group", ".group");
}

/* -- dead ---------------------------------------------------------------------------------------------- */

/* Let bob kill what waits. */
static void kill_all(unsigned count)
{
    char done[128] = "";
    for (unsigned i = 0; i <= count; i++) {
        const char *reply = handler_turn(&bob, done);
        unsigned long long seq = strtoull(events_of(reply), NULL, 10);
        snprintf(done, sizeof(done), "'done':[{'seq':%llu,'ops':[0]}]", seq);
    }
}

static void test_dead_shows_why(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "g", "'a:*'", "");
    world_say(&w, alice, "a:x", "{\"n\":1}", NULL);
    world_say(&w, alice, "a:y", NULL, NULL);
    world_advance(&w, 100);
    kill_all(2);
    expect_has(
        handler_call(&bob, "[{'op':'dead','group':'g'}]"),
        "'events':[{'seq':1,'event':'a:x','conn':'epoch1.1','code':'bad_argument','message':'each operation "
        "is a map with its name as `op`','attempts':1,'time_ms':1000000,'dead_ms':1000100,'payload':"
        "{'n':1}},{'seq':2,'event':'a:y','conn':'epoch1.1','code':'bad_argument','message':'each operation "
        "is a map with its name as `op`','attempts':1,'time_ms':1000000,'dead_ms':1000100}]}");
}

static void test_dead_is_published(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    handler_join(&bob, "g", "'a:*'", "");
    world_say(&w, alice, "a:x", "1", NULL);
    world_trace(&w);
    kill_all(1);
    const char *trace = world_trace(&w);
    expect_has(trace, "publish @dead {'v':1,'epoch':'epoch1','events':[{'event':'@dead',");
    expect_has(trace, "'group':'g','seq':1,'event':'a:x','conn':'epoch1.1','code':'bad_argument',");
}

static void test_dead_goes_page_by_page(void **state)
{
    (void)state;
    options_begin();
    w.options.group_dead = 4;
    world_start(&w);
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "g", "'a:*'", "");
    for (int i = 0; i < 5; i++)
        world_say(&w, alice, "a:x", NULL, NULL);
    kill_all(5);
    const char *results = handler_call(&bob, "[{'op':'dead','group':'g','limit':2}]");
    expect_has(results, "'events':[{'seq':2,");
    expect_has(results, "{'seq':3,");
    expect_has(results, "],'next':3}");
    results = handler_call(&bob, "[{'op':'dead','group':'g','after':3}]");
    expect_has(results, "'events':[{'seq':4,");
    expect_has(results, "{'seq':5,");
    expect_lacks(results, "'next'");
    /* where the page before ended with one that is gone, all before that are gone, too */
    expect_has(handler_call(&bob, "[{'op':'dead','group':'g','after':1}]"), "'events':[{'seq':2,");
    expect_has(handler_call(&bob, "[{'op':'dead','group':'g','after':5}]"), "'events':[]");
}

static void test_large_pages_end_early(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "g", "'a:*'", "");
    static char payload[60002];
    memset(payload, 'x', sizeof(payload) - 1);
    payload[0] = payload[60000] = '"';
    for (int i = 0; i < 6; i++)
        world_say(&w, alice, "a:x", payload, NULL);
    kill_all(6);
    const char *results = handler_call(&bob, "[{'op':'dead','group':'g'}]");
    expect_has(results, "'next':4}");
    assert_true(strlen(results) < 256 * 1024 + 2000);
    expect_has(handler_call(&bob, "[{'op':'dead','group':'g','after':4}]"), "{'seq':6,");
}

/* -- hello, stats -------------------------------------------------------------------------------------- */

static void test_hello_tells_what_members_need(void **state)
{
    (void)state;
    set_up();
    const char *results = handler_call(&bob, "[{'op':'hello'}]");
    expect_has(results, "'features':['groups']");
    expect_has(results, "'max_wait_ms':25000,'max_events':1024,'max_entries':2048,'max_group_patterns':64,"
                        "'lease_ms':30000,'max_attempts':5}");
}

static void test_stats_show_groups_and_their_members(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    handler_call(&bob, "[{'op':'hello','name':'chat','language':'python','version':'3.1'}]");
    handler_join(&bob, "g", "'a:*','b'", ",'lease_ms':5000,'per_conn':3");
    handler_join(&eve, "g", "'a:*'", "");
    for (int i = 0; i < 3; i++)
        world_say(&w, alice, "a:x", NULL, NULL);
    expect_turn(&bob, "'max':2", "", "1@1 2@1");
    expect_turn(&bob, "'max':1,'done':[{'seq':1,'ops':[]}]", "", "");
    handler_ask(&eve, "");
    world_advance(&w, 300);
    char results[8192], wanted[512];
    snprintf(results, sizeof(results), "%s", handler_call(&bob, "[{'op':'stats'}]"));
    expect_has(results,
               "'groups':[{'group':'g','declared':false,'events':['a:*','b'],'backlog':2,'backlog_bytes':");
    expect_has(results, "'held':1,'oldest_ms':300,'full':'no','paused_connections':0,'dead_listed':0,"
                        "'received_per_s':");
    expect_has(results, "'received':3,'handled':1,'refused':0,'retried':0,'attempts':2,'redeliveries':0,"
                        "'lease_expired':0,'stale':0,'failed':0,'dead':0,");
    snprintf(wanted, sizeof(wanted),
             "{'member':'%s','name':'chat','language':'python','version':'3.1','pid':0,'link':2,'held':1,"
             "'age_ms':300,'heard_ms':300,'asking':false,'handled':1,'lease_ms':5000,'per_conn':3}",
             bob.member);
    expect_has(results, wanted);
    snprintf(wanted, sizeof(wanted),
             "{'member':'%s','name':'','language':'','version':'','pid':0,'link':3,'held':0,", eve.member);
    expect_has(results, wanted);
    expect_has(results, "'asking':true,'handled':0,'lease_ms':30000,'per_conn':1}");
    expect_lacks(results, "groups_left_out");
}

static void test_stats_without_groups(void **state)
{
    (void)state;
    set_up();
    expect_has(handler_call(&bob, "[{'op':'stats'}]"), "'groups':[]}]");
}

static void test_stats_of_very_many_groups_fit_a_reply(void **state)
{
    (void)state;
    options_begin();
    w.options.max_request_bytes = 64 * 1024;
    world_start(&w);
    for (int i = 0; i < 100; i++) {
        char group[16];
        snprintf(group, sizeof(group), "g%d", i);
        handler_join(&bob, group, "'a:*'", "");
    }
    const char *results = handler_call(&bob, "[{'op':'stats'}]");
    expect_has(results, "'group':'g0'");
    expect_has(results, "'groups_left_out':");
}

static void test_stats_count_what_fails(void **state)
{
    (void)state;
    set_up();
    struct conn *alice = world_open(&w, "alice", "");
    handler_join(&bob, "g", "'a:*'", ",'per_conn':5,'lease_ms':1000");
    for (int i = 0; i < 5; i++)
        world_say(&w, alice, "a:x", NULL, NULL);
    expect_turn(&bob, "", "", "1@1 2@1 3@1 4@1 5@1");
    expect_turn(&bob,
                "'max':0,'done':[{'seq':1,'ops':[7]},{'seq':2,'error':{'code':'x'}},{'seq':5,'ops':[]},"
                "{'seq':3,'retry_ms':0},{'seq':4,'ops':[]}]",
                "1 bad_argument dead done[0].ops[0].op; 5 stale again; 4 stale again", "");
    expect_turn(&bob, "", "", "3@2 4@1 5@1");
    world_advance(&w, 1000);
    expect_has(
        handler_call(&bob, "[{'op':'stats'}]"),
        "'received':5,'handled':0,'refused':1,'retried':1,'attempts':8,'redeliveries':1,'lease_expired':1,"
        "'stale':2,'failed':1,'dead':1,");
}

/* Whatever memory is refused, the operation does its work or says that it could not. */
static void test_group_operations_survive_refused_memory(void **state)
{
    (void)state;
    static const char *const ops[] = {
        "[{'op':'join','group':'g','events':['a:*','b'],'session_keys':['x']}]",
        "[{'op':'join','group':'new','events':['a:*','b'],'session_keys':['x']}]",
        "[{'op':'leave','member':'%s'}]",
        "[{'op':'extend','member':'%s'}]",
        "[{'op':'inspect','group':'g'}]",
        "[{'op':'dead','group':'g'}]",
        "[{'op':'stats'}]",
        "[{'op':'hello','name':'n'}]",
    };
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        for (unsigned long n = 0;; n++) {
            options_begin();
            world_start(&w);
            struct conn *alice = world_open(&w, "alice", "");
            handler_join(&bob, "g", "'a:*'", "");
            for (int j = 0; j < 3; j++)
                world_say(&w, alice, "a:x", "1", NULL);
            expect_turn(&bob, "", "", "1@1");
            expect_turn(&bob, "'done':[{'seq':1,'ops':[7]}]", "1 bad_argument dead done[0].ops[0].op", "2@1");
            w.refuse_memory = true;
            w.refuse_at = n;
            const char *results = handler_call(&bob, with_member(&bob, ops[i]));
            bool was_refused = w.was_refused;
            w.refuse_memory = false;
            assert_true(strstr(results, "\"ok\":true") || strstr(results, "\"code\":\"overloaded\""));
            handler_join(&eve, "g", "'a:*'", "");
            world_advance(&w, 31000);
            world_trace(&w);
            expect_turn(&eve, "", "", "2@2");
            if (!was_refused)
                break;
            assert_true(n < 1000);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_join_tells_the_terms),
        WORLD_TEST(test_join_before_the_first_turn_gives_the_same_member),
        WORLD_TEST(test_one_membership_in_each_group),
        WORLD_TEST(test_repeated_join_gets_its_stored_reply),
        WORLD_TEST(test_join_refuses_what_is_wrong),
        WORLD_TEST(test_groups_and_members_are_bounded),
        WORLD_TEST(test_patterns_of_a_group_are_bounded),
        WORLD_TEST(test_client_may_have_any_bytes),
        WORLD_TEST(test_leave_gives_back_what_is_held_without_blame),
        WORLD_TEST(test_only_its_own_client_makes_a_member_leave),
        WORLD_TEST(test_extended_leases_begin_anew),
        WORLD_TEST(test_extend_refuses_what_is_wrong),
        WORLD_TEST(test_inspect_shows_every_event_and_its_state),
        WORLD_TEST(test_inspect_goes_page_by_page),
        WORLD_TEST(test_dead_shows_why),
        WORLD_TEST(test_dead_is_published),
        WORLD_TEST(test_dead_goes_page_by_page),
        WORLD_TEST(test_large_pages_end_early),
        WORLD_TEST(test_hello_tells_what_members_need),
        WORLD_TEST(test_stats_show_groups_and_their_members),
        WORLD_TEST(test_stats_without_groups),
        WORLD_TEST(test_stats_of_very_many_groups_fit_a_reply),
        WORLD_TEST(test_stats_count_what_fails),
        WORLD_TEST(test_group_operations_survive_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
