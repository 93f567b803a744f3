#ifndef SLUICE_CORE_REPLIES_H
#define SLUICE_CORE_REPLIES_H

/* replies: what handlers were answered, kept so that a request that nng repeats has its effects once.
 *
 * Each client (a start of a handler) has its last replies by request id. One that had to be given up
 * raises the client's floor: an id at or below it that is not stored is refused, never run again. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/uthash_nomem.h"
#include "wire/blob.h"

struct stored {
    uint64_t id;
    uint64_t fingerprint; /* hash of the request's bytes */
    uint64_t at_ms;
    struct blob *reply;
    struct client *client;
    struct stored *prev, *next; /* of all clients, oldest first */
    UT_hash_handle hh;          /* in its client, in order of storing */
};

struct client {
    char *key;
    size_t key_len;
    struct stored *stored; /* by id; uthash keeps the order in which they were added */
    size_t bytes;
    uint64_t floor;
    uint64_t used_ms;
    struct client *prev, *next; /* by use, oldest first */
    UT_hash_handle hh;
};

struct replies {
    struct client *clients;
    struct client *by_use;
    struct stored *oldest;
    size_t bytes;
    const struct core_options *options; /* borrowed */
    struct counters *counters;
};

enum replies_result {
    REPLIES_NEW,     /* not seen: run it, then replies_finish() */
    REPLIES_STORED,  /* it has its reply */
    REPLIES_REUSED,  /* other bytes came with this id */
    REPLIES_TOO_OLD, /* seen or not: its reply would be gone */
    REPLIES_NO_MEMORY
};

void replies_init(struct replies *replies, const struct core_options *options, struct counters *counters);
void replies_deinit(struct replies *replies);

/* A request of @client that changes something is about to run. REPLIES_NEW: *@slot is where its reply goes.
 * REPLIES_STORED:
 * *@slot has it. The slot is borrowed until the next call. */
enum replies_result replies_begin(struct replies *replies, const char *client, size_t client_len, uint64_t id,
                                  uint64_t fingerprint, uint64_t now_ms, struct stored **slot);

/* The request of @slot has run: keep its reply. When memory is refused (or was for the reply: NULL), the id
 * counts as too old from now on: it never runs twice. */
void replies_finish(struct replies *replies, struct stored *slot, const void *reply, size_t len);

/* Whether the id of a request that only reads, and so may run again, belongs to other bytes. */
bool replies_reused(const struct replies *replies, const char *client, size_t client_len, uint64_t id,
                    uint64_t fingerprint);

/* Give up what is older than the time to keep it. */
void replies_expire(struct replies *replies, uint64_t now_ms);

/* When replies_expire() has something to do next; UINT64_MAX: never. */
uint64_t replies_next(const struct replies *replies);

#endif
