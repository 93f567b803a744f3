/* Which filters are refused, with which code at which place, and what the message says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/filter.h"
#include "support/failing_alloc.h"
#include "unit/core/json_case.h"
#include "wire/mp.h"

struct row {
    const char *filter;
    const char *at; /* below `ops[0].filter` */
    const char *says;
};

static const struct row rows[] = {
    /* No map, or none where one should be. */
    {"null", "", "is a map, not nil"},
    {"5", "", "is a map, not an integer"},
    {"'room'", "", "is a map, not a string"},
    {"[]", "", "is a map, not an array"},
    {"{'$or': [5]}", ".$or[0]", "is a map, not an integer"},
    {"{'$or': [{'a': 1}, null]}", ".$or[1]", "is a map, not nil"},
    {"{'$and': []}", ".$and", "at least one filter"},
    {"{'$or': []}", ".$or", "at least one filter"},
    {"{'$nor': []}", ".$nor", "at least one filter"},
    {"{'$and': {'a': 1}}", ".$and", "at least one filter"},
    {"{'$or': 1}", ".$or", "at least one filter"},
    /* Values that are not compared with. */
    {"{'a': null}", ".a", "missing write {\"$exists\": false}"},
    {"{'a': {'$eq': null}}", ".a.$eq", "missing write {\"$exists\": false}"},
    {"{'a': {'$ne': null}}", ".a.$ne", "there write {\"$exists\": true}"},
    {"{'a': {'$gt': null}}", ".a.$gt", "null is not compared with"},
    {"{'a': {'$gte': null}}", ".a.$gte", "null is not compared with"},
    {"{'a': {'$lt': null}}", ".a.$lt", "null is not compared with"},
    {"{'a': {'$lte': null}}", ".a.$lte", "null is not compared with"},
    {"{'a': {'$in': ['x', null]}}", ".a.$in[1]", "null is not compared with"},
    {"{'a': {'$nin': [null]}}", ".a.$nin[0]", "null is not compared with"},
    {"{'a': {'$all': [null]}}", ".a.$all[0]", "null is not compared with"},
    {"{'a': {'b': 1}}", ".a", "{\"a.b\": 1}"},
    {"{'a': {}}", ".a", "{\"a.b\": 1}"},
    {"{'a': {'$eq': {}}}", ".a.$eq", "a map is not compared with"},
    {"{'a': {'$eq': {'$gt': 1}}}", ".a.$eq", "a map is not compared with"},
    {"{'a': {'$in': [{'b': 1}]}}", ".a.$in[0]", "a map is not compared with"},
    {"{'a': ['x']}", ".a", "{\"$in\": [...]}"},
    {"{'a': {'$ne': []}}", ".a.$ne", "{\"$all\": [...]}"},
    {"{'a': {'$in': [[1]]}}", ".a.$in[0]", "a list is not compared with"},
    {"{'a': {'$in': 'x'}}", ".a.$in", "needs a list"},
    {"{'a': {'$nin': {}}}", ".a.$nin", "needs a list"},
    {"{'a': {'$all': null}}", ".a.$all", "needs a list"},
    {"{'a': {'$exists': 1}}", ".a.$exists", "true or false"},
    {"{'a': {'$exists': null}}", ".a.$exists", "true or false"},
    {"{'a': {'$exists': {'$arg': 'x'}}}", ".a.$exists", "true or false"},
    /* Operators. */
    {"{'a': {'$gtt': 1}}", ".a.$gtt", "did you mean `$gt`?"},
    {"{'a': {'$exist': true}}", ".a.$exist", "did you mean `$exists`?"},
    {"{'a': {'$regex': 'x'}}", ".a.$regex", "no operator `$regex`"},
    {"{'a': {'$elemMatch': {'b': 1}}}", ".a.$elemMatch", "no operator `$elemMatch`"},
    {"{'a': {'$': 1}}", ".a.$", "no operator `$`"},
    {"{'$where': 'x'}", ".$where", "no operator `$where`"},
    {"{'$adn': []}", ".$adn", "did you mean `$and`?"},
    {"{'$or': [{'a': 1}, {'b': {'$gxe': 1}}]}", ".$or[1].b.$gxe", "did you mean"},
    {"{'$gt': 5}", ".$gt", "below a field"},
    {"{'$not': {'a': 1}}", ".$not", "below a field"},
    {"{'a': {'$or': [{'b': 1}]}}", ".a.$or", "beside field names"},
    {"{'a': {'$gt': 1, 'b': 2}}", ".a", "mixed"},
    {"{'a': {'b': 2, '$gt': 1}}", ".a", "mixed"},
    {"{'a': {'$not': 5}}", ".a.$not", "map of operators"},
    {"{'a': {'$not': {}}}", ".a.$not", "map of operators"},
    {"{'a': {'$not': {'b': 1}}}", ".a.$not", "map of operators"},
    {"{'a': {'$not': {'$gt': 1, 'b': 1}}}", ".a.$not", "mixed"},
    {"{'a': {'$not': {'$not': {'$gt': null}}}}", ".a.$not.$not.$gt", "null"},
    {"{'a': {'$not': {'$arg': 'x'}}}", ".a.$not.$arg", "stands alone"},
    /* Names. */
    {"{'': 1}", "[\"\"]", "the path is empty"},
    {"{'a.': 1}", ".a.", "a part of the path is empty"},
    {"{'.a': 1}", "..a", "a part of the path is empty"},
    {"{'a..b': 1}", ".a..b", "a part of the path is empty"},
    {"{'a.$b': 1}", ".a.$b", "begins with `$`"},
    {"{'a.@b': 1}", ".a.@b", "begins with `@`"},
    {"{'@cnn': 1}", ".@cnn", "did you mean `@conn`?"},
    {"{'@Path': 1}", ".@Path", "did you mean `@path`?"},
    {"{'@session': 1}", ".@session", "there is no `@session`"},
    {"{'@conn.x': 1}", ".@conn.x", "there is no `@conn.x`"},
    {"{'1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7': 1}", ".1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7", "at most 16 parts"},
    /* Twice. */
    {"{'a': 1, 'b': 2, 'a': 3}", ".a", "twice"},
    {"{'a': {'$gt': 1, '$gt': 2}}", ".a.$gt", "twice"},
    {"{'$or': [{'a': 1}], '$or': [{'b': 1}]}", ".$or", "twice"},
    {"{'$or': [{'a': 1}, {'b': 1, 'b': 1}]}", ".$or[1].b", "twice"},
    /* Arguments. */
    {"{'a': {'$arg': 5}}", ".a.$arg", "name of an argument"},
    {"{'a': {'$arg': ''}}", ".a.$arg", "name of an argument"},
    {"{'a': {'$arg': 'x', '$gt': 1}}", ".a.$arg", "stands alone"},
    {"{'a': {'$in': {'$arg': 'x'}}, 'b': {'$arg': 'x'}}", ".b", "both a list and a value"},
    {"{'a': {'$in': [{'$arg': 'x'}]}, 'b': {'$nin': {'$arg': 'x'}}}", ".b.$nin", "both a list and a value"},
    {"{'$arg': 'x'}", ".$arg", "no operator `$arg`"},
};

