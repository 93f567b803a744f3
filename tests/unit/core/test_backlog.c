#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"

/* A world whose groups hold 8 events, and a group g that is listened to by a member that is busy. */
static struct conn *alice;

static void start_with(unsigned backlog, const char *events)
{
    world_stop(&w);
    world_init(&w);
    w.options.group_backlog = backlog;
    world_start(&w);
    join("g", 1, events);
    alice = world_open(&w, "alice", "");
}

static void test_event_goes_once_to_each_group_that_matches(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a a:* *"), *carol = join("h", 2, "a"), *dave = join("i", 3, "b");
    alice = world_open(&w, "alice", "");
    say_n(alice, "a", 1);
    expect_got(ask(bob, 9), "1@1");
    expect_got(ask(carol, 9), "1@1");
    expect_got(ask(dave, 9), "waits");
    assert_int_equal(alice->events, 1); /* shared */
    done(bob, "1", 0);
    assert_int_equal(alice->events, 1);
    done(carol, "1", 0);
    assert_int_equal(alice->events, 0);
}

static void test_message_without_group_and_subscriber_has_no_handler(void **state)
{
    (void)state;
    start_with(8, "a");
    world_say(&w, alice, "b", NULL, NULL);
    assert_non_null(strstr(world_trace(&w), "\"code\":\"no_handler\""));
    world_say(&w, alice, "a", NULL, NULL);
    expect_trace(&w, "");
}

static void test_refused_memory_puts_an_event_nowhere(void **state)
{
    (void)state;
    unsigned long n = 0;
    start_with(8, "a");
    join("h", 2, "a");
    join("i", 3, "a");
    core_subscribers(w.core, 1);
    for (w.was_refused = true; w.was_refused; n++) {
        w.was_refused = false;
        w.refuse_memory = true;
        w.refuse_at = n;
        world_say(&w, alice, "a", "1", "7");
        w.refuse_memory = false;
        const struct group *g = the_group("g"), *h = the_group("h"), *i = the_group("i");
        assert_true(g->job_count == h->job_count && h->job_count == i->job_count);
        assert_int_equal(g->seq, g->job_count); /* none was counted */
        groups_check(w.core);
        const char *trace = world_trace(&w);
        if (!g->job_count)
            assert_null(strstr(trace, "publish a "));
        assert_int_equal(question_count(alice), g->job_count);
        if (g->job_count)
            break;
    }
    assert_true(n > 3); /* what one attempt allocated for groups is there for the next one */
    world_say(&w, alice, "a", NULL, NULL);
    assert_int_equal(the_group("i")->seq, 2);
}

/* -- full ---------------------------------------------------------------------------------------------- */

static void test_connection_that_feeds_a_full_group_is_paused(void **state)
{
    (void)state;
    start_with(8, "a");
    struct conn *bob = world_open(&w, "bob", ""), *carol = world_open(&w, "carol", "");
    say_n(alice, "a", 7);
    expect_trace(&w, "");
    say_n(bob, "a", 1); /* the eighth */
    expect_trace(&w, "bob paused\n");
    say_n(bob, "a", 1); /* had been read before */
    say_n(alice, "a", 1);
    expect_trace(&w, "alice paused\n");
    assert_int_equal(the_group("g")->full, GROUP_PAUSING);
    join("h", 2, "b");
    say_n(carol, "b", 1); /* is for another group */
    expect_trace(&w, "");
    groups_check(w.core);
}

static void test_group_opens_at_three_quarters(void **state)
{
    (void)state;
    start_with(8, "a");
    struct member *bob = join("g", 2, "a");
    say_n(alice, "a", 8);
    expect_got(ask(bob, 1), "1@1");
    expect_trace(&w, "alice paused\n");
    expect_got(done(bob, "1", 1), "2@1");
    expect_trace(&w, "");
    expect_got(done(bob, "2", 1), "3@1");
    expect_trace(&w, "alice resumed\n");
    assert_int_equal(the_group("g")->full, GROUP_OPEN);
    groups_check(w.core);
}

