#include "ws/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "wire/utf8.h"
#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/head.h"
#include "ws/tcp.h"

#define KEY_LEN     24 /* 16 bytes in base64 */
#define OPENING_MAX 64 /* headers in an opening */

#define UPGRADE_HEADERS "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"

void handshake_respond(int fd, const char *status, const char *headers, const char *text)
{
    char response[768];
    int len = snprintf(response, sizeof(response),
                       "HTTP/1.1 %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                       "Connection: close\r\n\r\n%s\n",
                       status, headers, strlen(text) + 1, text);
    /* Straight to the socket: nothing of libwebsockets' is on its way when a request is refused. */
    if (len > 0 && (size_t)len < sizeof(response))
        (void)!send(fd, response, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    tcp_discard_input(fd);
}

int handshake_refuse(struct ws_conn *conn, int fd, const char *status, const char *headers, const char *text)
{
    if (!conn->is_answered)
        conn->ws->counters->connections_refused++;
    conn->is_answered = true;
    handshake_respond(fd, status, headers, text);
    return -1;
}

/* A request whose head is there, and the room to look at a value of it: as large as the head, so that nothing
 * that is put there is ever cut. */
struct request {
    struct ws_conn *conn;
    int fd;
    const struct head *head;
    struct buf value;
};

static int refuse(const struct request *request, const char *status, const char *headers, const char *text)
{
    return handshake_refuse(request->conn, request->fd, status, headers, text);
}

/* The values of a field, or NULL when it is absent. */
static const char *field(struct request *request, const char *name)
{
    buf_reset(&request->value);
    size_t count = head_put(request->head, name, &request->value);
    buf_put_byte(&request->value, '\0');
    return count > 0 ? (const char *)request->value.data : NULL;
}

/* The path without its percent-encoding, or NULL when it is none. */
static const char *decoded_path(struct request *request)
{
    buf_reset(&request->value);
    bool is_good = request->head->path[0] == '/' && head_decode(request->head->path, &request->value);
    buf_put_byte(&request->value, '\0');
    return is_good ? (const char *)request->value.data : NULL;
}

/* The next item of a comma-separated list: *@item of *@len. False at the end, and with *@list not at its end
 * where words stand without a comma. */
static bool next_token(const char **list, const char **item, size_t *len)
{
    const char *at = *list;
    while (*at == ' ' || *at == '\t' || *at == ',')
        at++;
    *item = at;
    at += strcspn(at, " \t,");
    *len = (size_t)(at - *item);
    while (*at == ' ' || *at == '\t')
        at++;
    *list = at;
    return *len > 0 && (*at == ',' || *at == '\0');
}

static bool has_token(const char *list, const char *token)
{
    const char *item;
    size_t len;
    while (next_token(&list, &item, &len))
        if (len == strlen(token) && strncasecmp(item, token, len) == 0)
            return true;
    return false;
}

static bool is_key(const char *key)
{
    /* 16 bytes are 22 digits of base64, of which the last carries only two bits, and "==". */
    size_t digits = strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    return strlen(key) == KEY_LEN && digits == KEY_LEN - 2 && strcmp(key + digits, "==") == 0 &&
           strchr("AQgw", key[digits - 1]);
}

/* The first offered subprotocol that is ours. "" when none is offered; NULL when none is known. */
static const char *choose_subprotocol(const char *offered)
{
    static const char *const names[] = {SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK};
    const char *list = offered ? offered : "";
    const char *item;
    size_t len;
    if (*list == '\0')
        return "";
    while (next_token(&list, &item, &len))
        for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
            if (len == strlen(names[i]) && memcmp(item, names[i], len) == 0)
                return names[i];
    return NULL;
}

/* What there is to say against the fields of a handshake. */
static int check_fields(struct request *request)
{
    if (request->head->minor != 1)
        return refuse(request, "400 Bad Request", "", "a WebSocket handshake is HTTP/1.1");
    if (!field(request, "Host"))
        return refuse(request, "400 Bad Request", "", "the header Host is missing");
    const char *text = field(request, "Connection");
    if (!text || !has_token(text, "upgrade"))
        return refuse(request, "400 Bad Request", "", "the header Connection must name Upgrade");
    text = field(request, "Sec-WebSocket-Version");
    if (!text || strcmp(text, "13") != 0)
        return refuse(request, "426 Upgrade Required", UPGRADE_HEADERS, "Sec-WebSocket-Version must be 13");
    text = field(request, "Sec-WebSocket-Key");
    if (!text || !is_key(text))
        return refuse(request, "400 Bad Request", "", "Sec-WebSocket-Key must be 16 bytes in base64");
    if (!choose_subprotocol(field(request, "Sec-WebSocket-Protocol")))
        return refuse(request, "400 Bad Request", "",
                      "none of the offered subprotocols is known; " SUBPROTOCOL_JSON
                      " and " SUBPROTOCOL_MSGPACK " are");
    return 0;
}

static int check_upgrade(struct request *request)
{
    const char *text = field(request, "Upgrade");
    if (strcasecmp(text, "websocket") != 0)
        return refuse(request, "400 Bad Request", "", "the only upgrade is to websocket");
    if (strcmp(request->head->method, "GET") != 0)
        return refuse(request, "405 Method Not Allowed", "Allow: GET\r\n", "a WebSocket handshake is a GET");
    text = decoded_path(request);
    if (!text || strcmp(text, request->conn->ws->options.path) != 0)
        return refuse(request, "404 Not Found", "", "WebSockets are elsewhere");
    return check_fields(request);
}

static int check_plain(struct request *request)
{
    const char *method = request->head->method;
    const char *path = decoded_path(request);
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (path && strcmp(path, request->conn->ws->options.path) == 0)
        return refuse(request, "426 Upgrade Required", UPGRADE_HEADERS, "here are WebSockets only");
    if (!is_read)
        return refuse(request, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "files are only read");
    if (!path)
        return refuse(request, "400 Bad Request", "", "what is asked for is no path");
    if (!request->conn->ws->options.static_dir)
        return refuse(request, "404 Not Found", "", "there is nothing here");
    return 0;
}

/* What libwebsockets gets instead of the client's head. It knows some names of headers, and takes the line
 * behind a name that is the beginning of one of those for a part of its name. */

static void put_upgrade(struct request *request, struct buf *out)
{
    buf_put_text(out, "GET /ws HTTP/1.1\r\nHost: sluice\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\n");
    buf_printf(out, "Sec-WebSocket-Key: %s\r\n", field(request, "Sec-WebSocket-Key"));
    const char *chosen = choose_subprotocol(field(request, "Sec-WebSocket-Protocol"));
    if (*chosen)
        buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", chosen);
    buf_put_text(out, "\r\n");
}

/* HTTP/1.0, so that the answer ends with the connection: a second request would get past the lobby. */
static void put_plain(struct request *request, struct buf *out)
{
    static const char *const names[] = {"If-None-Match", "Accept-Encoding", "Range"};
    buf_printf(out, "%s %s HTTP/1.0\r\nHost: sluice\r\n", request->head->method, request->head->path);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *value = field(request, names[i]);
        if (value)
            buf_printf(out, "%s: %s\r\n", names[i], value);
    }
    buf_put_text(out, "\r\n");
}

