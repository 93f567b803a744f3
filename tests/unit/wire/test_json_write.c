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

static void assert_written(const char *hex, const char *want)
{
    struct buf mp = BUF_INIT;
    struct buf out = BUF_INIT;
    bytes_put_hex(&mp, hex);
    buf_put_byte(&out, '>');
    if (!mp_to_json(mp.data, mp.len, &out))
        fail_msg("%s is refused", hex);
    buf_put_byte(&out, '\0');
    assert_string_equal((char *)out.data + 1, want);
    buf_deinit(&mp);
    buf_deinit(&out);
}

static void test_values_of_each_type(void **state)
{
    (void)state;
    assert_written("c0", "null");
    assert_written("c2", "false");
    assert_written("c3", "true");
    assert_written("90", "[]");
    assert_written("80", "{}");
    assert_written("a0", "\"\"");
    assert_written("93 01 a161 c0", "[1,\"a\",null]");
    assert_written("82 a161 01 a162 92 80 90", "{\"a\":1,\"b\":[{},[]]}");
    assert_written("81 a161 81 a162 81 a163 91 c3", "{\"a\":{\"b\":{\"c\":[true]}}}");
    assert_written("92 81 a161 01 02", "[{\"a\":1},2]");
    assert_written("dc0011 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10",
                   "[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]");
}

static void test_integers_stay_exact_and_floats_stay_floats(void **state)
{
    (void)state;
    assert_written("00", "0");
    assert_written("cf ffffffffffffffff", "18446744073709551615");
    assert_written("d3 8000000000000000", "-9223372036854775808");
    assert_written("cf 0020000000000001", "9007199254740993");
    assert_written("cb 3ff0000000000000", "1.0");
    assert_written("cb 8000000000000000", "-0.0");
    assert_written("cb 3fb999999999999a", "0.1");
    assert_written("ca 3fc00000", "1.5");
    assert_written("ca 3dcccccd", "0.10000000149011612");
}

static void test_only_what_must_be_escaped_is(void **state)
{
    (void)state;
    assert_written("a3 22 5c 2f", "\"\\\"\\\\/\"");
    assert_written("a5 08 0c 0a 0d 09", "\"\\b\\f\\n\\r\\t\"");
    assert_written("a4 00 01 1f 7f", "\"\\u0000\\u0001\\u001f\x7f\"");
    assert_written("a9 c3a9 e280a8 f09f9880", "\"\xc3\xa9\xe2\x80\xa8\xf0\x9f\x98\x80\"");
    assert_written("b0 30313233343536370a39303132333435", "\"01234567\\n9012345\"");
    assert_written("81 a2 22 0a 01", "{\"\\\"\\n\":1}");
}

/* Written byte by byte, by another hand. */
static void put_plainly(struct buf *out, const uint8_t *text, size_t len)
{
    static const char controls[] = "\b\t\n\f\r";
    static const char letters[] = "btnfr";
    buf_put_byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        const char *control = text[i] ? strchr(controls, text[i]) : NULL;
        if (text[i] == '"' || text[i] == '\\')
            buf_printf(out, "\\%c", text[i]);
        else if (control)
            buf_printf(out, "\\%c", letters[control - controls]);
        else if (text[i] < 0x20)
            buf_printf(out, "\\u%04x", text[i]);
        else
            buf_put_byte(out, text[i]);
    }
    buf_put_byte(out, '"');
}

static void test_escapes_are_written_at_every_offset(void **state)
{
    (void)state;
    uint8_t text[200];
    for (size_t len = 1; len <= sizeof(text); len++) {
        for (unsigned byte = 0; byte < 0x80; byte++) {
            struct buf mp = BUF_INIT;
            struct buf want = BUF_INIT;
            struct buf got = BUF_INIT;
            memset(text, 'a', len);
            for (size_t at = byte % len; at < len; at += byte + 1)
                text[at] = (uint8_t)byte;
            mp_put_str(&mp, (char *)text, len);
            put_plainly(&want, text, len);
            assert_true(mp_to_json(mp.data, mp.len, &got));
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.data, want.data, want.len);
            buf_deinit(&mp);
            buf_deinit(&want);
            buf_deinit(&got);
        }
    }
}

static void test_binaries_become_base64(void **state)
{
    (void)state;
    assert_written("c4 00", "\"\"");
    assert_written("c4 04 00ff00fe", "\"AP8A/g==\"");
    assert_written("92 c5 0001 00 01", "[\"AA==\",1]");
}

static void test_what_json_cannot_say_becomes_null(void **state)
{
    (void)state;
    assert_written("cb 7ff8000000000000", "null");
    assert_written("91 cb fff0000000000000", "[null]");
    assert_written("92 d4 01 00 01", "[null,1]");
    assert_written("82 01 02 a161 03", "{\"null\":2,\"a\":3}");
    assert_written("81 92 c0 81 a161 01 02", "{\"null\":2}");
}

static void test_malformed_bytes_are_refused_and_leave_nothing(void **state)
{
    (void)state;
    static const char *const rows[] = {"",           "c1",         "91",    "92 01",       "81 a161",
                                       "81 a161 c1", "a2",         "80 80", "dd ffffffff", "81 c1 c0",
                                       "cb 00",      "92 a161 91", "81",    "81 a261",     "82 a161 01 01"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct buf mp = BUF_INIT;
        struct buf out = BUF_INIT;
        bytes_put_hex(&mp, rows[i]);
        buf_put_text(&out, "kept");
        if (mp_to_json(mp.data, mp.len, &out))
            fail_msg("%s is accepted", rows[i]);
        assert_int_equal(out.len, 4);
        assert_memory_equal(out.data, "kept", 4);
        buf_deinit(&mp);
        buf_deinit(&out);
    }
}

static void test_depth_ends_at_the_deepest_of_all(void **state)
{
    (void)state;
    uint8_t bytes[MP_DEPTH_MAX + 1];
    struct buf out = BUF_INIT;
    memset(bytes, 0x91, sizeof(bytes));
    bytes[MP_DEPTH_MAX] = 0x01;
    assert_true(mp_to_json(bytes, MP_DEPTH_MAX + 1, &out));
    assert_int_equal(out.len, 2 * MP_DEPTH_MAX + 1);
    bytes[MP_DEPTH_MAX] = 0x90;
    assert_false(mp_to_json(bytes, MP_DEPTH_MAX + 1, &out));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_of_each_type),
        cmocka_unit_test(test_integers_stay_exact_and_floats_stay_floats),
        cmocka_unit_test(test_only_what_must_be_escaped_is),
        cmocka_unit_test(test_escapes_are_written_at_every_offset),
        cmocka_unit_test(test_binaries_become_base64),
        cmocka_unit_test(test_what_json_cannot_say_becomes_null),
        cmocka_unit_test(test_malformed_bytes_are_refused_and_leave_nothing),
        cmocka_unit_test(test_depth_ends_at_the_deepest_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
