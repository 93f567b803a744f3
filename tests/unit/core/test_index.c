#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/random.h"
#include "support/world.h"

/* What `op` with explain says about a filter. */
static const char *plan_of(const char *filter)
{
    static char ops[512];
    snprintf(ops, sizeof(ops), "[{\"op\":\"count\",\"filter\":%s,\"explain\":true}]", filter);
    const char *plan = strstr(world_call(&w, ops), "\"plan\":");
    assert_non_null(plan);
    return plan;
}

static void expect_plan(const char *filter, const char *plan)
{
    char wanted[512];
    snprintf(wanted, sizeof(wanted), "\"plan\":%s,", plan);
    const char *got = plan_of(filter);
    if (strncmp(got, wanted, strlen(wanted)) != 0)
        fail_msg("%s: %s", filter, got);
}

static void set(const char *conn, const char *doc)
{
    char ops[512];
    snprintf(ops, sizeof(ops), "[{\"op\":\"update\",\"conn\":\"epoch1.%s\",\"update\":{\"$set\":%s}}]", conn,
             doc);
    assert_non_null(strstr(world_call(&w, ops), "\"ok\":true"));
}

static void open_four(void)
{
    for (int i = 0; i < 4; i++)
        world_open(&w, "x", "");
    set("1", "{\"room\":\"a\",\"level\":1,\"tags\":[\"x\",\"y\"],\"user\":7}");
    set("2", "{\"room\":\"a\",\"level\":2,\"tags\":[\"y\"],\"user\":7.0}");
    set("3", "{\"room\":\"b\",\"level\":3,\"tags\":[],\"user\":\"7\"}");
    set("4", "{\"room\":[\"a\",\"b\",\"a\"],\"level\":4,\"user\":8}");
}

static void test_equality_comes_from_the_index(void **state)
{
    (void)state;
    open_four();
    expect_plan("{\"room\":\"a\"}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"room\",\"values\":1,\"candidates\":3}],"
                "\"candidates\":3,\"matches\":3,\"other_type\":0}");
    expect_plan("{\"user\":7}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"user\",\"values\":1,\"candidates\":2}],"
                "\"candidates\":2,\"matches\":2,\"other_type\":1}");
    expect_plan("{\"user\":\"7\"}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"user\",\"values\":1,\"candidates\":1}],"
                "\"candidates\":1,\"matches\":1,\"other_type\":2}");
    expect_plan("{\"nobody\":1}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"nobody\",\"values\":1,\"candidates\":0}],"
                "\"candidates\":0,\"matches\":0,\"other_type\":0}");
}

static void test_and_takes_its_cheapest_part(void **state)
{
    (void)state;
    open_four();
    expect_plan("{\"room\":\"a\",\"level\":{\"$gte\":0},\"tags\":\"x\"}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"tags\",\"values\":1,\"candidates\":1}],"
                "\"candidates\":1,"
                "\"matches\":1,\"other_type\":0}");
    expect_plan("{\"tags\":{\"$all\":[\"y\",\"x\"]}}", "{\"kind\":\"index\",\"indexes\":[{\"field\":\"tags\","
                                                       "\"values\":1,\"candidates\":1}],\"candidates\":1,"
                                                       "\"matches\":1,\"other_type\":0}");
}

static void test_or_and_in_meet_nobody_twice(void **state)
{
    (void)state;
    open_four();
    expect_plan("{\"$or\":[{\"room\":\"a\"},{\"level\":1},{\"@conn\":\"epoch1.1\"}]}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"room\",\"values\":1,\"candidates\":3},{"
                "\"field\":\"level\","
                "\"values\":1,\"candidates\":1},{\"field\":\"@conn\",\"values\":1,\"candidates\":1}],"
                "\"candidates\":3,"
                "\"matches\":3,\"other_type\":0}");
    expect_plan("{\"room\":{\"$in\":[\"a\",\"b\",\"c\"]}}",
                "{\"kind\":\"index\",\"indexes\":[{\"field\":\"room\",\"values\":3,\"candidates\":5}],"
                "\"candidates\":4,"
                "\"matches\":4,\"other_type\":0}");
}

