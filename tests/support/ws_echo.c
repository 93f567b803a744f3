/* ws_echo: the WebSocket edge with no broker behind it, for tests with real clients. Each message comes back
 * with its event, payload and `i`; some events are commands:
 *
 *   close:<code>   ws_close() with the payload (a string) as the reason
 *   flood:<n>      <n> pushes of 1,000 bytes to the sender, then nothing
 *   flood_close:<n>  the same, and ws_close() with 4000 behind them
 *   all            the payload to every connection, as a broadcast
 *   refuse_next    the next opening is refused
 *   pause          ws_pause() for the sender
 *   pause_next     ws_pause() for the next one that opens, while it opens
 *   pause_others   ws_pause() for all connections but the sender's, twice
 *   resume_others  ws_resume() for them, twice
 *   resume_after:<ms>  ws_resume() for all connections, then
 *   close_others:<code>  ws_close() for all connections but the sender's
 *   stats          the counters as an answer
 *
 * Prints "port N VERSION-OF-LIBWEBSOCKETS" first (and "switches" if it knows SLUICE_WITHOUT), and "closed
 * CODE REASON" for each closed up-call. Ends at SIGTERM, or when standard input ends. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "admin/log.h"
#include "wire/mp.h"
#include "ws/ws.h"

#define USERS_MAX 20000

struct user {
    struct ws_conn *conn;
    unsigned index;
};

static struct ws *ws;
static struct counters counters;
static struct user *users[USERS_MAX];
static unsigned user_count;
static bool refuse_next;
static bool pause_next;
static uv_timer_t resume_timer;
static uv_loop_t loop;

static void send_to(struct ws_conn *conn, const char *event, size_t event_len, const void *mp, size_t len,
                    const struct question_id *id, enum ws_class class)
{
    struct message *m = message_new(event, event_len, mp, len, id);
    ws_deliver(conn, m, class);
    message_unref(m);
}

static void put_pair(struct buf *b, const char *key, const char *value)
{
    mp_put_text(b, key);
    mp_put_text(b, value);
}

static void *on_opened(void *arg, struct ws_conn *conn, const struct ws_opening *opening)
{
    (void)arg;
    if (refuse_next || user_count == USERS_MAX) {
        refuse_next = false;
        return NULL;
    }
    struct user *user = calloc(1, sizeof(*user));
    user->conn = conn;
    user->index = user_count;
    users[user_count++] = user;
    struct buf b = BUF_INIT;
    mp_put_map(&b, 5);
    put_pair(&b, "path", opening->path);
    put_pair(&b, "query", opening->query);
    put_pair(&b, "remote", opening->remote);
    put_pair(&b, "subprotocol", opening->subprotocol);
    mp_put_text(&b, "headers");
    mp_put_map(&b, (uint32_t)opening->header_count);
    for (size_t i = 0; i < opening->header_count; i++)
        put_pair(&b, opening->headers[i].name, opening->headers[i].value);
    send_to(conn, "@welcome", 8, b.data, b.len, NULL, WS_ANSWER);
    buf_deinit(&b);
    if (pause_next)
        ws_pause(conn);
    pause_next = false;
    return user;
}

static void forget(struct user *user)
{
    users[user->index] = users[--user_count];
    users[user->index]->index = user->index;
    free(user);
}

static void flood(struct ws_conn *conn, unsigned count)
{
    char text[1000];
    struct buf b = BUF_INIT;
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < count; i++) {
        buf_reset(&b);
        mp_put_array(&b, 2);
        mp_put_uint(&b, i);
        mp_put_str(&b, text, sizeof(text));
        send_to(conn, "flood", 5, b.data, b.len, NULL, WS_BROADCAST);
    }
    buf_deinit(&b);
}

static void answer_stats(struct ws_conn *conn, const struct question_id *id)
{
    struct buf b = BUF_INIT;
    mp_put_map(&b, counters_count() + 1);
    for (unsigned i = 0; i < counters_count(); i++) {
        struct counter_row row = counters_row(&counters, i);
        mp_put_text(&b, row.name);
        mp_put_uint(&b, row.value);
    }
    mp_put_text(&b, "count");
    mp_put_uint(&b, ws_count(ws));
    send_to(conn, "stats", 5, b.data, b.len, id, WS_ANSWER);
    buf_deinit(&b);
}

static void close_user(struct user *user, unsigned code, const struct envelope *envelope)
{
    const char *reason = "";
    size_t len = 0;
    struct mp_reader payload = mp_reader(envelope->payload, envelope->payload_len);
    if (envelope->payload)
        mp_str(&payload, &reason, &len);
    ws_close(user->conn, code, reason, len);
    forget(user);
}

static void pause_others(const struct user *user, bool is_paused)
{
    for (unsigned i = 0; i < 2 * user_count; i++) {
        struct user *other = users[i / 2];
        if (other == user)
            continue;
        if (is_paused)
            ws_pause(other->conn);
        else
            ws_resume(other->conn);
    }
}

static void on_resume_timer(uv_timer_t *timer)
{
    (void)timer;
    pause_others(NULL, false);
}

static void close_others(const struct user *user, unsigned code)
{
    for (unsigned i = user_count; i-- > 0;) {
        struct user *other = users[i];
        if (other == user)
            continue;
        ws_close(other->conn, code, "", 0);
        forget(other);
    }
}

/* The number behind a command's colon. */
static unsigned number_in(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

static void on_message(void *arg, void *arg_user, const struct envelope *envelope)
{
    struct user *user = arg_user;
    char event[160];
    (void)arg;
    snprintf(event, sizeof(event), "%.*s", (int)envelope->event_len, envelope->event);
    if (strncmp(event, "close:", 6) == 0) {
        close_user(user, number_in(event + 6), envelope);
    } else if (strncmp(event, "flood:", 6) == 0) {
        flood(user->conn, number_in(event + 6));
    } else if (strncmp(event, "flood_close:", 12) == 0) {
        flood(user->conn, number_in(event + 12));
        close_user(user, 4000, envelope);
    } else if (strcmp(event, "all") == 0) {
        struct message *m = message_new("all", 3, envelope->payload, envelope->payload_len, NULL);
        for (unsigned i = 0; i < user_count; i++)
            ws_deliver(users[i]->conn, m, WS_BROADCAST);
        message_unref(m);
    } else if (strcmp(event, "refuse_next") == 0) {
        refuse_next = true;
    } else if (strcmp(event, "pause") == 0) {
        ws_pause(user->conn);
    } else if (strcmp(event, "pause_next") == 0) {
        pause_next = true;
    } else if (strcmp(event, "pause_others") == 0) {
        pause_others(user, true);
    } else if (strcmp(event, "resume_others") == 0) {
        pause_others(user, false);
    } else if (strncmp(event, "resume_after:", 13) == 0) {
        uv_timer_start(&resume_timer, on_resume_timer, number_in(event + 13), 0);
    } else if (strncmp(event, "close_others:", 13) == 0) {
        close_others(user, number_in(event + 13));
    } else if (strcmp(event, "stats") == 0) {
        answer_stats(user->conn, &envelope->id);
    } else {
        send_to(user->conn, envelope->event, envelope->event_len, envelope->payload, envelope->payload_len,
                &envelope->id, WS_ANSWER);
    }
}

static void on_unreadable(void *arg, void *arg_user, const struct fault *fault, const struct question_id *id,
                          const char *event, size_t event_len)
{
    (void)arg;
    struct message *m = message_error(fault->code, fault->message, event, event_len, id);
    ws_deliver(((struct user *)arg_user)->conn, m, WS_ANSWER);
    message_unref(m);
}

static void on_closed(void *arg, void *arg_user, unsigned code, const char *reason, size_t reason_len)
{
    (void)arg;
    printf("closed %u %.*s\n", code, (int)reason_len, reason);
    fflush(stdout);
    forget(arg_user);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    uv_stop(handle->loop);
}

static void on_input(uv_poll_t *handle, int status, int events)
{
    char room[64];
    (void)status;
    (void)events;
    if (fread(room, 1, 1, stdin) == 0)
        uv_stop(handle->loop);
}

static unsigned setting(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void on_handle_closed(uv_handle_t *handle)
{
    (void)handle;
}

int main(void)
{
    static const char *const headers[] = {"user-agent", "x-test", "cookie", NULL};
    const struct ws_events events = {NULL, on_opened, on_message, on_unreadable, on_closed};
    const struct ws_options options = {
        .loop = &loop,
        .counters = &counters,
        .host = getenv("HOST") ? getenv("HOST") : "127.0.0.1",
        .port = setting("PORT", 0),
        .path = "/ws",
        .static_dir = getenv("STATIC"),
        .headers = headers,
        .max_message_bytes = setting("MAX_MESSAGE", 65536),
        .max_connections = setting("MAX_CONNECTIONS", 10000),
        .max_per_address = setting("MAX_PER_ADDRESS", 0),
        .handshake_ms = setting("HANDSHAKE_MS", 10000),
        .ping_ms = setting("PING_MS", 25000),
        .timeout_ms = setting("TIMEOUT_MS", 60000),
        .stall_ms = setting("STALL_MS", 10000),
        .queue_bytes = setting("QUEUE_BYTES", 1 << 20),
        .queue_items = setting("QUEUE_ITEMS", 4096),
    };
    char error[256];
    uv_signal_t terminate;
    uv_poll_t input;
    uv_loop_init(&loop);
    if (getenv("LOG"))
        log_set_level((enum log_level)log_level_from_text(getenv("LOG")));
    if (ws_new(&ws, &options, &events, error, sizeof(error)) != 0) {
        fprintf(stderr, "%s\n", error);
        uv_loop_close(&loop);
        return 1;
    }
    uv_timer_init(&loop, &resume_timer);
    uv_signal_init(&loop, &terminate);
    uv_signal_start(&terminate, on_signal, SIGTERM);
    bool has_input = uv_poll_init(&loop, &input, 0) == 0;
    if (has_input)
        uv_poll_start(&input, UV_READABLE | UV_DISCONNECT, on_input);
#ifdef SLUICE_TEST_SWITCHES
    const char *switches = "switches";
#else
    const char *switches = "";
#endif
    printf("port %u %s %s\n", ws_port(ws), ws_library_version(), switches);
    fflush(stdout);
    uv_run(&loop, UV_RUN_DEFAULT);
    ws_free(ws);
    uv_close((uv_handle_t *)&terminate, on_handle_closed);
    uv_close((uv_handle_t *)&resume_timer, on_handle_closed);
    if (has_input)
        uv_close((uv_handle_t *)&input, on_handle_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    while (user_count > 0)
        free(users[--user_count]);
    printf("loop %d\n", uv_loop_close(&loop));
    return 0;
}
