#include "ws/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/log.h"
#include "wire/utf8.h"
#include "wire/workaround.h"
#include "ws/frame.h"
#include "ws/lobby.h"
#include "ws/pause.h"
#include "ws/tcp.h"
#include "ws/writer.h"

#define LINGER_MS 1000
#define FILE_MS   60000 /* for a request of a file, to its end */
#define LEAVE_MS                                                                                             \
    10000 /* libwebsockets ends a closing connection after 5 s itself; this is for when it does not */
#define INBOX_KEEP_CAP 4096

static void on_clock(struct timer *timer, void *arg);

static void set_clock(struct ws_conn *conn, uint64_t after_ms)
{
    /* Cannot fail: room for two timers was reserved in ws_conn_new(). */
    timer_start(&conn->ws->timers, &conn->clock, ws_now(conn->ws) + after_ms, on_clock);
}

struct ws_conn *ws_conn_new(struct ws *ws, struct peer *peer)
{
    /* Two for each, one of the listener's, and those for the paused ones. */
    if (timers_reserve(&ws->timers, 2 * ((size_t)ws->count + 1) + 1 + PAUSE_TIMERS) != 0)
        return NULL;
    struct ws_conn *conn = calloc(1, sizeof(*conn));
    if (!conn)
        return NULL;
    conn->ws = ws;
    conn->peer = peer;
    conn->heard_ms = ws_now(ws);
    buf_init(&conn->inbox);
    buf_init(&conn->held);
    TAILQ_INSERT_TAIL(&ws->all, conn, in_all);
    ws->count++;
    ws->counters->connections = ws->count;
    set_clock(conn, ws->options.handshake_ms);
    return conn;
}

static void drop_queue(struct ws_conn *conn)
{
    conn->ws->counters->messages_dropped += outqueue_clear(&conn->queue);
    conn->has_answers = false;
    conn->wants_ping = false;
}

static void stop_timers(struct ws_conn *conn)
{
    timer_stop(&conn->ws->timers, &conn->clock);
    timer_stop(&conn->ws->timers, &conn->stall);
    conn->is_stalled = false;
}

/* `closed`, once. */
static void tell_closed(struct ws_conn *conn, unsigned code, const char *reason, size_t reason_len)
{
    if (!conn->is_known)
        return;
    conn->is_known = false;
    if (conn->ws->is_freeing)
        return;
    conn->ws->up_calls++;
    log_debug("ws", "connection ends", "remote=%s code=%u", peer_text(conn->peer), code);
    conn->ws->events.closed(conn->ws->events.arg, conn->user, code, reason, reason_len);
}

void ws_conn_free(struct ws_conn *conn)
{
    struct ws *ws = conn->ws;
    tell_closed(conn, CLOSE_ABNORMAL, "", 0);
    if (conn->was_open)
        ws->counters->connections_closed++;
    stop_timers(conn);
    pause_forget(conn);
    writer_remove(conn);
    drop_queue(conn);
    buf_deinit(&conn->inbox);
    buf_deinit(&conn->held);
    blob_unref(conn->close_frame);
    free(conn->head);
    TAILQ_REMOVE(&ws->all, conn, in_all);
    ws->count--;
    ws->counters->connections = ws->count;
    peers_leave(ws->peers, conn->peer);
    free(conn);
}

void ws_conn_serves_file(struct ws_conn *conn)
{
    set_clock(conn, FILE_MS);
}

void ws_conn_lingers(struct ws_conn *conn)
{
    set_clock(conn, LINGER_MS);
}

/* Opening. */

void ws_conn_established(struct ws_conn *conn, const struct ws_opening *opening)
{
    struct ws *ws = conn->ws;
    conn->state = CONN_OPEN;
    conn->was_open = true;
    outqueue_init(&conn->queue, opening->encoding);
    ws->counters->connections_opened++;
    ws_conn_start_clock(conn);
    conn->is_known = true;
    ws->up_calls++;
    conn->user = ws->events.opened(ws->events.arg, conn, opening);
    if (!conn->user) {
        conn->is_known = false;
        ws_conn_close(conn, CLOSE_TRY_LATER, "refused", strlen("refused"));
    }
}

/* Reading. */

void ws_conn_heard(struct ws_conn *conn)
{
    conn->heard_ms = ws_now(conn->ws);
}