static void test_what_does_not_narrow_scans(void **state)
{
    (void)state;
    open_four();
    const char *filters[] = {"{\"level\":{\"$gt\":3}}",
                             "{\"room\":{\"$ne\":\"a\"}}",
                             "{\"$nor\":[{\"room\":\"a\"}]}",
                             "{\"room\":{\"$not\":{\"$eq\":\"a\"}}}",
                             "{\"room\":{\"$nin\":[\"a\"]}}",
                             "{\"$or\":[{\"room\":\"b\"},{\"level\":{\"$lt\":0}}]}",
                             "{\"a.b\":1}",
                             "{\"room\":{\"$exists\":false}}",
                             "{\"tags.0\":\"x\"}",
                             "{\"@remote\":\"x\"}"};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        const char *plan = plan_of(filters[i]);
        if (!strstr(plan, "\"kind\":\"scan\"") || !strstr(plan, "\"candidates\":4,"))
            fail_msg("%s: %s", filters[i], plan);
    }
    assert_non_null(strstr(plan_of("{}"), "\"kind\":\"everybody\""));
}

static void test_only_the_fields_of_the_config_are_indexed(void **state)
{
    (void)state;
    static const char *const fields[] = {"room", NULL};
    world_stop(&w);
    world_init(&w);
    w.options.index_fields = fields;
    world_start(&w);
    open_four();
    assert_non_null(strstr(plan_of("{\"room\":\"a\"}"), "\"kind\":\"index\""));
    assert_non_null(strstr(plan_of("{\"level\":1}"), "\"kind\":\"scan\""));
    assert_int_equal(w.counters.index_entries, 5);
}

static void test_explain_of_a_send_sends_nothing(void **state)
{
    (void)state;
    open_four();
    world_trace(&w);
    expect_call(&w, "[{\"op\":\"send\",\"filter\":{\"room\":\"b\"},\"event\":\"x\",\"explain\":true}]",
                "[{\"ok\":true,\"plan\":{\"kind\":\"index\",\"indexes\":[{\"field\":\"room\",\"values\":1,"
                "\"candidates\":2}],"
                "\"candidates\":2,\"matches\":2,\"other_type\":0},\"matched\":2,\"refused\":0}]");
    assert_non_null(
        strstr(world_call(&w, "[{\"op\":\"send\",\"conn\":\"epoch1.1\",\"event\":\"x\",\"explain\":true}]"),
               "\"at\":\"ops[0].explain\""));
    expect_trace(&w, "");
    assert_non_null(
        strstr(world_call(&w, "[{\"op\":\"find\",\"filter\":{\"room\":\"b\"},\"keys\":[],\"explain\":true}]"),
               "\"candidates\":2,\"matches\":2"));
}

static void test_candidates_of_explain_are_those_counted(void **state)
{
    (void)state;
    open_four();
    uint64_t before = w.counters.sessions_scanned;
    plan_of("{\"room\":{\"$in\":[\"a\",\"b\"]},\"level\":{\"$gt\":1}}");
    assert_int_equal(w.counters.sessions_scanned - before, 4);
}

static void test_values_go_with_their_connections(void **state)
{
    (void)state;
    open_four();
    assert_true(w.counters.index_values > 0);
    world_call(&w, "[{\"op\":\"close\",\"filter\":{},\"code\":1000}]");
    assert_int_equal(w.counters.index_values, 0);
    assert_int_equal(w.counters.index_entries, 0);
}

static void test_long_strings_scan_and_are_found(void **state)
{
    (void)state;
    char text[301], doc[400];
    memset(text, 'l', 300);
    text[300] = 0;
    open_four();
    snprintf(doc, sizeof(doc), "{\"long\":\"%s\"}", text);
    set("1", doc);
    assert_non_null(strstr(plan_of(doc), "\"kind\":\"scan\""));
    assert_non_null(strstr(plan_of(doc), "\"matches\":1"));
}