/* Compile at the place `ops[0].filter`. */
static int compile(const struct buf *query, struct fault *fault)
{
    struct place ops = place_key(NULL, "ops", 3);
    struct place first = place_index(&ops, 0);
    struct place at = place_key(&first, "filter", 6);
    struct filter *filter = NULL;
    void *bytes = case_exact(query);
    *fault = (struct fault){.code = CODE_OK};
    int result = filter_compile(&filter, bytes, query->len, &at, fault);
    free(bytes);
    filter_free(filter);
    return result;
}

static void assert_refused(const struct buf *query, const char *name, const char *at, const char *says)
{
    struct fault fault;
    char want[192];
    snprintf(want, sizeof want, "ops[0].filter%s", at);
    if (compile(query, &fault) != -1) {
        fail_msg("%s is accepted", name);
    }
    if (fault.code != CODE_BAD_FILTER || strcmp(fault.at, want) != 0 || !strstr(fault.message, says)) {
        fail_msg("%s: %s at '%s': %s\nnot bad_filter at '%s': %s", name, code_text(fault.code), fault.at,
                 fault.message, want, says);
    }
}

static void test_bad_filters_are_refused_at_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf query = BUF_INIT;
        case_put(&query, rows[i].filter);
        assert_refused(&query, rows[i].filter, rows[i].at, rows[i].says);
        buf_deinit(&query);
    }
}

