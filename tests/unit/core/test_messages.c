#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/world.h"

#define ANNOUNCE(events) world_call(&w, "[{\"op\":\"subscribe\",\"events\":" events "}]")

static void test_ping_is_answered_by_pong(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    world_say(&w, alice, "@ping", NULL, NULL);
    world_say(&w, alice, "@ping", "{}", "5");
    expect_trace(&w, "alice <- {\"e\":\"@pong\"}\nalice <- {\"e\":\"@pong\",\"i\":5}\n");
}

static void test_reserved_events_are_refused(void **state)
{
    (void)state;
    world_say(&w, world_open(&w, "alice", ""), "@connect", NULL, "\"q\"");
    expect_trace(
        &w,
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"reserved_event\",\"message\":\"events that begin with "
        "@ are the broker's own; a client may send @ping\",\"temporary\":false,\"event\":\"@connect\"},"
        "\"i\":\"q\"}\n");
}

static void test_bad_names_are_refused(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_trace(&w);
    const char *names[] = {"", ":", "a:", ":a", "a::b", "a b", "caf\xc3\xa9", "a*"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        world_say(&w, alice, names[i], NULL, NULL);
        const char *trace = world_trace(&w);
        assert_non_null(strstr(trace, "\"code\":\"bad_event\""));
        assert_null(strstr(trace, "publish"));
    }
    assert_int_equal(w.counters.messages_refused, 8);
}

static void test_nobody_listens_is_told_at_once(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    world_say(&w, alice, "chat:say", "1", "7");
    world_say(&w, alice, "chat:say", "1", NULL);
    expect_trace(
        &w,
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"no_handler\",\"message\":\"no handler listens to this "
        "event\",\"temporary\":true,\"event\":\"chat:say\"},\"i\":7}\n"
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"no_handler\",\"message\":\"no handler listens to this "
        "event\",\"temporary\":true,\"event\":\"chat:say\"}}\n");
    assert_int_equal(w.counters.no_handler, 2);
}

/* Whether a message of @event is taken for one that nobody listens to. */
static bool is_unheard(struct conn *conn, const char *event)
{
    world_trace(&w);
    world_say(&w, conn, event, NULL, NULL);
    return strstr(world_trace(&w), "no_handler") != NULL;
}

static void test_announced_patterns_are_listened_to(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    ANNOUNCE("[\"chat:*\",\"exact\"]");
    assert_false(is_unheard(alice, "chat:say"));
    assert_false(is_unheard(alice, "exact"));
    assert_true(is_unheard(alice, "chat"));
    assert_true(is_unheard(alice, "other"));
}

static void test_a_link_that_announced_nothing_may_listen_to_anything(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    ANNOUNCE("[\"a\"]");
    core_subscribers(w.core, 2);
    assert_false(is_unheard(alice, "b"));
    core_subscribers(w.core, 1);
    assert_true(is_unheard(alice, "b"));
}

static void test_announcements_end_with_time_link_or_an_empty_list(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    ANNOUNCE("[\"a\"]");
    assert_false(is_unheard(alice, "a"));
    world_advance(&w, 59000);
    ANNOUNCE("[\"a\"]");
    world_advance(&w, 59000);
    assert_false(is_unheard(alice, "a"));
    world_advance(&w, 1001);
    assert_true(is_unheard(alice, "a"));
    ANNOUNCE("[\"a\"]");
    ANNOUNCE("[]");
    assert_true(is_unheard(alice, "a"));
    ANNOUNCE("[\"a\"]");
    core_link_down(w.core, w.link);
    assert_true(is_unheard(alice, "a"));
}

static void test_event_carries_payload_session_id_and_seq(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "chat:say", "{\"text\":\"hi\"}", "7");
    expect_trace(
        &w, "publish chat:say {\"v\":1,\"epoch\":\"epoch1\",\"events\":[{\"event\":\"chat:say\",\"conn\":"
            "\"epoch1.1\",\"payload\":{\"text\":\"hi\"},\"session\":{},\"version\":1,\"i\":7,"
            "\"time_ms\":1000000,\"seq\":1}]}\n");
}

