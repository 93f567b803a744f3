#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

#include "step.h"

static const char *const sample = "{\"s\":\"text\",\"n\":-5,\"big\":18446744073709551615,\"min\":-"
                                  "9223372036854775808,\"f\":2.5,\"whole\":7.0,"
                                  "\"huge\":1e300,\"t\":true,\"nil\":null,\"zero\":\"a\\u0000b\",\"user\":{"
                                  "\"name\":\"Ada\",\"tags\":[\"x\",\"y\",{\"id\":9}]},\"e\":[]}";

static void test_paths_lead_to_values_or_to_the_fallback(void **state)
{
    const sluice_value *v = sluice_json(step, sample);

    (void)state;
    assert_string_equal(sluice_get_str(v, "s", "?"), "text");
    assert_string_equal(sluice_get_str(v, "user.name", "?"), "Ada");
    assert_string_equal(sluice_get_str(v, "user.tags.1", "?"), "y");
    assert_int_equal(sluice_get_int(v, "user.tags.2.id", -1), 9);
    static const char *const nowhere[] = {
        "x",          "s.x",         "user.tags.3", "user.tags.01", "user.tags.-1",
        "user..name", "user.tags.x", ".s",          "e.0",          "user.tags.99999999999"};
    for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        assert_int_equal(sluice_get_type(v, nowhere[i]), SLUICE_NONE);
        assert_string_equal(sluice_get_str(v, nowhere[i], "fallback"), "fallback");
        assert_null(sluice_get_value(v, nowhere[i]));
    }
    assert_null(sluice_get_str(NULL, "s", NULL));
    assert_null(sluice_get_str(v, NULL, NULL));
    assert_int_equal(sluice_get_int(NULL, "", 3), 3);
}

static void test_wrong_types_give_the_fallback(void **state)
{
    const sluice_value *v = sluice_json(step, sample);

    (void)state;
    assert_string_equal(sluice_get_str(v, "n", "?"), "?");
    assert_int_equal(sluice_get_int(v, "s", 42), 42);
    assert_int_equal(sluice_get_int(v, "t", 42), 42);
    assert_int_equal(sluice_get_int(v, "f", 42), 42);
    assert_int_equal(sluice_get_uint(v, "n", 42), 42);
    assert_true(sluice_get_double(v, "s", 0.5) == 0.5);
    assert_true(sluice_get_bool(v, "n", true));
    assert_false(sluice_get_bool(v, "nil", false));
}

static void test_integers_are_exact(void **state)
{
    const sluice_value *v = sluice_json(step, sample);

    (void)state;
    assert_true(sluice_get_uint(v, "big", 0) == UINT64_MAX);
    assert_true(sluice_get_int(v, "big", -1) == -1); /* does not fit */
    assert_true(sluice_get_int(v, "min", 0) == INT64_MIN);
    assert_int_equal(sluice_get_int(v, "whole", 0), 7);
    assert_int_equal(sluice_get_uint(v, "whole", 0), 7);
    assert_int_equal(sluice_get_int(v, "huge", -1), -1);
    assert_true(sluice_get_double(v, "n", 0) == -5.0);
    assert_true(sluice_get_double(v, "big", 0) == 18446744073709551616.0);
    assert_true(sluice_get_bool(v, "t", false));
}

static void test_strings_with_a_zero_byte_are_not_cut(void **state)
{
    const sluice_value *v = sluice_json(step, sample);
    const char *bytes;
    size_t len;

    (void)state;
    assert_string_equal(sluice_get_str(v, "zero", "?"), "?");
    bytes = sluice_get_strn(v, "zero", &len);
    assert_int_equal(len, 3);
    assert_memory_equal(bytes, "a\0b", 3);
    assert_null(sluice_get_strn(v, "n", &len));
    assert_int_equal(len, 0);
    assert_non_null(sluice_get_strn(v, "s", NULL));
}

