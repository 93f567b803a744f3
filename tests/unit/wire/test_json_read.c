#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "wire/json.h"
#include "wire/mp.h"

/* A text with its length, for those that hold zero bytes. */
#define TEXT(literal) literal, sizeof(literal) - 1

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

static void test_depth_of_64_is_the_deepest(void **state)
{
    (void)state;
    char text[6 * (MP_DEPTH + 1) + 1];
    struct buf b = BUF_INIT;
    for (int is_object = 0; is_object < 2; is_object++) {
        for (size_t depth = MP_DEPTH - 1; depth <= MP_DEPTH + 1; depth++) {
            size_t len = 0;
            size_t offset = 0;
            const char *open = is_object ? "{\"\":" : "[";
            for (size_t i = 0; i < depth * strlen(open); i++)
                text[len++] = open[i % strlen(open)];
            text[len++] = '1';
            for (size_t i = 0; i < depth; i++)
                text[len++] = is_object ? '}' : ']';
            buf_reset(&b);
            const char *error = transcode(text, len, &b, &offset);
            if (depth <= MP_DEPTH) {
                assert_null(error);
                assert_int_equal(b.len, depth * (is_object ? 2 : 1) + 1);
            } else {
                assert_string_equal(error, "nested deeper than 64");
                assert_int_equal(offset, MP_DEPTH * strlen(open));
            }
        }
    }
    buf_deinit(&b);
}

static void test_100000_open_brackets_are_refused_at_the_65th(void **state)
{
    (void)state;
    char *text = malloc(100000);
    size_t offset = 0;
    struct buf b = BUF_INIT;
    memset(text, '[', 100000);
    assert_string_equal(json_to_mp(text, 100000, &b, &offset), "nested deeper than 64");
    assert_int_equal(offset, 64);
    buf_deinit(&b);
    free(text);
}

static void test_containers_and_strings_of_every_header_size(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, 15, 16, 17, 255, 256, 65535, 65536, 70000};
    struct buf text = BUF_INIT;
    struct buf want = BUF_INIT;
    struct buf got = BUF_INIT;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        uint32_t n = counts[i];
        size_t offset;
        buf_reset(&text);
        buf_reset(&want);
        buf_reset(&got);
        mp_put_map(&want, 3);
        buf_put_text(&text, "{\"array\":[");
        mp_put_text(&want, "array");
        mp_put_array(&want, n);
        for (uint32_t j = 0; j < n; j++) {
            buf_printf(&text, "%s%u", j ? "," : "", j);
            mp_put_uint(&want, j);
        }
        buf_put_text(&text, "],\"plain\":\"");
        mp_put_text(&want, "plain");
        char *chars = malloc(n + 1);
        memset(chars, 'x', n + 1);
        buf_put(&text, chars, n);
        mp_put_str(&want, chars, n);
        buf_put_text(&text, "\",\"escaped\":\"\\n");
        chars[0] = '\n';
        mp_put_text(&want, "escaped");
        mp_put_str(&want, chars, n + 1);
        buf_put(&text, chars + 1, n);
        buf_put_text(&text, "\"}");
        free(chars);
        assert_null(transcode((char *)text.data, text.len, &got, &offset));
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
    }
    buf_deinit(&text);
    buf_deinit(&want);
    buf_deinit(&got);
}

static void test_a_quote_is_found_at_every_offset(void **state)
{
    (void)state;
    static const char *const specials[] = {"\"", "\\n\"", "\xc3\xa9\"", "\xc3\xa9\\n\""};
    for (size_t kind = 0; kind < 4; kind++) {
        for (size_t before = 0; before < 200; before++) {
            char text[240] = "\"";
            size_t offset;
            struct buf b = BUF_INIT;
            memset(text + 1, 'a', before);
            memcpy(text + 1 + before, specials[kind], strlen(specials[kind]) + 1);
            assert_null(transcode(text, strlen(text), &b, &offset));
            struct mp_reader r = mp_reader(b.data, b.len);
            const char *got;
            size_t len;
            assert_true(mp_str(&r, &got, &len));
            assert_int_equal(len, before + (kind & 1) + (kind & 2));
            assert_int_equal(strspn(got, "a") >= before, 1);
            buf_deinit(&b);
        }
    }
}

