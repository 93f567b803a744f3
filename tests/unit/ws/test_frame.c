#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "wire/recycler.h"
#include "ws/frame.h"

static struct buf scratch = BUF_INIT;

static void test_header_takes_the_shortest_length(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        size_t header;
        uint8_t bytes[FRAME_HEADER_MAX];
    } rows[] = {
        {0, 2, {0x81, 0}},
        {125, 2, {0x81, 125}},
        {126, 4, {0x81, 126, 0, 126}},
        {65535, 4, {0x81, 126, 0xff, 0xff}},
        {65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
        {0x123456789a, 10, {0x81, 127, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t header[FRAME_HEADER_MAX] = {0};
        assert_int_equal(frame_header(header, FRAME_TEXT, rows[i].len), rows[i].header);
        assert_memory_equal(header, rows[i].bytes, rows[i].header);
    }
}

static void test_json_frame_is_text(void **state)
{
    (void)state;
    struct message *m = message_new("hi", 2, "\x93\x01\xc4\x01\xff\xc0", 6, NULL);
    const struct blob *frame = frame_of(m, ENCODING_JSON, &scratch);
    const char *text = "{\"e\":\"hi\",\"p\":[1,\"/w==\",null]}";
    assert_int_equal(frame->len, 2 + strlen(text));
    assert_int_equal(frame->data[0], 0x81);
    assert_int_equal(frame->data[1], strlen(text));
    assert_memory_equal(frame->data + 2, text, strlen(text));
    message_unref(m);
}

static void test_messagepack_frame_is_the_body(void **state)
{
    (void)state;
    struct message *m = message_new("hi", 2, "\xc3", 1, NULL);
    const struct blob *frame = frame_of(m, ENCODING_MSGPACK, &scratch);
    assert_int_equal(frame->len, m->body->len + 2);
    assert_int_equal(frame->data[0], 0x82);
    assert_memory_equal(frame->data + 2, m->body->data, m->body->len);
    message_unref(m);
}

static void test_frame_is_made_once(void **state)
{
    (void)state;
    struct message *m = message_new("hi", 2, NULL, 0, NULL);
    const struct blob *frame = frame_of(m, ENCODING_JSON, &scratch);
    assert_ptr_equal(frame_of(m, ENCODING_JSON, &scratch), frame);
    assert_ptr_equal(m->frame[ENCODING_JSON], frame);
    assert_null(m->frame[ENCODING_MSGPACK]);
    message_unref(m);
}

static void assert_close(unsigned code, const char *reason, size_t len, const char *expected,
                         size_t expected_len)
{
    struct blob *frame = frame_close(code, reason, len);
    assert_int_equal(frame->len, expected_len);
    assert_memory_equal(frame->data, expected, expected_len);
    blob_unref(frame);
}

static void test_close_frame_has_code_and_reason(void **state)
{
    (void)state;
    assert_close(4001, "bye", 3,
                 "\x88\x05\x0f\xa1"
                 "bye",
                 7);
    assert_close(1000, "", 0, "\x88\x02\x03\xe8", 4);
    assert_close(1000, NULL, 0, "\x88\x02\x03\xe8", 4);
}

static void test_close_reason_is_cut_at_a_character(void **state)
{
    (void)state;
    char reason[200];
    memset(reason, 'x', sizeof(reason));
    memcpy(reason + 121, "\xe2\x82\xac", 3); /* would end at 124 */
    struct blob *frame = frame_close(4001, reason, sizeof(reason));
    assert_int_equal(frame->len, 4 + 121);
    assert_int_equal(frame->data[1], 2 + 121);
    blob_unref(frame);
}

static void test_close_reason_that_is_no_text_is_left_out(void **state)
{
    (void)state;
    assert_close(4001, "a\xff", 2, "\x88\x02\x0f\xa1", 4);
}

static int teardown(void **state)
{
    (void)state;
    buf_deinit(&scratch);
    return 0;
}

static void test_refused_memory_makes_no_frame_and_none_is_kept(void **state)
{
    (void)state;
    for (unsigned encoding = 0; encoding < ENCODING_COUNT; encoding++) {
        unsigned long n = 0;
        for (bool was_refused = true; was_refused; n++) {
            struct message *m = message_new("hi", 2, "\x93\x01\xc4\x01\xff\xc0", 6, NULL);
            struct buf fresh = BUF_INIT;
            recycler_clear(); /* so that memory is asked for */
            failing_alloc_start(n);
            const struct blob *frame = frame_of(m, encoding, &fresh);
            was_refused = failing_alloc_stop();
            if (was_refused) {
                assert_null(frame);
                assert_null(m->frame[encoding]);
                frame = frame_of(m, encoding, &fresh);
            }
            assert_non_null(frame);
            assert_int_equal(frame->data[0], encoding == ENCODING_JSON ? 0x81 : 0x82);
            assert_int_equal(frame->data[1], frame->len - 2);
            buf_deinit(&fresh);
            message_unref(m);
        }
        assert_true(n > 1);
    }
}

static void test_refused_memory_makes_no_close_frame(void **state)
{
    (void)state;
    recycler_clear(); /* so that memory is asked for */
    failing_alloc_start(0);
    assert_null(frame_close(1000, "x", 1));
    assert_true(failing_alloc_stop());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_takes_the_shortest_length),
        cmocka_unit_test(test_json_frame_is_text),
        cmocka_unit_test(test_messagepack_frame_is_the_body),
        cmocka_unit_test(test_frame_is_made_once),
        cmocka_unit_test(test_close_frame_has_code_and_reason),
        cmocka_unit_test(test_close_reason_is_cut_at_a_character),
        cmocka_unit_test(test_close_reason_that_is_no_text_is_left_out),
        cmocka_unit_test(test_refused_memory_makes_no_frame_and_none_is_kept),
        cmocka_unit_test(test_refused_memory_makes_no_close_frame),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