/* What JSON cannot say. */
static void test_types_that_no_session_has_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[16];
        size_t len;
    } queries[] = {
        {{0x81, 0xa1, 'a', 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}, 12}, /* NaN */
        {{0x81, 0xa1, 'a', 0xca, 0x7f, 0x80, 0, 0}, 8},              /* infinity */
        {{0x81, 0xa1, 'a', 0xd4, 1, 0}, 6},                          /* ext */
        {{0x81, 0xa1, 'a', 0xc4, 1, 'x'}, 6},                        /* bin */
        {{0x81, 0x01, 0x01}, 3},                                     /* a key that is no string */
    };
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        struct buf query = BUF_INIT;
        struct fault fault;
        buf_put(&query, queries[i].bytes, queries[i].len);
        assert_int_equal(compile(&query, &fault), -1);
        assert_int_equal(fault.code, CODE_BAD_FILTER);
        buf_deinit(&query);
    }
}

/* {"$or": [{"a": 0}, ...]} with @count branches: @count + 1 conditions. */
static void put_branches(struct buf *query, uint32_t count)
{
    mp_put_map(query, 1);
    mp_put_text(query, "$or");
    mp_put_array(query, count);
    for (uint32_t i = 0; i < count; i++) {
        mp_put_map(query, 1);
        mp_put_text(query, "a");
        mp_put_uint(query, i);
    }
}

static void test_too_many_conditions_are_refused(void **state)
{
    (void)state;
    struct buf query = BUF_INIT;
    struct fault fault;
    put_branches(&query, FILTER_NODES - 1);
    assert_int_equal(compile(&query, &fault), 0);
    buf_reset(&query);
    put_branches(&query, FILTER_NODES);
    assert_refused(&query, "256 branches", ".$or[255].a", "at most 256 conditions");
    buf_deinit(&query);
}

/* Filters in filters: the innermost is at @depth. */
static void put_nested(struct buf *query, unsigned depth)
{
    for (unsigned i = 1; i < depth; i++) {
        mp_put_map(query, 1);
        mp_put_text(query, "$and");
        mp_put_array(query, 1);
    }
    mp_put_map(query, 1);
    mp_put_text(query, "a");
    mp_put_uint(query, 1);
}

static void put_negated(struct buf *query, unsigned depth)
{
    mp_put_map(query, 1);
    mp_put_text(query, "a");
    for (unsigned i = 1; i < depth; i++) {
        mp_put_map(query, 1);
        mp_put_text(query, "$not");
    }
    mp_put_map(query, 1);
    mp_put_text(query, "$gt");
    mp_put_uint(query, 1);
}

static void test_too_deep_filters_are_refused(void **state)
{
    (void)state;
    static void (*const put[])(struct buf *, unsigned) = {put_nested, put_negated};
    for (size_t i = 0; i < 2; i++) {
        struct buf query = BUF_INIT;
        struct fault fault;
        put[i](&query, FILTER_DEPTH);
        assert_int_equal(compile(&query, &fault), 0);
        buf_reset(&query);
        put[i](&query, FILTER_DEPTH + 1);
        assert_int_equal(compile(&query, &fault), -1);
        assert_int_equal(fault.code, CODE_BAD_FILTER);
        assert_non_null(strstr(fault.message, "at most 16 deep"));
        buf_deinit(&query);
    }
}