static void test_control_characters_are_found_at_every_offset(void **state)
{
    (void)state;
    for (size_t before = 0; before < 150; before++) {
        for (int c = 0; c < 0x20; c++) {
            char text[160] = "\"";
            size_t offset;
            struct buf b = BUF_INIT;
            memset(text + 1, 0x20 + c, before);
            for (size_t i = 1; i <= before; i++)
                text[i] = text[i] == '"' ? '!' : text[i];
            text[1 + before] = (char)c;
            text[2 + before] = '"';
            assert_string_equal(transcode(text, before + 3, &b, &offset), "control character in a string");
            assert_int_equal(offset, before + 1);
            buf_deinit(&b);
        }
    }
}

static void test_bytes_that_are_no_utf8_are_found_at_every_offset(void **state)
{
    (void)state;
    for (size_t len = 1; len < 150; len++) {
        for (size_t bad = 0; bad < len; bad++) {
            char text[240];
            size_t offset;
            struct buf b = BUF_INIT;
            /* Twice, so that the string's end stands within a step and beyond it. */
            memset(text, 'a', sizeof(text));
            text[0] = '"';
            text[1 + bad] = '\xff';
            text[1 + len] = '"';
            assert_string_equal(transcode(text, len + 2, &b, &offset), "a string is not UTF-8");
            assert_int_equal(offset, 1 + bad);
            assert_string_equal(transcode(text, sizeof(text), &b, &offset), "a string is not UTF-8");
            assert_int_equal(offset, 1 + bad);
            buf_deinit(&b);
        }
    }
}

/* Escapes of each length behind runs of each length, so that they meet every end: of a step, of the text, of
 * the buffer's first room. */
