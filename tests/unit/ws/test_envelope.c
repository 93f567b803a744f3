#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "wire/json.h"
#include "wire/mp.h"
#include "ws/envelope.h"

static struct envelope_room room;
static struct envelope envelope;
static struct fault fault;

static int setup(void **state)
{
    (void)state;
    envelope_room_init(&room);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    envelope_room_deinit(&room);
    return 0;
}

static int read_json(const char *text)
{
    return envelope_read(&envelope, &room, text, strlen(text), ENCODING_JSON, false, &fault);
}

/* The same message, given as JSON, to a MessagePack connection. */
static struct buf packed(const char *json)
{
    struct buf b = BUF_INIT;
    size_t offset;
    assert_null(json_to_mp(json, strlen(json), &b, &offset));
    return b;
}

static void assert_value(const void *mp, size_t len, const char *json)
{
    struct buf text = BUF_INIT;
    assert_non_null(mp);
    assert_true(mp_to_json(mp, len, &text));
    buf_put_byte(&text, '\0');
    assert_string_equal((const char *)text.data, json);
    buf_deinit(&text);
}

static void assert_event(const char *event)
{
    assert_non_null(envelope.event);
    assert_int_equal(envelope.event_len, strlen(event));
    assert_memory_equal(envelope.event, event, strlen(event));
}

static void test_all_keys_in_any_order(void **state)
{
    (void)state;
    const char *json =
        "{\"z\":[1,{\"e\":2}],\"t\":\"tr\",\"i\":7,\"p\":{\"a\":[1.5,null]},\"e\":\"chat:hi\",\"s\":{}}";
    for (unsigned encoding = 0; encoding < ENCODING_COUNT; encoding++) {
        struct buf b = packed(json);
        const void *bytes = encoding == ENCODING_JSON ? (const void *)json : b.data;
        size_t len = encoding == ENCODING_JSON ? strlen(json) : b.len;
        assert_int_equal(
            envelope_read(&envelope, &room, bytes, len, encoding, encoding == ENCODING_MSGPACK, &fault), 0);
        assert_event("chat:hi");
        assert_value(envelope.payload, envelope.payload_len, "{\"a\":[1.5,null]}");
        assert_value(envelope.trace, envelope.trace_len, "\"tr\"");
        assert_int_equal(envelope.id.kind, QUESTION_NUMBER);
        assert_int_equal(envelope.id.number, 7);
        buf_deinit(&b);
    }
}

static void test_only_the_event_is_needed(void **state)
{
    (void)state;
    assert_int_equal(read_json(" { \"e\" : \"x\" } "), 0);
    assert_event("x");
    assert_null(envelope.payload);
    assert_null(envelope.trace);
    assert_int_equal(envelope.id.kind, QUESTION_NONE);
}

static void test_null_is_a_payload(void **state)
{
    (void)state;
    assert_int_equal(read_json("{\"e\":\"x\",\"p\":null}"), 0);
    assert_value(envelope.payload, envelope.payload_len, "null");
}

static void test_later_of_two_keys_counts(void **state)
{
    (void)state;
    assert_int_equal(read_json("{\"e\":\"a\",\"p\":[1,2,3],\"i\":\"x\",\"e\":\"bb\",\"p\":2,\"i\":5}"), 0);
    assert_event("bb");
    assert_value(envelope.payload, envelope.payload_len, "2");
    assert_int_equal(envelope.id.kind, QUESTION_NUMBER);
    assert_int_equal(read_json("{\"e\":\"a\",\"i\":-1,\"i\":5}"), 0);
    assert_int_equal(read_json("{\"e\":\"a\",\"i\":5,\"i\":-1}"), -1);
    assert_int_equal(fault.code, CODE_BAD_ID);
}

static void test_nothing_is_left_from_the_message_before(void **state)
{
    (void)state;
    assert_int_equal(read_json("{\"e\":\"a\",\"p\":1,\"t\":2,\"i\":3}"), 0);
    assert_int_equal(read_json("{}"), -1);
    assert_null(envelope.event);
    assert_int_equal(envelope.id.kind, QUESTION_NONE);
    assert_int_equal(read_json("{\"e\":\"b\"}"), 0);
    assert_null(envelope.payload);
    assert_null(envelope.trace);
}

