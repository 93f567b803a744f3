#ifndef SLUICE_CLIENT_OUTBOX_H
#define SLUICE_CLIENT_OUTBOX_H

/* outbox: effects on their way to the broker: the events whose functions have returned, in order, and the one
 * request that is under way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

struct outbox {
    struct sluice_event *first, *last; /* by `next`: with operations that have no result yet */
    unsigned ops;                      /* in all of them */
    size_t bytes;
    bool is_busy;         /* a request is under way */
    bool is_distributing; /* its results are being told */
    unsigned sent;        /* operations in it, from the first that has no result on */
    size_t sent_bytes;    /* of them */
    uint64_t id;          /* of it */
    int64_t deadline_ms;  /* for it */
};

/* What one request carries at most. */
unsigned outbox_max_ops(const struct sluice_client *client);
size_t outbox_max_bytes(const struct sluice_client *client);

/* Queue @event's operations; owns it from now on. */
void outbox_add(struct sluice_client *client, struct sluice_event *event);

/* Look for a reply, tell on_error of refusals, send what waits. Returns when it wants to be called next (the
 * deadline). */
int64_t outbox_step(struct sluice_client *client, int64_t now_ms);

/* Nothing waits and nothing is under way. */
bool outbox_idle(const struct outbox *outbox);

/* As much waits, beside what is under way, as the next request carries. */
bool outbox_full(const struct sluice_client *client);

/* Step until idle, at most until @deadline_ms. */
void outbox_flush(struct sluice_client *client, int64_t deadline_ms);

/* Forget everything. */
void outbox_deinit(struct sluice_client *client);

#endif
