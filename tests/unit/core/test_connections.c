#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/world.h"

static void test_client_with_subprotocol_is_welcomed(void **state)
{
    (void)state;
    world_open(&w, "alice", "sluice.v1.json");
    expect_trace(&w, "alice <- {\"e\":\"@welcome\",\"p\":{\"conn\":\"epoch1.1\",\"ping_ms\":25000,"
                     "\"max_bytes\":65536,\"batch_prefix\":\"batch_\",\"features\":[]}}\n");
}

static void test_client_without_subprotocol_is_not(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    expect_trace(&w, "");
}

static void test_connect_is_published_with_the_handshake(void **state)
{
    (void)state;
    const struct opening_header headers[] = {{"cookie", "a=b"}};
    const struct opening opening = {.path = "/ws",
                                    .query = "room=1",
                                    .remote = "10.0.0.9",
                                    .subprotocol = "",
                                    .headers = headers,
                                    .header_count = 1};
    core_subscribers(w.core, 1);
    world_open_at(&w, "alice", &opening);
    expect_trace(&w, "publish @connect {\"v\":1,\"epoch\":\"epoch1\",\"events\":[{\"event\":\"@connect\","
                     "\"conn\":\"epoch1.1\",\"session\":{},\"version\":1,\"time_ms\":1000000,\"seq\":1,"
                     "\"path\":\"/ws\",\"query\":\"room=1\",\"remote\":\"10.0.0.9\",\"subprotocol\":\"\","
                     "\"headers\":{\"cookie\":\"a=b\"}}]}\n");
}

static void test_disconnect_has_code_reason_and_final_session(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_call(&w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"n\":1}}}]");
    world_advance(&w, 250);
    core_conn_closed(w.core, alice, 4001, "bye", 3);
    expect_trace(&w,
                 "publish @disconnect {\"v\":1,\"epoch\":\"epoch1\",\"events\":[{\"event\":\"@disconnect\","
                 "\"conn\":\"epoch1.1\",\"session\":{\"n\":1},\"version\":2,\"time_ms\":1000250,\"seq\":1,"
                 "\"code\":4001,\"reason\":\"bye\",\"duration_ms\":250}]}\n");
    expect_call(&w, "[{\"op\":\"count\"}]", "[{\"ok\":true,\"count\":0}]");
}

static void test_ids_are_never_reused(void **state)
{
    (void)state;
    core_conn_closed(w.core, world_open(&w, "alice", ""), 1000, "", 0);
    struct conn *bob = world_open(&w, "bob", "");
    assert_string_equal(bob->id, "epoch1.2");
    expect_call(&w, "[{\"op\":\"get\",\"conn\":\"epoch1.1\"},{\"op\":\"get\",\"conn\":\"epoch1.2\"}]",
                "[{\"ok\":true,\"found\":false},{\"ok\":true,\"found\":true,\"session\":{},\"version\":1}]");
}

static void test_ids_of_another_epoch_or_shape_find_nothing(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    const char *ids[] = {"epoch2.1",  "epoch1",    "epoch1.",
                         "epoch1.01", "epoch1.1x", "1",
                         "",          "epoch1.-1", "epoch1.99999999999999999999999999"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        char ops[128];
        snprintf(ops, sizeof(ops), "[{\"op\":\"get\",\"conn\":\"%s\"}]", ids[i]);
        expect_call(&w, ops, "[{\"ok\":true,\"found\":false}]");
    }
}

static void test_stop_closes_everybody_spread_over_the_drain_time(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        world_open(&w, "one", "");
    core_stop(w.core, 1000);
    world_advance(&w, 500);
    assert_in_range(core_conn_count(w.core), 450, 550);
    assert_non_null(strstr(world_trace(&w), "one closed 1001 the server is going away\n"));
    world_advance(&w, 520);
    assert_int_equal(core_conn_count(w.core), 0);
}

static void test_stop_takes_nobody_new(void **state)
{
    (void)state;
    const struct opening opening = {.path = "/", .query = "", .remote = "", .subprotocol = ""};
    core_stop(w.core, 0);
    assert_null(world_open_at(&w, "late", &opening));
}

static void test_stop_flushes_batches_first(void **state)
{
    (void)state;
    world_open(&w, "alice", "");
    world_call(&w, "[{\"op\":\"batch\",\"event\":\"tick\",\"interval_ms\":1000},"
                   "{\"op\":\"send\",\"filter\":{},\"event\":\"tick\",\"payload\":1}]");
    core_stop(w.core, 0);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\n"
                     "alice closed 1001 the server is going away\n");
}

static void test_many_connections_come_and_go(void **state)
{
    (void)state;
    static struct conn *open[3000];
    size_t count = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 500; i++)
            open[count++] = world_open(&w, "x", "");
        for (size_t i = 0; i < count; i += 2) { /* every other one goes */
            core_conn_closed(w.core, open[i], 1000, "", 0);
            open[i] = NULL;
        }
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            if (open[i])
                open[kept++] = open[i];
        }
        count = kept;
        assert_int_equal(core_conn_count(w.core), count);
        for (size_t i = 0; i < count; i++) {
            char ops[96];
            snprintf(ops, sizeof(ops), "[{\"op\":\"count\",\"filter\":{\"@conn\":\"%s\"}}]", open[i]->id);
            if (i % 97 == 0)
                expect_call(&w, ops, "[{\"ok\":true,\"count\":1}]");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_client_with_subprotocol_is_welcomed),
        WORLD_TEST(test_client_without_subprotocol_is_not),
        WORLD_TEST(test_connect_is_published_with_the_handshake),
        WORLD_TEST(test_disconnect_has_code_reason_and_final_session),
        WORLD_TEST(test_ids_are_never_reused),
        WORLD_TEST(test_ids_of_another_epoch_or_shape_find_nothing),
        WORLD_TEST(test_stop_closes_everybody_spread_over_the_drain_time),
        WORLD_TEST(test_stop_takes_nobody_new),
        WORLD_TEST(test_stop_flushes_batches_first),
        WORLD_TEST(test_many_connections_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