static int check_request(struct request *request, struct buf *out)
{
    bool is_upgrade = field(request, "Upgrade");
    if ((is_upgrade ? check_upgrade(request) : check_plain(request)) != 0)
        return -1;
    is_upgrade ? put_upgrade(request, out) : put_plain(request, out);
    if (out->failed)
        return refuse(request, "503 Service Unavailable", "Retry-After: 10\r\n", "short of memory");
    request->conn->is_answered = true;
    if (!is_upgrade)
        ws_conn_serves_file(request->conn);
    return 0;
}

int handshake_begin(struct ws_conn *conn, int fd, const void *bytes, size_t len, struct buf *out)
{
    const char *fault;
    if (head_new(&conn->head, bytes, len, &fault) != 0 && fault)
        return handshake_refuse(conn, fd, "400 Bad Request", "", fault);
    struct request request = {.conn = conn, .fd = fd, .head = conn->head, .value = BUF_INIT};
    int result = -1;
    if (conn->head && buf_reserve(&request.value, len + 1))
        result = check_request(&request, out);
    else
        refuse(&request, "503 Service Unavailable", "Retry-After: 10\r\n", "short of memory");
    buf_deinit(&request.value);
    if (result == 0 && !WORKAROUND(own_head)) {
        buf_reset(out);
        buf_put(out, bytes, len);
    }
    return result;
}