static void test_one_message_carries_all_events_of_a_turn(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", ""), *bob = world_open(&w, "bob", "");
    core_subscribers(w.core, 1);
    for (int i = 0; i < 100; i++)
        world_say(&w, i % 2 ? alice : bob, "tick", "1", NULL);
    world_trace(&w);
    assert_int_equal(w.counters.events_published, 100);
    assert_non_null(strstr((char *)w.trace.data, "\"seq\":100"));
    assert_null(strstr((char *)w.trace.data + 1, "\npublish"));
}

static void test_events_of_a_connection_keep_their_order_across_names(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", ""), *bob = world_open(&w, "bob", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "a", "1", NULL);
    world_say(&w, alice, "b", "2", NULL);
    world_say(&w, bob, "a", "3", NULL);   /* may join the first */
    world_say(&w, alice, "a", "4", NULL); /* may not: behind b */
    world_say(&w, bob, "b", "5", NULL);
    const char *trace = world_trace(&w);
    const char *order[] = {"publish a",     "\"payload\":1", "\"payload\":3", "publish b",
                           "\"payload\":2", "\"payload\":5", "publish a",     "\"payload\":4"};
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        trace = strstr(trace, order[i]);
        if (!trace)
            fail_msg("%s is not in its place", order[i]);
        trace++;
    }
}

static void test_publications_stay_below_their_limit(void **state)
{
    (void)state;
    static char payload[20003];
    memset(payload, 'x', sizeof(payload));
    payload[0] = payload[20001] = '"';
    payload[20002] = 0;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    for (int i = 0; i < 10; i++)
        world_say(&w, alice, "big", payload, NULL);
    size_t lines = 0;
    for (const char *line = world_trace(&w); *line; line = strchr(line, '\n') + 1, lines++)
        assert_true(strchr(line, '\n') - line < 65536 + 200);
    assert_int_equal(lines, 4); /* three fit one message */
    assert_int_equal(w.counters.events_published, 10);
}

static void test_alive_tells_the_seq_of_names_used_lately(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_trace(&w);
    world_say(&w, alice, "a", NULL, NULL);
    world_say(&w, alice, "a", NULL, NULL);
    world_advance(&w, 5000);
    const char *alive = strstr(world_trace(&w), "publish @alive");
    assert_string_equal(
        alive, "publish @alive {\"v\":1,\"epoch\":\"epoch1\",\"events\":[{\"event\":\"@alive\",\"time_ms\":"
               "1005000,\"payload\":{\"seq\":{\"@connect\":1,\"a\":2}}}]}\n");
    world_advance(&w, 65000);
    world_trace(&w);
    world_advance(&w, 5000);
    assert_non_null(strstr(world_trace(&w), "\"payload\":{\"seq\":{}}"));
}

static void test_forgotten_names_start_again_at_one(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_names = 2;
    world_start(&w);
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "a", NULL, NULL);
    world_say(&w, alice, "a", NULL, NULL);
    world_say(&w, alice, "b", NULL, NULL);
    world_say(&w, alice, "c", NULL, NULL); /* a goes */
    world_trace(&w);
    world_say(&w, alice, "a", NULL, NULL);
    assert_non_null(strstr(world_trace(&w), "\"seq\":1}"));
    assert_true(w.counters.names_forgotten >= 2);
}

static void test_question_gets_the_first_answer_only(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "ask", NULL, "7");
    world_trace(&w);
    expect_call(&w,
                "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7,\"payload\":\"first\"},"
                "{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7,\"payload\":\"second\"}]",
                "[{\"ok\":true,\"first\":true},{\"ok\":true,\"first\":false}]");
    expect_trace(&w, "alice <- {\"e\":\"ask\",\"p\":\"first\",\"i\":7}\n");
}