static void test_ids(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        int kind; /* -1: refused */
    } rows[] = {
        {"0", QUESTION_NUMBER},
        {"9007199254740991", QUESTION_NUMBER},
        {"9007199254740992", -1},
        {"18446744073709551616", -1},
        {"-1", -1},
        {"1.0", -1},
        {"true", -1},
        {"null", -1},
        {"[1]", -1},
        {"{}", -1},
        {"\"\"", -1},
        {"\"a\"", QUESTION_TEXT},
        {"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", QUESTION_TEXT},
        {"\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char json[160];
        snprintf(json, sizeof(json), "{\"i\":%s,\"e\":\"x\"}", rows[i].id);
        struct buf b = packed(json);
        for (unsigned encoding = 0; encoding < ENCODING_COUNT; encoding++) {
            int result = encoding == ENCODING_JSON
                             ? read_json(json)
                             : envelope_read(&envelope, &room, b.data, b.len, ENCODING_MSGPACK, true, &fault);
            assert_event("x");
            if (rows[i].kind < 0) {
                assert_int_equal(result, -1);
                assert_int_equal(fault.code, CODE_BAD_ID);
                assert_int_equal(envelope.id.kind, QUESTION_NONE);
            } else {
                assert_int_equal(result, 0);
                assert_int_equal(envelope.id.kind, rows[i].kind);
            }
        }
        buf_deinit(&b);
    }
    assert_int_equal(read_json("{\"e\":\"x\",\"i\":\"q\\u0000\"}"), 0);
    assert_int_equal(envelope.id.len, 2);
    assert_memory_equal(envelope.id.text, "q\0", 2);
}

static void test_bad_messages_name_the_place(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", "byte 0"},
        {"7", "an object"},
        {"[]", "an object"},
        {"{}", "`e`"},
        {"{\"e\":null}", "`e` must be a string"},
        {"{\"e\":[\"x\"]}", "`e` must be a string"},
        {"{\"p\":1}", "`e`"},
        {"{\"E\":\"x\"}", "`e`"},
        {"{\"e\":\"x\"", "byte 8"},
        {"{\"e\":\"x\"}}", "byte 9"},
        {"{\"e\":\"x\",}", "byte 9"},
        {"{\"e\":\"x\",\"z\":[1,}", "byte"},
        {"{e:1}", "byte 1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_json(rows[i][0]), -1);
        assert_int_equal(fault.code, CODE_BAD_MESSAGE);
        if (!strstr(fault.message, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], fault.message);
    }
}

static void test_broken_message_still_tells_event_and_id(void **state)
{
    (void)state;
    assert_int_equal(read_json("{\"i\":9,\"e\":\"chat\",\"p\":nul}"), -1);
    assert_event("chat");
    assert_int_equal(envelope.id.number, 9);
    assert_int_equal(read_json("{\"i\":9,\"e\":\"cha"), -1);
    assert_null(envelope.event);
    assert_int_equal(envelope.id.number, 9);
    assert_int_equal(read_json("{\"i\":9,\"e\":[]}"), -1);
    assert_int_equal(envelope.id.number, 9);
}

static int read_mp(const char *bytes, size_t len)
{
    return envelope_read(&envelope, &room, bytes, len, ENCODING_MSGPACK, true, &fault);
}

static void test_bad_messagepack_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"", 0},
        {"\x80", 1},      /* no `e` */
        {"\x91\xa1x", 3}, /* no map */
        {"\x81\xa1"
         "e\x01",
         4}, /* `e` is a number */
        {"\x81\xa1"
         "e\xc4\x01x",
         6}, /* `e` is bin */
        {"\x82\xa1"
         "e\xa1x\x01\x02",
         7}, /* a key that is a number */
        {"\x82\xa1"
         "e\xa1x\xa1z\xd4\x01\x00",
         10}, /* ext below an unknown key */
        {"\x82\xa1"
         "e\xa1x\xa1p\xca\x7f\xc0\x00\x00",
         12}, /* NaN */
        {"\x81\xa1"
         "e\xa1\xff",
         5}, /* no UTF-8 */
        {"\x81\xa1"
         "e\xa1xx",
         6},                         /* something follows */
        {"\xdf\xff\xff\xff\xff", 5}, /* a count without bytes */
        {"\x81\xa1"
         "e\xd9\xffx",
         6}, /* cut */
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(read_mp(rows[i].bytes, rows[i].len), -1);
        assert_int_equal(fault.code, CODE_BAD_MESSAGE);
        assert_true(fault.message[0] != '\0');
    }
}

