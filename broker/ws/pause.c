#include "ws/pause.h"

#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/tcp.h"

#define LOOK_MS    100
#define LOOK_SHARE 10 /* one in so many is looked at each time */

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
        TAILQ_REMOVE(&ws->paused, conn, in_paused);
        TAILQ_INSERT_TAIL(&ws->paused, conn, in_paused);
        if (WORKAROUND(look_at_paused) && tcp_is_reset(lws_get_socket_fd(conn->wsi)))
            ws_conn_hang_up(conn); /* tells, and others may be paused or read from again by that */
    }
    if (!TAILQ_EMPTY(&ws->paused))
        look_later(ws);
}

void ws_pause(struct ws_conn *conn)
{
    struct ws *ws = conn->ws;
    if (conn->state != CONN_OPEN || conn->is_paused)
        return;
    conn->is_paused = true;
    TAILQ_INSERT_TAIL(&ws->paused, conn, in_paused);
    ws->counters->connections_paused++;
    ws_conn_stop_clock(conn);
    lws_rx_flow_control(conn->wsi, 0);
    if (!timer_running(&ws->look))
        look_later(ws);
}

void pause_forget(struct ws_conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    TAILQ_REMOVE(&conn->ws->paused, conn, in_paused);
    conn->ws->counters->connections_paused--;
}

void pause_end(struct ws_conn *conn)
{
    if (!conn->is_paused)
        return;
    pause_forget(conn);
    lws_rx_flow_control(conn->wsi, 1);
    /* What it has read already it hands over when something comes from a socket, or when this one takes
     * bytes. That may be never. */
    if (WORKAROUND(wake_resumed))
        lws_cancel_service(conn->ws->context);
}

void ws_resume(struct ws_conn *conn)
{
    if (!conn->is_paused)
        return;
    pause_end(conn);
    ws_conn_start_clock(conn);
}

void pause_stop(struct ws *ws)
{
    timer_stop(&ws->timers, &ws->look);
}
