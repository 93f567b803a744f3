#include "ws/writer.h"

#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/frame.h"

/* How long one turn of the loop writes. An echo through a handler takes several turns, and each may meet a
 * slice of a broadcast: hence these slices are the shorter ones. */
#define ANSWERS_NS    1000000
#define BROADCASTS_NS 250000

static struct conn_queue *list_of(struct ws *ws, enum conn_list list)
{
    return list == LIST_DOOMED ? &ws->doomed : list == LIST_ANSWERS ? &ws->answers : &ws->broadcasts;
}

static void on_awake(uv_idle_t *handle)
{
    (void)handle; /* an active idle handle is what keeps the loop from sleeping */
}

void writer_stay_awake(struct ws *ws)
{
    if (!uv_is_active((uv_handle_t *)&ws->awake))
        uv_idle_start(&ws->awake, on_awake);
}

void writer_remove(struct ws_conn *conn)
{
    if (conn->list == LIST_NONE)
        return;
    TAILQ_REMOVE(list_of(conn->ws, conn->list), conn, in_list);
    conn->list = LIST_NONE;
}

void writer_add(struct ws_conn *conn, enum conn_list list)
{
    if (conn->list == list || conn->list == LIST_DOOMED ||
        (conn->list == LIST_ANSWERS && list == LIST_BROADCASTS))
        return;
    writer_remove(conn);
    conn->list = list;
    TAILQ_INSERT_TAIL(list_of(conn->ws, list), conn, in_list);
    writer_stay_awake(conn->ws);
}

enum outcome { WROTE_ALL, WROTE_SOME, BLOCKED, BROKEN };

/* libwebsockets keeps what the kernel did not take, and would keep everything that follows as well, without a
 * bound: so nothing follows until it has got rid of that. It calls back then by itself. */
static bool is_blocked(struct ws_conn *conn)
{
    return WORKAROUND(wait_for_partial) && lws_partial_buffered(conn->wsi);
}

static bool send_bytes(struct ws_conn *conn, const uint8_t *bytes, size_t len)
{
    /* LWS_WRITE_HTTP passes bytes as they are, without a second copy or a frame of its own. Any result that
     * is not negative means that all was taken. */
    if (lws_write(conn->wsi, (unsigned char *)(uintptr_t)bytes, len, LWS_WRITE_HTTP) < 0)
        return false;
    conn->ws->counters->bytes_out += len;
    return true;
}

/* Empty: libwebsockets would write the payload of the pong into the connection's slot, and does not tell of a
 * pong without; but the kernel knows when it came. */
static bool send_ping(struct ws_conn *conn)
{
    static const uint8_t ping[] = {0x80 | FRAME_PING, 0};
    conn->wants_ping = false;
    return send_bytes(conn, ping, sizeof(ping));
}

static enum outcome write_queue(struct ws_conn *conn)
{
    struct ws *ws = conn->ws;
    struct outqueue_span span;
    if (!outqueue_gather(&conn->queue, ws->gather, WRITE_MAX, &span))
        return WROTE_ALL;
    if (!send_bytes(conn, span.bytes, span.len))
        return BROKEN;
    ws->counters->messages_out += span.count;
    outqueue_drop(&conn->queue, span.count);
    if (is_blocked(conn))
        return BLOCKED;
    return conn->queue.count > 0 ? WROTE_SOME : WROTE_ALL;
}

/* One write of at most WRITE_MAX bytes, and what belongs around it. */
static enum outcome write_some(struct ws_conn *conn)
{
    if (conn->state != CONN_OPEN && conn->state != CONN_CLOSING)
        return WROTE_ALL;
    if (is_blocked(conn))
        return BLOCKED;
    if (conn->wants_ping && !send_ping(conn))
        return BROKEN;
    if (is_blocked(conn))
        return BLOCKED;
    enum outcome outcome = write_queue(conn);
    if (outcome != WROTE_ALL || conn->state != CONN_CLOSING)
        return outcome;
    if (!WORKAROUND(own_close_frame)) {
        lws_callback_on_writable(conn->wsi);
        return WROTE_ALL;
    }
    return ws_conn_send_close(conn) == 0 ? WROTE_ALL : BROKEN;
}

/* How libwebsockets documents it, for tests of what is wrong with it. */
static int close_naively(struct ws_conn *conn)
{
    struct blob *frame = conn->close_frame;
    lws_close_reason(conn->wsi, (enum lws_close_status)(frame->data[2] << 8 | frame->data[3]),
                     frame->data + 4, frame->len - 4);
    return -1;
}

/* One write for @conn and what follows from its outcome. -1: the connection is broken. */
static int write_turn(struct ws_conn *conn)
{
    switch (write_some(conn)) {
    case WROTE_ALL:
        conn->has_answers = false;
        ws_conn_flows(conn);
        return 0;
    case WROTE_SOME:
        ws_conn_flows(conn);
        writer_add(conn, conn->has_answers ? LIST_ANSWERS : LIST_BROADCASTS);
        return 0;
    case BLOCKED:
        ws_conn_stalls(conn);
        return 0;
    case BROKEN:
        break;
    }
    return -1;
}

int writer_resume(struct ws_conn *conn)
{
    writer_remove(conn);
    if (conn->state == CONN_CLOSING && conn->queue.count == 0 && !WORKAROUND(own_close_frame))
        return close_naively(conn);
    return write_turn(conn);
}

static void write_first(struct conn_queue *list)
{
    struct ws_conn *conn = TAILQ_FIRST(list);
    writer_remove(conn);
    if (write_turn(conn) != 0)
        ws_conn_hang_up(conn);
}

bool writer_run(struct ws *ws)
{
    struct ws_conn *conn;
    while ((conn = TAILQ_FIRST(&ws->doomed))) {
        writer_remove(conn);
        ws_conn_give_up(conn);
    }
    uint64_t began = uv_hrtime();
    while (!TAILQ_EMPTY(&ws->answers) && uv_hrtime() < began + ANSWERS_NS)
        write_first(&ws->answers);
    /* At least one, so that answers alone cannot starve broadcasts. */
    if (!TAILQ_EMPTY(&ws->broadcasts))
        write_first(&ws->broadcasts);
    while (!TAILQ_EMPTY(&ws->broadcasts) && uv_hrtime() < began + BROADCASTS_NS)
        write_first(&ws->broadcasts);
    return !TAILQ_EMPTY(&ws->answers) || !TAILQ_EMPTY(&ws->broadcasts) || !TAILQ_EMPTY(&ws->doomed);
}
