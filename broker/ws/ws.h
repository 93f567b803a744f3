#ifndef SLUICE_WS_WS_H
#define SLUICE_WS_WS_H

/* ws: the WebSocket edge. The only place that knows libwebsockets.
 *
 * It accepts sockets, does the handshake, reads complete messages, turns each into an envelope, keeps
 * one bounded outbound queue for each connection and writes them at the loop's end. All functions and all
 * up-calls belong to the thread of the loop. No function below makes an up-call before it returns, except
 * ws_free(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/counters.h"
#include "core/message.h"
#include "wire/fault.h"

struct ws;
struct ws_conn;
typedef struct uv_loop_s uv_loop_t;

struct ws_options {
    uv_loop_t *loop;            /* borrowed until ws_free() has returned */
    struct counters *counters;  /* borrowed likewise */
    const char *host;           /* numeric address or name to listen on */
    unsigned port;              /* 0: any, see ws_port() */
    const char *path;           /* "/ws" */
    const char *static_dir;     /* NULL: none */
    const char *const *headers; /* names of the headers that openings carry, ends with NULL; may be NULL */
    size_t max_message_bytes;   /* 64 KiB */
    unsigned max_connections;   /* in all, handshakes included */
    unsigned max_per_address;   /* 0: no limit */
    unsigned handshake_ms;      /* 10,000: from accept to the end of the handshake */
    unsigned ping_ms;           /* 25,000 */
    unsigned timeout_ms;        /* 60,000 without a byte */
    unsigned stall_ms;          /* 10,000 with a queue that makes no progress */
    size_t queue_bytes;         /* 1 MiB outbound per connection */
    unsigned queue_items;       /* 4,096 */
};

/* A header of the handshake. Borrowed. */
struct ws_header {
    const char *name;
    const char *value;
};

/* What is known when a handshake is complete. All borrowed for the call. */
struct ws_opening {
    const char *path;
    const char *query;       /* without '?'; "" for none */
    const char *remote;      /* the peer's address, no port */
    const char *subprotocol; /* the one chosen; "" when the client offered none */
    enum encoding encoding;
    const struct ws_header *headers;
    size_t header_count;
};

/* A client's message, read. All borrowed for the call. */
struct envelope {
    const char *event; /* not checked for the rules of names, valid UTF-8, len bytes */
    size_t event_len;
    const void *payload; /* checked MessagePack, or NULL when there was no `p` */
    size_t payload_len;
    const void *trace; /* `t`, checked MessagePack, or NULL */
    size_t trace_len;
    struct question_id id; /* QUESTION_NONE without `i` */
};

struct ws_events {
    void *arg;
    /* A connection is open. Returns what stands for it in the other up-calls, or NULL to refuse it (closed
     * with 1013). */
    void *(*opened)(void *arg, struct ws_conn *conn, const struct ws_opening *opening);
    void (*message)(void *arg, void *user, const struct envelope *envelope);
    /* A message could not be read; the connection stays. @fault is CODE_BAD_MESSAGE or CODE_BAD_ID; @id and
     * @event what was readable of them (@event may be NULL). */
    void (*unreadable)(void *arg, void *user, const struct fault *fault, const struct question_id *id,
                       const char *event, size_t event_len);
    /* The connection has ended, or is as good as: once for each that was opened, unless ws_close() was called
     * before. @code as in docs/protocol-websocket.md (1005: a close frame without one, 1006: none). @conn
     * must not be used again. */
    void (*closed)(void *arg, void *user, unsigned code, const char *reason, size_t reason_len);
};

/* Listen. 0, or -1 with a message for people in @error[@size] ("cannot listen on 127.0.0.1:8080: Address
 * already in use"). */
int ws_new(struct ws **out, const struct ws_options *options, const struct ws_events *events, char *error,
           size_t size);

/* What is below, for logs: "4.1.6" of libwebsockets. */
const char *ws_library_version(void);

/* The port listened on. */
unsigned ws_port(const struct ws *ws);

/* Accept no more; what is open stays. */
void ws_stop_accepting(struct ws *ws);

/* Sockets that are not gone yet, closing ones included. */
unsigned ws_count(const struct ws *ws);

/* Hang up on what is left (without up-calls) and free everything. The loop must still be runnable: this
 * function runs it until libwebsockets has let go of its handles. */
void ws_free(struct ws *ws);

enum ws_class { WS_ANSWER, WS_BROADCAST };

/* Put @m at the end of the connection's queue, sharing it. It is written at the loop's end: connections with
 * answers first. 0; or 1 when the queue is full: nothing is queued, and the connection is given up (3012) at
 * the loop's end. */
int ws_deliver(struct ws_conn *conn, struct message *m, enum ws_class class);

/* Send what is queued, then close with @code and @reason (at most 123 bytes, cut at a character). The
 * connection is the edge's alone from now on: nothing is read from it, no up-call comes for it, and @conn
 * must not be used again. */
void ws_close(struct ws_conn *conn, unsigned code, const char *reason, size_t reason_len);

/* Stop reading from the connection: after the message under way none comes until ws_resume(), what the client
 * sends fills the kernel's buffers, and then the client has to wait. Meanwhile it is neither pinged nor
 * closed for its silence. What is delivered to it is written as ever. A reset is told of within about a
 * second; a client that ended in order, when it is read from again, behind its last message (if its close
 * frame came together with what led to the pause, that cannot wait, and all before it comes at once). Both
 * are harmless when done twice. */
void ws_pause(struct ws_conn *conn);
void ws_resume(struct ws_conn *conn);

#endif
