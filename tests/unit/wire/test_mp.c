#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "wire/mp.h"

/* Read the token that @hex begins with; fail unless @hex is all of it. */
static struct mp_token read_whole(struct buf *b, const char *hex)
{
    struct mp_token token;
    buf_reset(b);
    bytes_put_hex(b, hex);
    struct mp_reader r = mp_reader(b->data, b->len);
    if (!mp_next(&r, &token))
        fail_msg("%s is no token", hex);
    if (r.at != r.end)
        fail_msg("%s: %zu bytes left", hex, (size_t)(r.end - r.at));
    return token;
}

static void test_integers_of_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        uint64_t value;
    } uints[] = {
        {"00", 0},
        {"7f", 127},
        {"cc 00", 0},
        {"cc ff", 255},
        {"cd 0100", 256},
        {"cd ffff", 65535},
        {"ce 00010000", 65536},
        {"ce ffffffff", 4294967295u},
        {"cf 0000000100000000", 4294967296u},
        {"cf ffffffffffffffff", UINT64_MAX},
        {"d0 05", 5},
        {"d1 7fff", 32767},
        {"d2 7fffffff", INT32_MAX},
        {"d3 7fffffffffffffff", INT64_MAX},
        {"d3 0000000000000000", 0},
    };
    static const struct {
        const char *hex;
        int64_t value;
    } sints[] = {
        {"ff", -1},
        {"e0", -32},
        {"d0 df", -33},
        {"d0 80", -128},
        {"d1 ff7f", -129},
        {"d1 8000", -32768},
        {"d2 ffff7fff", -32769},
        {"d2 80000000", INT32_MIN},
        {"d3 ffffffff7fffffff", (int64_t)INT32_MIN - 1},
        {"d3 8000000000000000", INT64_MIN},
        {"d3 ffffffffffffffff", -1},
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof(uints) / sizeof(uints[0]); i++) {
        struct mp_token token = read_whole(&b, uints[i].hex);
        assert_int_equal(token.type, MP_UINT);
        assert_true(token.uint == uints[i].value);
    }
    for (size_t i = 0; i < sizeof(sints) / sizeof(sints[0]); i++) {
        struct mp_token token = read_whole(&b, sints[i].hex);
        assert_int_equal(token.type, MP_INT);
        assert_true(token.sint == sints[i].value);
    }
    buf_deinit(&b);
}

static void test_nil_booleans_and_floats(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_int_equal(read_whole(&b, "c0").type, MP_NIL);
    struct mp_token token = read_whole(&b, "c2");
    assert_true(token.type == MP_BOOL && !token.boolean);
    token = read_whole(&b, "c3");
    assert_true(token.type == MP_BOOL && token.boolean);
    token = read_whole(&b, "ca 3fc00000");
    assert_true(token.type == MP_FLOAT && token.real == 1.5);
    token = read_whole(&b, "cb 3ff8000000000000");
    assert_true(token.type == MP_FLOAT && token.real == 1.5);
    token = read_whole(&b, "cb 7ff8000000000000");
    assert_true(token.type == MP_FLOAT && token.real != token.real);
    buf_deinit(&b);
}

static void assert_bytes_token(const char *hex, enum mp_type type, uint32_t len, int ext)
{
    struct buf b = BUF_INIT;
    struct mp_token token = read_whole(&b, hex);
    assert_int_equal(token.type, type);
    assert_int_equal(token.len, len);
    assert_ptr_equal(token.bytes, b.data + b.len - len);
    if (type == MP_EXT)
        assert_int_equal(token.ext, ext);
    buf_deinit(&b);
}

