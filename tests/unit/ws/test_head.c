#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/failing_alloc.h"
#include "ws/head.h"

static struct head *read_head(const char *text)
{
    struct head *head = NULL;
    const char *fault;
    assert_int_equal(head_end(text, strlen(text)), strlen(text));
    assert_int_equal(head_new(&head, text, strlen(text), &fault), 0);
    return head;
}

static void assert_field(const struct head *head, const char *name, size_t count, const char *value)
{
    struct buf b = BUF_INIT;
    assert_int_equal(head_put(head, name, &b), count);
    buf_put_byte(&b, '\0');
    assert_string_equal((const char *)b.data, value);
    buf_deinit(&b);
}

static void test_request_line_and_fields(void **state)
{
    (void)state;
    struct head *head =
        read_head("GET /a%20b?c=d?e HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nx-Two:a\r\nX-TWO: \t b c \t\r\n\r\n");
    assert_string_equal(head->method, "GET");
    assert_string_equal(head->path, "/a%20b");
    assert_string_equal(head->query, "c=d?e");
    assert_int_equal(head->minor, 1);
    assert_int_equal(head->field_count, 4);
    assert_field(head, "host", 1, "x");
    assert_field(head, "x-empty", 1, "");
    assert_field(head, "X-Two", 2, "a, b c");
    assert_field(head, "X", 0, "");
    assert_field(head, "X-Two-More", 0, "");
    free(head);
}

static void test_cookies_are_joined_as_cookies(void **state)
{
    (void)state;
    struct head *head = read_head("GET / HTTP/1.0\nCookie: a=1\nOther: c\ncookie: b=2\n\n");
    assert_field(head, "Cookie", 2, "a=1; b=2");
    assert_int_equal(head->minor, 0);
    assert_string_equal(head->query, "");
    free(head);
}

static void test_head_without_fields(void **state)
{
    (void)state;
    struct head *head = read_head("\r\n\nOPTIONS * HTTP/1.1\r\n\r\n");
    assert_string_equal(head->method, "OPTIONS");
    assert_string_equal(head->path, "*");
    assert_int_equal(head->field_count, 0);
    assert_field(head, "host", 0, "");
    free(head);
}

static void test_end_is_behind_the_first_empty_line(void **state)
{
    (void)state;
    static const char *const heads[] = {"A / HTTP/1.1\r\nb: c\r\n\r\n", "A\n\n", "A\n\r\n", "\r\n\r\nA\r\n\n",
                                        "A\r\r\n\r\n"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        char text[128];
        size_t len = strlen(heads[i]);
        strcpy(text, heads[i]);
        strcpy(text + len, "GET\n\n\r\n\r\n");
        for (size_t cut = 0; cut < len; cut++)
            assert_int_equal(head_end(text, cut), 0);
        assert_int_equal(head_end(text, len), len);
        assert_int_equal(head_end(text, strlen(text)), len);
    }
}

static void test_wrong_heads_are_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "GET\r\n\r\n",
        "GET /\r\n\r\n",
        " GET / HTTP/1.1\r\n\r\n",
        "G\tT / HTTP/1.1\r\n\r\n",
        "GET  HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1 \r\n\r\n",
        "GET / HTTP/1.12\r\n\r\n",
        "GET / HTTP/1.x\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n",
        "GET / http/1.1\r\n\r\n",
        "GET / HTTP/1.\r\n\r\n",
        "GET /\t HTTP/1.1\r\n\r\n",
        "GET /\x7f HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nx\r\n\r\n",
        "GET / HTTP/1.1\r\n: x\r\n\r\n",
        "GET / HTTP/1.1\r\nx : y\r\n\r\n",
        "GET / HTTP/1.1\r\n x: y\r\n\r\n",
        "GET / HTTP/1.1\r\nx: y\r\n\tz\r\n\r\n",
        "GET / HTTP/1.1\r\n\xc3\xbc: y\r\n\r\n",
        "GET / HTTP/1.1\r\nx: y\rz\r\n\r\n",
        "GET / HTTP/1.1\r\nx: y\r\r\n\r\n",
        "GET / HTTP/1.1\r\nx: \x1b\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
        struct head *head = NULL;
        const char *fault = NULL;
        if (head_new(&head, heads[i], strlen(heads[i]), &fault) == 0)
            fail_msg("taken: %s", heads[i]);
        assert_non_null(fault);
    }
}

static void test_zero_bytes_are_refused(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\nx: a\0b\r\n\r\n";
    struct head *head = NULL;
    const char *fault = NULL;
    assert_int_equal(head_new(&head, text, sizeof(text) - 1, &fault), -1);
    assert_non_null(fault);
}

static void test_what_cannot_begin_a_request(void **state)
{
    (void)state;
    static const char *const good[] = {"", "\r\n", "G", "GET", "GET ", "GET /\x01", "\n\r\nGET / HTTP/1.1"};
    static const char *const bad[] = {" ", "\r\n ", "\x16\x03\x01", "{\"e\":1}", "GET\r\n", "\x80", "GET\t/"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
        assert_true(head_may_begin(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(head_may_begin(bad[i], strlen(bad[i])));
}

static void test_decoding(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_true(head_decode("/%77s%C3%bc+%25", &b));
    assert_int_equal(b.len, 7);
    assert_memory_equal(b.data, "/ws\xc3\xbc+%", 7);
    static const char *const bad[] = {"%", "%4", "%4g", "%g4", "%00", "a%%"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_false(head_decode(bad[i], &b));
    buf_deinit(&b);
}

static void test_every_cut_of_a_head_is_refused_or_read(void **state)
{
    (void)state;
    static const char text[] = "GET /x?y HTTP/1.1\r\nHost: z\r\nA:b\r\n\r\n";
    for (size_t len = 0; len < sizeof(text); len++) {
        char *exact = malloc(len + 1); /* so that ASan sees what is read behind it */
        struct head *head = NULL;
        const char *fault;
        assert_non_null(exact);
        memcpy(exact, text, len);
        if (head_new(&head, exact, len, &fault) == 0)
            free(head);
        head_end(exact, len);
        free(exact);
    }
}

static void test_refused_memory_is_no_fault_of_the_client(void **state)
{
    (void)state;
    static const char text[] = "GET / HTTP/1.1\r\n\r\n";
    struct head *head = NULL;
    const char *fault;
    failing_alloc_start(0);
    assert_int_equal(head_new(&head, text, sizeof(text) - 1, &fault), -1);
    assert_true(failing_alloc_stop());
    assert_null(fault);
    assert_null(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_line_and_fields),
        cmocka_unit_test(test_cookies_are_joined_as_cookies),
        cmocka_unit_test(test_head_without_fields),
        cmocka_unit_test(test_end_is_behind_the_first_empty_line),
        cmocka_unit_test(test_wrong_heads_are_refused),
        cmocka_unit_test(test_zero_bytes_are_refused),
        cmocka_unit_test(test_what_cannot_begin_a_request),
        cmocka_unit_test(test_decoding),
        cmocka_unit_test(test_every_cut_of_a_head_is_refused_or_read),
        cmocka_unit_test(test_refused_memory_is_no_fault_of_the_client),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
