#ifndef SLUICE_CORE_BATCHES_H
#define SLUICE_CORE_BATCHES_H

/* batches: deliveries of an event held for an interval and sent to each client as one message
 * {"e": "batch_<event>", "p": {"d": [...]}}.
 *
 * Each batched event has one timer, started by the first payload that waits, so a batch is at most one
 * interval old and thousands of connections need no timer each. Payloads are shared by reference; connections
 * with the same payloads share the message too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/timers.h"
#include "core/uthash_nomem.h"
#include "wire/blob.h"
#include "wire/event_name.h"

struct conn;
struct batches;

/* A message made of payloads, for those who wait for the same ones. */
struct shared {
    struct message *message;
    struct blob **items;
    size_t count;
};

struct batch {
    struct batches *batches;
    char event[EVENT_NAME_MAX + 1];
    unsigned interval_ms;
    unsigned max_items;
    size_t max_bytes;
    int keep;
    char *latest_by;          /* NULL: none */
    struct pending *pendings; /* of the connections that something waits for */
    struct timer timer;
    struct shared recent; /* what a full one was last sent as */
    UT_hash_handle hh;
};

/* What waits for one connection in one batch. */
struct pending {
    struct batch *batch;
    struct conn *conn;
    struct blob **items;
    size_t count, cap;
    size_t bytes;
    struct pending *prev, *next;           /* of the same batch */
    struct pending *conn_prev, *conn_next; /* of the same connection */
};

struct batches {
    struct batch *by_event;
    const struct core_options *options;
    const struct core_effects *effects;
    struct counters *counters;
    struct timers *timers;
};

void batches_init(struct batches *batches, const struct core_options *options,
                  const struct core_effects *effects, struct counters *counters, struct timers *timers);

/* Drops what waits. */
void batches_deinit(struct batches *batches);

/* Declare, change or (interval 0) end a batch. Ending flushes it; a change keeps what waits. @rule->event is
 * a valid name. 0, or -1 with a fault. */
int batches_set(struct batches *batches, const struct batch_rule *rule, uint64_t now_ms, struct fault *fault);

/* The batch of an event, or NULL: it is sent at once. */
struct batch *batches_find(const struct batches *batches, const char *event, size_t len);

/* Put @payload (one checked MessagePack value, shared) into what waits for @conn; flushes it early when it is
 * full. 0; 1 when the connection's queue refused an early flush; -ENOMEM. */
int batch_add(struct batch *batch, struct conn *conn, struct blob *payload, uint64_t now_ms);

/* Deliver what waits for @conn in @batch, or in all batches. 0, or 1 when its queue refused it. */
int batch_flush_conn(struct batch *batch, struct conn *conn);
int batches_flush_conn(struct batches *batches, struct conn *conn);

void batches_flush(struct batches *batches);

/* The connection has ended: what waits for it is dropped. */
void batches_drop_conn(struct batches *batches, struct conn *conn);

#endif
