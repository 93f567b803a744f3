#include "app/wiring.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

#include "admin/log.h"
#include "core/conn.h"

/* A connection between ws and core. Either side may let go of it first, also the core while it is told
 * the time on behalf of a message of this very connection: hence `is_held`. */
struct peer {
    struct wiring *wiring;
    struct ws_conn *ws; /* NULL: ws has said that it is over */
    struct conn *conn;  /* NULL: the core has closed it */
    bool is_held;
};

struct core_time wiring_time(const uv_loop_t *loop)
{
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct core_time){
        .mono_ms = uv_now(loop),
        .wall_ms = (uint64_t)wall.tv_sec * 1000 + (uint64_t)wall.tv_nsec / 1000000,
    };
}

void wiring_tick(struct wiring *wiring)
{
    if (wiring->is_current)
        return;
    wiring->is_current = true;
    core_tick(wiring->core, wiring_time(wiring->loop));
}

void wiring_flush(struct wiring *wiring)
{
    core_flush(wiring->core);
    wiring->is_current = false;
}

/* -- from ws to core ----------------------------------------------------------------------------------- */

/* Tell the time on behalf of @peer. False: the core closed the connection meanwhile, and @peer is gone. */
static bool peer_tick(struct peer *peer)
{
    peer->is_held = true;
    wiring_tick(peer->wiring);
    peer->is_held = false;
    if (peer->conn)
        return true;
    free(peer);
    return false;
}

static void *on_opened(void *arg, struct ws_conn *ws, const struct ws_opening *from)
{
    struct wiring *wiring = arg;
    int error = -ENOMEM;
    struct peer *peer = calloc(1, sizeof(*peer));
    struct opening_header *headers = calloc(from->header_count + 1, sizeof(*headers));
    struct opening opening = {
        .path = from->path,
        .query = from->query,
        .remote = from->remote,
        .subprotocol = from->subprotocol,
        .headers = headers,
        .header_count = from->header_count,
    };
    if (!peer || !headers)
        goto refuse;
    for (size_t i = 0; i < from->header_count; i++)
        headers[i] = (struct opening_header){from->headers[i].name, from->headers[i].value};
    *peer = (struct peer){.wiring = wiring, .ws = ws};
    wiring_tick(wiring);
    error = core_conn_opened(wiring->core, &peer->conn, &opening, peer);
    if (error != 0)
        goto refuse;
    free(headers);
    log_debug("ws", "opened", "conn=%s remote=%s subprotocol=%s", peer->conn->id, from->remote,
              from->subprotocol);
    return peer;

refuse:
    free(headers);
    free(peer);
    log_debug("ws", "refused", "remote=%s reason=\"%s\"", from->remote,
              error == -EAGAIN ? "a group that takes @connect is full" : "stopping, or out of memory");
    return NULL;
}

static void on_message(void *arg, void *user, const struct envelope *envelope)
{
    struct wiring *wiring = arg;
    struct peer *peer = user;
    const struct incoming in = {
        .event = envelope->event,
        .event_len = envelope->event_len,
        .payload = envelope->payload,
        .payload_len = envelope->payload_len,
        .trace = envelope->trace,
        .trace_len = envelope->trace_len,
        .id = envelope->id,
    };
    if (peer_tick(peer))
        core_conn_message(wiring->core, peer->conn, &in);
}

static void on_unreadable(void *arg, void *user, const struct fault *fault, const struct question_id *id,
                          const char *event, size_t event_len)
{
    struct wiring *wiring = arg;
    struct peer *peer = user;
    if (peer_tick(peer))
        core_conn_unreadable(wiring->core, peer->conn, fault, id, event, event_len);
}

static void on_closed(void *arg, void *user, unsigned code, const char *reason, size_t reason_len)
{
    struct wiring *wiring = arg;
    struct peer *peer = user;
    peer->ws = NULL;
    if (!peer_tick(peer))
        return;
    log_debug("ws", "closed", "conn=%s code=%u reason=%.*s", peer->conn->id, code, (int)reason_len,
              reason_len ? reason : "");
    core_conn_closed(wiring->core, peer->conn, code, reason, reason_len);
    free(peer);
}

/* -- from ipc to core ---------------------------------------------------------------------------------- */

