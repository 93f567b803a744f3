#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/world.h"

#define BATCH(args)   "{\"op\":\"batch\",\"event\":\"tick\"," args "}"
#define TICK(payload) "{\"op\":\"send\",\"filter\":{},\"event\":\"tick\",\"payload\":" payload "}"
#define CALL(ops)     world_call(&w, "[" ops "]")

static void test_batch_holds_payloads_for_the_interval(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100") "," TICK("1") "," TICK("2"));
    world_advance(&w, 99);
    expect_trace(&w, "");
    CALL(TICK("3"));
    world_advance(&w, 1);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1,2,3]}}\n");
    world_advance(&w, 1000);
    expect_trace(&w, "");
}

static void test_batch_of_one_is_a_batch_and_prefix_can_be_set(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.batch_prefix = "many-";
    world_start(&w);
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100") ",{\"op\":\"send\",\"filter\":{},\"event\":\"tick\"}");
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"many-tick\",\"p\":{\"d\":[null]}}\n");
}

static void test_full_batch_leaves_early(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100,\"max_items\":2") "," TICK("1") "," TICK("2") "," TICK("3"));
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1,2]}}\n");
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[3]}}\n");
    CALL(BATCH("\"interval_ms\":100,\"max_bytes\":8") "," TICK("\"aaaa\"") "," TICK("\"bbbb\""));
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[\"aaaa\"]}}\n");
}

static void test_keep_latest_holds_only_the_newest(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100,\"keep\":\"latest\"") "," TICK("1") "," TICK("2") "," TICK("3"));
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[3]}}\n");
    assert_int_equal(w.counters.batch_items_replaced, 2);
}

static void test_latest_by_holds_the_newest_of_each_value(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100,\"latest_by\":\"u\"") "," TICK("{\"u\":1,\"x\":1}") "," TICK(
        "{\"u\":2,\"x\":2}") "," TICK("{\"u\":1,\"x\":3}") "," TICK("{\"x\":4}") "," TICK("5"));
    world_advance(&w, 100);
    expect_trace(
        &w,
        "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[{\"u\":2,\"x\":2},{\"u\":1,\"x\":3},{\"x\":4},5]}}\n");
}

static void test_latest_by_compares_values_not_bytes(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100,\"latest_by\":\"u\"") "," TICK("{\"u\":7}") "," TICK(
        "{\"u\":7.0}") "," TICK("{\"u\":\"7\"}"));
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[{\"u\":7.0},{\"u\":\"7\"}]}}\n");
}

static void test_unbatched_send_flushes_the_batch_first(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100") "," TICK(
        "1") ",{\"op\":\"send\",\"filter\":{},\"event\":\"tick\",\"payload\":2,"
             "\"unbatched\":true}");
    expect_trace(&w,
                 "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\nalice <- {\"e\":\"tick\",\"p\":2}\n");
}

static void test_answers_are_never_batched(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    CALL(BATCH("\"interval_ms\":100"));
    world_say(&w, alice, "tick", NULL, "7");
    world_trace(&w);
    CALL("{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7,\"payload\":1}");
    expect_trace(&w, "alice <- {\"e\":\"tick\",\"p\":1,\"i\":7}\n");
}

static void test_interval_zero_ends_the_batch_and_sends_what_waits(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":100") "," TICK("1") "," BATCH("\"interval_ms\":0") "," TICK("2"));
    expect_trace(&w,
                 "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\nalice <- {\"e\":\"tick\",\"p\":2}\n");
}

static void test_change_of_the_interval_keeps_what_waits(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    CALL(BATCH("\"interval_ms\":1000") "," TICK("1") "," BATCH("\"interval_ms\":100") "," TICK("2"));
    expect_trace(&w, "");
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1,2]}}\n");
}

static void test_connections_with_other_payloads_get_their_own(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    world_open(&w, "bob", "");
    world_open(&w, "carol", "");
    CALL(BATCH("\"interval_ms\":100") "," TICK(
        "1") ",{\"op\":\"send\",\"conn\":\"epoch1.2\",\"event\":\"tick\",\"payload\":2}");
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\n"
                     "bob <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1,2]}}\n"
                     "carol <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\n");
    assert_int_equal(w.counters.batches_out, 3);
}

static void test_closed_connection_takes_its_part_with_it(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    world_open(&w, "bob", "");
    CALL(BATCH("\"interval_ms\":100") "," TICK("1"));
    core_conn_closed(w.core, alice, 1006, "", 0);
    world_advance(&w, 100);
    expect_trace(&w, "bob <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\n");
}

static void test_bad_batches_are_refused(void **state)
{
    (void)state;
    const char *bad[][2] = {
        {"[" BATCH("\"interval_ms\":60001") "]", "ops[0].interval_ms"},
        {"[" BATCH("\"interval_ms\":1,\"max_items\":0") "]", "ops[0].max_items"},
        {"[" BATCH("\"interval_ms\":1,\"max_bytes\":0") "]", "ops[0].max_bytes"},
        {"[" BATCH("\"interval_ms\":1,\"keep\":\"some\"") "]", "ops[0].keep"},
        {"[" BATCH("\"interval_ms\":1,\"latest_by\":\"\"") "]", "ops[0].latest_by"},
        {"[" BATCH("\"interval_ms\":1,\"keep\":\"all\",\"latest_by\":\"u\"") "]", "ops[0].latest_by"},
        {"[{\"op\":\"batch\",\"event\":\"@x\",\"interval_ms\":1}]", "ops[0].event"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char at[64];
        snprintf(at, sizeof(at), "\"at\":\"%s\"", bad[i][1]);
        assert_non_null(strstr(world_call(&w, bad[i][0]), at));
    }
}

static void test_number_of_batches_is_limited(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_batches = 1;
    world_start(&w);
    CALL(BATCH("\"interval_ms\":10"));
    assert_non_null(
        strstr(CALL("{\"op\":\"batch\",\"event\":\"other\",\"interval_ms\":1}"), "\"code\":\"limit\""));
    assert_non_null(strstr(CALL(BATCH("\"interval_ms\":20")), "\"ok\":true"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_batch_holds_payloads_for_the_interval),
        WORLD_TEST(test_batch_of_one_is_a_batch_and_prefix_can_be_set),
        WORLD_TEST(test_full_batch_leaves_early),
        WORLD_TEST(test_keep_latest_holds_only_the_newest),
        WORLD_TEST(test_latest_by_holds_the_newest_of_each_value),
        WORLD_TEST(test_latest_by_compares_values_not_bytes),
        WORLD_TEST(test_unbatched_send_flushes_the_batch_first),
        WORLD_TEST(test_answers_are_never_batched),
        WORLD_TEST(test_interval_zero_ends_the_batch_and_sends_what_waits),
        WORLD_TEST(test_change_of_the_interval_keeps_what_waits),
        WORLD_TEST(test_connections_with_other_payloads_get_their_own),
        WORLD_TEST(test_closed_connection_takes_its_part_with_it),
        WORLD_TEST(test_bad_batches_are_refused),
        WORLD_TEST(test_number_of_batches_is_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
