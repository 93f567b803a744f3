#ifndef SLUICE_CORE_STORED_EVENT_H
#define SLUICE_CORE_STORED_EVENT_H

/* stored_event: an event that waits in groups, shared by its jobs (one in each group). What never changes of
 * its map is encoded once, when it comes; `seq`, `attempt`, `session` and `version` are added when it is
 * handed out. It keeps its connection, and with that the session, until it is gone. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/publisher.h"

struct conn;
struct question;

struct stored_event {
    unsigned refs;
    uint32_t room; /* bytes of this object */
    unsigned
        jobs; /* of these references: jobs that have not ended; with the last one the question is settled */
    struct conn *conn;
    uint64_t question; /* serial of the question that it asks; 0: none */
    struct question_id id;
    uint64_t time_ms;     /* wall clock, when it came */
    uint64_t accepted_ms; /* mono, likewise */
    bool is_last;         /* a `@disconnect`: it counts for no bound */
    bool has_failed;      /* one of its jobs died: the question's end is `failed`, not `@ok` */
    uint8_t name_len;
    uint32_t pairs; /* of the map, in `mp` */
    uint32_t mp_len;
    uint32_t payload_at, payload_len; /* where the payload stands in `mp`; 0: it has none */
    const char *name;                 /* behind `mp`, ends with a zero byte */
    uint8_t mp[];
};

/* Encode @event, which came at @now. @question: the serial, or 0. One reference; holds @event->conn. NULL
 * when memory is refused, which a `@disconnect` with memory reserved is not. */
struct stored_event *stored_event_new(const struct event *event, uint64_t question, struct core_time now);

/* Reserve memory for the `@disconnect` of @conn (conn->farewell). 0 or -ENOMEM. */
int stored_event_reserve(struct conn *conn);

/* Give up what was reserved for @conn, if anything. */
void stored_event_release(struct conn *conn);

struct stored_event *stored_event_ref(struct stored_event *event);

/* With the last reference it is gone, and lets go of its connection: an ended one without events is freed. */
void stored_event_unref(struct core *core, struct stored_event *event);

/* Append the map that a member gets. @keys (NULL: the whole session) are the top-level keys of the session
 * that it wants, as the packed strings of `session_keys`. */
struct key_list;
void stored_event_put(const struct stored_event *event, uint64_t seq, unsigned attempt,
                      const struct key_list *keys, struct buf *out);

/* What it counts for in backlogs: the memory that it takes. */
size_t stored_event_bytes(const struct stored_event *event);

/* How many bytes stored_event_put() appends with the whole session; some more, never fewer. */
size_t stored_event_put_bytes(const struct stored_event *event);

/* The connection of an event is gone with its last one, if it has ended. Not to be called but from here and
 * from the end of a connection, which holds it like an event meanwhile. */
void conn_event_done(struct core *core, struct conn *conn);

#endif
