#include "ws/pause.h"

#include <string.h>

#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/tcp.h"
#include "ws/writer.h"

#define LOOK_MS    100
#define LOOK_SHARE 10 /* one in so many is looked at each time */

/* Short, since those that a group lets go on come many at once, and each costs time in all following turns.
 * With 200 of them the p99 of others was 5.1 ms at 1 ms here, and is 3.3 to 4.0 ms. */
#define TURN_NS 250000

/* Lists. */

static struct conn_queue *list_of(struct ws *ws, enum reading reading)
{
    return reading == READING_OFF ? &ws->paused : &ws->changing;
}

static bool counts(enum reading reading)
{
    return reading == READING_STOPS || reading == READING_OFF;
}

static void set_reading(struct ws_conn *conn, enum reading reading)
{
    struct ws *ws = conn->ws;
    if (conn->reading == READING_ON && reading == READING_ON)
        return;
    if (conn->reading != READING_ON)
        TAILQ_REMOVE(list_of(ws, conn->reading), conn, in_reading);
    ws->counters->connections_paused -= counts(conn->reading);
    conn->reading = reading;
    ws->counters->connections_paused += counts(conn->reading);
    if (conn->reading != READING_ON)
        TAILQ_INSERT_TAIL(list_of(ws, conn->reading), conn, in_reading);
    if (!TAILQ_EMPTY(&ws->changing))
        writer_stay_awake(ws);
}

/* Messages that came too late to be stopped: length and kind of each before its bytes. */

struct held {
    uint32_t len;
    bool is_binary;
};

int pause_hold(struct ws_conn *conn, const void *bytes, size_t len, bool is_binary)
{
    const struct held held = {.len = (uint32_t)len, .is_binary = is_binary};
    if (conn->held_at > 0)
        memmove(conn->held.data, conn->held.data + conn->held_at, conn->held.len - conn->held_at);
    conn->held.len -= conn->held_at;
    conn->held_at = 0;
    if (!buf_reserve(&conn->held, sizeof(held) + len))
        return -1;
    buf_put(&conn->held, &held, sizeof(held));
    buf_put(&conn->held, bytes, len);
    return 0;
}

/* Hand over the first. */
static void hand_over(struct ws_conn *conn)
{
    struct held held;
    memcpy(&held, conn->held.data + conn->held_at, sizeof(held));
    const uint8_t *bytes = conn->held.data + conn->held_at + sizeof(held);
    conn->held_at += sizeof(held) + held.len; /* before the up-call, which may lead back here */
    ws_conn_message(conn, bytes, held.len, held.is_binary);
}

void pause_flush(struct ws_conn *conn)
{
    while (conn->is_known && !conn->ws->is_freeing && conn->held_at < conn->held.len)
        hand_over(conn);
}

/* Hand over until all is, or something ends that. Whether there is time left. */
static bool go_on(struct ws_conn *conn, uint64_t end)
{
    while (conn->reading == READING_BEGINS && conn->held_at < conn->held.len) {
        if (uv_hrtime() >= end)
            return false;
        hand_over(conn);
    }
    if (conn->reading != READING_BEGINS)
        return true;
    buf_deinit(&conn->held);
    conn->held_at = 0;
    set_reading(conn, READING_ON);
    lws_rx_flow_control(conn->wsi, 1);
    ws_conn_start_clock(conn);
    return true;
}

void pause_run(struct ws *ws)
{
    uint64_t end = uv_hrtime() + TURN_NS;
    struct ws_conn *conn;
    while ((conn = TAILQ_FIRST(&ws->changing))) {
        if (conn->reading == READING_STOPS) {
            set_reading(conn, READING_OFF);
            lws_rx_flow_control(conn->wsi, 0);
        } else if (!go_on(conn, end)) {
            break;
        }
    }
}

/* Looking. */

static void on_look(struct timer *timer, void *arg);

static void look_later(struct ws *ws)
{
    /* Cannot fail: ws_conn_new() has reserved room for it. */
    timer_start(&ws->timers, &ws->look, ws_now(ws) + LOOK_MS, on_look);
}

/* Those that were looked at longest ago are the first of the list. */
static void on_look(struct timer *timer, void *arg)
{
    struct ws *ws = arg;
    uint64_t share = ws->counters->connections_paused / LOOK_SHARE + 1;
    struct ws_conn *conn;
    (void)timer;
    for (uint64_t i = 0; i < share && (conn = TAILQ_FIRST(&ws->paused)); i++) {
        set_reading(conn, READING_OFF);
        if (WORKAROUND(look_at_paused) && tcp_is_reset(lws_get_socket_fd(conn->wsi)))
            ws_conn_hang_up(conn); /* tells, and others may be paused or read from again by that */
    }
    if (ws->counters->connections_paused > 0)
        look_later(ws);
}

void pause_stop(struct ws *ws)
{
    timer_stop(&ws->timers, &ws->look);
}

/* From outside. */

void ws_pause(struct ws_conn *conn)
{
    struct ws *ws = conn->ws;
    if (conn->state != CONN_OPEN || counts(conn->reading))
        return;
    set_reading(conn, READING_STOPS);
    ws_conn_stop_clock(conn);
    if (!timer_running(&ws->look))
        look_later(ws);
}

void ws_resume(struct ws_conn *conn)
{
    if (counts(conn->reading))
        set_reading(conn, READING_BEGINS);
}

void pause_forget(struct ws_conn *conn)
{
    set_reading(conn, READING_ON);
}

void pause_end(struct ws_conn *conn)
{
    if (conn->reading == READING_ON)
        return;
    set_reading(conn, READING_ON);
    lws_rx_flow_control(conn->wsi, 1);
}
