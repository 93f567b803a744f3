#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/doc.h"
#include "core/doc_order.h"
#include "core/doc_path.h"
#include "unit/core/json_case.h"

static void assert_json(const void *bytes, size_t len, const char *want)
{
    struct buf text = BUF_INIT;
    struct buf expected = BUF_INIT;
    case_put(&expected, want);
    assert_true(mp_to_json(bytes, len, &text));
    if (expected.len != len || memcmp(expected.data, bytes, len) != 0) {
        fail_msg("%.*s, not %s", (int)text.len, (const char *)text.data, want);
    }
    buf_deinit(&text);
    buf_deinit(&expected);
}

static void test_values_that_can_be_stored(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        const char *outcome;
    } rows[] = {
        {"{}", "ok"},
        {"null", "ok"},
        {"{'a': [1, 2.5, 'x', null, true, {'b': {}}]}", "ok"},
        {"{'$a': 1}", "bad_value v.$a"},
        {"{'@a': 1}", "bad_value v.@a"},
        {"{'a.b': 1}", "bad_value v.a.b"},
        {"{'': 1}", "bad_value v[\"\"]"},
        {"{'a': {'b': [0, {'$c': 1}]}}", "bad_value v.a.b[1].$c"},
        {"{'a': {'b': 1, 'b': 2}}", "bad_value v.a.b"},
        {"{'a$': 1, 'b@': 2, 'a b': 3}", "ok"},
        {"[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "ok"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct place at = place_key(NULL, "v", 1);
        struct buf value = BUF_INIT;
        struct fault fault = {.code = CODE_OK};
        char outcome[256];
        case_put(&value, rows[i].value);
        int result = doc_check_value(value.data, value.len, &at, &fault);
        assert_int_equal(result, fault.code == CODE_OK ? 0 : -1);
        assert_string_equal(case_fault(&fault, outcome, sizeof outcome), rows[i].outcome);
        buf_deinit(&value);
    }
}

static void test_values_that_json_cannot_say(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        int result;
        uint8_t bytes[12];
    } rows[] = {
        {3, 0, {0xc4, 1, 'x'}},                             /* bin */
        {5, 0, {0xca, 0x3f, 0x80, 0, 0}},                   /* a short float */
        {9, -1, {0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0}},      /* NaN */
        {5, -1, {0xca, 0xff, 0x80, 0, 0}},                  /* -infinity */
        {3, -1, {0xd4, 1, 0}},                              /* ext */
        {3, -1, {0x81, 0x01, 0x01}},                        /* a key that is no string */
        {2, -1, {0xa1, 0xff}},                              /* no UTF-8 */
        {2, -1, {0x92, 0x01}},                              /* cut */
        {2, -1, {0x01, 0x01}},                              /* two values */
        {7, -1, {0xdd, 0xff, 0xff, 0xff, 0xff, 0x01, 0x01}} /* a count beyond the bytes */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault fault = {.code = CODE_OK};
        assert_int_equal(doc_check_value(rows[i].bytes, rows[i].len, NULL, &fault), rows[i].result);
        assert_int_equal(fault.code, rows[i].result == 0 ? CODE_OK : CODE_BAD_VALUE);
    }
}

static void test_too_deep_a_value_is_refused(void **state)
{
    (void)state;
    struct fault fault;
    uint8_t deep[DOC_DEPTH + 2];
    memset(deep, 0x91, sizeof deep);
    deep[DOC_DEPTH] = 0x01;
    assert_int_equal(doc_check_value(deep, DOC_DEPTH + 1, NULL, &fault), 0);
    assert_int_equal(doc_depth(deep, DOC_DEPTH + 1), DOC_DEPTH);
    deep[DOC_DEPTH] = 0x90;
    assert_int_equal(doc_check_value(deep, DOC_DEPTH + 1, NULL, &fault), -1);
    assert_int_equal(fault.code, CODE_BAD_VALUE);
}

