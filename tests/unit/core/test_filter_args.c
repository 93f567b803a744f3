/* Arguments: what takes the place of `$arg`, and that nothing else can. */

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
    const char *args; /* NULL: none given */
    const char *session;
    const char *outcome; /* "matches", "misses", or the fault's code and place */
};

static const struct row rows[] = {
    {"{'a': {'$arg': 'x'}}", "{'x': 1}", "{'a': 1}", "matches"},
    {"{'a': {'$arg': 'x'}}", "{'x': 1.0}", "{'a': [2, 1]}", "matches"},
    {"{'a': {'$arg': 'x'}}", "{'x': 2}", "{'a': 1}", "misses"},
    {"{'a': {'$arg': 'x'}}", "{'x': 'lobby'}", "{'a': 'lobby'}", "matches"},
    {"{'a': {'$arg': 'x'}}", "{'x': false}", "{'a': false}", "matches"},
    {"{'a': {'$eq': {'$arg': 'x'}}}", "{'x': 1}", "{'a': 1}", "matches"},
    {"{'a': {'$ne': {'$arg': 'x'}}}", "{'x': 1}", "{'a': 1}", "misses"},
    {"{'a': {'$ne': {'$arg': 'x'}}}", "{'x': 1}", "{}", "matches"},
    {"{'a': {'$gt': {'$arg': 'x'}}}", "{'x': 1}", "{'a': 2}", "matches"},
    {"{'a': {'$gte': {'$arg': 'x'}}}", "{'x': 1}", "{'a': 1}", "matches"},
    {"{'a': {'$lt': {'$arg': 'x'}}}", "{'x': 1}", "{'a': 1}", "misses"},
    {"{'a': {'$lte': {'$arg': 'x'}}}", "{'x': 1}", "{'a': 1}", "matches"},
    {"{'a': {'$lte': {'$arg': 'x'}}}", "{'x': '1'}", "{'a': 1}", "misses"},
    {"{'a': {'$not': {'$gt': {'$arg': 'x'}}}}", "{'x': 1}", "{'a': 2}", "misses"},
    {"{'$or': [{'a': {'$arg': 'x'}}, {'b': {'$arg': 'y'}}]}", "{'y': 2, 'x': 1}", "{'b': 2}", "matches"},
    {"{'a': {'$arg': 'x'}, 'b': {'$arg': 'x'}}", "{'x': 1}", "{'a': 1, 'b': 1}", "matches"},
    {"{'@conn': {'$ne': {'$arg': 'me'}}}", "{'me': 'e.1'}", "{}", "misses"},
    /* Lists. */
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': [3, 1, 2, 1.0]}", "{'a': 1}", "matches"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': [3, 2]}", "{'a': 1}", "misses"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': []}", "{'a': 1}", "misses"},
    {"{'a': {'$nin': {'$arg': 'x'}}}", "{'x': []}", "{'a': 1}", "matches"},
    {"{'a': {'$nin': {'$arg': 'x'}}}", "{'x': ['b', 'a']}", "{'a': ['c', 'a']}", "misses"},
    {"{'a': {'$all': {'$arg': 'x'}}}", "{'x': [2, 1, 2]}", "{'a': [1, 2]}", "matches"},
    {"{'a': {'$all': {'$arg': 'x'}}}", "{'x': []}", "{'a': [1, 2]}", "misses"},
    {"{'a': {'$in': {'$arg': 'x'}}, 'b': {'$nin': {'$arg': 'x'}}}", "{'x': [2, 1]}", "{'a': 1}", "matches"},
    {"{'a': {'$in': [9, {'$arg': 'x'}, 'q', {'$arg': 'y'}]}}", "{'x': 2, 'y': 'a'}", "{'a': 'a'}", "matches"},
    {"{'a': {'$in': [9, {'$arg': 'x'}, 'q', {'$arg': 'y'}]}}", "{'x': 2, 'y': 'a'}", "{'a': 9}", "matches"},
    {"{'a': {'$in': [9, {'$arg': 'x'}, 'q', {'$arg': 'y'}]}}", "{'x': 2, 'y': 'a'}", "{'a': 'q'}", "matches"},
    {"{'a': {'$in': [9, {'$arg': 'x'}, 'q', {'$arg': 'y'}]}}", "{'x': 2, 'y': 'a'}", "{'a': 'x'}", "misses"},
    {"{'a': {'$all': [1, {'$arg': 'x'}]}}", "{'x': 1.0}", "{'a': 1}", "matches"},
    {"{'a': {'$in': [1, 2]}, 'b': {'$arg': 'x'}}", "{'x': 3}", "{'a': 2, 'b': 3}", "matches"},
    {"{'a': {'$all': [1, {'$arg': 'x'}]}}", "{'x': 2}", "{'a': [1, 3]}", "misses"},
    /* No arguments at all. */
    {"{'a': 1}", NULL, "{'a': 1}", "matches"},
    {"{'a': 1}", "{}", "{'a': 1}", "matches"},
    /* What is missing or no scalar; what the filter does not name is for another one of the operation. */
    {"{'a': {'$arg': 'x'}}", NULL, "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}}", "{}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}, 'b': {'$arg': 'y'}}", "{'x': 1}", "{}", "bad_argument ops[0].args.y"},
    {"{'a': {'$arg': 'x'}}", "{'x': 1, 'y': 2}", "{'a': 1}", "matches"},
    {"{'a': 1}", "{'x': null}", "{'a': 1}", "matches"},
    {"{'a': {'$arg': 'x'}}", "{'x': null}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}}", "{'x': {'$ne': 1}}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}}", "{'x': {}}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}}", "{'x': [1]}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': 1}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': null}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': {'$arg': 'y'}}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': [1, null]}", "{}", "bad_argument ops[0].args.x[1]"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': [1, {'$gt': 0}]}", "{}", "bad_argument ops[0].args.x[1]"},
    {"{'a': {'$in': {'$arg': 'x'}}}", "{'x': [[1]]}", "{}", "bad_argument ops[0].args.x[0]"},
    {"{'a': {'$in': [{'$arg': 'x'}]}}", "{'x': [1]}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}}", "{'x': 1, 'x': 2}", "{}", "bad_argument ops[0].args.x"},
    {"{'a': {'$arg': 'x'}}", "[1]", "{}", "bad_argument ops[0].args"},
    {"{'a': {'$arg': 'x'}}", "5", "{}", "bad_argument ops[0].args"},
};

