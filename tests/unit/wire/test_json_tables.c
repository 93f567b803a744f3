#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What is JSON and what is not: each text with what it becomes, or with offset and reason. */

#include "support/bytes.h"
#include "wire/json.h"
#include "wire/mp.h"

/* A text with its length, for those that hold zero bytes. */
#define TEXT(literal) literal, sizeof(literal) - 1

struct accept_row {
    const char *text;
    size_t len;
    const char *hex;
};

/* Transcode a copy of the very size, so that the address sanitizer sees a byte too many. */
static const char *transcode(const char *text, size_t len, struct buf *out, size_t *offset)
{
    char *copy = malloc(len ? len : 1);
    if (len > 0)
        memcpy(copy, text, len);
    const char *error = json_to_mp(copy, len, out, offset);
    free(copy);
    return error;
}

static void assert_accepts(const struct accept_row *rows, size_t n)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        size_t offset = 0;
        buf_reset(&b);
        buf_put_byte(&b, 0xaa);
        const char *error = transcode(rows[i].text, rows[i].len, &b, &offset);
        if (error)
            fail_msg("%s: %s at %zu", rows[i].text, error, offset);
        assert_int_equal(b.data[0], 0xaa);
        bytes_assert(b.data + 1, b.len - 1, rows[i].hex);
        struct mp_rules rules = {.flags = 0};
        struct fault fault;
        assert_int_equal(mp_check(b.data + 1, b.len - 1, &rules, NULL, &fault), 0);
    }
    buf_deinit(&b);
}

