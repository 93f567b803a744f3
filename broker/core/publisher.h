#ifndef SLUICE_CORE_PUBLISHER_H
#define SLUICE_CORE_PUBLISHER_H

/* publisher: collects the events of one turn of the loop and publishes them at its end, those of one name
 * in one message.
 *
 * Order: events of one connection leave in the order in which it sent them, whatever their names. Each name
 * has one open bucket; a connection whose last event went into a later bucket than that one opens a new
 * bucket at the end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/names.h"
#include "wire/buf.h"

struct conn;

/* How a connection ended, for `@disconnect`. Borrowed. */
struct ending {
    unsigned code;
    const char *reason;
    size_t reason_len;
    uint64_t duration_ms;
};

/* What is published. Borrowed for the call. */
struct event {
    const char *name;
    size_t name_len;
    struct conn *conn;
    const void *payload; /* checked MessagePack, or NULL */
    size_t payload_len;
    const void *trace; /* likewise */
    size_t trace_len;
    const struct question_id *id;  /* NULL or QUESTION_NONE: nobody asked */
    const struct opening *opening; /* `@connect` only */
    const struct ending *ending;   /* `@disconnect` only */
};

struct bucket {
    struct buf body;
    size_t count_at; /* where the number of events stands */
    unsigned count;
};

struct publisher {
    const char *epoch;
    size_t max_bytes;
    const struct core_effects *effects;
    struct counters *counters;
    struct names names;
    struct bucket *buckets; /* [0, used) are filled, the rest keep their memory */
    size_t used, cap;
    uint64_t flush; /* number of the flush that the buckets wait for */
    unsigned subscribers;
};

void publisher_init(struct publisher *publisher, const struct core_options *options,
                    const struct core_effects *effects, struct counters *counters);
void publisher_deinit(struct publisher *publisher);

/* Count @event's `seq` up and put it into its bucket (nowhere while there are no subscribers). 0, or -ENOMEM:
 * it is lost, which subscribers see by its `seq`. */
int publisher_add(struct publisher *publisher, const struct event *event, struct core_time now);

/* Publish all buckets. */
void publisher_flush(struct publisher *publisher);

/* Publish `@alive`: the `seq` of each name used within the last @recent_ms. */
void publisher_alive(struct publisher *publisher, struct core_time now, uint64_t recent_ms);

#endif