static void on_link_up(void *arg, uint64_t link, bool is_tcp)
{
    (void)arg;
    log_debug("ipc", "link up", "link=%llu transport=%s", (unsigned long long)link, is_tcp ? "tcp" : "ipc");
}

static void on_link_down(void *arg, uint64_t link)
{
    struct wiring *wiring = arg;
    wiring_tick(wiring);
    log_debug("ipc", "link down", "link=%llu", (unsigned long long)link);
    core_link_down(wiring->core, link);
}

static void on_request(void *arg, const struct ipc_peer *peer, ipc_ticket ticket, const void *body,
                       size_t len)
{
    const struct caller caller = {.link = peer->link, .pid = peer->pid, .is_tcp = peer->is_tcp};
    struct wiring *wiring = arg;
    wiring_tick(wiring);
    core_request(wiring->core, &caller, ticket, body, len);
}

static void on_subscribers(void *arg, unsigned count)
{
    struct wiring *wiring = arg;
    wiring_tick(wiring);
    log_debug("ipc", "subscribers", "links=%u", count);
    core_subscribers(wiring->core, count);
}

/* -- from core to the edges ---------------------------------------------------------------------------- */

static void do_publish(void *arg, const void *body, size_t len)
{
    struct wiring *wiring = arg;
    ipc_publish(wiring->ipc, body, len);
}

static int do_deliver(void *arg, void *to, struct message *message, enum delivery kind)
{
    struct peer *peer = to;
    (void)arg;
    if (!peer->ws)
        return 0;
    return ws_deliver(peer->ws, message, kind == DELIVERY_ONE ? WS_ANSWER : WS_BROADCAST);
}

static void do_close(void *arg, void *to, unsigned code, const char *reason, size_t reason_len)
{
    struct peer *peer = to;
    (void)arg;
    log_debug("ws", "closing", "conn=%s code=%u reason=%.*s", peer->conn->id, code, (int)reason_len,
              reason_len ? reason : "");
    if (peer->ws)
        ws_close(peer->ws, code, reason, reason_len);
    peer->conn = NULL;
    if (!peer->is_held)
        free(peer);
}

static void do_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    struct wiring *wiring = arg;
    ipc_reply(wiring->ipc, ticket, body, len);
}

static bool do_may_wait(void *arg, uint64_t ticket)
{
    struct wiring *wiring = arg;
    return ipc_may_wait(wiring->ipc, ticket);
}

static void do_abandon(void *arg, uint64_t ticket)
{
    struct wiring *wiring = arg;
    ipc_abandon(wiring->ipc, ticket);
}

static void do_pause(void *arg, void *from)
{
    struct peer *peer = from;
    (void)arg;
    if (peer->ws)
        ws_pause(peer->ws);
}

static void do_resume(void *arg, void *from)
{
    struct peer *peer = from;
    (void)arg;
    if (peer->ws)
        ws_resume(peer->ws);
}

static void do_greeted(void *arg, const struct greeting *greeting)
{
    (void)arg;
    log_info("ipc", "hello", "link=%llu name=%.*s language=%.*s version=%.*s",
             (unsigned long long)greeting->link, (int)greeting->name_len, greeting->name,
             (int)greeting->language_len, greeting->language, (int)greeting->version_len, greeting->version);
}

struct core_effects wiring_core_effects(struct wiring *wiring)
{
    return (struct core_effects){
        .arg = wiring,
        .publish = do_publish,
        .deliver = do_deliver,
        .close = do_close,
        .reply = do_reply,
        .may_wait = do_may_wait,
        .abandon = do_abandon,
        .pause = do_pause,
        .resume = do_resume,
        .greeted = do_greeted,
    };
}

struct ws_events wiring_ws_events(struct wiring *wiring)
{
    return (struct ws_events){
        .arg = wiring,
        .opened = on_opened,
        .message = on_message,
        .unreadable = on_unreadable,
        .closed = on_closed,
    };
}

struct ipc_events wiring_ipc_events(struct wiring *wiring)
{
    return (struct ipc_events){
        .arg = wiring,
        .link_up = on_link_up,
        .link_down = on_link_down,
        .request = on_request,
        .subscribers = on_subscribers,
    };
}