static void test_group_that_paused_for_too_long_refuses(void **state)
{
    (void)state;
    start_with(8, "a");
    struct conn *bob = world_open(&w, "bob", "");
    say_n(alice, "a", 8);
    world_advance(&w, 4999);
    expect_trace(&w, "alice paused\n");
    world_advance(&w, 1);
    expect_trace(&w, "alice resumed\n");
    assert_int_equal(the_group("g")->full, GROUP_REFUSING);
    core_subscribers(w.core, 1);
    world_say(&w, bob, "a", NULL, "7");
    expect_trace(&w, "bob <- {\"e\":\"@error\",\"p\":{\"code\":\"overloaded\",\"message\":\"too many events "
                     "wait for the handlers\",\"temporary\":true,\"event\":\"a\"},\"i\":7}\n");
    assert_int_equal(the_group("g")->seq, 8);
    assert_int_equal(the_group("g")->counters.overloaded, 1);
    groups_check(w.core);
}

static void test_one_refusing_group_refuses_for_all(void **state)
{
    (void)state;
    start_with(8, "a b");
    join("h", 2, "a");
    say_n(alice, "b", 8);
    world_advance(&w, 5000);
    world_trace(&w);
    say_n(alice, "a", 1);
    assert_non_null(strstr(world_trace(&w), "overloaded"));
    assert_int_equal(the_group("h")->seq, 0);
}

static void test_group_far_beyond_its_bound_refuses_at_once(void **state)
{
    (void)state;
    start_with(8, "a");
    say_n(alice, "a", 15);
    assert_int_equal(the_group("g")->full, GROUP_PAUSING);
    world_trace(&w);
    say_n(alice, "a", 1);
    assert_int_equal(the_group("g")->full, GROUP_REFUSING);
    expect_trace(&w, "alice resumed\n");
    say_n(alice, "a", 1);
    assert_int_equal(the_group("g")->job_count, 16);
}

static void test_group_that_rather_refuses_never_pauses(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .refuses_when_full = true, .backlog = 4};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    struct member *bob = join("g", 1, "a");
    alice = world_open(&w, "alice", "");
    say_n(alice, "a", 5);
    assert_non_null(strstr(world_trace(&w), "overloaded"));
    assert_int_equal(the_group("g")->job_count, 4);
    expect_got(ask(bob, 1), "1@1");
    expect_got(done(bob, "1", 1), "2@1");
    say_n(alice, "a", 1);
    expect_trace(&w, "");
    assert_int_equal(the_group("g")->job_count, 4);
}

static void test_backlog_is_bounded_in_bytes(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .backlog_bytes = 4000};
    char payload[1100];
    memset(payload, 'x', sizeof(payload));
    payload[0] = payload[1000] = '"';
    payload[1001] = '\0';
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    join("g", 1, "a");
    alice = world_open(&w, "alice", "");
    for (unsigned i = 0; i < 3; i++)
        world_say(&w, alice, "a", payload, NULL);
    assert_int_equal(the_group("g")->full, GROUP_OPEN);
    world_say(&w, alice, "a", payload, NULL);
    assert_int_equal(the_group("g")->full, GROUP_PAUSING);
    groups_check(w.core);
}

static void test_one_pauses_and_the_other_opens(void **state)
{
    (void)state;
    start_with(8, "a");
    struct member *bob = join("g", 2, "a");
    join("h", 3, "a b");
    say_n(alice, "b", 1);
    say_n(alice, "a", 7); /* h is full, alice is paused by it */
    assert_ptr_equal(alice->paused_by, the_group("h"));
    say_n(alice, "a", 1); /* now g too */
    assert_int_equal(the_group("g")->full, GROUP_PAUSING);
    expect_got(ask(bob, 1), "1@1");
    expect_got(done(bob, "1", 1), "2@1");
    expect_got(done(bob, "2", 1), "3@1");
    assert_int_equal(the_group("g")->full, GROUP_OPEN);
    expect_trace(&w, "alice paused\n"); /* and not resumed: h is full */
    world_advance(&w, 5000);
    expect_trace(&w, "alice resumed\n");
}

/* -- going on ------------------------------------------------------------------------------------------ */

static struct conn *crowd[100];
static char crowd_names[100][8];

/* The group g holds @backlog events, and @count connections have filled it and are paused, the first of them
 * first. Returns the member that has it all to handle. */