static void test_depth_counts_maps_and_arrays(void **state)
{
    (void)state;
    static const struct {
        const char *value;
        unsigned depth;
    } rows[] = {
        {"5", 0},           {"'x'", 0}, {"{}", 1}, {"[]", 1}, {"{'a': 1, 'b': [{'c': 1}], 'd': {}}", 3},
        {"[[], [[1]]]", 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf value = BUF_INIT;
        case_put(&value, rows[i].value);
        assert_int_equal(doc_depth(value.data, value.len), rows[i].depth);
        buf_deinit(&value);
    }
}

static void test_get_follows_names_and_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *value; /* NULL: missing */
    } rows[] = {
        {"a", "1"},
        {"b", "{'c': [10, {'d': 'x'}], '0': 'zero'}"},
        {"b.c", "[10, {'d': 'x'}]"},
        {"b.c.0", "10"},
        {"b.c.1.d", "'x'"},
        {"b.0", "'zero'"},
        {"b.c.2", NULL},
        {"b.c.01", NULL},
        {"b.c.d", NULL}, /* an update's path does not spread over elements */
        {"a.b", NULL},
        {"", NULL},
        {"b.", NULL},
        {"bb", NULL},
        {"e", "null"},
        {"e.f", NULL},
    };
    struct buf doc = BUF_INIT;
    case_put(&doc, "{'a': 1, 'b': {'c': [10, {'d': 'x'}], '0': 'zero'}, 'e': null}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mp_reader r;
        bool found = doc_get(doc.data, doc.len, rows[i].path, strlen(rows[i].path), &r);
        assert_int_equal(found, rows[i].value != NULL);
        if (found) {
            const uint8_t *value;
            size_t len;
            assert_true(mp_raw(&r, &value, &len));
            assert_json(value, len, rows[i].value);
        }
    }
    buf_deinit(&doc);
}

static void test_project_keeps_the_named_fields(void **state)
{
    (void)state;
    static const struct {
        const char *keys;
        const char *result;
    } rows[] = {
        {"[]", "{}"},
        {"['c', 'a']", "{'a': 1, 'c': [{'a': 2}]}"},
        {"['x', 'b']", "{'b': {'a': 1}}"},
        {"['b.a', 'a', 'a']", "{'a': 1}"},
    };
    struct buf doc = BUF_INIT;
    case_put(&doc, "{'a': 1, 'b': {'a': 1}, 'c': [{'a': 2}]}");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf keys = BUF_INIT;
        struct buf out = BUF_INIT;
        struct mp_token tokens[3];
        struct mp_token list = {.type = MP_NIL};
        case_put(&keys, rows[i].keys);
        struct mp_reader r = mp_reader(keys.data, keys.len);
        assert_true(mp_next(&r, &list));
        for (uint32_t k = 0; k < list.count; k++) {
            assert_true(mp_next(&r, &tokens[k]));
        }
        mp_put_nil(&out); /* what is there stays */
        doc_project(doc.data, doc.len, tokens, list.count, &out);
        assert_json(out.data + 1, out.len - 1, rows[i].result);
        buf_deinit(&keys);
        buf_deinit(&out);
    }
    buf_deinit(&doc);
}

/* Each is less than the next. */
static const char *const ascending[] = {
    "null",
    "-9223372036854775808",
    "-1.5",
    "0",
    "1",
    "9007199254740992.0",
    "9007199254740993",
    "18446744073709551615",
    "1e300",
    "''",
    "'a'",
    "'ab'",
    "'b'",
    "{}",
    "{'b': 1}",
    "{'b': 1, 'a': 1}",
    "{'b': 1, 'a': 2}",
    "{'c': 1}",
    "{'a': 'x'}", /* the type of the value before the name */
    "[]",
    "[1]",
    "[1, 1]",
    "[1, 2]",
    "[2]",
    "['a']",
    "false",
    "true",
};

static void test_values_compare_in_the_order_of_mongodb(void **state)
{
    (void)state;
    int count = sizeof ascending / sizeof ascending[0];
    for (int i = 0; i < count; i++) {
        for (int k = 0; k < count; k++) {
            struct buf a = BUF_INIT;
            struct buf b = BUF_INIT;
            case_put(&a, ascending[i]);
            case_put(&b, ascending[k]);
            int order = doc_compare((struct doc_value){a.data, a.len}, (struct doc_value){b.data, b.len});
            if (order != (i > k) - (i < k)) {
                fail_msg("%s and %s: %d", ascending[i], ascending[k], order);
            }
            buf_deinit(&a);
            buf_deinit(&b);
        }
    }
}

