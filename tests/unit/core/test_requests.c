#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/world.h"

/* What a request gets that is refused as a whole. */
static void expect_refusal(const char *request, const char *code)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "\"ok\":false,\"code\":\"%s\"", code);
    const char *reply = world_request(&w, request);
    if (!strstr(reply, wanted))
        fail_msg("wanted %s, got %s", code, reply);
}

static void test_reply_repeats_version_id_and_epoch(void **state)
{
    (void)state;
    assert_string_equal(world_request(&w, "{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":812,\"ops\":[]}"),
                        "{\"v\":1,\"id\":812,\"epoch\":\"epoch1\",\"results\":[]}");
}

static void test_bad_heads_are_refused_precisely(void **state)
{
    (void)state;
    expect_refusal("[]", "bad_request");
    expect_refusal("7", "bad_request");
    expect_refusal("{}", "bad_argument");
    expect_refusal("{\"v\":2,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[]}", "bad_version");
    expect_refusal("{\"v\":2,\"novelty\":1}", "bad_version");
    expect_refusal("{\"v\":1,\"client\":\"short\",\"id\":1,\"ops\":[]}", "bad_argument");
    expect_refusal("{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":-1,\"ops\":[]}", "bad_argument");
    expect_refusal("{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":{}}", "bad_argument");
    expect_refusal("{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1}", "bad_argument");
    expect_refusal("{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[],\"epoch\":\"other\"}",
                   "new_epoch");
    assert_string_equal(
        world_request(&w, "{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":4,\"ops\":[],\"epch\":1}"),
        "{\"v\":1,\"id\":4,\"epoch\":\"epoch1\",\"ok\":false,\"code\":\"unknown_key\",\"message\":\"there "
        "is no such key; did you mean `epoch`?\",\"at\":\"epch\"}");
    assert_int_equal(w.counters.requests_refused, 11);
}

static void test_bytes_that_are_no_messagepack_are_refused(void **state)
{
    (void)state;
    const char *bodies[] = {"", "\xc1", "\x81", "\x81\xa1v", "hello", "\x80\x80", "\xdf\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
        assert_non_null(
            strstr(world_request_raw(&w, bodies[i], strlen(bodies[i])), "\"code\":\"bad_request\""));
    /* NaN and ext anywhere */
    assert_non_null(
        strstr(world_request_raw(&w, "\x81\xa1x\xca\x7f\xc0\x00\x00", 8), "\"code\":\"bad_request\""));
    assert_non_null(strstr(world_request_raw(&w, "\x81\xa1x\xd4\x01\x00", 6), "\"code\":\"bad_request\""));
}

static void test_too_large_requests_are_refused(void **state)
{
    (void)state;
    static char ops[1024 * 10];
    strcpy(ops, "[0");
    for (int i = 0; i < 1024; i++)
        strcat(ops, ",0");
    strcat(ops, "]");
    assert_non_null(strstr(world_call(&w, ops), "\"code\":\"request_too_large\""));
    static char bytes[1024 * 1024];
    assert_non_null(strstr(world_request_raw(&w, bytes, sizeof(bytes)), "\"code\":\"request_too_large\""));
}

static void test_operations_have_results_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(
        world_call(&w, "[{\"op\":\"count\"},{\"op\":\"cuont\"},{},7,{\"op\":\"count\",\"fliter\":{}},"
                       "{\"op\":\"count\"}]"),
        "[{\"ok\":true,\"count\":0},"
        "{\"ok\":false,\"code\":\"unknown_op\",\"message\":\"there is no operation `cuont`; did you mean "
        "`count`?\",\"at\":\"ops[1].op\"},"
        "{\"ok\":false,\"code\":\"bad_argument\",\"message\":\"each operation is a map with its name as "
        "`op`\",\"at\":\"ops[2].op\"},"
        "{\"ok\":false,\"code\":\"bad_argument\",\"message\":\"each operation is a map with its name as "
        "`op`\",\"at\":\"ops[3].op\"},"
        "{\"ok\":false,\"code\":\"unknown_key\",\"message\":\"there is no such key; did you mean "
        "`filter`?\",\"at\":\"ops[4].fliter\"},"
        "{\"ok\":true,\"count\":0}]");
    assert_int_equal(w.counters.operations_failed, 4);
}