static void test_bin_is_a_payload_in_messagepack(void **state)
{
    (void)state;
    assert_int_equal(read_mp("\x82\xa1"
                             "e\xa1x\xa1p\xc4\x01\xff",
                             10),
                     0);
    assert_int_equal(envelope.payload_len, 3);
    assert_memory_equal(envelope.payload, "\xc4\x01\xff", 3);
}

static void test_wrong_kind_of_message_for_the_encoding(void **state)
{
    (void)state;
    assert_int_equal(envelope_read(&envelope, &room, "{\"e\":\"x\"}", 9, ENCODING_JSON, true, &fault), -1);
    assert_int_equal(fault.code, CODE_BAD_MESSAGE);
    assert_non_null(strstr(fault.message, "sluice.v1.msgpack"));
    assert_int_equal(envelope_read(&envelope, &room, "{\"e\":\"x\"}", 9, ENCODING_MSGPACK, false, &fault),
                     -1);
    assert_int_equal(fault.code, CODE_BAD_MESSAGE);
}

/* Event and id of a refused message are told to the client, so they must be the message's own. */
static void assert_overloaded(const char *event)
{
    assert_int_equal(fault.code, CODE_OVERLOADED);
    if (envelope.event) {
        assert_int_equal(envelope.event_len, strlen(event));
        assert_memory_equal(envelope.event, event, envelope.event_len);
    }
    if (envelope.id.kind != QUESTION_NONE)
        assert_int_equal(envelope.id.number, 7);
}

/* A first message (a room that has no memory yet), each allocation refused in turn. */
static unsigned long refuse_each(const void *bytes, size_t len, enum encoding encoding)
{
    for (unsigned long n = 0;; n++) {
        struct envelope_room fresh;
        envelope_room_init(&fresh);
        failing_alloc_start(n);
        int result =
            envelope_read(&envelope, &fresh, bytes, len, encoding, encoding == ENCODING_MSGPACK, &fault);
        bool was_refused = failing_alloc_stop();
        if (was_refused) {
            assert_int_equal(result, -1);
            assert_overloaded("chat:hi");
            assert_int_equal(
                envelope_read(&envelope, &fresh, bytes, len, encoding, encoding == ENCODING_MSGPACK, &fault),
                0);
        }
        assert_int_equal(result, was_refused ? -1 : 0);
        assert_event("chat:hi");
        assert_value(envelope.payload, envelope.payload_len, "{\"a\":[1.5,null]}");
        assert_value(envelope.trace, envelope.trace_len, "\"tr\"");
        assert_int_equal(envelope.id.number, 7);
        envelope_room_deinit(&fresh);
        if (!was_refused)
            return n;
    }
}

static void test_refused_memory_is_told_and_the_next_message_is_read(void **state)
{
    (void)state;
    const char *json =
        "{\"z\":[1,{\"e\":2}],\"t\":\"tr\",\"i\":7,\"p\":{\"a\":[1.5,null]},\"e\":\"chat:hi\",\"s\":{}}";
    struct buf b = packed(json);
    assert_true(refuse_each(json, strlen(json), ENCODING_JSON) >= 5);
    refuse_each(b.data, b.len, ENCODING_MSGPACK);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_keys_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_event_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_null_is_a_payload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_later_of_two_keys_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_from_the_message_before, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_messages_name_the_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_message_still_tells_event_and_id, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_messagepack_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bin_is_a_payload_in_messagepack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_kind_of_message_for_the_encoding, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_memory_is_told_and_the_next_message_is_read, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
