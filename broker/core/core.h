#ifndef SLUICE_CORE_CORE_H
#define SLUICE_CORE_CORE_H

/* core: the broker without its edges. A state machine: what happened goes in (a connection opened, a
 * message came, a request came, it is now t), what is to be done comes out through `struct core_effects`. It
 * does no I/O, knows no clock and no randomness of its own, and belongs to one thread.
 *
 * Effects are called while an input is being worked on; they must not call back into the core. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/counters.h"
#include "core/message.h"
#include "wire/fault.h"

struct core;
struct conn; /* a connection, see conn.h */

struct greeting;

/* Where a request comes from. @pid is 0 where the transport does not tell. */
struct caller {
    uint64_t link;
    uint64_t pid;
    bool is_tcp;
};

/* For this connection alone: written before what many get. */
enum delivery { DELIVERY_ONE, DELIVERY_MANY };

struct core_effects {
    void *arg;
    /* Send @body to all subscribers. Borrowed. */
    void (*publish)(void *arg, const void *body, size_t len);
    /* Queue @m (shared) for the connection @peer. 0, or 1 when its queue is full. */
    int (*deliver)(void *arg, void *peer, struct message *m, enum delivery kind);
    /* Send what is queued for @peer, then close it. The core has forgotten it: no input for it may follow. */
    void (*close)(void *arg, void *peer, unsigned code, const char *reason, size_t reason_len);
    /* Answer the request that came with @ticket. Borrowed. */
    void (*reply)(void *arg, uint64_t ticket, const void *body, size_t len);
    /* Whether the request of @ticket may be left waiting for its reply; one that may not is replied soon. */
    bool (*may_wait)(void *arg, uint64_t ticket);
    /* No reply will come for @ticket: its request has come again, and the newer one gets the reply. */
    void (*abandon)(void *arg, uint64_t ticket);
    /* Stop reading from @peer; read from it again. A message that was read already may still come. */
    void (*pause)(void *arg, void *peer);
    void (*resume)(void *arg, void *peer);
    /* A handler said who it is: worth a line in the log. */
    void (*greeted)(void *arg, const struct greeting *greeting);
};

/* Who said hello. Borrowed strings of the given lengths, "" where not told. */
struct greeting {
    uint64_t link;
    const char *name, *language, *version;
    size_t name_len, language_len, version_len;
};

/* What can be set; CORE_OPTIONS_DEFAULT has the defaults. Strings and lists are borrowed while the core
 * lives. */
struct core_options {
    const char *name;         /* the broker's */
    const char *version;      /* of sluiced, for `hello` and `stats` */
    const char *epoch;        /* 8 to 16 of a-z0-9, random at each start */
    uint64_t seed[2];         /* random: keys of hashes, jitter */
    const char *batch_prefix; /* "batch_" */
    const char *key;          /* the secret that requests over TCP must carry; NULL: none */
    const char *const *calls; /* addresses for `hello`, end with NULL */
    const char *const *events;
    unsigned ping_ms;                /* for `@welcome` */
    size_t max_message_bytes;        /* client messages, for `@welcome`; and each message to a client */
    size_t max_session_bytes;        /* 64 KiB */
    unsigned question_ms;            /* 30,000 */
    unsigned max_questions;          /* 64 for each connection */
    const char *const *index_fields; /* top-level fields to index, ends with NULL; NULL: all */
    unsigned max_scan;               /* 100,000 sessions for one operation */
    unsigned max_names;              /* 4,096 event names with a `seq` */
    size_t max_publish_bytes;        /* 64 KiB */
    size_t max_request_bytes;        /* 1 MiB less a margin, requests and replies */
    unsigned max_ops;                /* 1,024 operations in one request */
    unsigned max_clients;            /* 4,096 handlers whose replies are stored */
    unsigned stored_replies;         /* 256 for each client */
    size_t stored_bytes;             /* 1 MiB for each client */
    size_t stored_bytes_total;       /* 64 MiB */
    unsigned stored_ms;              /* 120,000 */
    unsigned announce_ms;            /* 60,000 */
    unsigned alive_ms;               /* 5,000 */
    unsigned max_batches;            /* 1,024 events with a batch */
    size_t batch_bytes;              /* 64 KiB: `max_bytes` of a batch that names none */
    unsigned batch_items;            /* 1,000: `max_items` likewise */
    unsigned max_groups;             /* 256 */
    unsigned max_members;            /* 1,024, of all groups */
    unsigned group_backlog;          /* 100,000 events of each group, see group.h */
    size_t group_backlog_bytes;      /* 64 MiB, likewise */
    unsigned group_pause_max_ms;     /* 5,000 */
    unsigned group_keep_ms;          /* 60,000: what nobody lists any more stays subscribed so long */
    unsigned group_lease_ms;         /* 30,000, unless a member asks for another */
    unsigned group_max_attempts;     /* 5 */
    unsigned group_dead;             /* 1,000 in each group's dead list */
    size_t group_dead_bytes;         /* 16 MiB, likewise */
    unsigned link_grace_ms;          /* 2,000: for a member to come back after its TCP link ended */
};

