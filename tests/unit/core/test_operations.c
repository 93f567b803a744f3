#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/world.h"

#define SET(conn, doc)                                                                                       \
    world_call(&w, "[{\"op\":\"update\",\"conn\":\"epoch1." conn "\",\"update\":{\"$set\":" doc "}}]")

/* Three connections: alice and bob in the lobby, carol in the attic. */
static void open_three(void)
{
    world_open(&w, "alice", "");
    world_open(&w, "bob", "");
    world_open(&w, "carol", "");
    SET("1", "{\"room\":\"lobby\",\"level\":1,\"user\":7}");
    SET("2", "{\"room\":\"lobby\",\"level\":5,\"user\":7.0}");
    SET("3", "{\"room\":\"attic\",\"level\":9,\"user\":[8,7]}");
    world_trace(&w);
}

static void test_get_projects_keys(void **state)
{
    (void)state;
    open_three();
    expect_call(&w,
                "[{\"op\":\"get\",\"conn\":\"epoch1.1\",\"keys\":[\"level\",\"none\"]},"
                "{\"op\":\"get\",\"conn\":\"epoch1.1\",\"keys\":[]},{\"op\":\"get\",\"conn\":\"epoch1.9\"}]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"level\":1},\"version\":2},"
                "{\"ok\":true,\"found\":true,\"session\":{},\"version\":2},{\"ok\":true,\"found\":false}]");
}

static void test_update_by_conn_tells_version_and_whether_it_changed(void **state)
{
    (void)state;
    open_three();
    const char *ops = "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"x\":1}}}]";
    expect_call(&w, ops, "[{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":3}]");
    expect_call(&w, ops, "[{\"ok\":true,\"matched\":1,\"modified\":0,\"version\":3}]");
    expect_call(&w, "[{\"op\":\"update\",\"conn\":\"epoch1.99\",\"update\":{\"$set\":{\"x\":1}}}]",
                "[{\"ok\":true,\"matched\":0,\"modified\":0}]");
}

static void test_update_by_filter_changes_all_that_match(void **state)
{
    (void)state;
    open_three();
    expect_call(&w,
                "[{\"op\":\"update\",\"filter\":{\"room\":{\"$arg\":\"r\"}},\"args\":{\"r\":\"lobby\"},"
                "\"update\":{\"$min\":{\"level\":1}}}]",
                "[{\"ok\":true,\"matched\":2,\"modified\":1}]");
    expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"level\":1}}]", "[{\"ok\":true,\"count\":2}]");
}

static void test_update_that_fails_for_one_changes_none(void **state)
{
    (void)state;
    open_three();
    SET("3", "{\"level\":\"high\"}");
    const char *result =
        world_call(&w, "[{\"op\":\"update\",\"filter\":{},\"update\":{\"$inc\":{\"level\":1}}}]");
    assert_non_null(strstr(result, "\"code\":\"update_failed\""));
    assert_non_null(strstr(result, "\"at\":\"ops[0].update.$inc.level\""));
    expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"level\":{\"$in\":[1,5]}}}]",
                "[{\"ok\":true,\"count\":2}]");
}

static void test_if_version_makes_compare_and_set(void **state)
{
    (void)state;
    open_three();
    const char *ops =
        "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"if_version\":2,\"update\":{\"$set\":{\"x\":1}}}]";
    expect_call(&w, ops, "[{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":3}]");
    expect_call(
        &w, ops,
        "[{\"ok\":false,\"code\":\"conflict\",\"message\":\"the session has version 3\",\"at\":\"ops[0]."
        "if_version\"}]");
    assert_non_null(strstr(
        world_call(&w,
                   "[{\"op\":\"update\",\"filter\":{},\"if_version\":2,\"update\":{\"$set\":{\"x\":1}}}]"),
        "\"code\":\"bad_argument\""));
}