static void test_unanswered_question_times_out(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "ask", NULL, "\"q1\"");
    core_subscribers(w.core, 0); /* no @alive in between */
    world_advance(&w, 29999);
    assert_null(strstr(world_trace(&w), "timeout"));
    world_advance(&w, 1);
    expect_trace(
        &w,
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"timeout\",\"message\":\"no handler answered in time\","
        "\"temporary\":true,\"event\":\"ask\"},\"i\":\"q1\"}\n");
    expect_call(&w, "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":\"q1\"}]",
                "[{\"ok\":true,\"first\":false}]");
}

static void test_open_id_is_refused_without_using_it(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "ask", NULL, "7");
    world_trace(&w);
    world_say(&w, alice, "ask", NULL, "7");
    expect_trace(
        &w,
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"id_in_use\",\"message\":\"a question with this `i` is "
        "still open\",\"temporary\":false,\"event\":\"ask\"}}\n");
    world_call(&w, "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7}]");
    expect_trace(&w, "alice <- {\"e\":\"ask\",\"i\":7}\n");
    world_say(&w, alice, "ask", NULL, "7"); /* free again */
    assert_non_null(strstr(world_trace(&w), "publish ask"));
}

static void test_too_many_open_questions_are_refused(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    for (int i = 0; i < 64; i++) {
        char id[8];
        snprintf(id, sizeof(id), "%d", i);
        world_say(&w, alice, "ask", NULL, id);
    }
    world_trace(&w);
    world_say(&w, alice, "ask", NULL, "64");
    assert_non_null(strstr(world_trace(&w), "\"code\":\"too_many_questions\""));
    world_say(&w, alice, "tell", NULL, NULL); /* no question */
    assert_non_null(strstr(world_trace(&w), "publish tell"));
}

static void test_unreadable_message_gets_an_error_and_the_connection_stays(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct fault fault;
    struct question_id id = {.kind = QUESTION_NUMBER, .number = 3};
    fault_set(&fault, CODE_BAD_MESSAGE, NULL, "bad JSON at byte 3");
    core_conn_unreadable(w.core, alice, &fault, &id, NULL, 0);
    expect_trace(
        &w, "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"bad_message\",\"message\":\"bad JSON at byte 3\","
            "\"temporary\":false},\"i\":3}\n");
    assert_int_equal(core_conn_count(w.core), 1);
}

static void test_questions_of_a_closed_connection_are_forgotten(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "ask", NULL, "7");
    core_conn_closed(w.core, alice, 1006, "", 0);
    world_trace(&w);
    world_advance(&w, 40000);
    assert_null(strstr(world_trace(&w), "alice"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_ping_is_answered_by_pong),
        WORLD_TEST(test_reserved_events_are_refused),
        WORLD_TEST(test_bad_names_are_refused),
        WORLD_TEST(test_nobody_listens_is_told_at_once),
        WORLD_TEST(test_announced_patterns_are_listened_to),
        WORLD_TEST(test_a_link_that_announced_nothing_may_listen_to_anything),
        WORLD_TEST(test_announcements_end_with_time_link_or_an_empty_list),
        WORLD_TEST(test_event_carries_payload_session_id_and_seq),
        WORLD_TEST(test_one_message_carries_all_events_of_a_turn),
        WORLD_TEST(test_events_of_a_connection_keep_their_order_across_names),
        WORLD_TEST(test_publications_stay_below_their_limit),
        WORLD_TEST(test_alive_tells_the_seq_of_names_used_lately),
        WORLD_TEST(test_forgotten_names_start_again_at_one),
        WORLD_TEST(test_question_gets_the_first_answer_only),
        WORLD_TEST(test_unanswered_question_times_out),
        WORLD_TEST(test_open_id_is_refused_without_using_it),
        WORLD_TEST(test_too_many_open_questions_are_refused),
        WORLD_TEST(test_unreadable_message_gets_an_error_and_the_connection_stays),
        WORLD_TEST(test_questions_of_a_closed_connection_are_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
