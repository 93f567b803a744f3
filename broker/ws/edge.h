#ifndef SLUICE_WS_EDGE_H
#define SLUICE_WS_EDGE_H

/* edge: the two structs that the modules of this folder share. Nothing outside includes this.
 *
 * libwebsockets does the RFC: parsing, masking, pongs, protocol errors. What it does badly or not at all is
 * here: accepting (listener, lobby), the checks of a handshake (handshake), queues and writing (outqueue,
 * writer), time and closing (conn). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <libwebsockets.h>
#include <uv.h>

#include "core/timers.h"
#include "ws/envelope.h"
#include "ws/outqueue.h"
#include "ws/peers.h"
#include "ws/ws.h"

#define HEADERS_MAX     8192            /* bytes of a request's head; longer ones get 431 */
#define HEADERS_ROOM    16384           /* what libwebsockets may need to hold such a head */
#define WRITE_MAX       ((size_t)65536) /* bytes of frames that one write gathers */
#define CLOSE_STEP_MS   5000 /* a closing connection that makes no progress for so long is hung up on */
#define CLOSE_STEPS_MAX 6

/* What the edge says itself when it ends a connection. */
enum close_code {
    CLOSE_NO_CODE = 1005,
    CLOSE_ABNORMAL = 1006,
    CLOSE_BAD_TEXT = 1007,
    CLOSE_TOO_BIG = 1009,
    CLOSE_TRY_LATER = 1013,
    CLOSE_SILENT = 3010,
    CLOSE_SLOW = 3012,
    CLOSE_CODES_END = 5000
};

enum conn_state {
    CONN_HTTP,       /* from accept to the end of the handshake; plain requests for files stay here */
    CONN_OPEN,       /* messages both ways */
    CONN_CLOSING,    /* we close: the queue goes out, then the close frame */
    CONN_CLOSE_SENT, /* our close frame is on its way; the peer's answer or the end is awaited */
    CONN_LEAVING, /* the peer, or libwebsockets for a breach of the protocol, closes: nothing is written any
                     more */
    CONN_DEAD     /* writing failed or we hung up: only libwebsockets' last callback is awaited */
};

/* In which of the edge's lists of work a connection is. */
enum conn_list { LIST_NONE, LIST_ANSWERS, LIST_BROADCASTS, LIST_DOOMED };

/* Whether it is read from. Other than ON only while it is OPEN. */
enum reading {
    READING_ON,
    READING_STOPS, /* libwebsockets is told so at the loop's end */
    READING_OFF,
    READING_BEGINS, /* what was held goes up first */
};

struct ws_conn {
    struct ws *ws;
    struct lws *wsi;           /* NULL before it is adopted and after its last callback */
    struct lobby_guest *guest; /* while it waits in the lobby */
    struct head *head;         /* owned, from the lobby to the opening */
    struct peer *peer;
    void *user; /* what `opened` returned */
    enum conn_state state;
    enum conn_list list;
    enum reading reading;
    bool is_known;    /* `opened` was called and took it, and `closed` or ws_close() has not come yet */
    bool was_open;    /* the handshake was completed */
    bool is_answered; /* a whole request came: accepted, answered or refused */
    bool is_binary;   /* the message being read */
    bool in_message;  /* fragments of it have come */
    bool has_answers; /* something of WS_ANSWER is queued */
    bool wants_ping;
    bool is_stalled; /* the kernel took less than was offered; `stall` runs */
    bool is_refused; /* the queue refused something: to be given up at the loop's end */
    unsigned close_steps;
    uint64_t next_ping_ms;
    uint64_t heard_ms; /* when libwebsockets last reported something from the peer */
    uint64_t acked;    /* bytes that the peer's kernel had taken at the last look */
    struct outqueue queue;
    struct buf inbox; /* fragments of the message being read */
    struct buf held;  /* messages that came after it was paused; those before `held_at` went up */
    size_t held_at;
    struct blob *close_frame; /* while CONN_CLOSING */
    struct timer clock;       /* handshake, pings and silence, end of closing: one at a time */
    struct timer stall;
    TAILQ_ENTRY(ws_conn) in_all;
    TAILQ_ENTRY(ws_conn) in_list;
    TAILQ_ENTRY(ws_conn) in_reading; /* unless it is ON */
};

TAILQ_HEAD(conn_queue, ws_conn);
TAILQ_HEAD(guest_list, lobby_guest);

struct head;
struct listener;

struct ws {
    struct ws_options options; /* its strings are owned here */
    struct ws_events events;
    struct counters *counters;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[ENCODING_COUNT + 1];
    struct lws_http_mount mount;
    struct listener *listener;
    struct peers *peers;
    const char *const *headers; /* ends with NULL; the list is owned, the names are borrowed */
    struct timers timers;
    uv_timer_t clock;
    uv_prepare_t loop_end;
    uv_idle_t awake; /* runs while there is work left, so that the loop does not sleep */
    uint64_t clock_at_ms;
    unsigned open_handles;
    struct conn_queue all;
    struct conn_queue answers;
    struct conn_queue broadcasts;
    struct conn_queue doomed;
    struct conn_queue changing; /* reading stops or begins */
    struct conn_queue paused;   /* reading is off; those not looked at for longest first */
    struct timer look;          /* runs while there are any */
    unsigned count;
    struct guest_list refused; /* in the lobby, to be told so */
    unsigned refused_count;
    uint64_t up_calls;        /* made so far that may have left the core something to do */
    struct ws_conn *entering; /* on its way to libwebsockets, which does not know it yet */
    struct envelope_room room;
    struct buf text; /* JSON on its way into a frame */
    uint8_t *gather; /* WRITE_MAX bytes behind LWS_PRE */
    bool is_freeing;
};

static inline uint64_t ws_now(const struct ws *ws)
{
    return uv_now(ws->options.loop);
}

#endif