static void test_ttl_ends_fields_unless_they_are_set_again(void **state)
{
    (void)state;
    open_three();
    const char *get = "[{\"op\":\"get\",\"conn\":\"epoch1.1\",\"keys\":[\"a\",\"b\",\"c\"]}]";
    world_call(
        &w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"ttl_ms\":1000,\"update\":{\"$set\":{\"a\":1,\"b\":1,"
            "\"c\":1}}}]");
    world_advance(&w, 500);
    world_call(&w,
               "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"ttl_ms\":1000,\"update\":{\"$set\":{\"b\":1}}},"
               "{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"c\":2}}}]");
    world_advance(&w, 499);
    assert_non_null(strstr(world_call(&w, get), "{\"a\":1,\"b\":1,\"c\":2}"));
    world_advance(&w, 1);
    assert_non_null(strstr(world_call(&w, get), "\"session\":{\"b\":1,\"c\":2}"));
    world_advance(&w, 500);
    assert_non_null(strstr(world_call(&w, get), "\"session\":{\"c\":2}"));
    world_advance(&w, 100000);
    assert_non_null(strstr(world_call(&w, get), "\"session\":{\"c\":2}"));
}

static void test_fields_that_expire_are_limited_but_may_be_set_again(void **state)
{
    (void)state;
    static char ops[8000];
    world_open(&w, "alice", "");
    for (int round = 0; round < 3; round++) {
        size_t len = (size_t)sprintf(ops,
                                     "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"ttl_ms\":1000,"
                                     "\"update\":{\"$set\":{\"f0\":%d",
                                     round);
        for (int i = 1; i < 200; i++)
            len += (size_t)sprintf(ops + len, ",\"f%d\":%d", i, round);
        strcpy(ops + len, "}}}]");
        assert_non_null(strstr(world_call(&w, ops), "\"ok\":true"));
    }
    size_t len = (size_t)sprintf(ops, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"ttl_ms\":1000,"
                                      "\"update\":{\"$set\":{\"g0\":1");
    for (int i = 1; i < 57; i++)
        len += (size_t)sprintf(ops + len, ",\"g%d\":1", i);
    strcpy(ops + len, "}}}]");
    assert_non_null(strstr(world_call(&w, ops), "\"code\":\"limit\""));
    world_advance(&w, 1000);
    expect_call(&w, "[{\"op\":\"get\",\"conn\":\"epoch1.1\"}]",
                "[{\"ok\":true,\"found\":true,\"session\":{},\"version\":5}]");
}

static void test_ttl_ends_with_the_connection(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    world_call(
        &w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"ttl_ms\":1000,\"update\":{\"$set\":{\"a.b\":1}}}]");
    core_conn_closed(w.core, alice, 1000, "", 0);
    world_advance(&w, 2000);
    expect_call(&w, "[{\"op\":\"count\"}]", "[{\"ok\":true,\"count\":0}]");
}

static void test_session_has_a_limit(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_session_bytes = 40;
    world_start(&w);
    world_open(&w, "alice", "");
    assert_non_null(strstr(SET("1", "{\"a\":\"0123456789012345678901234567890123456789\"}"),
                           "\"code\":\"session_too_large\""));
    assert_non_null(strstr(SET("1", "{\"a\":\"012345678901234567890\"}"), "\"modified\":1"));
}

static void test_count_takes_a_filter_and_counts_values(void **state)
{
    (void)state;
    open_three();
    assert_non_null(
        strstr(world_call(&w, "[{\"op\":\"count\",\"distinct\":\"a..b\"}]"), "\"at\":\"ops[0].distinct\""));
    expect_call(&w,
                "[{\"op\":\"count\"},{\"op\":\"count\",\"filter\":{\"room\":\"lobby\"}},"
                "{\"op\":\"count\",\"distinct\":\"user\"},"
                "{\"op\":\"count\",\"filter\":{\"room\":\"lobby\"},\"distinct\":\"user\"},"
                "{\"op\":\"count\",\"distinct\":\"nobody.has\"},"
                "{\"op\":\"count\",\"filter\":{\"level\":{\"$gt\":{\"$arg\":\"l\"}}},\"args\":{\"l\":4}}]",
                "[{\"ok\":true,\"count\":3},{\"ok\":true,\"count\":2},{\"ok\":true,\"count\":2},{\"ok\":true,"
                "\"count\":1},{\"ok\":true,\"count\":0},{\"ok\":true,\"count\":2}]");
}