static struct member *start_paused(unsigned backlog, unsigned count)
{
    start_with(backlog, "a");
    struct member *bob = join("g", 2, "a");
    for (unsigned i = 0; i < count; i++) {
        snprintf(crowd_names[i], sizeof(crowd_names[i]), "c%u", i);
        crowd[i] = world_open(&w, crowd_names[i], "");
    }
    say_n(alice, "a", backlog - 1);
    for (unsigned i = 0; i < count; i++)
        say_n(crowd[i], "a", 1);
    assert_int_equal(the_group("g")->paused_count, count);
    world_trace(&w);
    return bob;
}

/* So many events of the group are handled. */
static void handle(unsigned count)
{
    for (struct group *group = the_group("g"); count > 0; count--)
        job_end(group->jobs, JOB_HANDLED);
}

static void test_connections_go_on_in_the_order_of_pausing(void **state)
{
    (void)state;
    start_paused(8, 4);
    handle(4);
    expect_trace(&w, "");
    handle(1);
    expect_trace(&w, "c0 resumed\n");
    handle(1);
    expect_trace(&w, "");
    groups_check(w.core);
    world_advance(&w, 9);
    expect_trace(&w, "");
    world_advance(&w, 1);
    expect_trace(&w, "c1 resumed\n");
    world_close(&w, crowd[2], 1001, "");
    world_advance(&w, 10);
    expect_trace(&w, "c3 resumed\n");
    groups_check(w.core);
    world_advance(&w, 10);
    expect_trace(&w, "");
}

static void test_many_go_on_together_where_there_is_room(void **state)
{
    (void)state;
    start_paused(400, 100);
    handle(199);
    assert_int_equal(the_group("g")->full, GROUP_OPEN);
    assert_int_equal(the_group("g")->paused_count, 97); /* a part of them ... */
    world_advance(&w, 10);
    assert_int_equal(the_group("g")->paused_count, 94);
    say_n(alice, "a", 75);
    world_advance(&w, 10);
    assert_int_equal(the_group("g")->paused_count, 93); /* ... and fewer where that is too many */
    groups_check(w.core);
}

static void test_nobody_goes_on_while_the_group_is_full_again(void **state)
{
    (void)state;
    start_paused(8, 4);
    handle(5);
    expect_trace(&w, "c0 resumed\n");
    say_n(crowd[0], "a", 2);
    expect_trace(&w, "c0 paused\n");
    world_advance(&w, 100);
    expect_trace(&w, "");
    handle(2);
    expect_trace(&w, "c1 resumed\n"); /* c0 is the last now */
    groups_check(w.core);
}

static void test_nobody_is_paused_by_a_group_without_events(void **state)
{
    (void)state;
    start_paused(8, 4);
    handle(10);
    expect_trace(&w, "c0 resumed\n");
    handle(1);
    expect_trace(&w, "c1 resumed\nc2 resumed\nc3 resumed\n");
    groups_check(w.core);
}

static void test_paused_for_long_goes_on_as_soon_as_the_group_is_open(void **state)
{
    (void)state;
    start_paused(8, 4);
    world_advance(&w, 3000);
    handle(5);
    expect_trace(&w, "c0 resumed\n");
    say_n(crowd[0], "a", 2);
    world_advance(&w, 3000);
    handle(2);
    expect_trace(&w, "c0 paused\nc1 resumed\nc2 resumed\nc3 resumed\n");
    groups_check(w.core);
}

static void test_all_go_on_when_the_group_refuses(void **state)
{
    (void)state;
    start_paused(8, 3);
    world_advance(&w, 5000);
    expect_trace(&w, "c0 resumed\nc1 resumed\nc2 resumed\n");
    groups_check(w.core);
}

static void test_paused_connection_that_ends_is_forgotten(void **state)
{
    (void)state;
    start_with(8, "a");
    say_n(alice, "a", 8);
    world_close(&w, alice, 1001, "");
    expect_trace(&w, "alice paused\n");
    assert_null(the_group("g")->paused);
    world_advance(&w, 5000);
    expect_trace(&w, "");
    groups_check(w.core);
}

/* -- the ends of connections --------------------------------------------------------------------------- */