static void test_equal_is_not_yet_identical(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
        bool is_identical;
    } rows[] = {
        {"1", "1", 0, true},
        {"1", "1.0", 0, false},
        {"0.0", "-0.0", 0, false},
        {"[1, {'a': 2}]", "[1.0, {'a': 2.0}]", 0, false},
        {"{'a': 1, 'b': 2}", "{'a': 1, 'b': 2}", 0, true},
        {"{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}", -1, false},
        {"[[1], 2]", "[[1, 2]]", -1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf a = BUF_INIT;
        struct buf b = BUF_INIT;
        case_put(&a, rows[i].a);
        case_put(&b, rows[i].b);
        struct doc_value x = {a.data, a.len};
        struct doc_value y = {b.data, b.len};
        assert_int_equal(doc_compare(x, y), rows[i].order);
        assert_int_equal(doc_identical(x, y), rows[i].is_identical);
        assert_int_equal(doc_identical(y, x), rows[i].is_identical);
        buf_deinit(&a);
        buf_deinit(&b);
    }
}

static void test_forms_of_the_same_value_are_identical(void **state)
{
    (void)state;
    static const uint8_t shortest[] = {0x92, 0x05, 0xa1, 'x'};
    static const uint8_t longer[] = {0xdc, 0, 2, 0xce, 0, 0, 0, 5, 0xd9, 1, 'x'};
    assert_true(doc_identical((struct doc_value){shortest, sizeof shortest},
                              (struct doc_value){longer, sizeof longer}));
}

static void test_bin_compares_by_length_first(void **state)
{
    (void)state;
    static const uint8_t longer[] = {0xc4, 2, 'a', 'a'};
    static const uint8_t larger[] = {0xc4, 1, 'b'};
    struct doc_value a = {larger, sizeof larger};
    struct doc_value b = {longer, sizeof longer};
    assert_int_equal(doc_compare(a, b), -1);
    assert_int_equal(doc_compare(b, a), 1);
    assert_int_equal(doc_compare(a, a), 0);
}

static void test_indexes_are_decimal_without_leading_zeros(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t index;
    } rows[] = {
        {"0", 0},
        {"17", 17},
        {"999999999", 999999999},
        {"1000000000", PATH_HUGE_INDEX},
        {"99999999999999999999", PATH_HUGE_INDEX},
        {"", PATH_NO_INDEX},
        {"00", PATH_NO_INDEX},
        {"01", PATH_NO_INDEX},
        {"-1", PATH_NO_INDEX},
        {"1a", PATH_NO_INDEX},
        {"99999999999a", PATH_NO_INDEX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(path_index(rows[i].text, strlen(rows[i].text)), rows[i].index);
    }
}

static void test_parts_sort_indexes_by_number_first(void **state)
{
    (void)state;
    const char *path = "2.10.9999999999.9999999998.a.ab.b";
    /* In ascending order: 2, 10, the huge ones by their bytes, names. */
    static const char *const sorted[] = {"2", "10", "9999999998", "9999999999", "a", "ab", "b"};
    struct path_part parts[DOC_PATH_PARTS];
    struct fault fault;
    int count = path_split(path, strlen(path), parts, CODE_BAD_FILTER, NULL, &fault);
    assert_int_equal(count, 7);
    for (int i = 0; i < count; i++) {
        int smaller = 0;
        for (int k = 0; k < count; k++) {
            smaller += path_part_compare(&parts[k], &parts[i]) < 0;
        }
        assert_int_equal(parts[i].len, strlen(sorted[smaller]));
        assert_memory_equal(parts[i].text, sorted[smaller], parts[i].len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_that_can_be_stored),
        cmocka_unit_test(test_values_that_json_cannot_say),
        cmocka_unit_test(test_too_deep_a_value_is_refused),
        cmocka_unit_test(test_depth_counts_maps_and_arrays),
        cmocka_unit_test(test_get_follows_names_and_indexes),
        cmocka_unit_test(test_project_keeps_the_named_fields),
        cmocka_unit_test(test_values_compare_in_the_order_of_mongodb),
        cmocka_unit_test(test_equal_is_not_yet_identical),
        cmocka_unit_test(test_forms_of_the_same_value_are_identical),
        cmocka_unit_test(test_bin_compares_by_length_first),
        cmocka_unit_test(test_indexes_are_decimal_without_leading_zeros),
        cmocka_unit_test(test_parts_sort_indexes_by_number_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