void handshake_not_found(struct ws_conn *conn)
{
    handshake_refuse(conn, lws_get_socket_fd(conn->wsi), "404 Not Found", "", "there is nothing here");
}

/* The opening. */

int handshake_headers_new(const char *const **out, const char *const *names)
{
    size_t count = 0;
    while (names && names[count] && count < OPENING_MAX)
        count++;
    const char **list = calloc(count + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        list[i] = names[i];
    *out = list;
    return 0;
}

/* Append the text with its zero byte. What is no UTF-8 is taken for Latin-1, as HTTP once had it. */
static void put_value(struct buf *out, const struct buf *value)
{
    if (utf8_valid(value->data, value->len)) {
        buf_put(out, value->data, value->len);
    } else {
        for (size_t i = 0; i < value->len; i++) {
            char utf8[4];
            size_t utf8_len = utf8_encode(value->data[i], utf8);
            buf_put(out, utf8, utf8_len);
        }
    }
    buf_put_byte(out, '\0');
}

/* As it came, but for bytes that may not stand in a URI: those are encoded. */
static void put_query(struct buf *out, const char *query)
{
    for (; *query; query++) {
        if ((unsigned char)*query < 0x80)
            buf_put_byte(out, (uint8_t)*query);
        else
            buf_printf(out, "%%%02X", (unsigned char)*query);
    }
    buf_put_byte(out, '\0');
}

/* Put query and headers into @texts, one behind the other; *@offsets is where each header begins. Returns how
 * many headers there are. */
static size_t gather(const struct ws_conn *conn, struct buf *texts, struct ws_header *headers,
                     size_t *offsets)
{
    struct buf value = BUF_INIT;
    size_t count = 0;
    put_query(texts, conn->head ? conn->head->query : "");
    for (const char *const *name = conn->ws->headers; *name && conn->head; name++) {
        buf_reset(&value);
        if (head_put(conn->head, *name, &value) == 0)
            continue;
        headers[count].name = *name;
        offsets[count++] = texts->len;
        put_value(texts, &value);
        texts->failed |= value.failed;
    }
    buf_deinit(&value);
    return count;
}

int handshake_done(struct ws_conn *conn)
{
    struct ws_header headers[OPENING_MAX];
    size_t offsets[OPENING_MAX];
    struct buf texts = BUF_INIT;
    size_t count = gather(conn, &texts, headers, offsets);
    free(conn->head);
    conn->head = NULL;
    if (texts.failed) {
        buf_deinit(&texts);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        headers[i].value = (const char *)texts.data + offsets[i];
    const char *protocol = lws_get_protocol(conn->wsi)->name;
    struct ws_opening opening = {
        .path = conn->ws->options.path,
        .query = (const char *)texts.data,
        .remote = peer_text(conn->peer),
        .subprotocol = lws_hdr_total_length(conn->wsi, WSI_TOKEN_PROTOCOL) > 0 ? protocol : "",
        .encoding = strcmp(protocol, SUBPROTOCOL_MSGPACK) == 0 ? ENCODING_MSGPACK : ENCODING_JSON,
        .headers = headers,
        .header_count = count,
    };
    ws_conn_established(conn, &opening);
    buf_deinit(&texts);
    return 0;
}