void ws_conn_message(struct ws_conn *conn, const void *bytes, size_t len, bool is_binary)
{
    struct ws *ws = conn->ws;
    ws->up_calls++;
    ws->counters->messages_in++;
    ws->counters->bytes_in += len;
    struct envelope envelope;
    struct fault fault;
    /* Whether text is UTF-8 is asked only where it cannot be read: JSON that can has nothing but ASCII and
     * checked strings. libwebsockets could check the pieces, but eleven instructions for each byte is slow,
     * and it lets a character pass that is cut at the end of the message. */
    if (envelope_read(&envelope, &ws->room, bytes, len, conn->queue.encoding, is_binary, &fault) == 0)
        ws->events.message(ws->events.arg, conn->user, &envelope);
    else if (!is_binary && !utf8_valid(bytes, len))
        ws_conn_end(conn, CLOSE_BAD_TEXT, "text is not UTF-8");
    else
        ws->events.unreadable(ws->events.arg, conn->user, &fault, &envelope.id, envelope.event,
                              envelope.event_len);
}

/* As soon as it may go up. */
static void take_message(struct ws_conn *conn, const void *bytes, size_t len)
{
    if (!pause_holds(conn))
        ws_conn_message(conn, bytes, len, conn->is_binary);
    else if (pause_hold(conn, bytes, len, conn->is_binary) != 0)
        ws_conn_end(conn, CLOSE_TRY_LATER, "the broker is short of memory");
}

static void empty_inbox(struct ws_conn *conn)
{
    conn->in_message = false;
    if (conn->inbox.cap > INBOX_KEEP_CAP)
        buf_deinit(&conn->inbox);
    else
        buf_reset(&conn->inbox);
}

void ws_conn_receive(struct ws_conn *conn, const void *bytes, size_t len, bool is_final, bool is_binary,
                     size_t remaining)
{
    if (conn->state != CONN_OPEN) {
        empty_inbox(conn); /* not in ws_close(): the message whose up-call that came from may live in it */
        return;
    }
    size_t limit = conn->ws->options.max_message_bytes;
    ws_conn_heard(conn);
    if (remaining > limit || conn->inbox.len + len + remaining > limit) {
        char reason[64];
        snprintf(reason, sizeof(reason), "messages have at most %zu bytes", limit);
        ws_conn_end(conn, CLOSE_TOO_BIG, reason);
        return;
    }
    if (!conn->in_message)
        conn->is_binary = is_binary;
    if (!conn->in_message && is_final) {
        take_message(conn, bytes, len); /* all of it at once, as most are: read in place */
        return;
    }
    conn->in_message = true;
    buf_put(&conn->inbox, bytes, len);
    if (conn->inbox.failed) {
        ws_conn_end(conn, CLOSE_TRY_LATER, "the broker is short of memory");
        return;
    }
    if (!is_final)
        return;
    take_message(conn, conn->inbox.data ? (const void *)conn->inbox.data : "", conn->inbox.len);
    empty_inbox(conn);
}

/* Time. */

/* How long nothing came. libwebsockets tells of messages, but not of the peer's pings, of empty pongs or of a
 * frame that is only half there: so the kernel has the last word. */
static uint64_t silence_ms(const struct ws_conn *conn)
{
    uint64_t reported = ws_now(conn->ws) - conn->heard_ms;
    uint64_t seen = WORKAROUND(kernel_silence) ? tcp_silence_ms(lws_get_socket_fd(conn->wsi)) : UINT64_MAX;
    return seen < reported ? seen : reported;
}

static void on_clock_open(struct ws_conn *conn)
{
    const struct ws_options *options = &conn->ws->options;
    uint64_t now = ws_now(conn->ws);
    uint64_t next = UINT64_MAX;
    if (options->timeout_ms > 0) {
        uint64_t silence = silence_ms(conn);
        if (silence >= options->timeout_ms) {
            char reason[64];
            snprintf(reason, sizeof(reason), "nothing came for %u ms", options->timeout_ms);
            conn->ws->counters->closed_timeout++;
            ws_conn_end(conn, CLOSE_SILENT, reason);
            return;
        }
        next = now + options->timeout_ms - silence;
    }
    if (options->ping_ms > 0) {
        if (now >= conn->next_ping_ms) {
            conn->wants_ping = true;
            conn->next_ping_ms = now + options->ping_ms;
            writer_add(conn, LIST_ANSWERS);
        }
        if (conn->next_ping_ms < next)
            next = conn->next_ping_ms;
    }
    if (next != UINT64_MAX)
        set_clock(conn, next - now);
}

void ws_conn_start_clock(struct ws_conn *conn)
{
    conn->heard_ms = ws_now(conn->ws);
    conn->next_ping_ms = conn->heard_ms + conn->ws->options.ping_ms;
    set_clock(conn, 0);
}