static void test_values_of_each_type(void **state)
{
    (void)state;
    static const struct accept_row rows[] = {
        {TEXT("null"), "c0"},
        {TEXT("true"), "c3"},
        {TEXT("false"), "c2"},
        {TEXT("[]"), "90"},
        {TEXT("{}"), "80"},
        {TEXT("\"\""), "a0"},
        {TEXT("[null,true,false]"), "93 c0 c3 c2"},
        {TEXT("[1,[2,[3]],[]]"), "93 01 92 02 91 03 90"},
        {TEXT("{\"a\":1}"), "81 a161 01"},
        {TEXT("{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":2}"), "82 a161 81 a162 92 01 81 a163 c0 a164 02"},
        {TEXT("{\"\":0}"), "81 a0 00"},
        {TEXT("{\"a\":1,\"a\":2}"), "82 a161 01 a161 02"},
        {TEXT(" \t\r\n[ \t\r\n1 \t\r\n, \t\r\n2 \t\r\n] \t\r\n"), "92 01 02"},
        {TEXT(" { \"a\" : 1 , \"b\" : [ ] , \"c\" : { } } "), "83 a161 01 a162 90 a163 80"},
    };
    assert_accepts(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct accept_row rows[] = {
        {TEXT("0"), "00"},
        {TEXT("1"), "01"},
        {TEXT("127"), "7f"},
        {TEXT("128"), "cc80"},
        {TEXT("-1"), "ff"},
        {TEXT("-33"), "d0df"},
        {TEXT("9007199254740993"), "cf 0020000000000001"},
        {TEXT("9223372036854775807"), "cf 7fffffffffffffff"},
        {TEXT("9223372036854775808"), "cf 8000000000000000"},
        {TEXT("9999999999999999999"), "cf 8ac7230489e7ffff"},
        {TEXT("10000000000000000000"), "cf 8ac7230489e80000"},
        {TEXT("18446744073709551615"), "cf ffffffffffffffff"},
        {TEXT("18446744073709551616"), "cb 43f0000000000000"},
        {TEXT("18446744073709551617"), "cb 43f0000000000000"},
        {TEXT("19999999999999999999"), "cb 43f158e460913d00"},
        {TEXT("20000000000000000000"), "cb 43f158e460913d00"},
        {TEXT("28446744073709551616"), "cb 43f8ac7230489e80"}, /* 10^19 when it wraps around */
        {TEXT("99999999999999999999"), "cb 4415af1d78b58c40"},
        {TEXT("100000000000000000000"), "cb 4415af1d78b58c40"},
        {TEXT("-9223372036854775807"), "d3 8000000000000001"},
        {TEXT("-9223372036854775808"), "d3 8000000000000000"},
        {TEXT("-9223372036854775809"), "cb c3e0000000000000"},
        {TEXT("-18446744073709551616"), "cb c3f0000000000000"},
        {TEXT("-0"), "cb 8000000000000000"},
        {TEXT("-0.0"), "cb 8000000000000000"},
        {TEXT("-0e5"), "cb 8000000000000000"},
        {TEXT("0.0"), "cb 0000000000000000"},
        {TEXT("0e0"), "cb 0000000000000000"},
        {TEXT("1.0"), "cb 3ff0000000000000"},
        {TEXT("1.5"), "cb 3ff8000000000000"},
        {TEXT("-1.5"), "cb bff8000000000000"},
        {TEXT("1e0"), "cb 3ff0000000000000"},
        {TEXT("1E2"), "cb 4059000000000000"},
        {TEXT("1e+2"), "cb 4059000000000000"},
        {TEXT("1e-2"), "cb 3f847ae147ae147b"},
        {TEXT("1e002"), "cb 4059000000000000"},
        {TEXT("0.1"), "cb 3fb999999999999a"},
        {TEXT("1e-400"), "cb 0000000000000000"},
        {TEXT("-1e-400"), "cb 8000000000000000"},
        {TEXT("0e999999999999999999999"), "cb 0000000000000000"},
        {TEXT("1.7976931348623157e308"), "cb 7fefffffffffffff"},
        {TEXT("[1,-2,3.5]"), "93 01 fe cb400c000000000000"},
    };
    assert_accepts(rows, sizeof(rows) / sizeof(rows[0]));
}

static void test_strings(void **state)
{
    (void)state;
    static const struct accept_row rows[] = {
        {TEXT("\"abc\""), "a3 616263"},
        {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "a8 22 5c 2f 08 0c 0a 0d 09"},
        {TEXT("\"a\\nb\""), "a3 61 0a 62"},
        {TEXT("\"\\u0041\\u00e9\\u20AC\\uFFFF\""), "a9 41 c3a9 e282ac efbfbf"},
        {TEXT("\"\\u0000\""), "a1 00"},
        {TEXT("\"a\\u0000b\""), "a3 61 00 62"},
        {TEXT("\"\\ud83d\\ude00\""), "a4 f09f9880"},
        {TEXT("\"\\uD83D\\uDE00\""), "a4 f09f9880"},
        {TEXT("\"\\udbff\\udfff\""), "a4 f48fbfbf"},
        {TEXT("\"\\ud800\""), "a3 efbfbd"},
        {TEXT("\"\\udc00\""), "a3 efbfbd"},
        {TEXT("\"\\ud800x\""), "a4 efbfbd 78"},
        {TEXT("\"\\ud800\\n\""), "a4 efbfbd 0a"},
        {TEXT("\"\\ud800\\u0041\""), "a4 efbfbd 41"},
        {TEXT("\"\\udc00\\ud800\""), "a6 efbfbd efbfbd"},
        {TEXT("\"\\udc00\\udc00\""), "a6 efbfbd efbfbd"},
        {TEXT("\"\\ud800\\ud800\""), "a6 efbfbd efbfbd"},
        {TEXT("\"\\ud800\\udbff\""), "a6 efbfbd efbfbd"},
        {TEXT("\"\\ud800\\ue000\""), "a6 efbfbd ee8080"},
        {TEXT("\"\\ud7ff\\udc00\""), "a6 ed9fbf efbfbd"},
        {TEXT("\"\\ud800\\ud83d\\ude00\""), "a7 efbfbd f09f9880"},
        {TEXT("\"\\ud83d\\ude00\\ude00\""), "a7 f09f9880 efbfbd"},
        {TEXT("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""), "a9 c3a9 e282ac f09f9880"},
        {TEXT("\"\x7f\""), "a1 7f"},
        {TEXT("\"\xe2\x80\xa8\xef\xbb\xbf\""), "a6 e280a8 efbbbf"},
        {TEXT("\"\xef\xbf\xbe\""), "a3 efbfbe"},
        {TEXT("{\"\\u0061\\n\":\"\\ud800\"}"), "81 a2 61 0a a3 efbfbd"},
    };
    assert_accepts(rows, sizeof(rows) / sizeof(rows[0]));
}

struct refuse_row {
    const char *text;
    size_t len;
    size_t offset;
    const char *error;
};

static void test_what_is_no_json_is_refused_with_place_and_reason(void **state)
{
    (void)state;
    static const char value[] = "a value must stand here";
    static const char in_string[] = "the text ends inside a string";
    static const char in_object[] = "the text ends inside an object";
    static const char in_array[] = "the text ends inside an array";
    static const char cut[] = "the text ends where a value must stand";
    static const char in_map[] = "a ',' or '}' must stand here";
    static const char in_list[] = "a ',' or ']' must stand here";
    static const char key[] = "a key in double quotes must stand here";
    static const char colon[] = "a colon must follow a key";
    static const char trailing[] = "something follows the value";
    static const char control[] = "control character in a string";
    static const char escape[] = "unknown escape in a string";
    static const char hex[] = "\\u needs four hexadecimal digits";
    static const char utf8[] = "a string is not UTF-8";
    static const char zero[] = "a number begins with a needless 0";
    static const char minus[] = "a digit must follow the minus sign of a number";
    static const char point[] = "a digit must follow the point of a number";
    static const char exponent[] = "a digit must follow the exponent's sign of a number";
    static const char large[] = "a number is too large for a double";
    static const struct refuse_row rows[] = {
        {TEXT(""), 0, "there is no value"},
        {TEXT(" \n "), 3, "there is no value"},
        {TEXT("\xef\xbb\xbf{}"), 0, "a byte order mark stands before the text"},
        {TEXT("[\xef\xbb\xbf]"), 1, value},
        {TEXT("\0"), 0, value},
        {TEXT("1\0"), 1, trailing},
        {TEXT("{}\0"), 2, trailing},
        {TEXT("\v1"), 0, value},
        {TEXT("\f1"), 0, value},
        {TEXT("\xc2\xa0"
              "1"),
         0, value},
        {TEXT("1 2"), 2, trailing},
        {TEXT("[] []"), 3, trailing},
        {TEXT("{}}"), 2, trailing},
        {TEXT("]"), 0, value},
        {TEXT("}"), 0, value},
        {TEXT(","), 0, value},
        {TEXT(":"), 0, value},
        /* words */
        {TEXT("nul"), 0, value},
        {TEXT("nulL"), 0, value},
        {TEXT("True"), 0, value},
        {TEXT("tru"), 0, value},
        {TEXT("truee"), 4, trailing},
        {TEXT("nullnull"), 4, trailing},
        {TEXT("falsetrue"), 5, trailing},
        {TEXT("undefined"), 0, value},
        {TEXT("NaN"), 0, value},
        {TEXT("Infinity"), 0, value},
        {TEXT("-Infinity"), 1, minus},
        {TEXT("inf"), 0, value},
        {TEXT("[nan]"), 1, value},
        /* numbers */
        {TEXT("-"), 1, minus},
        {TEXT("--1"), 1, minus},
        {TEXT("-a"), 1, minus},
        {TEXT("- 1"), 1, minus},
        {TEXT("-.5"), 1, minus},
        {TEXT("+1"), 0, value},
        {TEXT(".5"), 0, value},
        {TEXT("01"), 0, zero},
        {TEXT("-01"), 1, zero},
        {TEXT("00"), 0, zero},
        {TEXT("[1,007]"), 3, zero},
        {TEXT("00.5"), 0, zero},
        {TEXT("0x10"), 1, trailing},
        {TEXT("1."), 2, point},
        {TEXT("1.e5"), 2, point},
        {TEXT("[1.]"), 3, point},
        {TEXT("-1.-1"), 3, point},
        {TEXT("1e"), 2, exponent},
        {TEXT("1E"), 2, exponent},
        {TEXT("1e+"), 3, exponent},
        {TEXT("1e-"), 3, exponent},
        {TEXT("1e1.5"), 3, trailing},
        {TEXT("1e+-1"), 3, exponent},
        {TEXT("1.5.5"), 3, trailing},
        {TEXT("1_000"), 1, trailing},
        {TEXT("1,000"), 1, trailing},
        {TEXT("1f"), 1, trailing},
        {TEXT("12n"), 2, trailing},
        {TEXT("\xef\xbc\x91"), 0, value},
        {TEXT("1e999"), 0, large},
        {TEXT("[1, -1e999]"), 4, large},
        {TEXT("1.7976931348623159e308"), 0, large},
        {TEXT("1e99999999999999999999"), 0, large},
        /* strings */
        {TEXT("\""), 1, in_string},
        {TEXT("\"abc"), 4, in_string},
        {TEXT("\"abc\\\""), 6, in_string},
        {TEXT("\"abc\\"), 5, in_string},
        {TEXT("[\"abc]"), 6, in_string},
        {TEXT("'abc'"), 0, value},
        {TEXT("\"a\nb\""), 2, control},
        {TEXT("\"a\tb\""), 2, control},
        {TEXT("\"\0\""), 1, control},
        {TEXT("\"12345678\x1f\""), 9, control},
        {TEXT("\"\\n12345678\x01\""), 11, control},
        {TEXT("\"a\\x41\""), 2, escape},
        {TEXT("\"\\a\""), 1, escape},
        {TEXT("\"\\'\""), 1, escape},
        {TEXT("\"\\0\""), 1, escape},
        {TEXT("\"\\v\""), 1, escape},
        {TEXT("\"\\N\""), 1, escape},
        {TEXT("\"\\U00000041\""), 1, escape},
        {TEXT("\"\\\n\""), 1, escape},
        {TEXT("\"\\\0\""), 1, escape},
        {TEXT("\"\\\xc3\xa9\""), 1, escape},
        {TEXT("\"\\u\""), 1, hex},
        {TEXT("\"\\u12\""), 1, hex},
        {TEXT("\"\\u123\""), 1, hex},
        {TEXT("\"\\u12g4\""), 1, hex},
        {TEXT("\"\\u+123\""), 1, hex},
        {TEXT("\"\\u 123\""), 1, hex},
        {TEXT("\"\\u-123\""), 1, hex},
        {TEXT("\"\\u00"), 1, hex},
        {TEXT("\"a\\ud800\\u12"), 8, hex},
        {TEXT("\"\\ud800\\udg00\""), 7, hex},
        {TEXT("\"\\ud800\\"), 8, in_string},
        {TEXT("\"\x80\""), 1, utf8},
        {TEXT("\"\xff\""), 1, utf8},
        {TEXT("\"\xc0\x80\""), 1, utf8},
        {TEXT("\"a\xc3\""), 2, utf8},
        {TEXT("\"a\xc3"), 2, utf8},
        {TEXT("\"\xc3\\n\""), 1, utf8},
        {TEXT("\"\xe2\x82\""), 1, utf8},
        {TEXT("\"\xed\xa0\x80\""), 1, utf8},
        {TEXT("\"\xf4\x90\x80\x80\""), 1, utf8},
        {TEXT("\"\xf0\x80\x80\xaf\""), 1, utf8},
        {TEXT("\"\xf8\x88\x80\x80\x80\""), 1, utf8},
        {TEXT("\"caf\xe9\""), 4, utf8},
        {TEXT("\"\\n0123456789\xfe\""), 13, utf8},
        {TEXT("\"\xff\x01\""), 1, utf8}, /* the first fault counts */
        {TEXT("\"\x01\xff\""), 1, control},
        {TEXT("{\"\xff\":1}"), 2, utf8},
        {TEXT("\xc3\xa9"), 0, value},
        /* arrays */
        {TEXT("["), 1, cut},
        {TEXT("[1"), 2, in_array},
        {TEXT("[1,"), 3, cut},
        {TEXT("[1,]"), 3, value},
        {TEXT("[,1]"), 1, value},
        {TEXT("[,]"), 1, value},
        {TEXT("[1,,2]"), 3, value},
        {TEXT("[1 2]"), 3, in_list},
        {TEXT("[1;2]"), 2, in_list},
        {TEXT("[1}"), 2, in_list},
        {TEXT("[1:2]"), 2, in_list},
        {TEXT("[}"), 1, value},
        {TEXT("[\"a\":1]"), 4, in_list},
        {TEXT("[[1]"), 4, in_array},
        {TEXT("[1]]"), 3, trailing},
        {TEXT("[...]"), 1, value},
        {TEXT("[1 // no\n]"), 3, in_list},
        {TEXT("/* no */ 1"), 0, value},
        {TEXT("# no\n1"), 0, value},
        /* objects */
        {TEXT("{"), 1, in_object},
        {TEXT("{]"), 1, key},
        {TEXT("{\"a\""), 4, colon},
        {TEXT("{\"a\"}"), 4, colon},
        {TEXT("{\"a\" 1}"), 5, colon},
        {TEXT("{\"a\",1}"), 4, colon},
        {TEXT("{\"a\":"), 5, cut},
        {TEXT("{\"a\":}"), 5, value},
        {TEXT("{\"a\"::1}"), 5, value},
        {TEXT("{\"a\":1"), 6, in_object},
        {TEXT("{\"a\":1,"), 7, in_object},
        {TEXT("{\"a\":1,}"), 7, key},
        {TEXT("{\"a\":1,,}"), 7, key},
        {TEXT("{,}"), 1, key},
        {TEXT("{\"a\":1 \"b\":2}"), 7, in_map},
        {TEXT("{\"a\":1]"), 6, in_map},
        {TEXT("{\"a\":1:2}"), 6, in_map},
        {TEXT("{a:1}"), 1, key},
        {TEXT("{'a':1}"), 1, key},
        {TEXT("{1:1}"), 1, key},
        {TEXT("{null:1}"), 1, key},
        {TEXT("{[]:1}"), 1, key},
        {TEXT("{\"a\":1}}"), 7, trailing},
        {TEXT("{\"a\nb\":1}"), 3, control},
        {TEXT("{\"a\\q\":1}"), 3, escape},
        {TEXT("{\"a"), 3, in_string},
        {TEXT("{\"a\":[1,{\"b\":tru}]}"), 13, value},
    };
    struct buf b = BUF_INIT;
    buf_put_text(&b, "kept");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t offset = 999;
        const char *error = transcode(rows[i].text, rows[i].len, &b, &offset);
        error = error ? error : "nothing wrong";
        if (strcmp(error, rows[i].error) != 0 || offset != rows[i].offset)
            fail_msg("row %zu, %s: '%s' at %zu, not '%s' at %zu", i, rows[i].text, error, offset,
                     rows[i].error, rows[i].offset);
        assert_int_equal(b.len, 4);
        assert_memory_equal(b.data, "kept", 4);
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_each_type),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_what_is_no_json_is_refused_with_place_and_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
