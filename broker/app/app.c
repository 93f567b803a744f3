#include "app/app.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "admin/log.h"
#include "app/address.h"
#include "app/config.h"
#include "app/host.h"
#include "app/wiring.h"

#define EPOCH_LEN 12
#define WATCH_MS  1000
#define LAST_MS   6000 /* after the drain time: for clients that take their time to close */

struct app {
    const struct config *config;
    bool is_stopping;
    struct counters counters;
    struct wiring wiring; /* has core and ipc */
    struct ws *ws;
    char epoch[EPOCH_LEN + 1];
    const char *calls[CONFIG_LIST_MAX + 1]; /* as they can be dialed */
    const char *events[CONFIG_LIST_MAX + 1];
    uint64_t armed_ms; /* what `due` is set to, UINT64_MAX: not running */
    uv_loop_t loop;
    uv_async_t wake; /* from nng's threads */
    uv_signal_t signals[2];
    uv_prepare_t turn_end;
    uv_timer_t due;   /* the core's next */
    uv_timer_t watch; /* of the listeners */
    uv_timer_t last;  /* the end of draining, whatever happens */
};

static int cannot_start(const char *why)
{
    fprintf(stderr, "sluiced: %s\n", why);
    return -1;
}

/* -- stopping ------------------------------------------------------------------------------------------ */

/* WebSockets that are not gone yet. Sockets that are none, as a browser keeps them for the next file, are not
 * waited for. */
static uint64_t websockets(const struct app *app)
{
    return app->counters.connections_opened - app->counters.connections_closed;
}

static void on_drained(uv_timer_t *timer)
{
    struct app *app = timer->data;
    log_warn("app", "connections left", "count=%llu", (unsigned long long)websockets(app));
    uv_stop(&app->loop);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct app *app = handle->data;
    const char *name = signum == SIGINT ? "SIGINT" : "SIGTERM";
    unsigned drain_ms = app->config->drain_ms;
    if (app->is_stopping) {
        log_warn("app", "stopped at once", "signal=%s", name);
        _exit(128 + signum);
    }
    log_info("app", "stopping", "signal=%s connections=%zu drain_ms=%u", name,
             core_conn_count(app->wiring.core), drain_ms);
    app->is_stopping = true;
    ws_stop_accepting(app->ws);
    wiring_tick(&app->wiring);
    core_stop(app->wiring.core, drain_ms);
    uv_timer_start(&app->last, on_drained, (uint64_t)drain_ms + LAST_MS, 0);
}

/* -- turns of the loop --------------------------------------------------------------------------------- */

static void on_wake(uv_async_t *async)
{
    struct app *app = async->data;
    if (app->wiring.ipc && ipc_drain(app->wiring.ipc))
        uv_async_send(async);
}

static void on_due(uv_timer_t *timer)
{
    struct app *app = timer->data;
    app->armed_ms = UINT64_MAX;
    app->wiring.is_current = false; /* timers run in a turn that may have begun before the wait */
    wiring_tick(&app->wiring);
}

static void on_watch(uv_timer_t *timer)
{
    struct app *app = timer->data;
    ipc_watch(app->wiring.ipc);
}

static void arm(struct app *app)
{
    uint64_t next = core_next(app->wiring.core);
    uint64_t now = uv_now(&app->loop);
    if (next == app->armed_ms)
        return;
    app->armed_ms = next;
    if (next == UINT64_MAX)
        uv_timer_stop(&app->due);
    else
        uv_timer_start(&app->due, on_due, next > now ? next - now : 0, 0);
}

/* libuv runs prepare handles in the reverse order of their start. This one is started after the edge's, so
 * what the core makes here is still written in this turn. */
static void on_turn_end(uv_prepare_t *prepare)
{
    struct app *app = prepare->data;
    wiring_flush(&app->wiring);
    arm(app);
    if (app->is_stopping && websockets(app) == 0)
        uv_stop(&app->loop);
}

static void wake(void *arg)
{
    uv_async_send(arg);
}

/* -- start --------------------------------------------------------------------------------------------- */

/* The loop and all handles, none of them active. */
static int open_loop(struct app *app)
{
    if (uv_loop_init(&app->loop) != 0)
        return cannot_start("cannot make an event loop");
    uv_prepare_init(&app->loop, &app->turn_end);
    uv_timer_init(&app->loop, &app->due);
    uv_timer_init(&app->loop, &app->watch);
    uv_timer_init(&app->loop, &app->last);
    app->turn_end.data = app->due.data = app->watch.data = app->last.data = app;
    app->wake.data = app->signals[0].data = app->signals[1].data = app;
    app->wiring.loop = &app->loop;
    if (uv_async_init(&app->loop, &app->wake, on_wake) == 0 &&
        uv_signal_init(&app->loop, &app->signals[0]) == 0 &&
        uv_signal_init(&app->loop, &app->signals[1]) == 0)
        return 0;
    return cannot_start("cannot make the handles of the event loop");
}