extern const struct core_options CORE_OPTIONS_DEFAULT;

/* Two clocks: @mono_ms never jumps, @wall_ms is milliseconds since 1970. */
struct core_time {
    uint64_t mono_ms;
    uint64_t wall_ms;
};

/* A new core. Caller owns *@out. 0 or -ENOMEM. @counters is borrowed. */
int core_new(struct core **out, const struct core_options *options, const struct core_effects *effects,
             struct counters *counters, struct core_time now);

/* Free everything, without effects. */
void core_free(struct core *core);

/* It is now @now: fires what is due. To be called at the begin of each turn of the loop, and when core_next()
 * comes. */
void core_tick(struct core *core, struct core_time now);

/* When core_tick() is wanted next (mono_ms); UINT64_MAX: no need. */
uint64_t core_next(const struct core *core);

/* The end of a turn of the loop: publish what the turn brought. */
void core_flush(struct core *core);

struct opening_header {
    const char *name;
    const char *value;
};

/* A connection that opens. All borrowed for the call. */
struct opening {
    const char *path;
    const char *query;
    const char *remote;
    const char *subprotocol; /* "" when the client offered none: then it gets no @welcome */
    const struct opening_header *headers;
    size_t header_count;
};

/* A connection opened. *@out stands for it until core_conn_closed() or the effect `close`. 0, -ENOMEM, or
 * -EAGAIN while a group that listens to `@connect` refuses (then it does not exist). */
int core_conn_opened(struct core *core, struct conn **out, const struct opening *opening, void *peer);

/* A client's message: @event as it came; payload and trace checked MessagePack, NULL for none. Borrowed. */
struct incoming {
    const char *event;
    size_t event_len;
    const void *payload;
    size_t payload_len;
    const void *trace;
    size_t trace_len;
    struct question_id id;
};

void core_conn_message(struct core *core, struct conn *conn, const struct incoming *in);

/* Something came that is no message: the client is told. @event may be NULL. */
void core_conn_unreadable(struct core *core, struct conn *conn, const struct fault *fault,
                          const struct question_id *id, const char *event, size_t event_len);

/* The connection has ended. @conn is gone after this. */
void core_conn_closed(struct core *core, struct conn *conn, unsigned code, const char *reason,
                      size_t reason_len);

/* A request of a handler: exactly one effect `reply` with @ticket comes, in this call or later. */
void core_request(struct core *core, const struct caller *caller, uint64_t ticket, const void *body,
                  size_t len);

/* A link to `calls` is gone; the number of SUB links is another one. */
void core_link_down(struct core *core, uint64_t link);
void core_subscribers(struct core *core, unsigned count);

/* Declare a batch as the operation `batch` does (for the config). */
struct batch_rule {
    const char *event;
    unsigned interval_ms; /* 0: off */
    unsigned max_items;   /* 0: default */
    size_t max_bytes;     /* 0: default */
    enum { BATCH_KEEP_ALL, BATCH_KEEP_LATEST } keep;
    const char *latest_by; /* NULL: none */
};
int core_batch(struct core *core, const struct batch_rule *rule, struct fault *fault);

/* Declare a group (for the config): it keeps its subscriptions for ever. 0 or -1 with a fault. */
struct group_rule {
    const char *name;
    const char *const *events; /* patterns, ends with NULL; may be NULL */
    bool refuses_when_full;    /* `on_full: refuse` */
    uint64_t max_age_ms;       /* 0: none */
    unsigned max_attempts;     /* 0: default */
    unsigned backlog;          /* 0: default */
    size_t backlog_bytes;      /* 0: default */
};
int core_group(struct core *core, const struct group_rule *rule, struct fault *fault);

/* Begin to stop: flush all batches, close every connection with 1001, spread at random over @drain_ms.
 * Connections that open from now on are closed at once. */
void core_stop(struct core *core, unsigned drain_ms);

/* Connections that have not ended. */
size_t core_conn_count(const struct core *core);

#endif