static void test_types(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum sluice_type type;
    } rows[] = {
        {"\xc0", 1, SLUICE_NIL},      {"\xc3", 1, SLUICE_BOOL},           {"\x05", 1, SLUICE_INT},
        {"\xff", 1, SLUICE_INT},      {"\xca\0\0\0\0", 5, SLUICE_DOUBLE}, {"\xa1x", 2, SLUICE_STR},
        {"\xc4\x01x", 3, SLUICE_BIN}, {"\x90", 1, SLUICE_ARRAY},          {"\x80", 1, SLUICE_MAP},
        {"\xd4\x01x", 3, SLUICE_EXT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(sluice_get_type(sluice_raw(step, rows[i].bytes, rows[i].len), ""), rows[i].type);
    assert_int_equal(sluice_get_type(NULL, ""), SLUICE_NONE);
}

static void test_walking_a_list_and_a_map(void **state)
{
    const sluice_value *list = sluice_json(step, "[10,20,[30],40]"),
                       *map = sluice_json(step, "{\"a\":1,\"b\":{\"c\":2},\"d\":3}");

    (void)state;
    assert_int_equal(sluice_size(list), 4);
    for (size_t round = 0; round < 2; round++) { /* backwards starts over */
        assert_value(sluice_item(list, 3), "40");
        assert_value(sluice_item(list, 0), "10");
        assert_value(sluice_item(list, 2), "[30]");
    }
    assert_null(sluice_item(list, 4));
    assert_null(sluice_key(list, 0));
    assert_int_equal(sluice_size(map), 3);
    assert_string_equal(sluice_key(map, 1), "b");
    assert_value(sluice_item(map, 1), "{\"c\":2}");
    assert_string_equal(sluice_key(map, 2), "d");
    assert_null(sluice_key(map, 3));
    assert_int_equal(sluice_size(sluice_item(list, 0)), 0);
    assert_null(sluice_item(sluice_item(list, 0), 0));
    assert_null(sluice_item(NULL, 0));
    assert_int_equal(sluice_size(NULL), 0);
}

static void test_json_text_is_strict(void **state)
{
    (void)state;
    assert_null(sluice_json(step, "{a: 1}"));
    assert_int_equal(step->fault.error, SLUICE_E_DOC);
    assert_non_null(strstr(step->fault.message, "column 2"));
    error_clear(&step->fault);
    assert_null(sluice_json(step, NULL));
    assert_int_equal(step->fault.error, SLUICE_E_ARGUMENT);
}

static void test_raw_bytes_are_checked_and_copied(void **state)
{
    char bytes[] = "\x81\xa1x\x05";
    const sluice_value *value = sluice_raw(step, bytes, 4);
    size_t len;

    (void)state;
    bytes[3] = 6;
    assert_value(value, "{\"x\":5}");
    assert_memory_equal(sluice_bytes(value, &len), "\x81\xa1x\x05", 4);
    assert_int_equal(len, 4);
    assert_null(sluice_bytes(NULL, &len));
    assert_int_equal(len, 0);
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {{"", 0},     {"\x92\x01", 2}, {"\x01\x02", 2},
               {"\xc1", 1}, {"\xa1\xff", 2}, {"\xdd\xff\xff\xff\xff", 5}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(sluice_raw(step, bad[i].bytes, bad[i].len));
        assert_int_equal(step->fault.error, SLUICE_E_DOC);
        error_clear(&step->fault);
    }
    assert_null(sluice_raw(step, NULL, 0));
    assert_int_equal(step->fault.error, SLUICE_E_ARGUMENT);
}

static void test_tree_of_msgpack_c(void **state)
{
    const msgpack_object *o = sluice_object(sluice_json(step, sample));
    const msgpack_object *user;

    (void)state;
    assert_int_equal(o->type, MSGPACK_OBJECT_MAP);
    assert_int_equal(o->via.map.size, 12);
    assert_int_equal(o->via.map.ptr[1].val.type, MSGPACK_OBJECT_NEGATIVE_INTEGER);
    assert_int_equal(o->via.map.ptr[1].val.via.i64, -5);
    assert_true(o->via.map.ptr[2].val.via.u64 == UINT64_MAX);
    assert_true(o->via.map.ptr[4].val.via.f64 == 2.5);
    assert_true(o->via.map.ptr[7].val.via.boolean);
    assert_int_equal(o->via.map.ptr[8].val.type, MSGPACK_OBJECT_NIL);
    user = &o->via.map.ptr[10].val;
    assert_memory_equal(user->via.map.ptr[0].key.via.str.ptr, "name", 4);
    assert_int_equal(user->via.map.ptr[1].val.via.array.size, 3);
    assert_null(sluice_object(NULL));
    o = sluice_object(sluice_raw(step, "\xd4\x07x", 3));
    assert_int_equal(o->via.ext.type, 7);
    o = sluice_object(sluice_raw(step, "\xc4\x01x", 3));
    assert_int_equal(o->type, MSGPACK_OBJECT_BIN);
}

static void test_tree_reaches_depth_64(void **state)
{
    char text[129];
    const msgpack_object *o;
    int depth = 0;

    (void)state;
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    o = sluice_object(sluice_json(step, text));
    assert_non_null(o);
    for (; o->via.array.size == 1; o = o->via.array.ptr)
        depth++;
    assert_int_equal(depth, 63);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, step_setup, step_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_paths_lead_to_values_or_to_the_fallback),
        TEST(test_wrong_types_give_the_fallback),
        TEST(test_integers_are_exact),
        TEST(test_strings_with_a_zero_byte_are_not_cut),
        TEST(test_types),
        TEST(test_walking_a_list_and_a_map),
        TEST(test_json_text_is_strict),
        TEST(test_raw_bytes_are_checked_and_copied),
        TEST(test_tree_of_msgpack_c),
        TEST(test_tree_reaches_depth_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