static void test_filters_have_their_place_in_errors(void **state)
{
    (void)state;
    open_three();
    const char *result =
        world_call(&w, "[{\"op\":\"count\"},{\"op\":\"send\",\"event\":\"x\",\"filter\":{\"$or\":[{\"a\":1},"
                       "{\"level\":{\"$gte\":null}}]}}]");
    assert_non_null(strstr(result, "\"code\":\"bad_filter\""));
    assert_non_null(strstr(result, "\"at\":\"ops[1].filter.$or[1].level.$gte\""));
    result = world_call(
        &w, "[{\"op\":\"count\",\"filter\":{\"a\":{\"$arg\":\"x\"}},\"args\":{\"x\":{\"$exists\":true}}}]");
    assert_non_null(strstr(result, "\"at\":\"ops[0].args.x\""));
}

static void test_scans_beyond_the_limit_are_refused_but_everybody_is_not(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_scan = 2;
    world_start(&w);
    open_three();
    const char *results = world_call(
        &w, "[{\"op\":\"count\",\"filter\":{\"level\":{\"$gt\":1}}},{\"op\":\"count\",\"filter\":{}},"
            "{\"op\":\"count\",\"filter\":{\"level\":{\"$gt\":1},\"room\":\"lobby\"}}]");
    assert_non_null(strstr(results, "\"code\":\"too_costly\""));
    assert_non_null(strstr(results, "index `level`"));
    assert_non_null(strstr(results, "{\"ok\":true,\"count\":1}"));
    assert_non_null(strstr(results, "{\"ok\":true,\"count\":3}"));
}

static void test_find_pages_in_order_with_a_cursor(void **state)
{
    (void)state;
    open_three();
    expect_call(&w, "[{\"op\":\"find\",\"limit\":2,\"keys\":[\"level\"]}]",
                "[{\"ok\":true,\"sessions\":[{\"conn\":\"epoch1.1\",\"session\":{\"level\":1},\"version\":2},"
                "{\"conn\":\"epoch1.2\",\"session\":{\"level\":5},\"version\":2}],\"after\":\"epoch1.2\"}]");
    expect_call(&w, "[{\"op\":\"find\",\"limit\":2,\"keys\":[],\"after\":\"epoch1.2\"}]",
                "[{\"ok\":true,\"sessions\":[{\"conn\":\"epoch1.3\",\"session\":{},\"version\":2}]}]");
    expect_call(
        &w,
        "[{\"op\":\"find\",\"filter\":{\"room\":{\"$arg\":\"r\"}},\"args\":{\"r\":\"attic\"},\"keys\":[]}]",
        "[{\"ok\":true,\"sessions\":[{\"conn\":\"epoch1.3\",\"session\":{},\"version\":2}]}]");
    assert_non_null(strstr(world_call(&w, "[{\"op\":\"find\",\"after\":\"x\"}]"), "\"at\":\"ops[0].after\""));
    assert_non_null(strstr(world_call(&w, "[{\"op\":\"find\",\"limit\":0}]"), "\"at\":\"ops[0].limit\""));
}

static void test_find_misses_nobody_who_stays(void **state)
{
    (void)state;
    static struct conn *conns[1000];
    static bool seen[1001];
    char ops[96] = "[{\"op\":\"find\",\"limit\":7}]";
    int pages = 0;
    memset(seen, 0, sizeof(seen));
    for (int i = 0; i < 1000; i++)
        conns[i] = world_open(&w, "x", "");
    for (bool more = true; more; pages++) {
        const char *results = world_call(&w, ops);
        for (const char *at = results; (at = strstr(at, "\"conn\":\"epoch1.")); at++) {
            int number;
            assert_int_equal(sscanf(at, "\"conn\":\"epoch1.%d\"", &number), 1);
            if (number > 1000)
                continue;
            assert_false(seen[number]);
            seen[number] = true;
        }
        char after[48];
        const char *cursor = strstr(results, "\"after\":\"");
        more = cursor && sscanf(cursor, "\"after\":\"%47[^\"]", after) == 1;
        snprintf(ops, sizeof(ops), "[{\"op\":\"find\",\"limit\":7,\"after\":\"%s\"}]", after);
        /* somebody goes, somebody comes; the cursor's own connection too */
        int gone = pages * 6 + 6;
        if (gone < 1000 && conns[gone])
            core_conn_closed(w.core, conns[gone], 1000, "", 0);
        if (gone < 1000)
            conns[gone] = NULL;
        if (pages < 100)
            world_open(&w, "y", "");
    }
    for (int i = 0; i < 1000; i++)
        assert_true(!conns[i] || seen[i + 1]);
}