static void test_connection_with_too_many_values_is_loose_and_found(void **state)
{
    (void)state;
    static char ops[40000];
    size_t len =
        (size_t)sprintf(ops, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"many\":[0");
    open_four();
    for (int i = 1; i < 3000; i++)
        len += (size_t)sprintf(ops + len, ",%d", i);
    strcpy(ops + len, "]}}}]");
    world_call(&w, ops);
    assert_int_equal(w.counters.sessions_loose, 1);
    assert_non_null(strstr(plan_of("{\"many\":2999}"), "\"candidates\":1,\"matches\":1"));
    assert_non_null(strstr(plan_of("{\"room\":\"b\"}"), "\"candidates\":3,\"matches\":2"));
    set("1", "{\"many\":1}");
    assert_int_equal(w.counters.sessions_loose, 0);
    assert_non_null(strstr(plan_of("{\"room\":\"a\"}"), "\"candidates\":3,\"matches\":3"));
}

static void test_more_fields_than_the_index_takes_are_scanned(void **state)
{
    (void)state;
    world_open(&w, "x", "");
    for (int i = 0; i < 1030; i++) {
        char doc[32];
        snprintf(doc, sizeof(doc), "{\"f%d\":1}", i);
        set("1", doc);
        snprintf(doc, sizeof(doc), "{\"f%d\":1}", i);
        assert_non_null(strstr(plan_of(doc), "\"matches\":1"));
    }
    assert_non_null(strstr(plan_of("{\"f1029\":1}"), "\"kind\":\"scan\""));
    assert_non_null(strstr(plan_of("{\"f1\":1}"), "\"kind\":\"index\""));
}

/* -- against a scan ------------------------------------------------------------------------------------ */

static const char *const VALUES[] = {"1",         "1.0",  "2",     "-3",    "\"1\"",           "\"a\"",
                                     "\"b\"",     "true", "false", "[1,2]", "[\"a\",\"b\",1]", "[]",
                                     "{\"x\":1}", "null", "[[1]]", "0.5"};
static const char *const SCALARS[] = {"1",     "1.0",   "2",    "-3",    "\"1\"",
                                      "\"a\"", "\"b\"", "true", "false", "0.5"};
static const char *const FIELDS[] = {"f", "g", "h", "i"};

#define PICK(list) list[random_below(&seed, sizeof(list) / sizeof(list[0]))]

static struct random seed;

static void put_filter(char *out, size_t size, int depth)
{
    size_t len;
    switch (random_below(&seed, depth > 0 ? 8 : 5)) {
    case 0:
    case 1:
        snprintf(out, size, "{\"%s\":%s}", PICK(FIELDS), PICK(SCALARS));
        return;
    case 2:
        snprintf(out, size, "{\"%s\":{\"$in\":[%s,%s]}}", PICK(FIELDS), PICK(SCALARS), PICK(SCALARS));
        return;
    case 3:
        snprintf(out, size, "{\"%s\":{\"$all\":[%s,%s]}}", PICK(FIELDS), PICK(SCALARS), PICK(SCALARS));
        return;
    case 4:
        snprintf(out, size, "{\"%s\":{\"$ne\":%s}}", PICK(FIELDS), PICK(SCALARS));
        return;
    default:
        snprintf(out, size, "{\"%s\":[", random_below(&seed, 2) ? "$or" : "$and");
        len = strlen(out);
        put_filter(out + len, size - len, depth - 1);
        strcat(out, ",");
        len = strlen(out);
        put_filter(out + len, size - len, depth - 1);
        strcat(out, "]}");
    }
}

/* The same filter in a form that no index helps with. */
static void expect_same_as_scan(void)
{
    char filter[2000] = "", ops[5000];
    put_filter(filter, sizeof(filter), 3);
    snprintf(ops, sizeof(ops),
             "[{\"op\":\"count\",\"filter\":%s},{\"op\":\"count\",\"filter\":{\"$nor\":[{\"$nor\":[%s]}]}}]",
             filter, filter);
    long long indexed = -1, scanned = -2;
    const char *results = world_call(&w, ops);
    if (sscanf(results, "[{\"ok\":true,\"count\":%lld},{\"ok\":true,\"count\":%lld}]", &indexed, &scanned) !=
            2 ||
        indexed != scanned)
        fail_msg("%s: %s", filter, results);
}

