#include "bench/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct message m;

static void make(size_t payload_bytes, enum message_filler filler, bool is_question)
{
    struct message_options options = {"echo", payload_bytes, filler, is_question};

    message_deinit(&m);
    assert_int_equal(message_init(&m, &options), 0);
}

static int end(void **state)
{
    (void)state;
    message_deinit(&m);
    return 0;
}

static enum message_kind judge(const char *text, uint64_t *seq)
{
    return message_judge(&m, 7, (const uint8_t *)text, strlen(text), seq);
}

#define PAYLOAD "{\"c\":100007,\"n\":100000042,\"d\":\"xxxx\"}" /* of message 42 of connection 7 */

static void test_push_and_question_are_written_with_their_numbers(void **state)
{
    (void)state;
    make(37, MESSAGE_PLAIN, false);
    assert_memory_equal(message_write(&m, 7, 42), "{\"e\":\"echo\",\"p\":" PAYLOAD "}", m.len);
    make(37, MESSAGE_PLAIN, true);
    assert_memory_equal(message_write(&m, 7, 42), "{\"e\":\"echo\",\"p\":" PAYLOAD ",\"i\":100000042}",
                        m.len);
}

static void test_payload_has_the_size_asked_for(void **state)
{
    (void)state;
    for (size_t bytes = MESSAGE_PAYLOAD_MIN; bytes < 300; bytes++) {
        make(bytes, bytes % 2 ? MESSAGE_MIXED : MESSAGE_PLAIN, false);
        assert_int_equal(m.len, strlen("{\"e\":\"echo\",\"p\":}") + bytes);
    }
}

static void test_size_out_of_range_is_refused(void **state)
{
    struct message_options options = {"echo", MESSAGE_PAYLOAD_MIN - 1, MESSAGE_PLAIN, false};

    (void)state;
    message_deinit(&m);
    assert_int_equal(message_init(&m, &options), -EINVAL);
    options.payload_bytes = MESSAGE_PAYLOAD_MAX + 1;
    assert_int_equal(message_init(&m, &options), -EINVAL);
}

static void test_own_text_is_an_echo(void **state)
{
    static const size_t sizes[] = {33, 64, 1024, MESSAGE_PAYLOAD_MAX};
    uint64_t seq;

    (void)state;
    for (size_t i = 0; i < 16; i++) {
        static char copy[MESSAGE_PAYLOAD_MAX + 64];

        make(sizes[i / 4], i & 1 ? MESSAGE_MIXED : MESSAGE_PLAIN, i & 2);
        memcpy(copy, message_write(&m, 7, 899999999), m.len);
        message_write(&m, 3, 1);
        assert_int_equal(message_judge(&m, 7, (uint8_t *)copy, m.len, &seq), MESSAGE_ECHO);
        assert_int_equal(seq, 899999999);
    }
}

static void test_order_of_keys_and_spaces_do_not_matter(void **state)
{
    uint64_t seq = 0;

    (void)state;
    make(37, MESSAGE_PLAIN, true);
    assert_int_equal(judge("{\"i\":100000042,\"p\":" PAYLOAD ",\"e\":\"echo\"}", &seq), MESSAGE_ECHO);
    assert_int_equal(seq, 42);
    assert_int_equal(
        judge(" { \"t\" : [1,{\"e\":\"}\\\"\"}] , \"e\" : \"echo\" , \"i\" : 100000042 , \"p\" : " PAYLOAD
              "}",
              &seq),
        MESSAGE_ECHO);
}

static void test_welcome_and_error_are_known(void **state)
{
    uint64_t seq;

    (void)state;
    make(37, MESSAGE_PLAIN, false);
    assert_int_equal(judge("{\"e\":\"@welcome\",\"p\":{\"conn\":\"a.1\",\"features\":[]}}", &seq),
                     MESSAGE_SKIP);
    assert_int_equal(judge("{\"e\":\"@error\",\"p\":{\"code\":\"no_handler\"}}", &seq), MESSAGE_ERROR);
    assert_int_equal(judge("{\"i\":1,\"e\":\"@error\",\"p\":{}}", &seq), MESSAGE_ERROR);
}

static void test_anything_else_is_wrong(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{}",
        "null",
        "{\"e\":\"echo\"}",
        "{\"e\":\"echo\",\"p\":" PAYLOAD, /* cut */
        "{\"e\":\"echo\",\"p\":" PAYLOAD "}}",
        "{\"e\":\"ecko\",\"p\":" PAYLOAD "}",
        "{\"e\":\"echo\",\"p\":" PAYLOAD ",\"i\":100000042}", /* a push has no i */
        "{\"e\":\"echo\",\"p\":{\"c\":100007,\"n\":100000042,\"d\":\"xxxy\"}}",
        "{\"e\":\"echo\",\"p\":{\"c\":100007,\"n\":100000042,\"d\":\"xxx\"}}",
        "{\"e\":\"echo\",\"p\":{\"c\":100008,\"n\":100000042,\"d\":\"xxxx\"}}", /* another's */
        "{\"e\":\"echo\",\"p\":{\"c\":100007,\"n\":000000042,\"d\":\"xxxx\"}}",
        "{\"e\":\"echo\",\"p\":{\"c\":100007,\"n\":1.0000004,\"d\":\"xxxx\"}}",
        "{\"e\":\"@ok\",\"i\":100000042}",
        "{\"e\":\"echo\",\"p\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}"};
    uint64_t seq;

    (void)state;
    make(37, MESSAGE_PLAIN, false);
    assert_int_equal(judge("{\"e\":\"echo\",\"p\":" PAYLOAD "}", &seq), MESSAGE_ECHO);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (judge(texts[i], &seq) != MESSAGE_WRONG)
            fail_msg("not seen to be wrong: %s", texts[i]);
    }
}

