#include "support/ws_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX ((size_t)4 * 1024 * 1024)
#define WAIT_MS     5000

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct ws {
    int fd;
    int close_code;
    unsigned char *in; /* bytes that came and are not used yet */
    size_t in_len, in_cap;
    char *message; /* the one under way, or the last */
    size_t message_len;
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int write_all(struct ws *ws, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        ssize_t sent = send(ws->fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -1;
        at += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* Read what there is until @deadline. False when nothing came. */
static bool read_some(struct ws *ws, int64_t deadline)
{
    struct pollfd fd = {.fd = ws->fd, .events = POLLIN};
    int64_t left = deadline - now_ms();
    ssize_t got;

    if (ws->fd < 0 || poll(&fd, 1, left > 0 ? (int)left : 0) <= 0)
        return false;
    if (ws->in_cap - ws->in_len < 65536) {
        unsigned char *larger = realloc(ws->in, ws->in_cap + 262144);
        if (!larger || ws->in_cap > 2 * MESSAGE_MAX)
            return false;
        ws->in = larger;
        ws->in_cap += 262144;
    }
    got = recv(ws->fd, ws->in + ws->in_len, ws->in_cap - ws->in_len, 0);
    if (got <= 0) {
        close(ws->fd);
        ws->fd = -1;
        if (!ws->close_code)
            ws->close_code = 1006;
        return false;
    }
    ws->in_len += (size_t)got;
    return true;
}

static void use_up(struct ws *ws, size_t len)
{
    memmove(ws->in, ws->in + len, ws->in_len - len);
    ws->in_len -= len;
}

static bool shake_hands(struct ws *ws, int port, const char *path, const char *subprotocol,
                        const char *headers)
{
    int64_t deadline = now_ms() + WAIT_MS;
    char request[2048];
    unsigned char *end;
    int len =
        snprintf(request, sizeof(request),
                 "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s%s\r\n",
                 path, port, subprotocol ? "Sec-WebSocket-Protocol: " : "", subprotocol ? subprotocol : "",
                 subprotocol ? "\r\n" : "", headers);

    if (write_all(ws, request, (size_t)len) < 0)
        return false;
    while (!(end = ws->in_len ? memmem(ws->in, ws->in_len, "\r\n\r\n", 4) : NULL))
        if (!read_some(ws, deadline))
            return false;
    if (memcmp(ws->in, "HTTP/1.1 101", 12) != 0)
        return false;
    use_up(ws, (size_t)(end + 4 - ws->in));
    return true;
}

struct ws *ws_open(int port, const char *path, const char *subprotocol, const char *headers)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct ws *ws = calloc(1, sizeof(*ws));
    int on = 1;

    if (!ws)
        return NULL;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ws->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ws->message = malloc(MESSAGE_MAX + 1);
    if (ws->fd < 0 || !ws->message || connect(ws->fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(ws->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        !shake_hands(ws, port, path, subprotocol, headers)) {
        ws_free(ws);
        return NULL;
    }
    return ws;
}

void ws_free(struct ws *ws)
{
    if (!ws)
        return;
    if (ws->fd >= 0)
        close(ws->fd);
    free(ws->in);
    free(ws->message);
    free(ws);
}

/* Clients mask; a mask of zero bytes leaves the payload as it is. */
static int send_frame(struct ws *ws, int op, const void *payload, size_t len)
{
    unsigned char head[14] = {(unsigned char)(0x80 | op)};
    size_t at = 2;

    if (len < 126) {
        head[1] = (unsigned char)(0x80 | len);
    } else if (len < 65536) {
        head[1] = 0x80 | 126;
        head[at++] = (unsigned char)(len >> 8);
        head[at++] = (unsigned char)len;
    } else {
        head[1] = 0x80 | 127;
        for (int shift = 56; shift >= 0; shift -= 8)
            head[at++] = (unsigned char)((uint64_t)len >> shift);
    }
    at += 4;
    return write_all(ws, head, at) < 0 || write_all(ws, payload, len) < 0 ? -1 : 0;
}

int ws_send(struct ws *ws, const char *text)
{
    return send_frame(ws, OP_TEXT, text, strlen(text));
}

int ws_send_close(struct ws *ws, int code)
{
    unsigned char payload[2] = {(unsigned char)(code >> 8), (unsigned char)code};

    return send_frame(ws, OP_CLOSE, payload, 2);
}

/* Take one frame from ws->in. 1: a message is complete; 0: not yet; -1: more bytes are needed. */
static int take_frame(struct ws *ws)
{
    uint64_t len;
    size_t head = 2;
    int op;

    if (ws->in_len < 2)
        return -1;
    len = ws->in[1] & 0x7f;
    head += len == 126 ? 2 : len == 127 ? 8 : 0;
    if (ws->in_len < head)
        return -1;
    if (head > 2)
        for (len = 0, op = 2; op < (int)head; op++)
            len = len << 8 | ws->in[op];
    if (len > MESSAGE_MAX || ws->in_len < head + len)
        return -1;
    op = ws->in[0] & 0x0f;
    if (op == OP_PING)
        send_frame(ws, OP_PONG, ws->in + head, len);
    if (op == OP_CLOSE)
        ws->close_code = len >= 2 ? ws->in[head] << 8 | ws->in[head + 1] : 1005;
    if (op == OP_TEXT || op == OP_BINARY)
        ws->message_len = 0;
    if (op < OP_CLOSE && ws->message_len + len <= MESSAGE_MAX) {
        memcpy(ws->message + ws->message_len, ws->in + head, len);
        ws->message_len += len;
        ws->message[ws->message_len] = '\0';
    }
    int is_complete = op < OP_CLOSE && (ws->in[0] & 0x80);
    use_up(ws, head + len);
    return is_complete;
}

const char *ws_receive(struct ws *ws, int timeout_ms)
{
    int64_t deadline = now_ms() + timeout_ms;

    for (;;) {
        int taken = take_frame(ws);
        if (taken > 0)
            return ws->message;
        if (taken < 0 && !read_some(ws, deadline))
            return NULL;
    }
}

int ws_close_code(const struct ws *ws)
{
    return ws->close_code;
}
