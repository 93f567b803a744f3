/* The broker process of limit_bridge. One thread owns all but the list of requests that have come. */
#include "bench/bridge.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>
#include <uv.h>

#include "bench/frame.h"
#include "wire/buf.h"

enum { CONTEXTS = 16, PEERS_MAX = 65536, READ_MAX = 4096, SEND_MAX = 1 << 20, PUB_QUEUE = 8192 };

struct peer {
    struct lws *wsi;
    uint32_t number;
    bool is_dirty;      /* in the list of those with something to write */
    struct buf partial; /* the beginning of a message that came in pieces */
    struct buf out;     /* frames */
};

struct call {
    nng_ctx context;
    nng_aio *aio;
    bool is_replying;
    nng_msg *request;
    struct call *next;
};

struct bridge {
    enum bridge_form form;
    uv_loop_t loop;
    uv_async_t wake;
    uv_prepare_t loop_end;
    nng_socket calls, events;
    struct call contexts[CONTEXTS];
    pthread_mutex_t lock; /* guards `came` */
    struct call *came;
    struct call *asking; /* turns: those that wait for events */
    struct buf records;  /* events of this turn of the loop */
    struct peer *peers[PEERS_MAX];
    struct peer *dirty[PEERS_MAX];
    uint32_t dirty_count;
};

static struct bridge bridge; /* libwebsockets' callbacks and nng's all mean this one */

static void die(const char *what)
{
    fprintf(stderr, "limit_bridge: %s\n", what);
    exit(1);
}

/* ---- WebSockets ---- */

static void peer_enter(struct peer *p, struct lws *wsi)
{
    static uint32_t next;

    for (uint32_t tries = 0; tries < PEERS_MAX && bridge.peers[next]; tries++)
        next = (next + 1) % PEERS_MAX;
    if (bridge.peers[next])
        die("too many connections");
    memset(p, 0, sizeof(*p));
    p->wsi = wsi;
    p->number = next;
    bridge.peers[next] = p;
    next = (next + 1) % PEERS_MAX;
}

static void peer_leave(struct peer *p)
{
    bridge.peers[p->number] = NULL;
    for (uint32_t i = 0; i < bridge.dirty_count; i++) {
        if (bridge.dirty[i] == p)
            bridge.dirty[i] = bridge.dirty[--bridge.dirty_count];
    }
    buf_deinit(&p->partial);
    buf_deinit(&p->out);
}

static void peer_receive(struct peer *p, const void *bytes, size_t len)
{
    bool is_whole = lws_is_final_fragment(p->wsi) && lws_remaining_packet_payload(p->wsi) == 0;
    struct bridge_head head = {p->number, (uint32_t)(p->partial.len + len)};

    if (!is_whole) {
        buf_put(&p->partial, bytes, len);
        return;
    }
    buf_put(&bridge.records, &head, sizeof(head));
    buf_put(&bridge.records, p->partial.data, p->partial.len);
    buf_put(&bridge.records, bytes, len);
    buf_reset(&p->partial);
}

static void peer_queue(struct peer *p, const uint8_t *bytes, uint32_t len)
{
    uint8_t head[FRAME_HEADER_MAX];
    size_t head_bytes = frame_write_header(head, FRAME_TEXT, true, len, NULL);

    buf_put(&p->out, head, head_bytes);
    buf_put(&p->out, bytes, len);
    if (!p->is_dirty)
        bridge.dirty[bridge.dirty_count++] = p;
    p->is_dirty = true;
}

/* All frames of a connection in one send; the bytes go as they are. */
static int peer_write(struct peer *p)
{
    int result;

    if (lws_partial_buffered(p->wsi)) {
        lws_callback_on_writable(p->wsi);
        return 0;
    }
    if (p->out.len == 0)
        return 0;
    result = lws_write(p->wsi, p->out.data, p->out.len, LWS_WRITE_HTTP);
    buf_reset(&p->out);
    return result < 0 ? -1 : 0;
}

static int on_websocket(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    switch ((int)reason) {
    case LWS_CALLBACK_ESTABLISHED:
        peer_enter(user, wsi);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        peer_receive(user, in, len);
        return 0;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return peer_write(user);
    case LWS_CALLBACK_CLOSED:
        peer_leave(user);
        return 0;
    default:
        return 0;
    }
}

static void write_dirty(void)
{
    uint32_t count = bridge.dirty_count;

    bridge.dirty_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        bridge.dirty[i]->is_dirty = false;
        if (peer_write(bridge.dirty[i]) < 0)
            die("a connection broke");
    }
}

/* ---- Handlers ---- */

/* On one of nng's threads: a request came, or a reply is gone. */
static void on_call(void *arg)
{
    struct call *call = arg;

    if (nng_aio_result(call->aio) != 0) /* the link is gone: this ends with the handler */
        return;
    if (call->is_replying) {
        call->is_replying = false;
        nng_ctx_recv(call->context, call->aio);
        return;
    }
    call->request = nng_aio_get_msg(call->aio);
    pthread_mutex_lock(&bridge.lock);
    call->next = bridge.came;
    bridge.came = call;
    pthread_mutex_unlock(&bridge.lock);
    uv_async_send(&bridge.wake);
}

