#include "ws/ws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/log.h"
#include "wire/workaround.h"
#include "ws/callbacks.h"
#include "ws/conn.h"
#include "ws/handshake.h"
#include "ws/listener.h"
#include "ws/lobby.h"
#include "ws/pause.h"
#include "ws/slots.h"
#include "ws/writer.h"

/* Bytes of one read. A buffer of this size belongs to each connection, and a little more: see slots.h. */
#define READ_MAX    (SLOT_BYTES - LWS_PRE - 64)
#define SEND_MAX    ((size_t)1 << 20) /* libwebsockets cuts writes at this, by default to READ_MAX */
#define FREE_ROUNDS 5000

/* Time. One heap of timers, one timer of the loop. */

static void on_clock(uv_timer_t *timer)
{
    struct ws *ws = timer->data;
    ws->clock_at_ms = UINT64_MAX;
    timers_run(&ws->timers, ws_now(ws), ws);
}

static void set_clock(struct ws *ws)
{
    uint64_t next = timers_next(&ws->timers);
    uint64_t now = ws_now(ws);
    if (next == ws->clock_at_ms)
        return;
    ws->clock_at_ms = next;
    if (next == UINT64_MAX)
        uv_timer_stop(&ws->clock);
    else
        uv_timer_start(&ws->clock, on_clock, next > now ? next - now : 0, 0);
}

static void on_loop_end(uv_prepare_t *handle)
{
    struct ws *ws = handle->data;
    uint64_t up_calls = ws->up_calls;
    pause_run(ws);
    bool has_more = writer_run(ws);
    /* What is above has done its work for this turn already, and was told something new. */
    has_more |= ws->up_calls != up_calls || !TAILQ_EMPTY(&ws->changing);
    if (has_more)
        writer_stay_awake(ws);
    else
        uv_idle_stop(&ws->awake);
    set_clock(ws);
}

static void on_handle_closed(uv_handle_t *handle)
{
    ((struct ws *)handle->data)->open_handles--;
}

static void open_handles(struct ws *ws)
{
    uv_loop_t *loop = ws->options.loop;
    uv_timer_init(loop, &ws->clock);
    uv_prepare_init(loop, &ws->loop_end);
    uv_idle_init(loop, &ws->awake);
    ws->clock.data = ws->loop_end.data = ws->awake.data = ws;
    ws->open_handles = 3;
    ws->clock_at_ms = UINT64_MAX;
    uv_prepare_start(&ws->loop_end, on_loop_end);
}

static void close_handles(struct ws *ws)
{
    uv_close((uv_handle_t *)&ws->clock, on_handle_closed);
    uv_close((uv_handle_t *)&ws->loop_end, on_handle_closed);
    uv_close((uv_handle_t *)&ws->awake, on_handle_closed);
}

/* libwebsockets. */

/* Its errors are about peers as often as about us, so they are no errors of the broker. */
static void on_lws_log(int level, const char *line)
{
    (void)level;
    if (strstr(line, "calling service")) /* it tells so for each socket that brings its head */
        return;
    size_t len = strcspn(line, "\n");
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)(len < sizeof(text) ? len : sizeof(text) - 1), line);
    log_debug("ws", "libwebsockets says", "text=%s", text);
}

static void describe_protocols(struct ws *ws)
{
    static const char *const names[ENCODING_COUNT] = {SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK};
    /* The first one also serves plain HTTP and clients that offer no subprotocol. */
    for (unsigned i = 0; i < ENCODING_COUNT; i++) {
        ws->protocols[i].name = names[i];
        ws->protocols[i].callback = callbacks_run;
        ws->protocols[i].per_session_data_size = sizeof(void *); /* without any, there is no DROP_PROTOCOL */
        ws->protocols[i].rx_buffer_size = READ_MAX;
        ws->protocols[i].tx_packet_size = SEND_MAX;
    }
}

static int open_context(struct ws *ws)
{
    static const lws_retry_bo_t no_validity_checks = {.secs_since_valid_ping = 0,
                                                      .secs_since_valid_hangup = 0};
    static const struct lws_protocol_vhost_options mimetypes = {NULL, NULL, ".mjs", "text/javascript"};
    void *loops[] = {ws->options.loop};
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof(info));
    describe_protocols(ws);
    slots_install(ws->options.max_connections + 1); /* one for the context */
    lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
    unsigned handshake_secs = ws->options.handshake_ms / 1000 + 1;
    info.options =
        LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS; /* UTF-8 is checked in conn.c */
    info.port = CONTEXT_PORT_NO_LISTEN_SERVER;
    info.foreign_loops = loops;
    info.pcontext = &ws->context;
    info.pt_serv_buf_size = READ_MAX + LWS_PRE; /* what reads go to */
    info.user = ws;
    info.protocols = ws->protocols;
    info.max_http_header_data = WORKAROUND(lobby) ? HEADERS_ROOM : 0;
    info.timeout_secs = handshake_secs + 1;
    info.timeout_secs_ah_idle = handshake_secs + 1;