static struct filter *compile(const char *text)
{
    struct buf query = BUF_INIT;
    struct filter *filter;
    struct fault fault;
    case_put(&query, text);
    if (filter_compile(&filter, query.data, query.len, NULL, &fault) < 0) {
        fail_msg("%s: %s at '%s'", text, fault.message, fault.at);
    }
    buf_deinit(&query);
    return filter;
}

static void outcome_of(const struct row *row, char *out, size_t size)
{
    struct place ops = place_key(NULL, "ops", 3);
    struct place first = place_index(&ops, 0);
    struct place at = place_key(&first, "args", 4);
    struct buf given = BUF_INIT;
    struct buf session = BUF_INIT;
    struct filter *filter = compile(row->filter);
    struct filter_args *args = NULL;
    struct fault fault = {.code = CODE_OK};
    void *bytes = NULL;
    if (row->args) {
        case_put(&given, row->args);
        bytes = case_exact(&given);
    }
    case_put(&session, row->session);
    struct subject subject = {session.data, session.len, "e.1", "", "", "", 0};
    if (filter_bind(&args, filter, bytes, given.len, &at, &fault) < 0) {
        case_fault(&fault, out, size);
    } else {
        snprintf(out, size, "%s", filter_matches(filter, args, &subject) ? "matches" : "misses");
    }
    filter_args_free(args);
    filter_free(filter);
    free(bytes);
    buf_deinit(&given);
    buf_deinit(&session);
}

