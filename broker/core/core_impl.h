#ifndef SLUICE_CORE_CORE_IMPL_H
#define SLUICE_CORE_CORE_IMPL_H

/* The core's own view of itself, for the files that run its operations. Not for the edges. */

#include "core/announcements.h"
#include "core/batches.h"
#include "core/conn_table.h"
#include "core/core.h"
#include "core/filter_cache.h"
#include "core/greetings.h"
#include "core/group.h"
#include "core/index.h"
#include "core/publisher.h"
#include "core/questions.h"
#include "core/replies.h"
#include "core/step.h"
#include "core/timers.h"

/* The order in which core_stop() closes the connections, and how far it is. */
struct stopping {
    uint64_t *numbers;
    size_t count, done;
    uint64_t begin_ms, drain_ms;
    struct timer timer;
};

struct core {
    struct core_options options;
    struct core_effects effects;
    struct counters *counters;
    struct core_time now;
    uint64_t started_ms; /* mono */
    uint64_t random;
    uint64_t last_number; /* of a connection */
    struct conn_table conns;
    struct conn *ended; /* connections that have ended and have events left, by number */
    struct index index;
    struct filter_cache filters;
    uint64_t visit; /* number of the last query */
    struct timers timers;
    struct publisher publisher;
    struct questions questions;
    struct batches batches;
    struct announcements announcements;
    struct replies replies;
    struct groups groups;
    struct greetings greetings; /* of clients */
    struct step step;
    struct timer alive;
    bool is_stopping;
    struct stopping stopping;
    struct buf reply; /* the reply under construction */
};

/* The connection with this id, or NULL: one that is open, and not to be closed by the step under way. */
struct conn *core_conn_find(const struct core *core, const char *id, size_t len);

/* Also one that has ended and lives on, with its session, for the events that are left of it. */
struct conn *core_conn_find_kept(const struct core *core, const char *id, size_t len);

/* Queue @message for @conn. 0, or 1 when its queue is full. */
int core_deliver(struct core *core, struct conn *conn, struct message *message, enum delivery kind);

/* End @conn from our side: what waits in batches goes first, then it is closed; `@disconnect` is published.
 * Frees @conn. */
void core_conn_close(struct core *core, struct conn *conn, unsigned code, const char *reason,
                     size_t reason_len);

/* Give @conn its next session. Takes the reference @session. */
void core_session_set(struct core *core, struct conn *conn, struct blob *session);

#endif
