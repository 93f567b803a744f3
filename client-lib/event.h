#ifndef SLUICE_CLIENT_EVENT_H
#define SLUICE_CLIENT_EVENT_H

/* event: what a handler function is called with, and the step it makes: its documents and the operations that
 * it queued. Also a step without an event (sluice_begin()). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sluice.h>

#include "arena.h"
#include "error.h"
#include "held.h"
#include "packet.h"
#include "value.h"
#include "wire/buf.h"
#include "wire/event_name.h"

#define EVENT_CONN_MAX  64
#define EVENT_EPOCH_MAX 32

/* Bytes of the packet that are one value; bytes NULL: absent. */
struct slice {
    const uint8_t *bytes;
    size_t len;
};

/* The values of an event map that handlers ask for most. */
struct event_parts {
    struct slice map;           /* the whole */
    struct slice name, attempt; /* of members */
    struct slice conn, payload, session, version, question, time_ms, seq, trace;
};

enum event_state {
    EVENT_OPEN, /* takes documents and operations */
    EVENT_DONE, /* its function has returned, its effects are on their way: only accessors work */
};

struct sluice_event {
    struct sluice_client *client;
    struct sluice_event *prev,
        *next; /* in the client's list of open events, or in the outbox, or among the spare ones */
    enum event_state state;
    bool is_step; /* made by sluice_begin() */

    struct packet *packet; /* what all slices point into; NULL for a step */
    struct slice map;      /* the whole event map */
    struct slice payload, session, question, trace;
    const char *name; /* in the packet, terminated; or own_name */
    uint64_t seq;
    uint64_t version;
    int64_t time_ms;

    const struct sluice_value *made_payload, *made_session, *made_question,
        *made_trace;         /* made when asked for */
    unsigned op_count;       /* in `ops` */
    size_t last_op;          /* where the last of them begins */
    bool has_last_op;        /* and whether sluice_now() may take it back */
    bool last_is_own_answer; /* the last one answers the event that the entry is for: it names no question */
    unsigned result_count;   /* operations that have their result ... */
    size_t done_bytes;       /* ... and their bytes */

    struct held held; /* what its member has to know; of a watched event: nothing */

    /* What follows is not cleared as a whole when the event is used again. */
    struct arena arena;
    struct buf ops;     /* queued operations, one behind the other */
    struct buf refusal; /* held: the error that the event ends with, a map; empty: none */
    char own_name[EVENT_NAME_MAX + 1];
    char conn[EVENT_CONN_MAX];
    char epoch[EVENT_EPOCH_MAX];
    struct sluice_fault fault; /* the first thing that was wrong; fails the step */
};

/* A new open event of @client, in its list. NULL when refused. */
struct sluice_event *event_new(struct sluice_client *client);

/* Give it back: the packet, its values, its operations. Takes it out of the list it is in. */
void event_free(struct sluice_event *event);

/* Free the spare events that @client keeps. */
void event_free_spare(struct sluice_client *client);

/* Put it into the list of open events, first; take it out again. */
void event_link(struct sluice_event *event);
void event_unlink(struct sluice_event *event);

/* The function has returned: its values are gone; it leaves the list of open events. */
void event_close(struct sluice_event *event);

/* Read the event map that is next. False: it is none, or cut. */
bool event_parse(struct mp_reader *r, struct event_parts *parts);

/* Fill @event from the parts of a map in @packet (shared). @name as in the packet's topic. False: too long or
 * wrong values. */
bool event_fill(struct sluice_event *event, struct packet *packet, const char *name, const char *epoch,
                size_t epoch_len, const struct event_parts *parts);

/* Whether documents and operations may be made with @event: 0, or an error (the event's own if it has failed
 * already). */
int event_check(struct sluice_event *event);

/* Whether @pointer is a value of one of @client's open events. */
bool event_owns_value(const struct sluice_client *client, const void *pointer);

#endif