static void test_question_needs_its_own_id_back(void **state)
{
    uint64_t seq;

    (void)state;
    make(37, MESSAGE_PLAIN, true);
    assert_int_equal(judge("{\"e\":\"echo\",\"p\":" PAYLOAD "}", &seq), MESSAGE_WRONG);
    assert_int_equal(judge("{\"e\":\"echo\",\"p\":" PAYLOAD ",\"i\":100000043}", &seq), MESSAGE_WRONG);
    assert_int_equal(judge("{\"e\":\"echo\",\"p\":" PAYLOAD ",\"i\":100000042}", &seq), MESSAGE_ECHO);
}

/* A cut message must not be read beyond its end: the address sanitizer sees it. */
static void test_message_cut_anywhere_is_wrong(void **state)
{
    uint64_t seq;

    (void)state;
    make(120, MESSAGE_MIXED, true);
    for (size_t n = 0; n < m.len; n++) {
        uint8_t *exact = test_malloc(n ? n : 1);

        memcpy(exact, message_write(&m, 7, 42), n);
        assert_int_equal(message_judge(&m, 7, exact, n, &seq), MESSAGE_WRONG);
        test_free(exact);
    }
}

#define ITEM(number) "{\"c\":100007,\"n\":1000000" number ",\"d\":\"xxxx\"}"
#define BATCH(items) "{\"e\":\"batch_echo\",\"p\":{\"d\":[" items "]}}"

static enum message_kind judge_batch(const char *text, uint64_t *first, uint64_t *count)
{
    return message_judge_batch(&m, 7, (const uint8_t *)text, strlen(text), first, count);
}

static void test_batch_is_read_as_consecutive_messages(void **state)
{
    uint64_t first, count;

    (void)state;
    make(37, MESSAGE_PLAIN, false);
    assert_int_equal(judge_batch(BATCH(ITEM("42")), &first, &count), MESSAGE_ECHO);
    assert_int_equal(first, 42);
    assert_int_equal(count, 1);
    assert_int_equal(judge_batch(BATCH(ITEM("41") "," ITEM("42") "," ITEM("43")), &first, &count),
                     MESSAGE_ECHO);
    assert_int_equal(first, 41);
    assert_int_equal(count, 3);
}

static void test_batch_with_anything_else_in_it_is_wrong(void **state)
{
    static const char *const texts[] = {
        BATCH(""),
        BATCH(ITEM("42") ","),
        BATCH(ITEM("42") ITEM("43")),
        BATCH(ITEM("42") "," ITEM("44")), /* one is missing */
        BATCH(ITEM("42") "," ITEM("42")),
        BATCH("7"),
        "{\"e\":\"batch_echo\",\"p\":{\"d\":[" ITEM("42") "]},\"i\":1}",
        "{\"e\":\"batch_ech\",\"p\":{\"d\":[" ITEM("42") "]}}",
        "{\"e\":\"patch_echo\",\"p\":{\"d\":[" ITEM("42") "]}}",
        "{\"e\":\"batch_echo\",\"p\":{\"d\":[" ITEM("42") "],\"x\":1}}",
        "{\"e\":\"batch_echo\",\"p\":{\"x\":[" ITEM("42") "]}}",
        "{\"e\":\"batch_echo\"}",
        "{\"e\":\"batch_echo\",\"p\":{}}",
    };
    uint64_t first, count;

    (void)state;
    make(37, MESSAGE_PLAIN, false);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (judge_batch(texts[i], &first, &count) != MESSAGE_WRONG)
            fail_msg("not seen to be wrong: %s", texts[i]);
    }
}

static void test_batch_cut_anywhere_is_wrong(void **state)
{
    static const char text[] = BATCH(ITEM("42") "," ITEM("43"));
    uint64_t first, count;

    (void)state;
    make(37, MESSAGE_PLAIN, false);
    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        uint8_t *exact = test_malloc(n ? n : 1);

        memcpy(exact, text, n);
        assert_int_equal(message_judge_batch(&m, 7, exact, n, &first, &count), MESSAGE_WRONG);
        test_free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_push_and_question_are_written_with_their_numbers, end),
        cmocka_unit_test_teardown(test_payload_has_the_size_asked_for, end),
        cmocka_unit_test_teardown(test_size_out_of_range_is_refused, end),
        cmocka_unit_test_teardown(test_own_text_is_an_echo, end),
        cmocka_unit_test_teardown(test_order_of_keys_and_spaces_do_not_matter, end),
        cmocka_unit_test_teardown(test_welcome_and_error_are_known, end),
        cmocka_unit_test_teardown(test_anything_else_is_wrong, end),
        cmocka_unit_test_teardown(test_question_needs_its_own_id_back, end),
        cmocka_unit_test_teardown(test_message_cut_anywhere_is_wrong, end),
        cmocka_unit_test_teardown(test_batch_is_read_as_consecutive_messages, end),
        cmocka_unit_test_teardown(test_batch_with_anything_else_in_it_is_wrong, end),
        cmocka_unit_test_teardown(test_batch_cut_anywhere_is_wrong, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