static void test_nil_counts_as_absent_and_twice_is_refused(void **state)
{
    (void)state;
    expect_call(&w, "[{\"op\":\"count\",\"filter\":null,\"distinct\":null}]", "[{\"ok\":true,\"count\":0}]");
    assert_non_null(
        strstr(world_call(&w, "[{\"op\":\"count\",\"filter\":{},\"filter\":{}}]"), "bad_argument"));
}

static void test_secret_is_wanted_over_tcp_only(void **state)
{
    (void)state;
    const char *without = "{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[]}";
    world_stop(&w);
    world_init(&w);
    w.options.key = "s3cret";
    world_start(&w);
    assert_non_null(strstr(world_request(&w, without), "results"));
    w.is_tcp = true;
    expect_refusal(without, "unauthorized");
    expect_refusal("{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[],\"key\":\"s3creT\"}",
                   "unauthorized");
    expect_refusal("{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[],\"key\":\"s3cret1\"}",
                   "unauthorized");
    assert_non_null(strstr(
        world_request(&w, "{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[],\"key\":\"s3cret\"}"),
        "results"));
}

#define INC "{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$inc\":{\"n\":1}}}"

static void inc(char *request, size_t size, const char *client, unsigned id)
{
    snprintf(request, size, "{\"v\":1,\"client\":\"%s-0123456789abcdef\",\"id\":%u,\"ops\":[" INC "]}",
             client, id);
}

static void test_repeated_request_gets_its_stored_reply(void **state)
{
    (void)state;
    char request[256], first[256];
    world_open(&w, "alice", "");
    inc(request, sizeof(request), "a", 1);
    snprintf(first, sizeof(first), "%s", world_request(&w, request));
    world_call(&w, "[" INC "]");
    assert_string_equal(world_request(&w, request), first);
    expect_call(&w, "[{\"op\":\"get\",\"conn\":\"epoch1.1\"}]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"n\":2},\"version\":3}]");
    assert_int_equal(w.counters.requests_repeated, 1);
}

static void test_other_bytes_with_a_used_id_are_refused(void **state)
{
    (void)state;
    char request[256];
    world_open(&w, "alice", "");
    inc(request, sizeof(request), "a", 1);
    world_request(&w, request);
    expect_refusal(
        "{\"v\":1,\"client\":\"a-0123456789abcdef\",\"id\":1,\"ops\":[{\"op\":\"close\",\"filter\":{},"
        "\"code\":4000}]}",
        "id_reused");
    expect_refusal("{\"v\":1,\"client\":\"a-0123456789abcdef\",\"id\":1,\"ops\":[{\"op\":\"count\"}]}",
                   "id_reused");
    assert_int_equal(core_conn_count(w.core), 1);
}

static void test_requests_that_only_read_run_again(void **state)
{
    (void)state;
    const char *count = "{\"v\":1,\"client\":\"a-0123456789abcdef\",\"id\":1,\"ops\":[{\"op\":\"count\"}]}";
    assert_non_null(strstr(world_request(&w, count), "\"count\":0"));
    world_open(&w, "alice", "");
    assert_non_null(strstr(world_request(&w, count), "\"count\":1"));
}

static void test_ids_may_come_out_of_order(void **state)
{
    (void)state;
    char request[256];
    world_open(&w, "alice", "");
    for (unsigned id = 5; id > 0; id--) {
        inc(request, sizeof(request), "a", id);
        assert_non_null(strstr(world_request(&w, request), "\"modified\":1"));
    }
    expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"n\":5}}]", "[{\"ok\":true,\"count\":1}]");
}