static int open_ipc(struct app *app)
{
    char error[512];
    struct ipc_options options = app->config->ipc;
    struct ipc_events events = wiring_ipc_events(&app->wiring);
    const char *address;
    options.counters = &app->counters;
    options.wake = wake;
    options.wake_arg = &app->wake;
    if (ipc_new(&app->wiring.ipc, &options, &events, error, sizeof error) != 0)
        return cannot_start(error);
    for (size_t i = 0; i < CONFIG_LIST_MAX && (address = ipc_calls_address(app->wiring.ipc, i)); i++)
        app->calls[i] = address;
    for (size_t i = 0; i < CONFIG_LIST_MAX && (address = ipc_events_address(app->wiring.ipc, i)); i++)
        app->events[i] = address;
    return 0;
}

/* Give @core the batches of the config. */
static int declare_batches(struct core *core, const struct config *config)
{
    struct fault fault;
    for (size_t i = 0; i < config->batch_count; i++) {
        const struct config_batch *batch = &config->batches[i];
        if (core_batch(core, &batch->rule, &fault) == 0)
            continue;
        fprintf(stderr, "%s:%zu:%zu: batches: %s\n", config->file, batch->origin.line, batch->origin.column,
                fault.message);
        return -1;
    }
    return 0;
}

/* Give @core the groups of the config. */
static int declare_groups(struct core *core, const struct config *config)
{
    struct fault fault;
    for (size_t i = 0; i < config->group_count; i++) {
        const struct config_group *group = &config->groups[i];
        if (core_group(core, &group->rule, &fault) == 0)
            continue;
        fprintf(stderr, "%s:%zu:%zu: groups: %s: %s\n", config->file, group->origin.line,
                group->origin.column, group->rule.name, fault.message);
        return -1;
    }
    return 0;
}

static int declare(struct core *core, const struct config *config)
{
    return declare_batches(core, config) == 0 ? declare_groups(core, config) : -1;
}

static int open_core(struct app *app)
{
    struct core_options options = app->config->core;
    struct core_effects effects = wiring_core_effects(&app->wiring);
    if (host_random_text(app->epoch, EPOCH_LEN) != 0 || host_random(options.seed, sizeof options.seed) != 0)
        return cannot_start("the system has no random numbers");
    options.epoch = app->epoch;
    options.calls = app->calls;
    options.events = app->events;
    uv_update_time(&app->loop);
    if (core_new(&app->wiring.core, &options, &effects, &app->counters, wiring_time(&app->loop)) != 0)
        return cannot_start("out of memory");
    return declare(app->wiring.core, app->config);
}

static int open_ws(struct app *app)
{
    char error[512];
    struct ws_options options = app->config->ws;
    struct ws_events events = wiring_ws_events(&app->wiring);
    options.loop = &app->loop;
    options.counters = &app->counters;
    options.max_connections = host_limit_files(options.max_connections);
    if (options.max_connections < app->config->ws.max_connections)
        log_warn("app", "the limit of open files allows fewer connections", "wanted=%u possible=%u",
                 app->config->ws.max_connections, options.max_connections);
    return ws_new(&app->ws, &options, &events, error, sizeof error) == 0 ? 0 : cannot_start(error);
}

static int start_handles(struct app *app)
{
    app->armed_ms = UINT64_MAX;
    if (uv_signal_start(&app->signals[0], on_signal, SIGTERM) != 0 ||
        uv_signal_start(&app->signals[1], on_signal, SIGINT) != 0)
        return cannot_start("cannot wait for signals");
    uv_prepare_start(&app->turn_end, on_turn_end);
    uv_timer_start(&app->watch, on_watch, WATCH_MS, WATCH_MS);
    return 0;
}

/* -- telling ------------------------------------------------------------------------------------------- */

/* "127.0.0.1:8080", with the port that is really listened on. */
static void listen_text(const struct app *app, char *out, size_t size)
{
    const char *host = app->config->ws.host;
    snprintf(out, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, ws_port(app->ws));
}

static void tell_addresses(const char *what, const char *const *addresses)
{
    for (; *addresses; addresses++)
        log_info("ipc", "listening", "endpoint=%s address=%s", what, *addresses);
}

