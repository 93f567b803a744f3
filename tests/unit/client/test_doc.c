#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "doc.h"
#include "step.h"

static const char *const no_conversion = "no more"; /* an argument that no format here takes */

/* As sluice_doc(), but with a format that the compiler cannot check: for formats that are wrong. */
static const sluice_value *unchecked(const char *format, ...)
{
    const sluice_value *value;
    struct doc_args args;

    va_start(args.list, format);
    value = doc_make(step, format, &args);
    va_end(args.list);
    return value;
}

static void test_formats_without_conversions(void **state)
{
    static const struct {
        const char *format, *json;
    } rows[] = {
        {"{}", "{}"},
        {" [ ] ", "[]"},
        {"null", "null"},
        {"true", "true"},
        {"false", "false"},
        {"''", "\"\""},
        {"\"double\"", "\"double\""},
        {"'it is \"so\"'", "\"it is \\\"so\\\"\""},
        {"'it\\'s'", "\"it's\""},
        {"{a: 1}", "{\"a\":1}"},
        {"{a:1,b:[1,2,{c:null}]}", "{\"a\":1,\"b\":[1,2,{\"c\":null}]}"},
        {"{\"quoted key\": 1, 'single': 2}", "{\"quoted key\":1,\"single\":2}"},
        {"{$set: {user.name: 'x', @conn: 'y', a-b_c9: 0}}",
         "{\"$set\":{\"user.name\":\"x\",\"@conn\":\"y\",\"a-b_c9\":0}}"},
        {"{0: 1}", "{\"0\":1}"},
        {"{true: true}", "{\"true\":true}"},
        {"\t{ a :\n1\r,b : 2 }\n", "{\"a\":1,\"b\":2}"},
        {"-0", "-0.0"},
        {"-12", "-12"},
        {"18446744073709551615", "18446744073709551615"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"1.5", "1.5"},
        {"-2e3", "-2000.0"},
        {"'100 %% sure'", "\"100 % sure\""},
        {"{'%%': 1}", "{\"%\":1}"},
        {"'\\n\\t\\\\\\/\\b\\f\\r'", "\"\\n\\t\\\\/\\b\\f\\r\""},
        {"'\\u00e9\\ud83d\\ude00'", "\"\xc3\xa9\xf0\x9f\x98\x80\""},
        {"'\\ud83d!'", "\"\xef\xbf\xbd!\""},
        {"'\\udc00'", "\"\xef\xbf\xbd\""},
        {"'\xc3\xa9'", "\"\xc3\xa9\""},
        {"{\xc3\xa9: 1}", NULL},
        {"{'\xc3\xa9': 1}", "{\"\xc3\xa9\":1}"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const sluice_value *value = unchecked(rows[i].format);
        if (rows[i].json) {
            assert_value(value, rows[i].json);
        } else {
            assert_null(value);
            error_clear(&step->fault);
        }
    }
}

static void test_bad_formats_name_column_and_reason(void **state)
{
    static const struct {
        const char *format;
        size_t column;
        const char *reason;
    } rows[] = {
        {"", 1, "a value is missing"},
        {"{", 2, "a key is missing"},
        {"[", 2, "a value is missing"},
        {"[1", 3, "] is missing"},
        {"{a: 1", 6, "} is missing"},
        {"{a 1}", 4, "a colon is missing"},
        {"{a: }", 5, "a value is missing"},
        {"{a: 1,}", 7, "a key is missing"},
        {"[1,]", 4, "a value is missing"},
        {"[1 2]", 4, "a comma or ] is missing"},
        {"{a: 1 b: 2}", 7, "a comma or } is missing"},
        {"{a: 1} x", 8, "something stands behind"},
        {"{a: x}", 5, "a string needs quotes"},
        {"{a: True}", 5, "a string needs quotes"},
        {"{a: 01}", 5, ""},
        {"{a: 1.}", 5, ""},
        {"{a: 1e999}", 5, ""},
        {"+1", 1, "a value is missing"},
        {"NaN", 1, "a string needs quotes"},
        {"'abc", 5, "the string has no end"},
        {"'a\nb'", 3, "control character"},
        {"'\\x41'", 3, "no such escape"},
        {"'\\", 3, "no such escape"},
        {"'\\u12'", 3, "\\u needs four"},
        {"'hello %s'", 8, "a conversion stands for a whole value"},
        {"'50%'", 4, "a conversion stands for a whole value"},
        {"{%s: 1}", 2, "a key cannot be converted"},
        {"{a%s: 1}", 3, "a key cannot be converted"},
        {"{'a%s': 1}", 4, "a conversion stands for a whole value"},
        {"%", 1, "no such conversion"},
        {"%%", 1, "no such conversion"},
        {"{a: %x}", 5, "no such conversion"},
        {"{a: %5d}", 5, "no such conversion"},
        {"{a: %-s}", 5, "no such conversion"},
        {"{a: %ls}", 5, "no such conversion"},
        {"{a: %Lf}", 5, "no such conversion"},
        {"{a: %n}", 5, "no such conversion"},
        {"{a: %.2f}", 5, "only %s has a precision"},
        {"{a: \xff}", 1, "not UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char column[32];
        assert_null(unchecked(rows[i].format, no_conversion));
        snprintf(column, sizeof(column), "column %zu: ", rows[i].column);
        assert_int_equal(step->fault.error, SLUICE_E_DOC);
        if (!strstr(step->fault.message, column) || !strstr(step->fault.message, rows[i].reason) ||
            !strstr(step->fault.message, "document \""))
            fail_msg("%s gives: %s", rows[i].format, step->fault.message);
        error_clear(&step->fault);
    }
}

static void test_conversions_are_typed_values(void **state)
{
    signed char hh = -7;
    short h = -300;

    (void)state;
    assert_value(sluice_doc(step, "{a: %s, b: [%s]}", "x", ""), "{\"a\":\"x\",\"b\":[\"\"]}");
    assert_value(sluice_doc(step, "[%d, %i, %u]", -1, 2, 4294967295u), "[-1,2,4294967295]");
    assert_value(sluice_doc(step, "[%ld, %lu]", -3L, 4UL), "[-3,4]");
    assert_value(sluice_doc(step, "[%lld, %llu]", INT64_MIN + 0LL, UINT64_MAX + 0ULL),
                 "[-9223372036854775808,18446744073709551615]");
    assert_value(sluice_doc(step, "[%hhd, %hd, %hu]", hh, h, (unsigned short)65535), "[-7,-300,65535]");
    assert_value(sluice_doc(step, "[%zu, %zd, %td, %jd, %ju]", (size_t)5, (ssize_t)-6, (ptrdiff_t)7,
                            (intmax_t)-8, (uintmax_t)9),
                 "[5,-6,7,-8,9]");
    assert_value(sluice_doc(step, "[%f, %g, %e, %f]", 1.5, 2.0, 1e300, 3.0f), "[1.5,2.0,1e300,3.0]");
    assert_value(sluice_doc(step, "[%c, %c]", 'x', '"'), "[\"x\",\"\\\"\"]");
    assert_value(sluice_doc(step, "%s", "alone"), "\"alone\"");
}

static void test_strings_with_a_length(void **state)
{
    (void)state;
    assert_value(sluice_doc(step, "[%.*s, %.3s, %.9s, %.0s]", 2, "abcdef", "abcdef", "abc", "x"),
                 "[\"ab\",\"abc\",\"abc\",\"\"]");
    assert_value(sluice_doc(step, "[%.*s]", -1, "whole"), "[\"whole\"]");
    assert_value(sluice_doc(step, "[%.3s]", "ab\xc3\xa9"), "[\"ab\"]"); /* not half a character */
    assert_value(sluice_doc(step, "[%.*s]", 3, "a\0b"), "[\"a\\u0000b\"]");
    assert_null(sluice_doc(step, "[%.*s]", 3, "ab\xc3\xa9"));
    assert_non_null(strstr(step->fault.message, "not UTF-8"));
}

static void test_text_cannot_break_out(void **state)
{
    (void)state;
    assert_value(sluice_doc(step, "{room: %s}", "x', admin: true, y: '"),
                 "{\"room\":\"x', admin: true, y: '\"}");
    assert_value(sluice_doc(step, "{room: %s}", "%s%n{$ne: 1}"), "{\"room\":\"%s%n{$ne: 1}\"}");
}

static void test_bad_arguments_fail_the_step(void **state)
{
    (void)state;
    assert_null(unchecked("{a: %s}", (const char *)NULL));
    assert_int_equal(step->fault.error, SLUICE_E_DOC);
    assert_non_null(strstr(step->fault.message, "the string for %s is NULL"));
    error_clear(&step->fault);
    assert_null(sluice_doc(step, "%s", "\xff"));
    assert_non_null(strstr(step->fault.message, "not UTF-8"));
    error_clear(&step->fault);
    assert_null(sluice_doc(step, "%f", NAN));
    error_clear(&step->fault);
    assert_null(sluice_doc(step, "%f", HUGE_VAL));
    assert_non_null(strstr(step->fault.message, "not finite"));
    error_clear(&step->fault);
    assert_null(sluice_doc(step, "%c", 200));
    assert_non_null(strstr(step->fault.message, "not ASCII"));
    error_clear(&step->fault);
    assert_null(sluice_doc(step, "%p", (const void *)NULL));
    assert_non_null(strstr(step->fault.message, "%p is NULL"));
    error_clear(&step->fault);
    assert_null(sluice_doc(step, "%p", (const void *)"not a value"));
    assert_non_null(strstr(step->fault.message, "no value of an event"));
}

static void test_first_error_stays_and_makes_later_documents_fail(void **state)
{
    (void)state;
    assert_null(unchecked("{room: %s}", (const char *)NULL));
    assert_null(sluice_doc(step, "{}"));
    assert_null(sluice_json(step, "{}"));
    assert_null(sluice_raw(step, "\x80", 1));
    assert_non_null(strstr(step->fault.message, "{room: %s}"));
    assert_int_equal(sluice_send_where(step, sluice_doc(step, "{}"), "news", NULL, NULL), SLUICE_E_DOC);
    assert_int_equal(step->op_count, 0);
    assert_string_equal(sluice_fault_message(sluice_client_fault(the_client)), step->fault.message);
}

static void test_values_nest(void **state)
{
    const sluice_value *inner, *list;

    (void)state;
    inner = sluice_doc(step, "{a: %d}", 1);
    list = sluice_json(step, "[1,2]");
    assert_value(sluice_doc(step, "{x: %p, y: [%p, %p]}", (const void *)inner, (const void *)list,
                            (const void *)inner),
                 "{\"x\":{\"a\":1},\"y\":[[1,2],{\"a\":1}]}");
}

static void test_depth_has_a_bound(void **state)
{
    char text[2 * 65 + 1];
    const sluice_value *deep;

    (void)state;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    deep = unchecked(text);
    assert_non_null(deep);
    assert_null(sluice_doc(step, "[%p]", (const void *)deep));
    assert_non_null(strstr(step->fault.message, "deeper than 64"));
    error_clear(&step->fault);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    assert_null(unchecked(text));
    assert_non_null(strstr(step->fault.message, "deeper than 64"));
}

/* ---- As filters ---- */

/* @value as a filter and its arguments, as JSON: [filter, {args}]. */
static void assert_filter(const sluice_value *value, const char *json)
{
    struct buf filter = BUF_INIT, args = BUF_INIT, all = BUF_INIT;
    uint32_t count = 0;

    assert_non_null(value);
    doc_put_filter(value, &filter, &args, &count);
    mp_put_array(&all, 2);
    buf_put(&all, filter.data, filter.len);
    mp_put_map(&all, count);
    buf_put(&all, args.data, args.len);
    assert_value(sluice_raw(step, all.data, all.len), json);
    buf_deinit(&filter);
    buf_deinit(&args);
    buf_deinit(&all);
}

static void test_conversions_of_a_filter_travel_as_arguments(void **state)
{
    const sluice_value *part;

    (void)state;
    assert_filter(sluice_doc(step, "{}"), "[{},{}]");
    assert_filter(sluice_doc(step, "{room: 'lobby'}"), "[{\"room\":\"lobby\"},{}]");
    assert_filter(sluice_doc(step, "{room: %s}", "lobby"), "[{\"room\":{\"$arg\":\"0\"}},{\"0\":\"lobby\"}]");
    assert_filter(
        sluice_doc(step, "{room: %s, level: {$gte: %d, $lt: 9}, x: %f}", "lobby", 3, 0.5),
        "[{\"room\":{\"$arg\":\"0\"},\"level\":{\"$gte\":{\"$arg\":\"1\"},\"$lt\":9},\"x\":{\"$arg\":\"2\"}},"
        "{\"0\":\"lobby\",\"1\":3,\"2\":0.5}]");
    assert_filter(sluice_doc(step, "{room: {$in: ['a', %s]}}", "b"),
                  "[{\"room\":{\"$in\":[\"a\",{\"$arg\":\"0\"}]}},{\"0\":\"b\"}]");
    assert_filter(sluice_doc(step, "{a: {$exists: %d}}", 1), "[{\"a\":{\"$exists\":1}},{}]");
    part = sluice_doc(step, "{room: %s}", "lobby");
    assert_filter(
        sluice_doc(step, "{$or: [{a: %d}, %p]}", 1, (const void *)part),
        "[{\"$or\":[{\"a\":{\"$arg\":\"0\"}},{\"room\":{\"$arg\":\"1\"}}]},{\"0\":1,\"1\":\"lobby\"}]");
}

/* Containers close with a shorter header than the room left for it: what is inside moves, and its places must
 * follow. */
static void test_places_of_conversions_survive_large_containers(void **state)
{
    const sluice_value *value;

    (void)state;
    value =
        sluice_doc(step, "{a: {b: {c: %s}}, l: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,%s], z: {y: %d}}",
                   "first", "second", 70000);
    assert_filter(value, "[{\"a\":{\"b\":{\"c\":{\"$arg\":\"0\"}}},\"l\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,"
                         "15,16,17,{\"$arg\":\"1\"}],"
                         "\"z\":{\"y\":{\"$arg\":\"2\"}}},{\"0\":\"first\",\"1\":\"second\",\"2\":70000}]");
}

static void test_same_format_gives_the_same_filter_bytes(void **state)
{
    struct buf one = BUF_INIT, two = BUF_INIT, args = BUF_INIT;
    uint32_t count = 0;

    (void)state;
    doc_put_filter(sluice_doc(step, "{room: %s}", "a"), &one, &args, &count);
    count = 0;
    doc_put_filter(sluice_doc(step, "{room: %s}", "a much longer name of a room"), &two, &args, &count);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
    buf_deinit(&one);
    buf_deinit(&two);
    buf_deinit(&args);
}

static void test_value_from_outside_cannot_bring_an_operator(void **state)
{
    static const unsigned char bytes[] = "\x81\xa3$ne\x00";
    const sluice_value *payload;

    (void)state;
    payload = value_copy(step, bytes, 6, true);
    assert_filter(sluice_doc(step, "{room: %p}", (const void *)payload),
                  "[{\"room\":{\"$arg\":\"0\"}},{\"0\":{\"$ne\":0}}]"); /* which the broker refuses */
    assert_filter(sluice_doc(step, "{$or: [%p]}", (const void *)payload),
                  "[{\"$or\":[{\"$arg\":\"0\"}]},{\"0\":{\"$ne\":0}}]");
    assert_true(sluice_doc(step, "%p", (const void *)payload)->is_foreign);
    assert_true(sluice_get_value(sluice_doc(step, "{f: %p}", (const void *)payload), "f")->is_foreign);
    assert_false(
        sluice_get_value(sluice_doc(step, "{f: %p, g: {}}", (const void *)payload), "g")->is_foreign);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, step_setup, step_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_formats_without_conversions),
        TEST(test_bad_formats_name_column_and_reason),
        TEST(test_conversions_are_typed_values),
        TEST(test_strings_with_a_length),
        TEST(test_text_cannot_break_out),
        TEST(test_bad_arguments_fail_the_step),
        TEST(test_first_error_stays_and_makes_later_documents_fail),
        TEST(test_values_nest),
        TEST(test_depth_has_a_bound),
        TEST(test_conversions_of_a_filter_travel_as_arguments),
        TEST(test_places_of_conversions_survive_large_containers),
        TEST(test_same_format_gives_the_same_filter_bytes),
        TEST(test_value_from_outside_cannot_bring_an_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