/* The request's message becomes the reply. */
static void call_reply(struct call *call, const struct buf *records)
{
    nng_msg *reply = call->request;

    nng_msg_clear(reply);
    if (records && nng_msg_append(reply, records->data, records->len) != 0)
        die("out of memory");
    call->is_replying = true;
    nng_aio_set_msg(call->aio, reply);
    nng_ctx_send(call->context, call->aio);
}

static void take_answers(nng_msg *request)
{
    const uint8_t *at = nng_msg_body(request), *end = at + nng_msg_len(request);
    struct bridge_head head;

    for (; (size_t)(end - at) >= sizeof(head); at += sizeof(head) + head.bytes) {
        memcpy(&head, at, sizeof(head));
        if (bridge.peers[head.connection])
            peer_queue(bridge.peers[head.connection], at + sizeof(head), head.bytes);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct call *call, *next;

    (void)wake;
    pthread_mutex_lock(&bridge.lock);
    call = bridge.came;
    bridge.came = NULL;
    pthread_mutex_unlock(&bridge.lock);
    for (; call; call = next) {
        next = call->next;
        take_answers(call->request);
        if (bridge.form == BRIDGE_EVENTS) {
            call_reply(call, NULL);
        } else {
            call->next = bridge.asking;
            bridge.asking = call;
        }
    }
}

static void publish(void)
{
    nng_msg *message;

    if (nng_msg_alloc(&message, 0) != 0 ||
        nng_msg_append(message, bridge.records.data, bridge.records.len) != 0 ||
        nng_sendmsg(bridge.events, message, NNG_FLAG_NONBLOCK) != 0)
        die("cannot publish");
}

/* What this turn of the loop brought leaves together. */
static void on_loop_end(uv_prepare_t *handle)
{
    struct call *call = bridge.asking;

    (void)handle;
    if (bridge.dirty_count > 0)
        write_dirty();
    if (bridge.records.failed)
        die("out of memory");
    if (bridge.records.len == 0 || (bridge.form == BRIDGE_TURNS && call == NULL))
        return;
    if (bridge.form == BRIDGE_EVENTS) {
        publish();
    } else {
        bridge.asking = call->next;
        call_reply(call, &bridge.records);
    }
    buf_reset(&bridge.records);
}

/* ---- Start ---- */

static int start_nng(const char *directory)
{
    char address[BRIDGE_ADDRESS_MAX];
    int result = nng_rep0_open(&bridge.calls);

    bridge_address(address, directory, "calls");
    if (result != 0 || (result = nng_listen(bridge.calls, address, NULL, 0)) != 0)
        return result;
    bridge_address(address, directory, "events");
    if ((result = nng_pub0_open(&bridge.events)) != 0 ||
        (result = nng_socket_set_int(bridge.events, NNG_OPT_SENDBUF, PUB_QUEUE)) != 0 ||
        (result = nng_listen(bridge.events, address, NULL, 0)) != 0)
        return result;
    for (unsigned i = 0; i < CONTEXTS; i++) {
        struct call *call = &bridge.contexts[i];

        if ((result = nng_ctx_open(&call->context, bridge.calls)) != 0 ||
            (result = nng_aio_alloc(&call->aio, on_call, call)) != 0)
            return result;
        nng_ctx_recv(call->context, call->aio);
    }
    return 0;
}

static int start_websockets(uint16_t port)
{
    static const struct lws_protocols protocols[] = {{.name = "bridge",
                                                      .callback = on_websocket,
                                                      .per_session_data_size = sizeof(struct peer),
                                                      .rx_buffer_size = READ_MAX,
                                                      .tx_packet_size = SEND_MAX},
                                                     {0}};
    static void *loops[] = {&bridge.loop};
    static const lws_retry_bo_t no_checks = {0};
    struct lws_context_creation_info info = {0};

    lws_set_log_level(LLL_ERR, NULL);
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_DISABLE_IPV6;
    info.port = port;
    info.iface = "127.0.0.1";
    info.foreign_loops = loops;
    info.protocols = protocols;
    info.retry_and_idle_policy = &no_checks;
    return lws_create_context(&info) ? 0 : -1;
}

int bridge_broker(enum bridge_form form, uint16_t port, const char *directory)
{
    int result;

    bridge.form = form;
    pthread_mutex_init(&bridge.lock, NULL);
    uv_loop_init(&bridge.loop);
    uv_async_init(&bridge.loop, &bridge.wake, on_wake);
    uv_prepare_init(&bridge.loop, &bridge.loop_end);
    uv_prepare_start(&bridge.loop_end, on_loop_end);
    result = start_nng(directory);
    if (result != 0)
        return bridge_fail("nng", result);
    if (start_websockets(port) < 0) {
        fprintf(stderr, "limit_bridge: libwebsockets does not start on port %u\n", port);
        return 1;
    }
    uv_run(&bridge.loop, UV_RUN_DEFAULT);
    return 1;
}