static void test_find_pages_end_at_256_kib(void **state)
{
    (void)state;
    static char ops[41000];
    char value[40001];
    memset(value, 'v', 40000);
    value[40000] = 0;
    for (int i = 0; i < 20; i++)
        world_open(&w, "x", "");
    snprintf(ops, sizeof(ops), "[{\"op\":\"update\",\"filter\":{},\"update\":{\"$set\":{\"v\":\"%s\"}}}]",
             value);
    world_call(&w, ops);
    const char *results = world_call(&w, "[{\"op\":\"find\"}]");
    assert_non_null(strstr(results, "\"after\":\"epoch1.6\""));
    assert_true(w.raw_reply.len < 256 * 1024);
}

static void test_send_reaches_one_or_those_that_match(void **state)
{
    (void)state;
    open_three();
    expect_call(&w, "[{\"op\":\"send\",\"conn\":\"epoch1.1\",\"event\":\"hi\",\"payload\":[1]}]",
                "[{\"ok\":true,\"matched\":1,\"refused\":0}]");
    expect_trace(&w, "alice <- {\"e\":\"hi\",\"p\":[1]}\n");
    expect_call(&w,
                "[{\"op\":\"send\",\"filter\":{\"room\":{\"$arg\":\"r\"}},\"args\":{\"r\":\"lobby\"},"
                "\"event\":\"hi\"}]",
                "[{\"ok\":true,\"matched\":2,\"refused\":0}]");
    expect_trace(&w, "alice <- {\"e\":\"hi\"}\nbob <- {\"e\":\"hi\"}\n");
    expect_call(&w, "[{\"op\":\"send\",\"conn\":\"epoch1.9\",\"event\":\"hi\"}]",
                "[{\"ok\":true,\"matched\":0,\"refused\":0}]");
}

static void test_send_leaves_out_the_excepted(void **state)
{
    (void)state;
    open_three();
    expect_call(&w, "[{\"op\":\"send\",\"filter\":{},\"except\":\"epoch1.1\",\"event\":\"hi\"}]",
                "[{\"ok\":true,\"matched\":2,\"refused\":0}]");
    expect_trace(&w, "bob <- {\"e\":\"hi\"}\ncarol <- {\"e\":\"hi\"}\n");
    world_call(&w,
               "[{\"op\":\"send\",\"filter\":{},\"except\":[\"epoch1.1\",\"epoch1.3\"],\"event\":\"hi\"}]");
    expect_trace(&w, "bob <- {\"e\":\"hi\"}\n");
}

static void test_send_fills_counts_into_the_payload(void **state)
{
    (void)state;
    open_three();
    expect_call(&w,
                "[{\"op\":\"send\",\"conn\":\"epoch1.1\",\"event\":\"hi\",\"payload\":{\"a\":1,\"online\":0},"
                "\"fill\":{\"online\":{\"room\":{\"$arg\":\"r\"}},\"all\":{}},\"args\":{\"r\":\"lobby\"}},"
                "{\"op\":\"send\",\"conn\":\"epoch1.1\",\"event\":\"hi\",\"fill\":{\"all\":{}}}]",
                "[{\"ok\":true,\"matched\":1,\"refused\":0},{\"ok\":true,\"matched\":1,\"refused\":0}]");
    expect_trace(&w, "alice <- {\"e\":\"hi\",\"p\":{\"a\":1,\"online\":2,\"all\":3}}\n"
                     "alice <- {\"e\":\"hi\",\"p\":{\"all\":3}}\n");
    const char *result = world_call(
        &w, "[{\"op\":\"send\",\"filter\":{},\"event\":\"hi\",\"fill\":{\"n\":{\"a\":{\"$gx\":1}}}}]");
    assert_non_null(strstr(result, "\"at\":\"ops[0].fill.n.a.$gx\""));
    result = world_call(
        &w, "[{\"op\":\"send\",\"filter\":{},\"event\":\"hi\",\"payload\":1,\"fill\":{\"n\":{}}}]");
    assert_non_null(strstr(result, "\"at\":\"ops[0].payload\""));
    expect_trace(&w, "");
}

