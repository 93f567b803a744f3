#include "ws/handshake.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "wire/utf8.h"
#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/tcp.h"

#define VALUE_MAX   256 /* of the headers that are checked */
#define LIST_MAX    127 /* libwebsockets reads no longer Connection and Sec-WebSocket-Protocol */
#define KEY_LEN     24  /* 16 bytes in base64 */
#define OPENING_MAX 64  /* headers in an opening */

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

static int refuse(struct ws_conn *conn, const char *status, const char *headers, const char *text)
{
    if (!conn->is_answered)
        conn->ws->counters->connections_refused++;
    conn->is_answered = true;
    handshake_respond(lws_get_socket_fd(conn->wsi), status, headers, text);
    return -1;
}

/* The value of a header, or NULL when it is absent or longer than @value. */
static const char *header(struct lws *wsi, enum lws_token_indexes token, char value[VALUE_MAX])
{
    return lws_hdr_total_length(wsi, token) > 0 && lws_hdr_copy(wsi, value, VALUE_MAX, token) > 0 ? value
                                                                                                  : NULL;
}

static bool is_token_char(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

/* The next item of a comma-separated list of tokens: *@item of *@len. False at the end, and with *@list not
 * at its end where there is something else. */
static bool next_token(const char **list, const char **item, size_t *len)
{
    const char *at = *list;
    while (*at == ' ' || *at == '\t' || *at == ',')
        at++;
    *item = at;
    while (is_token_char(*at))
        at++;
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

/* NULL if one of the offered subprotocols is ours, or none is offered. */
static const char *subprotocol_fault(struct lws *wsi)
{
    char value[VALUE_MAX];
    const char *item;
    size_t len;
    bool is_known = false;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) <= 0)
        return NULL;
    const char *list = header(wsi, WSI_TOKEN_PROTOCOL, value);
    if (!list || strlen(list) > LIST_MAX)
        return "Sec-WebSocket-Protocol is too long";
    while (next_token(&list, &item, &len))
        is_known |= (len == strlen(SUBPROTOCOL_JSON) && memcmp(item, SUBPROTOCOL_JSON, len) == 0) ||
                    (len == strlen(SUBPROTOCOL_MSGPACK) && memcmp(item, SUBPROTOCOL_MSGPACK, len) == 0);
    if (*list != '\0')
        return "Sec-WebSocket-Protocol is no list of names";
    return is_known ? NULL
                    : "none of the offered subprotocols is known; " SUBPROTOCOL_JSON
                      " and " SUBPROTOCOL_MSGPACK " are";
}

static int check_request(struct ws_conn *conn)
{
    struct lws *wsi = conn->wsi;
    char value[VALUE_MAX];
    const char *text;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) <= 0)
        return refuse(conn, "405 Method Not Allowed", "Allow: GET\r\n", "a WebSocket handshake is a GET");
    text = header(wsi, WSI_TOKEN_GET_URI, value);
    if (!text || strcmp(text, conn->ws->options.path) != 0)
        return refuse(conn, "404 Not Found", "", "WebSockets are elsewhere");
    text = header(wsi, WSI_TOKEN_HTTP, value);
    if (!text || strcmp(text, "HTTP/1.1") != 0)
        return refuse(conn, "400 Bad Request", "", "a WebSocket handshake is HTTP/1.1");
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HOST) <= 0)
        return refuse(conn, "400 Bad Request", "", "the header Host is missing");
    text = header(wsi, WSI_TOKEN_CONNECTION, value);
    if (!text || strlen(text) > LIST_MAX || !has_token(text, "upgrade"))
        return refuse(conn, "400 Bad Request", "", "the header Connection must name Upgrade");
    text = header(wsi, WSI_TOKEN_VERSION, value);
    if (!text || strcmp(text, "13") != 0)
        return refuse(conn, "426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                      "Sec-WebSocket-Version must be 13");
    text = header(wsi, WSI_TOKEN_KEY, value);
    if (!text || !is_key(text))
        return refuse(conn, "400 Bad Request", "", "Sec-WebSocket-Key must be 16 bytes in base64");
    text = subprotocol_fault(wsi);
    if (text)
        return refuse(conn, "400 Bad Request", "", text);
    return 0;
}

int handshake_check(struct ws_conn *conn)
{
    char value[VALUE_MAX];
    const char *text = header(conn->wsi, WSI_TOKEN_UPGRADE, value); /* all of them, where there are several */
    /* libwebsockets would go on in HTTP/2, where none of our rules hold. */
    if (WORKAROUND(refuse_h2c) && (!text || strcasecmp(text, "websocket") != 0))
        return refuse(conn, "400 Bad Request", "", "the only upgrade is to websocket");
    if (WORKAROUND(handshake_checks) && check_request(conn) != 0)
        return -1;
    conn->is_answered = true;
    return 0;
}

