#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "core/message.h"
#include "wire/json.h"
#include "wire/mp.h"

static void assert_body(const struct message *m, const char *json)
{
    struct buf text = BUF_INIT;
    assert_non_null(m);
    struct mp_rules rules = {0};
    struct fault fault;
    assert_int_equal(mp_check(m->body->data, m->body->len, &rules, NULL, &fault), 0);
    assert_true(mp_to_json(m->body->data, m->body->len, &text));
    buf_put_byte(&text, '\0');
    assert_string_equal((char *)text.data, json);
    buf_deinit(&text);
}

static void test_push_has_event_and_payload(void **state)
{
    (void)state;
    struct message *m = message_new("chat:hi", 7, "\x93\x01\xc3\xa1x", 5, NULL);
    assert_body(m, "{\"e\":\"chat:hi\",\"p\":[1,true,\"x\"]}");
    message_unref(m);
}

static void test_absent_payload_is_left_out(void **state)
{
    (void)state;
    struct question_id none = {.kind = QUESTION_NONE};
    struct message *m = message_new("a", 1, NULL, 0, &none);
    assert_body(m, "{\"e\":\"a\"}");
    message_unref(m);
}

static void test_answer_carries_number_or_text_id(void **state)
{
    (void)state;
    struct question_id number = {.kind = QUESTION_NUMBER, .number = QUESTION_NUMBER_MAX};
    struct question_id text = {.kind = QUESTION_TEXT, .len = 2, .text = "q1"};
    struct message *a = message_new("a", 1, "\x07", 1, &number);
    struct message *b = message_new("@ok", 3, NULL, 0, &text);
    assert_body(a, "{\"e\":\"a\",\"p\":7,\"i\":9007199254740991}");
    assert_body(b, "{\"e\":\"@ok\",\"i\":\"q1\"}");
    message_unref(a);
    message_unref(b);
}

static void test_error_names_code_text_and_event(void **state)
{
    (void)state;
    struct question_id id = {.kind = QUESTION_NUMBER, .number = 0};
    struct message *m = message_error(CODE_NO_HANDLER, "nobody", "chat", 4, &id);
    assert_body(m,
                "{\"e\":\"@error\",\"p\":{\"code\":\"no_handler\",\"message\":\"nobody\",\"temporary\":true,"
                "\"event\":\"chat\"},\"i\":0}");
    message_unref(m);
    m = message_error(CODE_BAD_MESSAGE, "no", NULL, 0, NULL);
    assert_body(m,
                "{\"e\":\"@error\",\"p\":{\"code\":\"bad_message\",\"message\":\"no\",\"temporary\":false}}");
    message_unref(m);
}

static void test_ids_of_different_kinds_differ(void **state)
{
    (void)state;
    struct question_id number = {.kind = QUESTION_NUMBER, .number = 7};
    struct question_id other = {.kind = QUESTION_NUMBER, .number = 8};
    struct question_id text = {.kind = QUESTION_TEXT, .len = 1, .text = "7"};
    struct question_id longer = {.kind = QUESTION_TEXT, .len = 2, .text = "77"};
    struct question_id none = {.kind = QUESTION_NONE};
    assert_true(question_id_equal(&number, &number));
    assert_true(question_id_equal(&text, &text));
    assert_true(question_id_equal(&none, &none));
    assert_false(question_id_equal(&number, &other));
    assert_false(question_id_equal(&number, &text));
    assert_false(question_id_equal(&text, &longer));
    assert_false(question_id_equal(&none, &number));
}

static void test_last_reference_frees_body_and_frames(void **state)
{
    (void)state;
    struct message *m = message_new("a", 1, NULL, 0, NULL);
    m->frame[ENCODING_JSON] = blob_new("x", 1);
    struct blob *body = blob_ref(m->body);
    struct blob *frame = blob_ref(m->frame[ENCODING_JSON]);
    assert_ptr_equal(message_ref(m), m);
    message_unref(m);
    assert_int_equal(body->refs, 2);
    message_unref(m);
    assert_int_equal(body->refs, 1);
    assert_int_equal(frame->refs, 1);
    blob_unref(body);
    blob_unref(frame);
    message_unref(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_has_event_and_payload),
        cmocka_unit_test(test_absent_payload_is_left_out),
        cmocka_unit_test(test_answer_carries_number_or_text_id),
        cmocka_unit_test(test_error_names_code_text_and_event),
        cmocka_unit_test(test_ids_of_different_kinds_differ),
        cmocka_unit_test(test_last_reference_frees_body_and_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