static void test_replies_that_were_given_up_are_too_old(void **state)
{
    (void)state;
    char request[256];
    world_open(&w, "alice", "");
    for (unsigned id = 1; id <= 300; id++) {
        inc(request, sizeof(request), "a", id);
        world_request(&w, request);
    }
    inc(request, sizeof(request), "a", 45); /* 256 are kept: 45 to 300 */
    assert_non_null(strstr(world_request(&w, request), "\"modified\":1"));
    inc(request, sizeof(request), "a", 44);
    expect_refusal(request, "id_too_old");
    world_advance(&w, 120001);
    inc(request, sizeof(request), "a", 300);
    expect_refusal(request, "id_too_old");
    inc(request, sizeof(request), "a", 301);
    assert_non_null(strstr(world_request(&w, request), "\"modified\":1"));
    expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"n\":301}}]", "[{\"ok\":true,\"count\":1}]");
}

static void test_the_200th_last_request_of_each_of_50_clients_is_stored(void **state)
{
    (void)state;
    char request[256], client[8];
    world_open(&w, "alice", "");
    for (unsigned id = 1; id <= 250; id++) {
        for (int c = 0; c < 50; c++) {
            snprintf(client, sizeof(client), "c%d", c);
            inc(request, sizeof(request), client, id);
            world_request(&w, request);
        }
    }
    for (int c = 0; c < 50; c++) {
        char stored[64];
        snprintf(client, sizeof(client), "c%d", c);
        inc(request, sizeof(request), client, 51);
        snprintf(stored, sizeof(stored), "\"version\":%d}", 50 * 50 + c + 2);
        assert_non_null(strstr(world_request(&w, request), stored));
    }
    expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"n\":12500}}]", "[{\"ok\":true,\"count\":1}]");
}

static void test_results_that_do_not_fit_are_refused_one_by_one(void **state)
{
    (void)state;
    static char ops[4096];
    char value[1024];
    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    world_open(&w, "alice", "");
    snprintf(ops, sizeof(ops),
             "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"a\":\"%s\"}}}]", value);
    world_call(&w, ops);
    world_stop(&w);
    world_init(&w);
    w.options.max_request_bytes = 2500;
    world_start(&w);
    world_open(&w, "alice", "");
    world_call(&w, ops);
    const char *results =
        world_call(&w, "[{\"op\":\"get\",\"conn\":\"epoch1.1\"},{\"op\":\"get\",\"conn\":\"epoch1.1\"},"
                       "{\"op\":\"count\"}]");
    assert_non_null(strstr(results, "\"code\":\"reply_too_large\""));
    assert_non_null(strstr(results, "{\"ok\":true,\"count\":1}]"));
}

static void test_hello_tells_the_addresses_of_the_transport_that_asks(void **state)
{
    (void)state;
    const char *const calls[] = {"ipc:///a/calls", "tcp://127.0.0.1:1", NULL};
    const char *const events[] = {"ipc:///a/events", "tcp://127.0.0.1:2", NULL};
    world_stop(&w);
    world_init(&w);
    w.options.calls = calls;
    w.options.events = events;
    world_start(&w);
    const char *reply = world_call(
        &w, "[{\"op\":\"hello\",\"name\":\"t\",\"language\":\"c\",\"version\":\"1\",\"speaks\":[1,2]}]");
    assert_non_null(strstr(
        reply,
        "[{\"ok\":true,\"v\":1,\"broker\":\"sluice\",\"version\":\"0.0\",\"epoch\":\"epoch1\","
        "\"features\":[\"groups\"],\"addresses\":{\"calls\":[\"ipc:///a/calls\"],\"events\":[\"ipc:///a/"
        "events\"]},\"limits\":{\"max_message_bytes\":65536,"));
    expect_trace(&w, "greeted by t c 1\n");
    w.is_tcp = true;
    assert_non_null(strstr(world_call(&w, "[{\"op\":\"hello\"}]"), "{\"calls\":[\"tcp://127.0.0.1:1\"]"));
    assert_non_null(
        strstr(world_call(&w, "[{\"op\":\"hello\",\"speaks\":[2]}]"), "\"code\":\"bad_version\""));
}