/* {"0": {"$in": [0, 1, ...]}, "1": ...} with @fields lists of @count values. */
static void put_lists(struct buf *query, uint32_t fields, uint32_t count)
{
    mp_put_map(query, fields);
    for (uint32_t f = 0; f < fields; f++) {
        char name = (char)('a' + f);
        mp_put_str(query, &name, 1);
        mp_put_map(query, 1);
        mp_put_text(query, "$in");
        mp_put_array(query, count);
        for (uint32_t i = 0; i < count; i++) {
            mp_put_uint(query, i);
        }
    }
}

static void test_too_many_values_are_refused(void **state)
{
    (void)state;
    struct buf query = BUF_INIT;
    struct fault fault;
    put_lists(&query, 4, FILTER_IN_VALUES);
    assert_int_equal(compile(&query, &fault), 0);
    buf_reset(&query);
    put_lists(&query, 1, FILTER_IN_VALUES + 1);
    assert_refused(&query, "4097 values", ".a.$in", "at most 4096 values");
    buf_reset(&query);
    put_lists(&query, 5, FILTER_IN_VALUES);
    assert_refused(&query, "five long lists", ".e.$in[0]", "at most 16384 values");
    buf_deinit(&query);
}

static void test_too_many_arguments_are_refused(void **state)
{
    (void)state;
    struct buf query = BUF_INIT;
    for (int more = 0; more < 2; more++) {
        struct fault fault;
        buf_reset(&query);
        mp_put_map(&query, 1);
        mp_put_text(&query, "a");
        mp_put_map(&query, 1);
        mp_put_text(&query, "$in");
        mp_put_array(&query, (uint32_t)(FILTER_NODES + more));
        for (int i = 0; i < FILTER_NODES + more; i++) {
            char name[8];
            snprintf(name, sizeof name, "x%d", i);
            mp_put_map(&query, 1);
            mp_put_text(&query, "$arg");
            mp_put_text(&query, name);
        }
        if (more == 0) {
            assert_int_equal(compile(&query, &fault), 0);
        } else {
            assert_refused(&query, "257 arguments", ".a.$in[256]", "at most 256 arguments");
        }
    }
    buf_deinit(&query);
}

static void test_refused_memory_is_overloaded(void **state)
{
    (void)state;
    struct buf query = BUF_INIT;
    case_put(&query,
             "{'$or': [{'a.b': 1, 'c': {'$in': [3, {'$arg': 'x'}, 'y', 2]}}, {'d': {'$not': {'$gt': 5}}}]}");
    unsigned long n = 0;
    for (;; n++) {
        struct filter *filter = NULL;
        struct fault fault = {.code = CODE_OK};
        failing_alloc_start(n);
        int result = filter_compile(&filter, query.data, query.len, NULL, &fault);
        if (!failing_alloc_stop()) {
            assert_int_equal(result, 0);
            filter_free(filter);
            break;
        }
        assert_int_equal(result, -1);
        assert_int_equal(fault.code, CODE_OVERLOADED);
        assert_true(n < 100);
    }
    assert_true(n >= 5);
    buf_deinit(&query);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_filters_are_refused_at_their_place),
        cmocka_unit_test(test_types_that_no_session_has_are_refused),
        cmocka_unit_test(test_too_many_conditions_are_refused),
        cmocka_unit_test(test_too_deep_filters_are_refused),
        cmocka_unit_test(test_too_many_values_are_refused),
        cmocka_unit_test(test_too_many_arguments_are_refused),
        cmocka_unit_test(test_refused_memory_is_overloaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