static void test_send_counts_what_full_queues_refuse(void **state)
{
    (void)state;
    open_three();
    w.full_peer = "bob";
    expect_call(&w, "[{\"op\":\"send\",\"filter\":{\"room\":\"lobby\"},\"event\":\"hi\"}]",
                "[{\"ok\":true,\"matched\":2,\"refused\":1}]");
    assert_int_equal(w.counters.deliveries_refused, 1);
}

static void test_verbs_want_exactly_one_of_conn_and_filter(void **state)
{
    (void)state;
    const char *ops[] = {"[{\"op\":\"send\",\"event\":\"x\"}]",
                         "[{\"op\":\"send\",\"event\":\"x\",\"conn\":\"a\",\"filter\":{}}]",
                         "[{\"op\":\"update\",\"update\":{\"$set\":{}}}]",
                         "[{\"op\":\"close\",\"code\":1000}]",
                         "[{\"op\":\"close\",\"code\":1000,\"conn\":\"a\",\"filter\":{}}]"};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        assert_non_null(strstr(world_call(&w, ops[i]), "\"code\":\"bad_argument\""));
}

static void test_handlers_cannot_send_the_brokers_own_events(void **state)
{
    (void)state;
    open_three();
    const char *result = world_call(&w, "[{\"op\":\"send\",\"filter\":{},\"event\":\"@welcome\"}]");
    assert_non_null(strstr(result, "\"at\":\"ops[0].event\""));
    expect_trace(&w, "");
}

static void test_answer_may_refuse(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "ask", NULL, "7");
    world_say(&w, alice, "ask", NULL, "8");
    world_trace(&w);
    expect_call(&w,
                "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7,\"error\":{\"code\":\"room_full\","
                "\"message\":\"no "
                "room\",\"temporary\":true,\"data\":{\"max\":5}}},"
                "{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":8,\"error\":{\"code\":\"no\"}}]",
                "[{\"ok\":true,\"first\":true},{\"ok\":true,\"first\":true}]");
    expect_trace(
        &w,
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"room_full\",\"message\":\"no room\",\"temporary\":true,"
        "\"event\":\"ask\",\"data\":{\"max\":5}},\"i\":7}\n"
        "alice <- {\"e\":\"@error\",\"p\":{\"code\":\"no\",\"message\":\"\",\"temporary\":false,\"event\":"
        "\"ask\"},\"i\":8}\n");
    const char *results =
        world_call(&w, "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":9,\"error\":{\"cod\":\"no\"}},"
                       "{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":9,\"error\":{\"code\":\"\"}},"
                       "{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":9,\"payload\":1,\"error\":"
                       "{\"code\":\"no\"}}]");
    assert_non_null(strstr(results, "\"at\":\"ops[0].error.cod\""));
    assert_non_null(strstr(results, "\"at\":\"ops[1].error.code\""));
    assert_non_null(strstr(results, "\"at\":\"ops[2].error\""));
}

static void test_answer_fills_counts(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    core_subscribers(w.core, 1);
    world_say(&w, alice, "ask", NULL, "\"q\"");
    world_trace(&w);
    world_call(&w, "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":\"q\",\"payload\":{\"x\":1},"
                   "\"fill\":{\"n\":{\"@remote\":{\"$arg\":\"ip\"}}},\"args\":{\"ip\":\"10.0.0.1\"}}]");
    expect_trace(&w, "alice <- {\"e\":\"ask\",\"p\":{\"x\":1,\"n\":1},\"i\":\"q\"}\n");
}

