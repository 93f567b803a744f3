#ifndef SLUICE_CORE_CONN_H
#define SLUICE_CORE_CONN_H

/* conn: one WebSocket as the core sees it: its session, its open questions, its part of the batches. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/filter.h"
#include "core/index.h"
#include "core/uthash_nomem.h"
#include "wire/blob.h"

#define CONN_ID_MAX 40

struct question;
struct pending;
struct expiry;
struct group;
struct job;
struct lane;

struct conn {
    uint64_t number;
    size_t place; /* in the conn_table */
    void *peer;   /* the edge's */
    struct blob *session;
    uint64_t version;           /* of the session, from 1 */
    uint64_t connected_ms;      /* wall clock */
    uint64_t connected_mono;    /* the other one */
    struct question *questions; /* open ones */
    struct pending *pendings;   /* payloads that wait in batches */
    struct expiry *expiry;      /* fields that expire; NULL: none */
    struct lane *lanes;         /* its events in groups */
    struct job *reserved;       /* jobs for its `@disconnect`, by lane_next */
    void *farewell;             /* memory for the `@disconnect` as a stored event; NULL: none */
    unsigned events;            /* stored events of it */
    bool is_leaving;            /* the step under way closes it */
    bool is_ended;              /* it is in core.ended */
    struct group *paused_by;    /* NULL: it is read */
    uint64_t paused_ms;         /* mono: since when it is not */
    struct conn *paused_prev, *paused_next;
    UT_hash_handle hh; /* in core.ended */
    struct index_part index;
    uint64_t visit; /* of the last query that met this connection */
    uint64_t
        published_flush; /* publisher's: the flush in which an event of this connection was last put ... */
    uint32_t published_bucket; /* ... into which bucket */
    char id[CONN_ID_MAX + 1];
    char *remote; /* these three share one allocation */
    char *path;
    char *subprotocol;
};

/* A new connection with an empty session. NULL when memory is refused. */
struct conn *conn_new(const char *epoch, uint64_t number, const struct opening *opening, void *peer,
                      struct core_time now);

/* Frees it; what hangs on it must have been dropped. */
void conn_free(struct conn *conn);

/* What a filter sees. */
struct subject conn_subject(const struct conn *conn);

/* The number in a connection id of this @epoch; 0 when it is of another one or no id at all. */
uint64_t conn_number(const char *epoch, const char *id, size_t len);

#endif