static void test_connect_is_the_first_and_disconnect_the_last(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "* @*");
    alice = world_open(&w, "alice", "");
    say_n(alice, "a", 1);
    world_close(&w, alice, 1000, "bye");
    uint64_t ticket = ask(bob, 9);
    expect_got(ticket, "1@1");
    assert_non_null(strstr(world_reply(&w, ticket), "\"event\":\"@connect\""));
    expect_got(done(bob, "1", 9), "2@1");
    ticket = done(bob, "2", 9);
    expect_got(ticket, "3@1");
    assert_non_null(strstr(world_reply(&w, ticket), "\"event\":\"@disconnect\""));
    assert_non_null(strstr(world_reply(&w, ticket), "\"code\":1000,\"reason\":\"bye\""));
}

static void test_session_lives_until_the_last_event_is_done(void **state)
{
    (void)state;
    static const char get[] = "[{\"op\":\"get\",\"conn\":\"epoch1.1\"}]";
    struct member *bob = join("g", 1, "a @disconnect");
    alice = world_open(&w, "alice", "");
    world_call(&w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"n\":5}}}]");
    say_n(alice, "a", 1);
    world_close(&w, alice, 1000, "");
    assert_int_equal(core_conn_count(w.core), 0);
    assert_non_null(strstr(world_call(&w, get), "\"n\":5"));
    expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"n\":5}}]", "[{\"ok\":true,\"count\":0}]");
    expect_got(ask(bob, 9), "1@1");
    expect_got(done(bob, "1", 9), "2@1");
    assert_non_null(strstr(world_call(&w, get), "\"n\":5"));
    groups_check(w.core);
    expect_got(done(bob, "2", 9), "waits");
    assert_null(strstr(world_call(&w, get), "\"n\":5"));
    assert_null(w.core->ended);
}

static void test_fields_of_an_ended_connection_still_expire(void **state)
{
    (void)state;
    static const char get[] = "[{\"op\":\"get\",\"conn\":\"epoch1.1\"}]";
    start_with(8, "a");
    world_call(&w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"ttl_ms\":1000,"
                   "\"update\":{\"$set\":{\"n\":5}}}]");
    say_n(alice, "a", 1);
    world_close(&w, alice, 1000, "");
    world_advance(&w, 999);
    assert_non_null(strstr(world_call(&w, get), "\"n\":5"));
    world_advance(&w, 1);
    assert_null(strstr(world_call(&w, get), "\"n\":5"));
    assert_non_null(strstr(world_call(&w, get), "\"version\":3"));
}

static void test_disconnect_counts_for_no_bound(void **state)
{
    (void)state;
    start_with(8, "a @disconnect");
    struct conn *conns[20];
    for (unsigned i = 0; i < 20; i++)
        conns[i] = world_open(&w, "bob", "");
    say_n(alice, "a", 7);
    for (unsigned i = 0; i < 16; i++)
        world_close(&w, conns[i], 1000, "");
    assert_int_equal(the_group("g")->full, GROUP_OPEN);
    assert_int_equal(the_group("g")->backlog, 7);
    assert_int_equal(the_group("g")->job_count, 23);
    say_n(alice, "a", 9);
    assert_int_equal(the_group("g")->full, GROUP_REFUSING);
    world_close(&w, conns[19], 1000, "");
    assert_int_equal(the_group("g")->job_count, 33); /* not refused either */
    groups_check(w.core);
}

static const struct opening plain = {.path = "/", .query = "", .remote = "", .subprotocol = ""};

static void test_connection_may_not_open_while_its_connect_is_refused(void **state)
{
    (void)state;
    start_with(8, "a @connect");
    struct conn *conn = NULL;
    say_n(alice, "a", 15);
    world_trace(&w);
    assert_int_equal(core_conn_opened(w.core, &conn, &plain, "bob"), -EAGAIN);
    assert_null(conn);
    assert_int_equal(core_conn_count(w.core), 1);
    groups_check(w.core);
}

static void test_connection_may_not_open_when_too_many_ends_wait(void **state)
{
    (void)state;
    start_with(8, "@disconnect");
    struct conn *conn = NULL;
    for (unsigned i = 0; i < 16; i++) {
        assert_int_equal(core_conn_opened(w.core, &conn, &plain, "bob"), 0);
        core_conn_closed(w.core, conn, 1000, "", 0);
    }
    assert_int_equal(core_conn_opened(w.core, &conn, &plain, "bob"), -EAGAIN);
}

