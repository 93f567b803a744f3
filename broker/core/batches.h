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

/* How a batch works. */
struct batch_terms {
    unsigned interval_ms;
    unsigned max_items;
    size_t max_bytes;
    int keep;
    char latest_by[]; /* "": none */
};

struct batch {
    struct batches *batches;
    char event[EVENT_NAME_MAX + 1];
    struct batch_terms *terms; /* NULL: it is off */
    unsigned changes;          /* prepared and not settled */
    struct pending *pendings;  /* of the connections that something waits for */
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
    unsigned count; /* that are not off */
    const struct core_options *options;
    const struct core_effects *effects;
    struct counters *counters;
    struct timers *timers;
};

void batches_init(struct batches *batches, const struct core_options *options,
                  const struct core_effects *effects, struct counters *counters, struct timers *timers);

/* Drops what waits. */
void batches_deinit(struct batches *batches);

/* The batch of an event, or NULL: it is sent at once. */
struct batch *batches_find(const struct batches *batches, const char *event, size_t len);

/* A change of a batch comes in parts, so that it can be taken back: batches_prepare(), then any number of
 * batch_swap(), perhaps batch_obey(), then batch_settle(). Only the first can fail.
 *
 * Find or make the batch of @rule->event (a valid name) and make the terms that @rule asks for: NULL if it is
 * to be off. *@batch is NULL when it is off already. The caller owns *@terms (free()). 0, or -1 with a fault.
 */
int batches_prepare(struct batches *batches, const struct batch_rule *rule, struct batch **batch,
                    struct batch_terms **terms, struct fault *fault);

/* Give @batch other terms (takes them); what waits is not touched. Returns those that it had. */
struct batch_terms *batch_swap(struct batch *batch, struct batch_terms *terms);

/* The batch has been given its terms for good. Off: what waits is delivered; else a shorter interval counts
 * for what waits already. */
void batch_obey(struct batch *batch, uint64_t now_ms);

/* What batches_prepare() began is over: a batch that is off is freed. */
void batch_settle(struct batch *batch);

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
