#include "ws/lobby.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/handshake.h"
#include "ws/head.h"

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
    bool is_leaving; /* `conn` was answered: until the peer hangs up, or a moment has passed */
    size_t seen;     /* bytes of the request at the last look */
};

static void on_poll_closed(uv_handle_t *handle)
{
    struct lobby_guest *guest = handle->data;
    guest->ws->open_handles--;
    if (guest->conn)
        ws_conn_free(guest->conn);
    free(guest);
}

/* Hand the socket to libwebsockets, which closes it in any case; with the head of its request, or without if
 * it is to read that itself. */
static void adopt(struct ws_conn *conn, int fd, const struct buf *head)
{
    struct ws *ws = conn->ws;
    ws->entering = conn;
    if (head)
        lws_adopt_socket_vhost_readbuf(ws->vhost, fd, (const char *)head->data, head->len);
    else
        lws_adopt_socket_vhost(ws->vhost, fd);
    /* From the first callback on it is libwebsockets', and may be gone already. */
    if (ws->entering)
        ws_conn_free(conn);
    ws->entering = NULL;
}

static void ask_for(struct lobby_guest *guest, int bytes)
{
    setsockopt(guest->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

/* Its request was refused and answered. What it still sends must be read: a socket that is closed before is
 * reset, and the answer may be lost. */
static void see_off(struct lobby_guest *guest)
{
    guest->is_leaving = true;
    guest->seen = 0;
    ask_for(guest, 1);
    shutdown(guest->fd, SHUT_WR);
    ws_conn_lingers(guest->conn);
}

/* The head is there, @len bytes. It is taken from the socket, and what is behind it stays there. */
static void admit(struct lobby_guest *guest, uint8_t *room, size_t len)
{
    struct ws_conn *conn = guest->conn;
    struct buf head = BUF_INIT;
    ask_for(guest, 1);
    if (recv(guest->fd, room, len, MSG_DONTWAIT) != (ssize_t)len) {
        ws_conn_hang_up(conn);
        return;
    }
    if (handshake_begin(conn, guest->fd, room, len, &head) != 0) {
        see_off(guest);
    } else {
        conn->guest = NULL;
        guest->conn = NULL;
        uv_close((uv_handle_t *)&guest->poll, on_poll_closed);
        adopt(conn, guest->fd, &head);
    }
    buf_deinit(&head);
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
        if (!guest->conn->is_answered)
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

static void turn_away(struct lobby_guest *guest, const char *status, const char *text)
{
    if (guest->conn) {
        handshake_refuse(guest->conn, guest->fd, status, "", text);
        see_off(guest);
    } else {
        dismiss(guest);
    }
}

static void on_head(struct lobby_guest *guest, uint8_t *room, size_t len)
{
    if (len > HEADERS_MAX)
        turn_away(guest, "431 Request Header Fields Too Large", "the head of a request may have 8192 bytes");
    else if (guest->conn)
        admit(guest, room, len);
    else
        dismiss(guest);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct lobby_guest *guest = poll->data;
    uint8_t *room = guest->ws->gather;
    (void)events;
    int flags = guest->is_leaving ? MSG_DONTWAIT : MSG_PEEK | MSG_DONTWAIT;
    ssize_t len = recv(guest->fd, room, HEADERS_MAX + 1, flags);
    if (len < 0 && status == 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0 || (size_t)len <= guest->seen) { /* readable with nothing new: the peer has closed */
        dismiss(guest);
        return;
    }
    if (guest->is_leaving)
        return;
    size_t end = head_end(room, (size_t)len);
    if (!head_may_begin(room, (size_t)len)) {
        turn_away(guest, "400 Bad Request", "this is no HTTP request");
    } else if (end > 0 || len > HEADERS_MAX) {
        on_head(guest, room, end > 0 ? end : (size_t)len);
    } else {
        /* What was looked at stays in the socket, which would be readable all the time: the next look is
         * worth it with one byte more. */
        ask_for(guest, (int)len + 1);
        guest->seen = (size_t)len;
    }
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
        adopt(conn, fd, NULL);
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