static void test_strings_binaries_and_extensions_point_into_the_input(void **state)
{
    (void)state;
    assert_bytes_token("a0", MP_STR, 0, 0);
    assert_bytes_token("a3 616263", MP_STR, 3, 0);
    assert_bytes_token("d9 03 616263", MP_STR, 3, 0);
    assert_bytes_token("da 0003 616263", MP_STR, 3, 0);
    assert_bytes_token("db 00000003 616263", MP_STR, 3, 0);
    assert_bytes_token("c4 02 0001", MP_BIN, 2, 0);
    assert_bytes_token("c5 0002 0001", MP_BIN, 2, 0);
    assert_bytes_token("c6 00000002 0001", MP_BIN, 2, 0);
    assert_bytes_token("c4 00", MP_BIN, 0, 0);
    assert_bytes_token("d4 01 aa", MP_EXT, 1, 1);
    assert_bytes_token("d5 ff aabb", MP_EXT, 2, -1);
    assert_bytes_token("d6 02 aabbccdd", MP_EXT, 4, 2);
    assert_bytes_token("d7 02 aabbccddaabbccdd", MP_EXT, 8, 2);
    assert_bytes_token("d8 80 aabbccddaabbccddaabbccddaabbccdd", MP_EXT, 16, -128);
    assert_bytes_token("c7 03 05 aabbcc", MP_EXT, 3, 5);
    assert_bytes_token("c7 00 05", MP_EXT, 0, 5);
    assert_bytes_token("c8 0003 05 aabbcc", MP_EXT, 3, 5);
    assert_bytes_token("c9 00000003 05 aabbcc", MP_EXT, 3, 5);
}

static void test_arrays_and_maps_are_headers_only(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        enum mp_type type;
        uint32_t count;
        size_t header;
    } rows[] = {
        {"90", MP_ARRAY, 0, 1},
        {"92 c0 c0", MP_ARRAY, 2, 1},
        {"dc 0001 c0", MP_ARRAY, 1, 3},
        {"dd 00000001 c0", MP_ARRAY, 1, 5},
        {"80", MP_MAP, 0, 1},
        {"81 c0 c0", MP_MAP, 1, 1},
        {"de 0001 c0 c0", MP_MAP, 1, 3},
        {"df 00000001 c0 c0", MP_MAP, 1, 5},
        {"dd 00000000", MP_ARRAY, 0, 5},
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mp_token token = {.count = 99};
        buf_reset(&b);
        bytes_put_hex(&b, rows[i].hex);
        struct mp_reader r = mp_reader(b.data, b.len);
        assert_true(mp_next(&r, &token));
        assert_int_equal(token.type, rows[i].type);
        assert_int_equal(token.count, rows[i].count);
        assert_int_equal(r.at - b.data, rows[i].header);
    }
    buf_deinit(&b);
}

static void test_cut_bytes_are_no_token_and_move_nothing(void **state)
{
    (void)state;
    static const char *const whole[] = {
        "cc 01",
        "cd 0102",
        "ce 01020304",
        "cf 0102030405060708",
        "d0 01",
        "d1 0102",
        "d2 01020304",
        "d3 0102030405060708",
        "ca 01020304",
        "cb 0102030405060708",
        "a2 6162",
        "d9 02 6162",
        "da 0002 6162",
        "db 00000002 6162",
        "c4 02 6162",
        "c5 0002 6162",
        "c6 00000002 6162",
        "c7 02 01 6162",
        "c8 0002 01 6162",
        "c9 00000002 01 6162",
        "d4 01 61",
        "d5 01 6162",
        "d6 01 61626364",
        "d7 01 6162636465666768",
        "d8 01 61626364656667686162636465666768",
        "92 c0 c0",
        "82 c0 c0 c0 c0",
        "dc 0002 c0 c0",
        "dd 00000002 c0 c0",
        "de 0002 c0 c0 c0 c0",
        "df 00000002 c0 c0 c0 c0",
    };
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        struct buf b = BUF_INIT;
        bytes_put_hex(&b, whole[i]);
        for (size_t len = 0; len <= b.len; len++) {
            uint8_t *copy = malloc(len ? len : 1); /* so that the address sanitizer sees a byte too many */
            memcpy(copy, b.data, len);
            struct mp_reader r = mp_reader(copy, len);
            struct mp_token token;
            if (mp_next(&r, &token) != (len == b.len))
                fail_msg("%s cut to %zu", whole[i], len);
            if (len < b.len)
                assert_ptr_equal(r.at, copy);
            free(copy);
        }
        buf_deinit(&b);
    }
}

static void test_huge_counts_and_lengths_are_refused_at_once(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "dd ffffffff",    "df ffffffff",      "df 80000000 0000", "db ffffffff 00",
        "c6 ffffffff 00", "c9 ffffffff 0000", "dc ffff 00",       "c1",
        "c1 00 00"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf b = BUF_INIT;
        struct mp_token token;
        bytes_put_hex(&b, rows[i]);
        struct mp_reader r = mp_reader(b.data, b.len);
        if (mp_next(&r, &token))
            fail_msg("%s was read", rows[i]);
        assert_false(mp_skip(&r));
        assert_ptr_equal(r.at, b.data);
        buf_deinit(&b);
    }
}