static void test_stats_show_every_counter(void **state)
{
    (void)state;
    const char *reply = world_call(&w, "[{\"op\":\"stats\"}]");
    for (unsigned i = 0; i < counters_count(); i++) {
        char name[80];
        snprintf(name, sizeof(name), "\"%s\":", counters_row(&w.counters, i).name);
        assert_non_null(strstr(reply, name));
    }
    assert_non_null(strstr(reply, "\"requests\":1,"));
}

static void test_bad_patterns_are_refused_with_their_place(void **state)
{
    (void)state;
    const char *reply = world_call(&w, "[{\"op\":\"subscribe\",\"events\":[\"a\",\"a*\"]}]");
    assert_non_null(strstr(reply, "\"at\":\"ops[0].events[1]\""));
    assert_non_null(strstr(world_call(&w, "[{\"op\":\"subscribe\"}]"), "\"at\":\"ops[0].events\""));
}

static void test_full_list_of_announcers_still_takes_their_repeats(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_clients = 1;
    world_start(&w);
    const char *ops = "[{\"op\":\"subscribe\",\"events\":[\"a\"]}]";
    expect_call(&w, ops, "[{\"ok\":true}]");
    expect_call(&w, ops, "[{\"ok\":true}]");
    assert_non_null(
        strstr(world_request(&w, "{\"v\":1,\"client\":\"other-client-0002\",\"id\":1,\"ops\":[{\"op\":"
                                 "\"subscribe\",\"events\":[\"b\"]}]}"),
               "\"code\":\"limit\""));
}

#define NONSENSE "{\"op\":\"x\"}"

static void test_reply_has_room_for_an_error_of_each_operation(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_request_bytes = 2000;
    world_start(&w);
    assert_non_null(strstr(world_call(&w, "[" NONSENSE "," NONSENSE "," NONSENSE "]"), "unknown_op"));
    assert_non_null(strstr(world_call(&w, "[" NONSENSE "," NONSENSE "," NONSENSE "," NONSENSE "]"),
                           "\"message\":\"a request has at most 3 operations\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_reply_has_room_for_an_error_of_each_operation),
        WORLD_TEST(test_reply_repeats_version_id_and_epoch),
        WORLD_TEST(test_bad_heads_are_refused_precisely),
        WORLD_TEST(test_bytes_that_are_no_messagepack_are_refused),
        WORLD_TEST(test_too_large_requests_are_refused),
        WORLD_TEST(test_operations_have_results_of_their_own),
        WORLD_TEST(test_nil_counts_as_absent_and_twice_is_refused),
        WORLD_TEST(test_secret_is_wanted_over_tcp_only),
        WORLD_TEST(test_repeated_request_gets_its_stored_reply),
        WORLD_TEST(test_other_bytes_with_a_used_id_are_refused),
        WORLD_TEST(test_requests_that_only_read_run_again),
        WORLD_TEST(test_ids_may_come_out_of_order),
        WORLD_TEST(test_replies_that_were_given_up_are_too_old),
        WORLD_TEST(test_the_200th_last_request_of_each_of_50_clients_is_stored),
        WORLD_TEST(test_results_that_do_not_fit_are_refused_one_by_one),
        WORLD_TEST(test_hello_tells_the_addresses_of_the_transport_that_asks),
        WORLD_TEST(test_stats_show_every_counter),
        WORLD_TEST(test_bad_patterns_are_refused_with_their_place),
        WORLD_TEST(test_full_list_of_announcers_still_takes_their_repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
