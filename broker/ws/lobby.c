#include "ws/lobby.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/handshake.h"

#define REFUSED_MAX 64
#define REFUSED_MS  1000

struct lobby_guest {
    uv_poll_t poll;
    struct ws *ws;
    struct ws_conn *
        conn; /* to be freed with the guest; NULL once libwebsockets has it, and for those that are refused */
    const char *status; /* refused: the answer */
    const char *text;
    struct timer timer; /* refused: the time for the request */
    TAILQ_ENTRY(lobby_guest) in_refused;
    int fd;
    size_t seen; /* bytes of the request at the last look */
};

static void on_poll_closed(uv_handle_t *handle)
{
    struct lobby_guest *guest = handle->data;
    guest->ws->open_handles--;
    if (guest->conn)
        ws_conn_free(guest->conn);
    free(guest);
}

/* Hand the socket to libwebsockets, which closes it in any case. */
static void adopt(struct ws_conn *conn, int fd)
{
    struct ws *ws = conn->ws;
    lws_adopt_desc_t adoption = {
        .vh = ws->vhost,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
        .fd = {.sockfd = fd},
        .opaque = conn,
    };
    ws->adopting = NULL;
    struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&adoption);
    if (wsi)
        conn->wsi = wsi;
    else if (!ws->adopting)
        ws_conn_free(conn); /* it came to nothing before there was anything with a last callback */
    ws->adopting = NULL;
}

static void admit(struct lobby_guest *guest)
{
    struct ws_conn *conn = guest->conn;
    const int one = 1;
    setsockopt(guest->fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    conn->guest = NULL;
    guest->conn = NULL;
    uv_close((uv_handle_t *)&guest->poll, on_poll_closed);
    adopt(conn, guest->fd);
}

void lobby_leave(struct ws_conn *conn)
{
    struct lobby_guest *guest = conn->guest;
    if (!guest)
        return;
    conn->guest = NULL;
    uv_close((uv_handle_t *)&guest->poll, on_poll_closed);
    close(guest->fd);
}

static void dismiss(struct lobby_guest *guest)
{
    struct ws *ws = guest->ws;
    if (guest->conn) {
        ws->counters->connections_refused++;
        ws_conn_hang_up(guest->conn); /* which comes back to lobby_leave() */
        return;
    }
    handshake_respond(guest->fd, guest->status, "Retry-After: 10\r\n", guest->text);
    shutdown(guest->fd, SHUT_WR);
    timer_stop(&ws->timers, &guest->timer);
    TAILQ_REMOVE(&ws->refused, guest, in_refused);
    ws->refused_count--;
    uv_close((uv_handle_t *)&guest->poll, on_poll_closed);
    close(guest->fd);
}

static void on_time_over(struct timer *timer, void *arg)
{
    (void)arg;
    dismiss((struct lobby_guest *)((char *)timer - offsetof(struct lobby_guest, timer)));
}

static bool has_head(const uint8_t *bytes, size_t len)
{
    return memmem(bytes, len, "\n\r\n", 3) || memmem(bytes, len, "\n\n", 2);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct lobby_guest *guest = poll->data;
    uint8_t *room = guest->ws->gather;
    (void)events;
    ssize_t len = recv(guest->fd, room, HEADERS_MAX + 1, MSG_PEEK | MSG_DONTWAIT);
    if (len < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0 || (size_t)len <= guest->seen) { /* readable with nothing new: the peer has closed */
        dismiss(guest);
        return;
    }
    if (has_head(room, (size_t)len)) {
        guest->conn ? admit(guest) : dismiss(guest);
        return;
    }
    if (len > HEADERS_MAX) {
        if (guest->conn)
            handshake_respond(guest->fd, "431 Request Header Fields Too Large", "",
                              "the head of a request may have 8192 bytes");
        dismiss(guest);
        return;
    }
    /* What was looked at stays in the socket, which would be readable all the time: the next look is worth it
     * with one byte more. */
    int more = (int)len + 1;
    setsockopt(guest->fd, SOL_SOCKET, SO_RCVLOWAT, &more, sizeof(more));
    guest->seen = (size_t)len;
}

static struct lobby_guest *guest_new(struct ws *ws, int fd)
{
    struct lobby_guest *guest = calloc(1, sizeof(*guest));
    if (!guest || uv_poll_init(ws->options.loop, &guest->poll, fd) != 0) {
        free(guest);
        return NULL;
    }
    guest->poll.data = guest;
    guest->ws = ws;
    guest->fd = fd;
    ws->open_handles++;
    uv_poll_start(&guest->poll, UV_READABLE, on_readable);
    return guest;
}

void lobby_enter(struct ws_conn *conn, int fd)
{
    if (!WORKAROUND(lobby)) {
        adopt(conn, fd);
        return;
    }
    conn->guest = guest_new(conn->ws, fd);
    if (!conn->guest) {
        close(fd);
        ws_conn_free(conn);
        return;
    }
    conn->guest->conn = conn;
}

void lobby_refuse(struct ws *ws, int fd, const char *status, const char *text)
{
    struct lobby_guest *guest = ws->refused_count < REFUSED_MAX ? guest_new(ws, fd) : NULL;
    if (!guest) {
        close(fd);
        return;
    }
    guest->status = status;
    guest->text = text;
    TAILQ_INSERT_TAIL(&ws->refused, guest, in_refused);
    ws->refused_count++;
    if (timer_start(&ws->timers, &guest->timer, ws_now(ws) + REFUSED_MS, on_time_over) != 0)
        dismiss(guest);
}

void lobby_clear(struct ws *ws)
{
    while (!TAILQ_EMPTY(&ws->refused))
        dismiss(TAILQ_FIRST(&ws->refused));
}