void ws_conn_stop_clock(struct ws_conn *conn)
{
    conn->wants_ping = false;
    timer_stop(&conn->ws->timers, &conn->clock);
}

/* A close takes as long as the peer goes on reading, but not for ever. */
static void on_clock_closing(struct ws_conn *conn)
{
    int fd = lws_get_socket_fd(conn->wsi);
    uint64_t acked = tcp_acked(fd);
    bool is_waiting = conn->state == CONN_CLOSE_SENT && tcp_unsent(fd) == 0;
    if (is_waiting || acked == conn->acked || ++conn->close_steps >= CLOSE_STEPS_MAX) {
        ws_conn_hang_up(conn);
        return;
    }
    conn->acked = acked;
    set_clock(conn, CLOSE_STEP_MS);
}

static void on_clock(struct timer *timer, void *arg)
{
    struct ws_conn *conn = (struct ws_conn *)((char *)timer - offsetof(struct ws_conn, clock));
    (void)arg;
    switch (conn->state) {
    case CONN_HTTP:
        if (!conn->is_answered)
            conn->ws->counters->connections_refused++;
        ws_conn_hang_up(conn);
        break;
    case CONN_OPEN:
        on_clock_open(conn);
        break;
    case CONN_CLOSING:
    case CONN_CLOSE_SENT:
        on_clock_closing(conn);
        break;
    case CONN_LEAVING:
        ws_conn_hang_up(conn);
        break;
    case CONN_DEAD:
        break;
    }
}

static void on_stall(struct timer *timer, void *arg)
{
    struct ws_conn *conn = (struct ws_conn *)((char *)timer - offsetof(struct ws_conn, stall));
    (void)arg;
    uint64_t acked = tcp_acked(lws_get_socket_fd(conn->wsi));
    if (acked == conn->acked) {
        ws_conn_give_up(conn);
        return;
    }
    conn->acked = acked;
    timer_start(&conn->ws->timers, &conn->stall, ws_now(conn->ws) + conn->ws->options.stall_ms, on_stall);
}

void ws_conn_stalls(struct ws_conn *conn)
{
    if (conn->is_stalled || conn->state != CONN_OPEN)
        return;
    conn->is_stalled = true;
    if (conn->ws->options.stall_ms == 0)
        return;
    conn->acked = tcp_acked(lws_get_socket_fd(conn->wsi));
    timer_start(&conn->ws->timers, &conn->stall, ws_now(conn->ws) + conn->ws->options.stall_ms, on_stall);
}

void ws_conn_flows(struct ws_conn *conn)
{
    conn->is_stalled = false;
    timer_stop(&conn->ws->timers, &conn->stall);
}

/* Writing. */

int ws_deliver(struct ws_conn *conn, struct message *m, enum ws_class class)
{
    struct ws *ws = conn->ws;
    if (conn->state != CONN_OPEN || conn->is_refused)
        return 1;
    if (!frame_of(m, conn->queue.encoding, &ws->text) ||
        outqueue_push(&conn->queue, m, ws->options.queue_items, ws->options.queue_bytes) != 0) {
        conn->is_refused = true;
        writer_add(conn, LIST_DOOMED);
        return 1;
    }
    if (class == WS_ANSWER)
        conn->has_answers = true;
    if (!conn->is_stalled) /* else libwebsockets calls when the socket takes bytes again */
        writer_add(conn, class == WS_ANSWER ? LIST_ANSWERS : LIST_BROADCASTS);
    return 0;
}

/* Closing.
 *
 * The close frame is ours and goes the way of all frames, behind everything that is queued.
 * lws_close_reason() with -1 from a callback loses it in several cases: bytes waiting inside libwebsockets, a
 * pong waiting in the same memory, and closing twice with libuv (fixed in 5.0). */

void ws_conn_close(struct ws_conn *conn, unsigned code, const char *reason, size_t reason_len)
{
    conn->is_known = false;
    if (conn->state != CONN_OPEN)
        return;
    pause_end(conn);
    conn->state = CONN_CLOSING;
    conn->wants_ping = false;
    stop_timers(conn);
    conn->acked = tcp_acked(lws_get_socket_fd(conn->wsi));
    set_clock(conn, CLOSE_STEP_MS);
    conn->close_frame = frame_close(code, reason, reason_len);
    writer_add(conn, conn->close_frame ? LIST_ANSWERS : LIST_DOOMED);
}

void ws_close(struct ws_conn *conn, unsigned code, const char *reason, size_t reason_len)
{
    ws_conn_close(conn, code, reason, reason_len);
}