static void test_end_of_a_connection_needs_no_memory(void **state)
{
    (void)state;
    start_with(8, "@disconnect");
    join("h", 2, "a @disconnect");
    join("i", 3, "b");
    alice = world_open(&w, "alice", "");
    say_n(alice, "a", 1); /* so that there is a lane in h already */
    w.refuse_memory = true;
    w.refuse_at = 0;
    world_close(&w, alice, 1006, "");
    w.refuse_memory = false;
    assert_int_equal(the_group("g")->job_count, 1);
    assert_int_equal(the_group("h")->job_count, 2);
    assert_int_equal(the_group("i")->job_count, 0);
    groups_check(w.core);
    expect_got(ask(join("h", 2, "a @disconnect"), 1), "1@1");
}

static void test_group_that_came_later_gets_the_end_too(void **state)
{
    (void)state;
    alice = world_open(&w, "alice", "");
    assert_null(alice->reserved);
    struct member *bob = join("g", 1, "@disconnect");
    world_close(&w, alice, 1000, "");
    expect_got(ask(bob, 1), "1@1");
}

static void test_refused_memory_opens_no_connection(void **state)
{
    (void)state;
    struct conn *conn = NULL;
    unsigned long n = 0;
    start_with(8, "@connect @disconnect");
    join("h", 2, "@*");
    struct group *g = the_group("g"), *h = the_group("h");
    uint64_t before = g->seq;
    for (w.was_refused = true; w.was_refused; n++) {
        w.was_refused = false;
        w.refuse_memory = true;
        w.refuse_at = n;
        conn = world_open_at(&w, "bob", &plain);
        w.refuse_memory = false;
        assert_int_equal(g->seq - before, conn != NULL);
        assert_int_equal(h->seq, conn != NULL);
        assert_int_equal(core_conn_count(w.core), 1 + (conn != NULL));
        groups_check(w.core);
        if (conn)
            break;
    }
    assert_true(n > 5);
    world_close(&w, conn, 1000, "");
    assert_int_equal(g->job_count, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_event_goes_once_to_each_group_that_matches),
        WORLD_TEST(test_message_without_group_and_subscriber_has_no_handler),
        WORLD_TEST(test_refused_memory_puts_an_event_nowhere),
        WORLD_TEST(test_connection_that_feeds_a_full_group_is_paused),
        WORLD_TEST(test_group_opens_at_three_quarters),
        WORLD_TEST(test_group_that_paused_for_too_long_refuses),
        WORLD_TEST(test_one_refusing_group_refuses_for_all),
        WORLD_TEST(test_group_far_beyond_its_bound_refuses_at_once),
        WORLD_TEST(test_group_that_rather_refuses_never_pauses),
        WORLD_TEST(test_backlog_is_bounded_in_bytes),
        WORLD_TEST(test_one_pauses_and_the_other_opens),
        WORLD_TEST(test_paused_connection_that_ends_is_forgotten),
        WORLD_TEST(test_connections_go_on_in_the_order_of_pausing),
        WORLD_TEST(test_many_go_on_together_where_there_is_room),
        WORLD_TEST(test_nobody_goes_on_while_the_group_is_full_again),
        WORLD_TEST(test_nobody_is_paused_by_a_group_without_events),
        WORLD_TEST(test_paused_for_long_goes_on_as_soon_as_the_group_is_open),
        WORLD_TEST(test_all_go_on_when_the_group_refuses),
        WORLD_TEST(test_connect_is_the_first_and_disconnect_the_last),
        WORLD_TEST(test_session_lives_until_the_last_event_is_done),
        WORLD_TEST(test_fields_of_an_ended_connection_still_expire),
        WORLD_TEST(test_disconnect_counts_for_no_bound),
        WORLD_TEST(test_connection_may_not_open_while_its_connect_is_refused),
        WORLD_TEST(test_connection_may_not_open_when_too_many_ends_wait),
        WORLD_TEST(test_end_of_a_connection_needs_no_memory),
        WORLD_TEST(test_group_that_came_later_gets_the_end_too),
        WORLD_TEST(test_refused_memory_opens_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