static void test_close_sends_what_waits_first(void **state)
{
    (void)state;
    open_three();
    core_subscribers(w.core, 1);
    world_call(&w, "[{\"op\":\"batch\",\"event\":\"tick\",\"interval_ms\":100},"
                   "{\"op\":\"send\",\"conn\":\"epoch1.1\",\"event\":\"tick\",\"payload\":1},"
                   "{\"op\":\"send\",\"conn\":\"epoch1.1\",\"event\":\"bye\"}]");
    expect_call(
        &w, "[{\"op\":\"close\",\"conn\":\"epoch1.1\",\"code\":4001,\"reason\":\"out\"},{\"op\":\"count\"}]",
        "[{\"ok\":true,\"matched\":1},{\"ok\":true,\"count\":2}]");
    const char *trace = world_trace(&w);
    assert_ptr_equal(strstr(trace,
                            "alice <- {\"e\":\"bye\"}\nalice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\n"
                            "alice closed 4001 out\n"),
                     trace);
    assert_non_null(strstr(trace, "publish @disconnect"));
    assert_non_null(strstr(trace, "\"code\":4001,\"reason\":\"out\",\"duration_ms\":0}"));
}

static void test_close_by_filter_and_its_refusals(void **state)
{
    (void)state;
    open_three();
    expect_call(&w,
                "[{\"op\":\"close\",\"filter\":{\"room\":{\"$arg\":\"r\"}},\"args\":{\"r\":\"lobby\"},"
                "\"code\":1000}]",
                "[{\"ok\":true,\"matched\":2}]");
    expect_trace(&w, "alice closed 1000 \nbob closed 1000 \n");
    const char *codes[] = {"999", "1001", "1006", "2999", "5000"};
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        char ops[80];
        snprintf(ops, sizeof(ops), "[{\"op\":\"close\",\"filter\":{},\"code\":%s}]", codes[i]);
        assert_non_null(strstr(world_call(&w, ops), "\"at\":\"ops[0].code\""));
    }
    char ops[256] = "[{\"op\":\"close\",\"filter\":{},\"code\":4000,\"reason\":\"";
    memset(ops + strlen(ops), 'r', 124);
    strcat(ops, "\"}]");
    assert_non_null(strstr(world_call(&w, ops), "\"at\":\"ops[0].reason\""));
    assert_int_equal(core_conn_count(w.core), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_get_projects_keys),
        WORLD_TEST(test_update_by_conn_tells_version_and_whether_it_changed),
        WORLD_TEST(test_update_by_filter_changes_all_that_match),
        WORLD_TEST(test_update_that_fails_for_one_changes_none),
        WORLD_TEST(test_if_version_makes_compare_and_set),
        WORLD_TEST(test_ttl_ends_fields_unless_they_are_set_again),
        WORLD_TEST(test_fields_that_expire_are_limited_but_may_be_set_again),
        WORLD_TEST(test_ttl_ends_with_the_connection),
        WORLD_TEST(test_session_has_a_limit),
        WORLD_TEST(test_count_takes_a_filter_and_counts_values),
        WORLD_TEST(test_filters_have_their_place_in_errors),
        WORLD_TEST(test_scans_beyond_the_limit_are_refused_but_everybody_is_not),
        WORLD_TEST(test_find_pages_in_order_with_a_cursor),
        WORLD_TEST(test_find_misses_nobody_who_stays),
        WORLD_TEST(test_find_pages_end_at_256_kib),
        WORLD_TEST(test_send_reaches_one_or_those_that_match),
        WORLD_TEST(test_send_leaves_out_the_excepted),
        WORLD_TEST(test_send_fills_counts_into_the_payload),
        WORLD_TEST(test_send_counts_what_full_queues_refuse),
        WORLD_TEST(test_verbs_want_exactly_one_of_conn_and_filter),
        WORLD_TEST(test_handlers_cannot_send_the_brokers_own_events),
        WORLD_TEST(test_answer_may_refuse),
        WORLD_TEST(test_answer_fills_counts),
        WORLD_TEST(test_close_sends_what_waits_first),
        WORLD_TEST(test_close_by_filter_and_its_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