static void test_skip_passes_over_whole_values(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    const uint8_t *value;
    size_t len;
    bytes_put_hex(&b, "83 a161 93 01 90 80  a162 81 a163 81 a164 c0  a165 c3   a178   90   c0");
    struct mp_reader r = mp_reader(b.data, b.len);
    assert_true(mp_raw(&r, &value, &len));
    assert_ptr_equal(value, b.data);
    assert_int_equal(len, b.len - 4);
    assert_true(mp_raw(&r, &value, &len));
    assert_int_equal(len, 2);
    assert_memory_equal(value, "\xa1x", 2);
    assert_true(mp_skip(&r));
    assert_true(mp_skip(&r));
    assert_false(mp_skip(&r));
    assert_false(mp_raw(&r, &value, &len));
    buf_deinit(&b);
}

static void test_skip_fails_on_values_that_lack_their_end(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    bytes_put_hex(&b, "92 a161 92 c0 c1");
    for (size_t n = 0; n <= b.len; n++) {
        struct mp_reader r = mp_reader(b.data, n);
        assert_false(mp_skip(&r));
        assert_ptr_equal(r.at, b.data);
    }
    buf_deinit(&b);
}

static void test_skip_goes_as_deep_as_the_bytes_do(void **state)
{
    (void)state;
    static uint8_t bytes[100000];
    memset(bytes, 0x91, sizeof(bytes));
    struct mp_reader r = mp_reader(bytes, sizeof(bytes));
    assert_false(mp_skip(&r));
    assert_ptr_equal(r.at, bytes);
    bytes[sizeof(bytes) - 1] = 0xc0;
    assert_true(mp_skip(&r));
    assert_ptr_equal(r.at, r.end);
}

/* Whatever one of the two reads, the other passes over. */
static void test_skip_and_next_agree_on_every_lead_byte(void **state)
{
    (void)state;
    uint8_t bytes[40] = {0};
    for (unsigned lead = 0; lead < 256; lead++) {
        for (size_t len = 1; len <= sizeof(bytes); len++) {
            struct mp_reader next = mp_reader(bytes, len), skip = next;
            struct mp_token token;
            bytes[0] = (uint8_t)lead;
            bool was_read = mp_next(&next, &token);
            if (was_read &&
                (token.type == MP_ARRAY || token.type == MP_MAP)) /* the zeros are what is in it */
                next.at += token.type == MP_MAP ? 2 * token.count : token.count;
            assert_int_equal(mp_skip(&skip), was_read);
            assert_ptr_equal(skip.at, next.at);
        }
    }
}

static void test_str_reads_strings_only(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    const char *text;
    size_t len;
    bytes_put_hex(&b, "a2 6869 c4 01 61");
    struct mp_reader r = mp_reader(b.data, b.len);
    assert_true(mp_str(&r, &text, &len));
    assert_int_equal(len, 2);
    assert_memory_equal(text, "hi", 2);
    const uint8_t *at = r.at;
    assert_false(mp_str(&r, &text, &len));
    assert_ptr_equal(r.at, at);
    r.at = r.end;
    assert_false(mp_str(&r, &text, &len));
    buf_deinit(&b);
}

static void test_map_get_finds_the_last_of_equal_keys(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct mp_reader value;
    struct mp_token token;
    /* {"a": 1, "b": [2, 3], 7: 8, "a": 4} and a byte that is not the map's */
    bytes_put_hex(&b, "84 a161 01 a162 92 02 03 07 08 a161 04 c0");
    struct mp_reader map = mp_reader(b.data, b.len);
    assert_true(mp_map_get(map, "a", 1, &value));
    assert_ptr_equal(value.end, b.data + b.len - 1);
    assert_true(mp_next(&value, &token) && token.uint == 4);
    assert_ptr_equal(value.at, value.end);
    assert_true(mp_map_get(map, "b", 1, &value));
    assert_true(mp_next(&value, &token) && token.type == MP_ARRAY);
    assert_false(mp_map_get(map, "c", 1, &value));
    assert_false(mp_map_get(map, "", 0, &value));
    assert_false(mp_map_get(map, "ab", 2, &value));
    assert_false(mp_map_get(mp_reader(b.data, 8), "a", 1, &value));
    assert_false(mp_map_get(mp_reader("\x01", 1), "a", 1, &value));
    assert_false(mp_map_get(mp_reader("\x80", 1), "a", 1, &value));
    assert_false(mp_map_get(mp_reader(NULL, 0), "a", 1, &value));
    buf_deinit(&b);
}