static void test_argument_rows(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char outcome[256];
        outcome_of(&rows[i], outcome, sizeof outcome);
        if (strcmp(outcome, rows[i].outcome) != 0) {
            print_error("%s with %s on %s: %s, not %s\n", rows[i].filter,
                        rows[i].args ? rows[i].args : "nothing", rows[i].session, outcome, rows[i].outcome);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

static void test_one_filter_takes_other_arguments_each_time(void **state)
{
    (void)state;
    struct filter *filter = compile("{'a': {'$arg': 'x'}}");
    struct buf session = BUF_INIT;
    case_put(&session, "{'a': 2}");
    struct subject subject = {session.data, session.len, "", "", "", "", 0};
    for (int i = 0; i < 4; i++) {
        char text[32];
        struct buf given = BUF_INIT;
        struct filter_args *args;
        struct fault fault;
        snprintf(text, sizeof text, "{'x': %d}", i);
        case_put(&given, text);
        assert_int_equal(filter_bind(&args, filter, given.data, given.len, NULL, &fault), 0);
        assert_int_equal(filter_matches(filter, args, &subject), i == 2);
        filter_args_free(args);
        buf_deinit(&given);
    }
    filter_free(filter);
    buf_deinit(&session);
}

/* A forgotten binding must not reach everybody. */
static void test_without_its_arguments_a_filter_matches_nobody(void **state)
{
    (void)state;
    struct filter *filter = compile("{'a': {'$ne': {'$arg': 'x'}}}");
    struct subject subject = {"\x80", 1, "", "", "", "", 0};
    assert_false(filter_matches(filter, NULL, &subject));
    filter_free(filter);
}

/* {"x": [0, 1, ...]} */
static void put_list(struct buf *given, const char *name, uint32_t count)
{
    mp_put_text(given, name);
    mp_put_array(given, count);
    for (uint32_t i = 0; i < count; i++) {
        mp_put_uint(given, i);
    }
}

static void test_a_list_has_a_limit(void **state)
{
    (void)state;
    struct filter *filter = compile("{'a': {'$in': {'$arg': 'x'}}}");
    for (uint32_t more = 0; more < 2; more++) {
        struct buf given = BUF_INIT;
        struct filter_args *args;
        struct fault fault;
        mp_put_map(&given, 1);
        put_list(&given, "x", FILTER_IN_VALUES + more);
        assert_int_equal(filter_bind(&args, filter, given.data, given.len, NULL, &fault), more ? -1 : 0);
        if (more) {
            assert_int_equal(fault.code, CODE_BAD_ARGUMENT);
            assert_string_equal(fault.at, "x");
        }
        filter_args_free(args);
        buf_deinit(&given);
    }
    filter_free(filter);
}

static void test_all_lists_together_have_a_limit(void **state)
{
    (void)state;
    struct filter *filter =
        compile("{'a': {'$in': {'$arg': 'a'}}, 'b': {'$in': {'$arg': 'b'}}, 'c': {'$in': {'$arg': "
                "'c'}}, 'd': {'$in': {'$arg': 'd'}}, 'e': {'$in': {'$arg': 'e'}}}");
    for (uint32_t last = 0; last < 2; last++) {
        struct buf given = BUF_INIT;
        struct filter_args *args;
        struct fault fault;
        mp_put_map(&given, 5);
        put_list(&given, "a", FILTER_IN_VALUES);
        put_list(&given, "b", FILTER_IN_VALUES);
        put_list(&given, "c", FILTER_IN_VALUES);
        put_list(&given, "d", FILTER_IN_VALUES);
        put_list(&given, "e", last);
        assert_int_equal(filter_bind(&args, filter, given.data, given.len, NULL, &fault), last ? -1 : 0);
        filter_args_free(args);
        buf_deinit(&given);
    }
    filter_free(filter);
}

static void test_refused_memory_is_overloaded(void **state)
{
    (void)state;
    struct filter *filter = compile("{'a': {'$in': {'$arg': 'x'}}, 'b': {'$in': [1, {'$arg': 'y'}]}}");
    struct buf given = BUF_INIT;
    unsigned long n = 0;
    case_put(&given, "{'x': [3, 2, 1], 'y': 5}");
    for (;; n++) {
        struct filter_args *args = NULL;
        struct fault fault = {.code = CODE_OK};
        failing_alloc_start(n);
        int result = filter_bind(&args, filter, given.data, given.len, NULL, &fault);
        bool was_refused = failing_alloc_stop();
        filter_args_free(args);
        if (!was_refused) {
            assert_int_equal(result, 0);
            break;
        }
        assert_int_equal(result, -1);
        assert_int_equal(fault.code, CODE_OVERLOADED);
        assert_true(n < 10);
    }
    assert_true(n >= 2);
    filter_free(filter);
    buf_deinit(&given);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_argument_rows),
        cmocka_unit_test(test_one_filter_takes_other_arguments_each_time),
        cmocka_unit_test(test_without_its_arguments_a_filter_matches_nobody),
        cmocka_unit_test(test_a_list_has_a_limit),
        cmocka_unit_test(test_all_lists_together_have_a_limit),
        cmocka_unit_test(test_refused_memory_is_overloaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