int handshake_plain(struct ws_conn *conn, const char *uri, size_t len)
{
    if (len == strlen(conn->ws->options.path) && memcmp(uri, conn->ws->options.path, len) == 0)
        return refuse(conn, "426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
                      "here are WebSockets only");
    if (lws_hdr_total_length(conn->wsi, WSI_TOKEN_GET_URI) <= 0 &&
        lws_hdr_total_length(conn->wsi, WSI_TOKEN_HEAD_URI) <= 0)
        return refuse(conn, "405 Method Not Allowed", "Allow: GET, HEAD\r\n", "files are only read");
    if (!conn->ws->options.static_dir)
        return refuse(conn, "404 Not Found", "", "there is nothing here");
    conn->is_answered = true;
    ws_conn_serves_file(conn);
    return 0;
}

void handshake_not_found(struct ws_conn *conn)
{
    refuse(conn, "404 Not Found", "", "there is nothing here");
}

/* Headers of the opening. */

struct header_name {
    const char *name; /* as configured, borrowed; NULL ends the list */
    int token;        /* libwebsockets' number, or -1 */
    char text[64];    /* lower case, with its colon */
};

int handshake_headers_new(struct header_name **out, const char *const *names)
{
    size_t count = 0;
    while (names && names[count] && count < OPENING_MAX)
        count++;
    struct header_name *list = calloc(count + 1, sizeof(*list));
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        struct header_name *entry = &list[i];
        entry->name = names[i];
        entry->token = -1;
        snprintf(entry->text, sizeof(entry->text), "%s:", names[i]);
        for (char *c = entry->text; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        const unsigned char *known;
        for (int token = 0; (known = lws_token_to_string((enum lws_token_indexes)token)); token++)
            if (strcmp((const char *)known, entry->text) == 0)
                entry->token = token;
    }
    *out = list;
    return 0;
}

/* Append the text with its zero byte. What is no UTF-8 is taken for Latin-1, as HTTP once had it. */
static void put_value(struct buf *out, const char *value, size_t len)
{
    if (utf8_valid(value, len)) {
        buf_put(out, value, len);
    } else {
        for (size_t i = 0; i < len; i++) {
            char utf8[4];
            size_t utf8_len = utf8_encode((unsigned char)value[i], utf8);
            buf_put(out, utf8, utf8_len);
        }
    }
    buf_put_byte(out, '\0');
}

static int copy_header(struct lws *wsi, const struct header_name *name, char *value, int size)
{
    if (name->token >= 0)
        return lws_hdr_total_length(wsi, (enum lws_token_indexes)name->token) > 0
                   ? lws_hdr_copy(wsi, value, size, (enum lws_token_indexes)name->token)
                   : -1;
    return lws_hdr_custom_copy(wsi, value, size, name->text, (int)strlen(name->text));
}

/* libwebsockets decodes the query and cuts it at each `&`; put it together again, encoded anew. */
static void put_query(struct buf *out, struct lws *wsi, char *value, int size)
{
    for (int part = 0;; part++) {
        int len = lws_hdr_copy_fragment(wsi, value, size, WSI_TOKEN_HTTP_URI_ARGS, part);
        if (len < 0)
            break;
        if (part > 0)
            buf_put_byte(out, '&');
        bool in_name = true;
        for (int i = 0; i < len; i++) {
            unsigned char c = (unsigned char)value[i];
            if (isalnum(c) || (c != '\0' && strchr("-._~!$'()*,:@/?", c)) || (c == '=' && in_name))
                buf_put_byte(out, c);
            else
                buf_printf(out, "%%%02X", c);
            in_name &= c != '=';
        }
    }
    buf_put_byte(out, '\0');
}

int handshake_done(struct ws_conn *conn)
{
    struct lws *wsi = conn->wsi;
    struct ws_header headers[OPENING_MAX];
    size_t offsets[OPENING_MAX];
    size_t count = 0;
    struct buf texts = BUF_INIT;
    char *value = malloc(HEADERS_MAX + 1);
    if (!value)
        return -1;
    put_query(&texts, wsi, value, HEADERS_MAX);
    for (const struct header_name *name = conn->ws->headers; name->name; name++) {
        int len = copy_header(wsi, name, value, HEADERS_MAX);
        if (len < 0)
            continue;
        headers[count].name = name->name;
        offsets[count++] = texts.len;
        put_value(&texts, value, (size_t)len);
    }
    free(value);
    if (texts.failed) {
        buf_deinit(&texts);
        return -1;
    }
    for (size_t i = 0; i < count; i++)
        headers[i].value = (const char *)texts.data + offsets[i];
    const char *protocol = lws_get_protocol(wsi)->name;
    struct ws_opening opening = {
        .path = conn->ws->options.path,
        .query = (const char *)texts.data,
        .remote = peer_text(conn->peer),
        .subprotocol = lws_hdr_total_length(wsi, WSI_TOKEN_PROTOCOL) > 0 ? protocol : "",
        .encoding = strcmp(protocol, SUBPROTOCOL_MSGPACK) == 0 ? ENCODING_MSGPACK : ENCODING_JSON,
        .headers = headers,
        .header_count = count,
    };
    ws_conn_established(conn, &opening);
    buf_deinit(&texts);
    return 0;
}
