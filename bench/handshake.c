#include "bench/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "bench/sha1.h"
#include "wire/base64.h"

static const char key_suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, section 1.3 */

/* A piece of somebody else's text. */
struct span {
    const char *text;
    size_t len;
};

static bool span_equals(struct span s, const char *text)
{
    return s.len == strlen(text) && strncasecmp(s.text, text, s.len) == 0;
}

static struct span span_trim(struct span s)
{
    while (s.len > 0 && (s.text[0] == ' ' || s.text[0] == '\t'))
        s = (struct span){s.text + 1, s.len - 1};
    while (s.len > 0 && (s.text[s.len - 1] == ' ' || s.text[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cut the text before the next @separator off @rest, and the separator with it. */
static struct span span_cut(struct span *rest, const char *separator)
{
    size_t n = strlen(separator);
    const char *end = rest->len ? memmem(rest->text, rest->len, separator, n) : NULL;
    struct span head = {rest->text, end ? (size_t)(end - rest->text) : rest->len};
    size_t used = head.len + (end ? n : 0);

    rest->text += used;
    rest->len -= used;
    return head;
}

/* The value of header @name, or an empty span. */
static struct span header_find(struct span head, const char *name)
{
    span_cut(&head, "\r\n"); /* the request or status line */
    while (head.len > 0) {
        struct span value = span_cut(&head, "\r\n");
        struct span key = span_cut(&value, ":");

        if (span_equals(key, name))
            return span_trim(value);
    }
    return (struct span){"", 0};
}

static bool list_has(struct span list, const char *word)
{
    while (list.len > 0) {
        if (span_equals(span_trim(span_cut(&list, ",")), word))
            return true;
    }
    return false;
}

static void put_accept(struct buf *out, const char *key, size_t key_len)
{
    uint8_t text[64 + sizeof(key_suffix)], digest[SHA1_BYTES];

    memcpy(text, key, key_len);
    memcpy(text + key_len, key_suffix, sizeof(key_suffix) - 1);
    sha1(digest, text, key_len + sizeof(key_suffix) - 1);
    base64_put(out, digest, sizeof(digest));
}

size_t handshake_head_bytes(const uint8_t *in, size_t len)
{
    const uint8_t *end = len ? memmem(in, len, "\r\n\r\n", 4) : NULL;

    return end ? (size_t)(end - in) + 4 : 0;
}

void handshake_put_request(struct buf *out, const char *host, const char *path, const char *subprotocol,
                           struct random *random, char key[HANDSHAKE_KEY_TEXT])
{
    uint32_t nonce[4];
    size_t key_at;

    for (size_t i = 0; i < 4; i++)
        nonce[i] = random_next(random);
    buf_printf(out,
               "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ",
               path, host);
    key_at = out->len;
    base64_put(out, nonce, sizeof(nonce));
    key[0] = '\0';
    if (!out->failed) {
        memcpy(key, out->data + key_at, HANDSHAKE_KEY_TEXT - 1);
        key[HANDSHAKE_KEY_TEXT - 1] = '\0';
    }
    if (subprotocol)
        buf_printf(out, "\r\nSec-WebSocket-Protocol: %s", subprotocol);
    buf_put_text(out, "\r\n\r\n");
}

/* "what: the text", with anything unprintable as dots. */
static int refuse(char *why, size_t why_size, const char *what, struct span text)
{
    snprintf(why, why_size, "%s: %.*s", what, text.len > 80 ? 80 : (int)text.len, text.text);
    for (char *c = why; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            *c = '.';
    }
    return -EPROTO;
}

int handshake_check_answer(const uint8_t *head, size_t len, const char *key, const char *subprotocol,
                           char *why, size_t why_size)
{
    struct span all = {(const char *)head, len}, rest = all;
    struct span status = span_cut(&rest, "\r\n"), accept = header_find(all, "Sec-WebSocket-Accept");
    struct span chosen = header_find(all, "Sec-WebSocket-Protocol");
    struct span extension = header_find(all, "Sec-WebSocket-Extensions");
    struct buf expected = BUF_INIT;
    bool is_right;

    if (status.len < 12 || memcmp(status.text, "HTTP/1.1 101", 12) != 0)
        return refuse(why, why_size, "the server refused the upgrade", status);
    put_accept(&expected, key, strlen(key));
    is_right = !expected.failed && accept.len == expected.len &&
               memcmp(accept.text, expected.data, expected.len) == 0;
    buf_deinit(&expected);
    if (!is_right)
        return refuse(why, why_size, "wrong Sec-WebSocket-Accept", accept);
    if (!span_equals(chosen, subprotocol ? subprotocol : ""))
        return refuse(why, why_size, "the server chose another subprotocol", chosen);
    if (extension.len > 0)
        return refuse(why, why_size, "an extension nobody offered", extension);
    return 0;
}

int handshake_put_answer(struct buf *out, const uint8_t *head, size_t len)
{
    struct span all = {(const char *)head, len}, key = header_find(all, "Sec-WebSocket-Key");
    struct span offered = header_find(all, "Sec-WebSocket-Protocol");
    struct span first = span_trim(span_cut(&offered, ","));

    if (len < 4 || memcmp(head, "GET ", 4) != 0 || !list_has(header_find(all, "Upgrade"), "websocket") ||
        !list_has(header_find(all, "Connection"), "Upgrade") || key.len != HANDSHAKE_KEY_TEXT - 1) {
        buf_put_text(out, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        return -EPROTO;
    }
    buf_put_text(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Accept: ");
    put_accept(out, key.text, key.len);
    if (first.len > 0)
        buf_printf(out, "\r\nSec-WebSocket-Protocol: %.*s", (int)first.len, first.text);
    buf_put_text(out, "\r\n\r\n");
    return 0;
}