static void test_is_compares_strings_with_text(void **state)
{
    (void)state;
    struct mp_token token = {.type = MP_STR, .bytes = "conn", .len = 4};
    assert_true(mp_is(&token, "conn"));
    assert_false(mp_is(&token, "con"));
    assert_false(mp_is(&token, "conns"));
    token.type = MP_BIN;
    assert_false(mp_is(&token, "conn"));
}

static void test_types_have_names(void **state)
{
    (void)state;
    assert_string_equal(mp_type_name(MP_NIL), "nil");
    assert_string_equal(mp_type_name(MP_INT), "an integer");
    assert_string_equal(mp_type_name(MP_MAP), "a map");
    assert_string_equal(mp_type_name(MP_EXT), "an extension");
    assert_non_null(mp_type_name((enum mp_type)99));
}

static void test_first_of_a_map_is_found_whatever_comes_behind(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct mp_reader value;
    struct mp_token token;
    bytes_put_hex(&b, "84 01 02  a161 07  a161 08  a162 c1");
    assert_true(mp_map_first(mp_reader(b.data, b.len), "a", 1, &value));
    assert_true(mp_next(&value, &token));
    assert_int_equal(token.uint, 7);
    assert_false(mp_map_first(mp_reader(b.data, b.len), "c", 1, &value));
    assert_false(mp_map_first(mp_reader("\x91\xa1"
                                        "a",
                                        3),
                              "a", 1, &value));
    assert_false(mp_map_first(mp_reader(NULL, 0), "a", 1, &value));
    buf_deinit(&b);
}

static void test_keys_are_picked_in_one_pass(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct mp_pick picks[] = {MP_PICK("b"), MP_PICK("a"), MP_PICK("none")};
    struct mp_token token;
    bytes_put_hex(&b, "84 a161 07  01 9102  a161 08  a162 c1");
    assert_true(mp_map_pick(mp_reader(b.data, b.len), picks, 3));
    assert_true(mp_next(&picks[1].value, &token));
    assert_int_equal(token.uint, 8);
    assert_ptr_equal(picks[0].value.at, b.data + b.len - 1); /* what stands last is not looked at */
    assert_ptr_equal(picks[0].value.end, b.data + b.len);
    assert_null(picks[2].value.at);
    assert_false(mp_map_pick(mp_reader(b.data, 6), picks, 3)); /* cut before that */
    for (unsigned i = 0; i < 3; i++)
        assert_null(picks[i].value.at);
    assert_false(mp_map_pick(mp_reader("\x91\x80", 2), picks, 3));
    assert_false(mp_map_pick(mp_reader(NULL, 0), picks, 3));
    assert_true(mp_map_pick(mp_reader("\x80", 1), picks, 3));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_of_every_form),
        cmocka_unit_test(test_nil_booleans_and_floats),
        cmocka_unit_test(test_strings_binaries_and_extensions_point_into_the_input),
        cmocka_unit_test(test_arrays_and_maps_are_headers_only),
        cmocka_unit_test(test_cut_bytes_are_no_token_and_move_nothing),
        cmocka_unit_test(test_huge_counts_and_lengths_are_refused_at_once),
        cmocka_unit_test(test_skip_passes_over_whole_values),
        cmocka_unit_test(test_skip_fails_on_values_that_lack_their_end),
        cmocka_unit_test(test_skip_goes_as_deep_as_the_bytes_do),
        cmocka_unit_test(test_first_of_a_map_is_found_whatever_comes_behind),
        cmocka_unit_test(test_keys_are_picked_in_one_pass),
        cmocka_unit_test(test_skip_and_next_agree_on_every_lead_byte),
        cmocka_unit_test(test_str_reads_strings_only),
        cmocka_unit_test(test_map_get_finds_the_last_of_equal_keys),
        cmocka_unit_test(test_is_compares_strings_with_text),
        cmocka_unit_test(test_types_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