#if defined(LWS_WITH_TLS) /* the field is missing without */
    info.alpn = "http/1.1";
#endif
    info.server_string = "sluice";
    info.retry_and_idle_policy = &no_validity_checks;
    if (ws->options.static_dir) {
        ws->mount.mountpoint = "/";
        ws->mount.mountpoint_len = 1;
        ws->mount.origin = ws->options.static_dir;
        ws->mount.def = "index.html";
        ws->mount.origin_protocol = LWSMPRO_FILE;
        ws->mount.extra_mimetypes = &mimetypes;
        info.mounts = &ws->mount;
    }
    ws->context = lws_create_context(&info);
    if (!ws->context)
        return -1;
    ws->vhost = lws_create_vhost(ws->context, &info);
    return ws->vhost ? 0 : -1;
}

/* Let the loop run until everything of libwebsockets that lives in it is gone. */
static void close_context(struct ws *ws)
{
    uv_loop_t *loop = ws->options.loop;
    if (!ws->context)
        return;
    lws_context_destroy(ws->context);
    /* Its handles close in the loop's next rounds; only then may it be told to free itself. */
    for (unsigned i = 0; i < 4; i++)
        uv_run(loop, UV_RUN_NOWAIT);
    if (ws->context)
        lws_context_destroy(ws->context);
    uv_run(loop, UV_RUN_NOWAIT);
}

/* Options. */

static void free_options(struct ws *ws)
{
    free((char *)ws->options.host);
    free((char *)ws->options.path);
    free((char *)ws->options.static_dir);
}

static int copy_options(struct ws *ws, const struct ws_options *options)
{
    ws->options = *options;
    ws->options.host = strdup(options->host);
    ws->options.path = strdup(options->path);
    ws->options.static_dir = options->static_dir ? strdup(options->static_dir) : NULL;
    bool is_whole = ws->options.host && ws->options.path && (!options->static_dir || ws->options.static_dir);
    return is_whole ? 0 : -1;
}

static void free_memory(struct ws *ws)
{
    listener_free(ws->listener);
    peers_free(ws->peers);
    envelope_room_deinit(&ws->room);
    buf_deinit(&ws->text);
    timers_deinit(&ws->timers);
    free((void *)(uintptr_t)ws->headers);
    free(ws->gather);
    free_options(ws);
    free(ws);
}

static int get_memory(struct ws *ws, const struct ws_options *options)
{
    timers_init(&ws->timers);
    envelope_room_init(&ws->room);
    buf_init(&ws->text);
    TAILQ_INIT(&ws->all);
    TAILQ_INIT(&ws->answers);
    TAILQ_INIT(&ws->broadcasts);
    TAILQ_INIT(&ws->doomed);
    TAILQ_INIT(&ws->changing);
    TAILQ_INIT(&ws->paused);
    TAILQ_INIT(&ws->refused);
    ws->peers = peers_new();
    ws->gather = malloc(WRITE_MAX);
    if (copy_options(ws, options) != 0 || !ws->peers || !ws->gather)
        return -1;
    return handshake_headers_new(&ws->headers, options->headers);
}

int ws_new(struct ws **out, const struct ws_options *options, const struct ws_events *events, char *error,
           size_t size)
{
    struct ws *ws = calloc(1, sizeof(*ws));
    if (!ws || get_memory(ws, options) != 0) {
        snprintf(error, size, "out of memory");
        if (ws)
            free_memory(ws);
        return -1;
    }
    ws->events = *events;
    ws->counters = options->counters;
    open_handles(ws);
    if (open_context(ws) != 0) {
        snprintf(error, size,
                 "libwebsockets does not start; is its libuv plugin installed (libwebsockets-evlib-uv)?");
        ws_free(ws);
        return -1;
    }
    if (listener_new(&ws->listener, ws, error, size) != 0) {
        ws_free(ws);
        return -1;
    }
    *out = ws;
    return 0;
}

const char *ws_library_version(void)
{
    return lws_get_library_version();
}

unsigned ws_port(const struct ws *ws)
{
    return listener_port(ws->listener);
}

void ws_stop_accepting(struct ws *ws)
{
    listener_stop(ws->listener);
}

unsigned ws_count(const struct ws *ws)
{
    return ws->count;
}

void ws_free(struct ws *ws)
{
    uv_loop_t *loop = ws->options.loop;
    struct ws_conn *conn;
    ws->is_freeing = true;
    pause_stop(ws);
    if (ws->listener)
        listener_stop(ws->listener);
    lobby_clear(ws);
    TAILQ_FOREACH(conn, &ws->all, in_all)
    ws_conn_hang_up(conn);
    for (unsigned i = 0; i < FREE_ROUNDS && ws->count > 0; i++)
        uv_run(loop, UV_RUN_NOWAIT);
    close_context(ws);
    close_handles(ws);
    for (unsigned i = 0; i < FREE_ROUNDS && ws->open_handles > 0; i++)
        uv_run(loop, UV_RUN_NOWAIT);
    while ((conn = TAILQ_FIRST(&ws->all)))
        ws_conn_free(conn);
    free_memory(ws);
}