static bool has_open_tcp(const char *const *addresses)
{
    for (; *addresses; addresses++)
        if (!handler_address_is_local(*addresses))
            return true;
    return false;
}

/* --insecure was given; say what that means. */
static void warn_open_tcp(const struct app *app)
{
    if (has_open_tcp(app->calls) && !app->config->key)
        log_warn("app",
                 "everybody who reaches `calls` over TCP can read and change all sessions, there is no key",
                 "");
    if (has_open_tcp(app->events))
        log_warn("app",
                 "everybody who reaches `events` over TCP can read all events, a key is not asked for there",
                 "");
}

static void tell_ready(const struct app *app)
{
    char address[ADDRESS_HOST_MAX + 16];
    const struct config *config = app->config;
    listen_text(app, address, sizeof address);
    warn_open_tcp(app);
    tell_addresses("calls", app->calls);
    tell_addresses("events", app->events);
    log_info("ws", "listening", "address=%s path=%s", address, config->ws.path);
    log_info("app", "ready", "name=%s epoch=%s listen=%s path=%s calls=%s events=%s pid=%d", config->name,
             app->epoch, address, config->ws.path, app->calls[0], app->events[0], (int)getpid());
    if (!isatty(STDOUT_FILENO))
        return;
    printf("\n  Clients connect to ws://%s%s, handlers to %s.\n", address, config->ws.path, app->calls[0]);
    if (config->ws.static_dir)
        printf("  Open http://%s/ in a browser.\n", address);
    printf("  Ctrl-C stops, a second one at once.\n\n");
    fflush(stdout);
}

static void tell_stopped(const struct app *app)
{
    const struct counters *n = &app->counters;
    log_info("app", "stopped", "connections_opened=%llu messages_in=%llu messages_out=%llu requests=%llu",
             (unsigned long long)n->connections_opened, (unsigned long long)n->messages_in,
             (unsigned long long)n->messages_out, (unsigned long long)n->requests);
}

/* -- end ----------------------------------------------------------------------------------------------- */

static void exit_at_once(int signum)
{
    _exit(128 + signum);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void watch_signals_to_the_end(struct app *app)
{
    struct sigaction action = {.sa_handler = exit_at_once};
    sigemptyset(&action.sa_mask);
    uv_signal_stop(&app->signals[0]);
    uv_signal_stop(&app->signals[1]);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* Whatever was opened, in an order in which nothing is called that is gone: ws_free() still runs the loop,
 * and nng's threads may call wake() until ipc_free() returns. */
static void close_all(struct app *app)
{
    struct ipc *ipc = app->wiring.ipc;
    watch_signals_to_the_end(app);
    uv_prepare_stop(&app->turn_end);
    uv_timer_stop(&app->due);
    uv_timer_stop(&app->watch);
    uv_timer_stop(&app->last);
    app->wiring.ipc = NULL;
    if (app->ws)
        ws_free(app->ws);
    if (ipc)
        ipc_free(ipc);
    core_free(app->wiring.core);
    uv_walk(&app->loop, close_handle, NULL);
    uv_run(&app->loop, UV_RUN_DEFAULT);
    uv_loop_close(&app->loop);
}

static int run(struct app *app)
{
    if (open_loop(app) != 0)
        return -1;
    int result = 0;
    if (open_ipc(app) != 0 || open_core(app) != 0 || open_ws(app) != 0 || start_handles(app) != 0)
        result = -1;
    if (result == 0) {
        tell_ready(app);
        uv_run(&app->loop, UV_RUN_DEFAULT);
    }
    close_all(app);
    if (result == 0)
        tell_stopped(app);
    return result;
}

int app_run(const struct config *config)
{
    struct app *app = calloc(1, sizeof(*app));
    if (!app) {
        cannot_start("out of memory");
        return 1;
    }
    app->config = config;
    log_set_level(config->log_level);
    signal(SIGPIPE, SIG_IGN);
    log_info("app", "starting", "version=%s name=%s", config->core.version, config->name);
    int result = run(app);
    free(app);
    return result == 0 ? 0 : 1;
}

/* -- checking ------------------------------------------------------------------------------------------ */

int app_check(const struct config *config)
{
    struct counters counters = {0};
    const struct core_effects none = {0};
    struct core *core = NULL;
    struct core_time now = {0};
    if (core_new(&core, &config->core, &none, &counters, now) != 0) {
        cannot_start("out of memory");
        return 1;
    }
    int result = declare(core, config);
    core_free(core);
    return result == 0 ? 0 : 1;
}
