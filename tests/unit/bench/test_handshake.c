#include "bench/handshake.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char rfc_request[] = "GET /chat HTTP/1.1\r\nHost: x\r\nupgrade: WebSocket\r\n"
                                  "Connection: keep-alive, Upgrade\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                  "Sec-WebSocket-Protocol: sluice.v1.json, other\r\n"
                                  "Sec-WebSocket-Version: 13\r\n\r\n";

static bool has(const struct buf *b, const char *text)
{
    return memmem(b->data, b->len, text, strlen(text)) != NULL;
}

static int check(const char *answer, const char *subprotocol, const char **why)
{
    static char text[160];

    *why = text;
    return handshake_check_answer((const uint8_t *)answer, strlen(answer),
                                  "dGhlIHNhbXBsZSBub25jZQ==", subprotocol, text, sizeof(text));
}

static void test_answer_is_that_of_the_rfc(void **state)
{
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(handshake_put_answer(&out, (const uint8_t *)rfc_request, strlen(rfc_request)), 0);
    assert_true(has(&out, "HTTP/1.1 101 "));
    assert_true(has(&out, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_true(has(&out, "Sec-WebSocket-Protocol: sluice.v1.json\r\n"));
    buf_deinit(&out);
}

static void test_what_is_no_upgrade_gets_400(void **state)
{
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: short\r\n\r\n",
        "GET / HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        "\r\n\r\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct buf out = BUF_INIT;

        assert_int_equal(handshake_put_answer(&out, (const uint8_t *)requests[i], strlen(requests[i])),
                         -EPROTO);
        assert_true(has(&out, "HTTP/1.1 400 "));
        buf_deinit(&out);
    }
}

static void test_client_and_server_agree(void **state)
{
    static const char *const subprotocols[] = {NULL, "sluice.v1.json"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct buf request = BUF_INIT, answer = BUF_INIT;
        char key[HANDSHAKE_KEY_TEXT], other[HANDSHAKE_KEY_TEXT], why[160];
        struct random random;

        random_init(&random);
        handshake_put_request(&request, "127.0.0.1", "/ws", subprotocols[i], &random, other);
        buf_reset(&request);
        handshake_put_request(&request, "127.0.0.1", "/ws", subprotocols[i], &random, key);
        assert_string_not_equal(key, other);
        assert_int_equal(handshake_head_bytes(request.data, request.len), request.len);
        assert_int_equal(handshake_put_answer(&answer, request.data, request.len), 0);
        assert_int_equal(
            handshake_check_answer(answer.data, answer.len, key, subprotocols[i], why, sizeof(why)), 0);
        assert_int_equal(
            handshake_check_answer(answer.data, answer.len, other, subprotocols[i], why, sizeof(why)),
            -EPROTO);
        buf_deinit(&request);
        buf_deinit(&answer);
    }
}

static void test_client_says_what_is_wrong_with_an_answer(void **state)
{
    static const char good[] = "HTTP/1.1 101 x\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    char text[300];
    const char *why;

    (void)state;
    assert_int_equal(check("HTTP/1.1 403 Forb\x01idden\r\n\r\n", NULL, &why), -EPROTO);
    assert_string_equal(why, "the server refused the upgrade: HTTP/1.1 403 Forb.idden");
    assert_int_equal(check("HTTP/1.1 101 x\r\n\r\n", NULL, &why), -EPROTO);
    assert_non_null(strstr(why, "Sec-WebSocket-Accept"));
    snprintf(text, sizeof(text), "%sSec-WebSocket-Protocol: b\r\n\r\n", good);
    assert_int_equal(check(text, "a", &why), -EPROTO);
    assert_string_equal(why, "the server chose another subprotocol: b");
    assert_int_equal(check(text, NULL, &why), -EPROTO);
    snprintf(text, sizeof(text), "%sSec-WebSocket-Extensions: permessage-deflate\r\n\r\n", good);
    assert_int_equal(check(text, NULL, &why), -EPROTO);
    snprintf(text, sizeof(text), "%s\r\n", good);
    assert_int_equal(check(text, NULL, &why), 0);
    assert_int_equal(check(text, "a", &why), -EPROTO);
}

static void test_head_is_complete_with_its_empty_line_only(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof(rfc_request) - 1; n++)
        assert_int_equal(handshake_head_bytes((const uint8_t *)rfc_request, n), 0);
    assert_int_equal(handshake_head_bytes((const uint8_t *)"a\r\n\r\nframe", 10), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_is_that_of_the_rfc),
        cmocka_unit_test(test_what_is_no_upgrade_gets_400),
        cmocka_unit_test(test_client_and_server_agree),
        cmocka_unit_test(test_client_says_what_is_wrong_with_an_answer),
        cmocka_unit_test(test_head_is_complete_with_its_empty_line_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