static void change_somebody(struct conn **conns, size_t count)
{
    char ops[256];
    size_t who = random_below(&seed, (unsigned)count);
    switch (random_below(&seed, 6)) {
    case 0:
        if (conns[who])
            core_conn_closed(w.core, conns[who], 1000, "", 0);
        conns[who] = world_open(&w, "x", "");
        return;
    case 1:
        snprintf(ops, sizeof(ops), "[{\"op\":\"update\",\"conn\":\"%s\",\"update\":{\"$unset\":{\"%s\":1}}}]",
                 conns[who]->id, PICK(FIELDS));
        break;
    default:
        snprintf(ops, sizeof(ops), "[{\"op\":\"update\",\"conn\":\"%s\",\"update\":{\"$set\":{\"%s\":%s}}}]",
                 conns[who]->id, PICK(FIELDS), PICK(VALUES));
    }
    w.refuse_memory = random_below(&seed, 8) == 0; /* somebody becomes loose, or nothing happens */
    w.refuse_at = random_below(&seed, 20);
    world_call(&w, ops);
    w.refuse_memory = false;
}

static void test_index_and_scan_agree_whatever_happens(void **state)
{
    (void)state;
    struct conn *conns[40];
    seed = random_new("test_index");
    for (size_t i = 0; i < 40; i++)
        conns[i] = world_open(&w, "x", "");
    for (int i = 0; i < 20000; i++) {
        change_somebody(conns, 40);
        if (i % 2)
            expect_same_as_scan();
    }
    assert_true(w.counters.sessions_loose < 40);
    world_call(&w, "[{\"op\":\"close\",\"filter\":{},\"code\":1000}]");
    assert_int_equal(w.counters.index_values + w.counters.index_entries + w.counters.sessions_loose, 0);
}

static void test_filters_are_compiled_once(void **state)
{
    (void)state;
    open_four();
    uint64_t before = w.counters.filters_compiled;
    for (int i = 0; i < 100; i++) {
        char ops[160];
        snprintf(ops, sizeof(ops),
                 "[{\"op\":\"count\",\"filter\":{\"room\":{\"$arg\":\"r\"}},\"args\":{\"r\":\"room %d\"}}]",
                 i);
        world_call(&w, ops);
    }
    assert_int_equal(w.counters.filters_compiled - before, 1);
}

static void test_cache_of_filters_is_bounded(void **state)
{
    (void)state;
    open_four();
    for (int i = 0; i < 3000; i++) {
        char ops[96];
        snprintf(ops, sizeof(ops), "[{\"op\":\"count\",\"filter\":{\"room\":\"room %d\"}}]", i % 1500);
        world_call(&w, ops);
    }
    assert_true(w.counters.filters_compiled >= 3000); /* 1,500 in turn never find theirs among 1,024 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_equality_comes_from_the_index),
        WORLD_TEST(test_and_takes_its_cheapest_part),
        WORLD_TEST(test_or_and_in_meet_nobody_twice),
        WORLD_TEST(test_what_does_not_narrow_scans),
        WORLD_TEST(test_only_the_fields_of_the_config_are_indexed),
        WORLD_TEST(test_explain_of_a_send_sends_nothing),
        WORLD_TEST(test_candidates_of_explain_are_those_counted),
        WORLD_TEST(test_values_go_with_their_connections),
        WORLD_TEST(test_long_strings_scan_and_are_found),
        WORLD_TEST(test_connection_with_too_many_values_is_loose_and_found),
        WORLD_TEST(test_more_fields_than_the_index_takes_are_scanned),
        WORLD_TEST(test_index_and_scan_agree_whatever_happens),
        WORLD_TEST(test_filters_are_compiled_once),
        WORLD_TEST(test_cache_of_filters_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