static void test_escapes_are_decoded_at_every_offset(void **state)
{
    (void)state;
    static const char *const escapes[][2] = {
        {"\\n", "\n"},
        {"\\\\\\\"", "\\\""},
        {"\\u0041", "A"},
        {"\\u00e4\\u20AC", "\xc3\xa4\xe2\x82\xac"},
        {"\\ud83d\\uDE00", "\xf0\x9f\x98\x80"},
        {"\\ud83d\\n", "\xef\xbf\xbd\n"},
        {"\\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\t\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    };
    for (size_t kind = 0; kind < sizeof(escapes) / sizeof(escapes[0]); kind++) {
        for (int before = 0; before < 150; before++) {
            for (int after = 0; after < 24; after++) {
                struct buf text = BUF_INIT;
                struct buf want = BUF_INIT;
                struct buf got = BUF_INIT;
                size_t offset;
                buf_printf(&text, "\"\\/%0*d%s%0*d\"", before, 0, escapes[kind][0], after, 0);
                buf_printf(&want, "/%0*d%s%0*d", before, 0, escapes[kind][1], after, 0);
                assert_null(transcode((char *)text.data, text.len, &got, &offset));
                struct mp_reader r = mp_reader(got.data, got.len);
                const char *string;
                size_t len;
                assert_true(mp_str(&r, &string, &len) && r.at == r.end);
                assert_int_equal(len, want.len);
                assert_memory_equal(string, want.data, len);
                buf_deinit(&text);
                buf_deinit(&want);
                buf_deinit(&got);
            }
        }
    }
}

/* What is wrong behind an escape is found where it stands. */
static void test_faults_behind_an_escape_are_found_at_every_offset(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *error;
    } faults[] = {
        {"\x01", "control character in a string"},       {"\xc3", "a string is not UTF-8"},
        {"\xed\xa0\x80", "a string is not UTF-8"},       {"\xf0\x9f\x98", "a string is not UTF-8"},
        {"\\x", "unknown escape in a string"},           {"\\u12g4", "\\u needs four hexadecimal digits"},
        {"\\u123", "\\u needs four hexadecimal digits"},
    };
    for (size_t kind = 0; kind < sizeof(faults) / sizeof(faults[0]); kind++) {
        for (int before = 1; before < 150; before++) {
            for (int after = 0; after < 24; after++) {
                struct buf text = BUF_INIT;
                struct buf out = BUF_INIT;
                size_t offset = 0;
                buf_printf(&text, "\"\\n%0*d%s", before, 0, faults[kind].bytes);
                for (int i = 0; i < after; i++)
                    buf_put_byte(&text, '"');
                assert_string_equal(transcode((char *)text.data, text.len, &out, &offset),
                                    faults[kind].error);
                assert_int_equal(offset, 3 + before);
                assert_int_equal(out.len, 0);
                /* cut before it, and within "\\n" */
                assert_string_equal(transcode((char *)text.data, 3 + (size_t)before, &out, &offset),
                                    "the text ends inside a string");
                assert_int_equal(offset, 3 + before);
                assert_string_equal(transcode((char *)text.data, 2, &out, &offset),
                                    "the text ends inside a string");
                assert_int_equal(offset, 2);
                buf_deinit(&text);
                buf_deinit(&out);
            }
        }
    }
}

static void test_members_are_walked_one_by_one(void **state)
{
    (void)state;
    static const char text[] = " { \"e\" : \"chat\", \"p\":{\"x\":[1]}, \"\\u0069\":7 } ";
    struct json_reader r = json_reader(text, sizeof(text) - 1);
    struct buf key = BUF_INIT;
    struct buf value = BUF_INIT;
    assert_true(json_object(&r));
    assert_true(json_member(&r, &key));
    assert_int_equal(key.len, 1);
    assert_memory_equal(key.data, "e", 1);
    assert_true(json_value(&r, &value));
    assert_true(json_member(&r, &key));
    assert_memory_equal(key.data, "p", 1);
    assert_true(json_value(&r, &value));
    assert_true(json_member(&r, &key));
    assert_int_equal(key.len, 1);
    assert_memory_equal(key.data, "i", 1);
    assert_true(json_value(&r, &value));
    assert_false(json_member(&r, &key));
    assert_null(r.error);
    assert_true(json_end(&r));
    bytes_assert(value.data, value.len, "a463686174 81 a178 91 01 07");
    buf_deinit(&key);
    buf_deinit(&value);
}

static void test_objects_in_objects_are_walked(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":{},\"b\":{\"c\":{}},\"d\":1}";
    struct json_reader r = json_reader(text, sizeof(text) - 1);
    struct buf key = BUF_INIT;
    struct buf value = BUF_INIT;
    assert_true(json_object(&r));
    assert_true(json_member(&r, &key)); /* a */
    assert_true(json_object(&r));
    assert_false(json_member(&r, &key));
    assert_null(r.error);
    assert_true(json_member(&r, &key)); /* b */
    assert_true(json_object(&r));
    assert_true(json_member(&r, &key)); /* c */
    assert_memory_equal(key.data, "c", 1);
    assert_true(json_object(&r));
    assert_false(json_member(&r, &key));
    assert_false(json_member(&r, &key));
    assert_true(json_member(&r, &key)); /* d */
    assert_memory_equal(key.data, "d", 1);
    assert_true(json_value(&r, &value));
    assert_false(json_member(&r, &key));
    assert_true(json_end(&r));
    assert_int_equal(r.depth, 0);
    buf_deinit(&key);
    buf_deinit(&value);
}

struct refuse_row {
    const char *text;
    size_t len;
    size_t offset;
    const char *error;
};

/* Walk a whole object as an edge does; the error, or NULL. */
static const char *walk(const char *text, size_t len, size_t *offset, struct buf *value)
{
    struct json_reader r = json_reader(text, len);
    struct buf key = BUF_INIT;
    if (json_object(&r))
        while (json_member(&r, &key) && json_value(&r, value))
            ;
    json_end(&r);
    buf_deinit(&key);
    *offset = json_offset(&r);
    return r.error;
}

static void test_errors_of_a_walk_stick(void **state)
{
    (void)state;
    static const struct refuse_row rows[] = {
        {TEXT(""), 0, "there is no value"},
        {TEXT("[]"), 0, "an object must stand here"},
        {TEXT("{"), 1, "the text ends inside an object"},
        {TEXT("{,"), 1, "a key in double quotes must stand here"},
        {TEXT("{\"a\":1 \"b\":2}"), 7, "a ',' or '}' must stand here"},
        {TEXT("{\"a\":1,}"), 7, "a key in double quotes must stand here"},
        {TEXT("{\"a\":1,"), 7, "the text ends inside an object"},
        {TEXT("{\"a\":1"), 6, "the text ends inside an object"},
        {TEXT("{\"a\" 1}"), 5, "a colon must follow a key"},
        {TEXT("{\"a\":x}"), 5, "a value must stand here"},
        {TEXT("{\"a"), 3, "the text ends inside a string"},
        {TEXT("{\"a\":1} x"), 8, "something follows the value"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf value = BUF_INIT;
        size_t offset;
        const char *error = walk(rows[i].text, rows[i].len, &offset, &value);
        if (!error || strcmp(error, rows[i].error) != 0 || offset != rows[i].offset)
            fail_msg("%s: '%s' at %zu", rows[i].text, error ? error : "none", offset);
        buf_deinit(&value);
    }
}

static void test_nothing_is_read_after_an_error(void **state)
{
    (void)state;
    static const char text[] = "x {\"a\":1}";
    struct json_reader r = json_reader(text, sizeof(text) - 1);
    struct buf b = BUF_INIT;
    assert_false(json_value(&r, &b));
    r.at = text + 2;
    assert_false(json_object(&r));
    assert_false(json_member(&r, &b));
    assert_false(json_value(&r, &b));
    assert_false(json_end(&r));
    assert_ptr_equal(r.at, text + 2);
    buf_deinit(&b);
}

static void test_walked_objects_count_for_the_depth(void **state)
{
    (void)state;
    char text[200] = "{\"p\":";
    size_t offset;
    struct buf value = BUF_INIT;
    for (size_t depth = MP_DEPTH - 1; depth <= MP_DEPTH; depth++) {
        size_t len = 5;
        memset(text + len, '[', depth);
        memset(text + len + depth, ']', depth);
        len += 2 * depth;
        text[len++] = '}';
        const char *error = walk(text, len, &offset, &value);
        if (depth < MP_DEPTH)
            assert_null(error);
        else
            assert_string_equal(error, "nested deeper than 64");
    }
    buf_deinit(&value);
    struct json_reader r = json_reader(text, 5);
    r.depth = MP_DEPTH;
    assert_false(json_object(&r));
    assert_string_equal(r.error, "nested deeper than 64");
}

static void test_line_and_column_of_an_error(void **state)
{
    (void)state;
    static const char text[] = "{\n  \"a\": 1,\n  \"b\": x\n}";
    struct json_reader r = json_reader(text, sizeof(text) - 1);
    struct buf b = BUF_INIT;
    size_t line;
    size_t column;
    json_line_column(&r, &line, &column);
    assert_int_equal(line, 1);
    assert_int_equal(column, 1);
    assert_false(json_value(&r, &b));
    json_line_column(&r, &line, &column);
    assert_int_equal(line, 3);
    assert_int_equal(column, 8);
    assert_int_equal(json_offset(&r), 19);
    buf_deinit(&b);
}

static void test_text_may_be_null_when_it_is_empty(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    size_t offset = 9;
    assert_string_equal(json_to_mp(NULL, 0, &b, &offset), "there is no value");
    assert_int_equal(offset, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depth_of_64_is_the_deepest),
        cmocka_unit_test(test_100000_open_brackets_are_refused_at_the_65th),
        cmocka_unit_test(test_containers_and_strings_of_every_header_size),
        cmocka_unit_test(test_a_quote_is_found_at_every_offset),
        cmocka_unit_test(test_control_characters_are_found_at_every_offset),
        cmocka_unit_test(test_bytes_that_are_no_utf8_are_found_at_every_offset),
        cmocka_unit_test(test_escapes_are_decoded_at_every_offset),
        cmocka_unit_test(test_faults_behind_an_escape_are_found_at_every_offset),
        cmocka_unit_test(test_members_are_walked_one_by_one),
        cmocka_unit_test(test_objects_in_objects_are_walked),
        cmocka_unit_test(test_errors_of_a_walk_stick),
        cmocka_unit_test(test_nothing_is_read_after_an_error),
        cmocka_unit_test(test_walked_objects_count_for_the_depth),
        cmocka_unit_test(test_line_and_column_of_an_error),
        cmocka_unit_test(test_text_may_be_null_when_it_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