void ws_conn_end(struct ws_conn *conn, unsigned code, const char *reason)
{
    size_t len = strlen(reason);
    tell_closed(conn, code, reason, len);
    ws_conn_close(conn, code, reason, len);
}

int ws_conn_send_close(struct ws_conn *conn)
{
    struct blob *frame = conn->close_frame;
    conn->close_frame = NULL;
    conn->state = CONN_CLOSE_SENT;
    set_clock(conn, CLOSE_STEP_MS);
    int result = lws_write(conn->wsi, frame->data, frame->len, LWS_WRITE_HTTP);
    blob_unref(frame);
    return result < 0 ? -1 : 0;
}

void ws_conn_give_up(struct ws_conn *conn)
{
    if (conn->state != CONN_OPEN) {
        ws_conn_hang_up(conn);
        return;
    }
    conn->ws->counters->closed_slow++;
    log_warn("ws", "slow consumer", "remote=%s queued=%u bytes=%zu", peer_text(conn->peer), conn->queue.count,
             conn->queue.bytes);
    drop_queue(conn);
    ws_conn_end(conn, CLOSE_SLOW, "slow consumer");
}

static void leave(struct ws_conn *conn)
{
    conn->state = CONN_LEAVING;
    pause_forget(conn);
    writer_remove(conn);
    drop_queue(conn);
    stop_timers(conn);
    set_clock(conn, LEAVE_MS);
}

static unsigned payload_code(const uint8_t *payload)
{
    return (unsigned)payload[0] << 8 | payload[1];
}

/* Code and reason out of a close frame's payload. */
static void tell_payload(struct ws_conn *conn, const uint8_t *payload, size_t len, unsigned otherwise)
{
    unsigned code = len >= 2 ? payload_code(payload) : otherwise;
    const char *reason = len > 2 ? (const char *)payload + 2 : "";
    size_t reason_len = len > 2 ? len - 2 : 0;
    if (!utf8_valid(reason, reason_len))
        reason_len = 0;
    if (!tcp_is_reset(lws_get_socket_fd(conn->wsi)))
        pause_flush(conn);
    tell_closed(conn, code, reason, reason_len);
}

bool ws_conn_is_cut_off(const struct ws_conn *conn)
{
    if (conn->state != CONN_OPEN || lws_get_close_length(conn->wsi) > 0 || !WORKAROUND(breach_code))
        return false;
    return tcp_is_open(lws_get_socket_fd(conn->wsi));
}

int ws_conn_peer_closes(struct ws_conn *conn, const uint8_t *payload, size_t len)
{
    bool is_answer = conn->state == CONN_CLOSE_SENT;
    if (len > 2 && !utf8_valid(payload + 2, len - 2)) {
        static uint8_t text[] = "the reason is not UTF-8";
        if (!is_answer)
            lws_close_reason(conn->wsi, LWS_CLOSE_STATUS_INVALID_PAYLOAD, text, sizeof(text) - 1);
        return -1;
    }
    /* Half a code, or one that there cannot be: libwebsockets would echo it. */
    if (len == 1 || (len >= 2 && payload_code(payload) >= CLOSE_CODES_END)) {
        static uint8_t text[] = "bad close code";
        if (!is_answer)
            lws_close_reason(conn->wsi, LWS_CLOSE_STATUS_PROTOCOL_ERR, text, sizeof(text) - 1);
        return -1;
    }
    leave(conn);
    tell_payload(conn, payload, len, CLOSE_NO_CODE);
    return is_answer ? -1 : 0;
}

void ws_conn_leaves(struct ws_conn *conn, const uint8_t *payload, size_t len)
{
    if (conn->state == CONN_HTTP || conn->state == CONN_LEAVING || conn->state == CONN_DEAD)
        return;
    leave(conn);
    tell_payload(conn, payload, len, CLOSE_ABNORMAL);
}

void ws_conn_hang_up(struct ws_conn *conn)
{
    if (conn->state == CONN_DEAD)
        return;
    conn->state = CONN_DEAD;
    pause_forget(conn);
    writer_remove(conn);
    drop_queue(conn);
    stop_timers(conn);
    tell_closed(conn, CLOSE_ABNORMAL, "", 0);
    lobby_leave(conn);
    if (!conn->wsi)
        return;
    tcp_abort(lws_get_socket_fd(conn->wsi));
    lws_set_timeout(conn->wsi, PENDING_TIMEOUT_CLOSE_ACK, LWS_TO_KILL_SYNC);
}
