#ifndef SLUICE_CLIENT_CONTACT_H
#define SLUICE_CLIENT_CONTACT_H

/* contact: what the client knows of the broker (its epoch, where its `events` are) and what the broker knows
 * of the client (hello, and the announcement that holds for 60 s). A client that subscribes to nothing says
 * neither: its requests need no past. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "event.h"

/* What a request on LINK_CONTROL is about. */
enum contact_talk { TALK_NONE, TALK_HELLO, TALK_ANNOUNCE };

/* What the broker told in `hello`; its defaults until then. */
struct limits {
    bool is_known;
    unsigned max_ops;         /* in one request */
    unsigned max_entries;     /* in one turn */
    size_t max_request_bytes; /* a larger one ends the link */
    int64_t alive_ms;         /* time between two @alive */
    int64_t announce_ms;      /* how long an announcement holds */
};

struct contact {
    struct limits limits;
    char epoch[EVENT_EPOCH_MAX]; /* "" while unknown */
    char *events_address;        /* dialed */
    enum contact_talk talk;      /* under way ... */
    uint64_t talk_id;            /* ... as this request */
    bool want_hello;
    bool want_announce;
    bool is_announced;    /* since the last change that made it needed */
    int64_t retry_ms;     /* after a refusal: not before */
    int64_t announce_ms;  /* when the announcement is repeated */
    int64_t heard_ms;     /* the last @alive, or when the link came */
    unsigned calls_count; /* links seen */
    unsigned events_count;
    bool is_events_up;
};

void contact_init(struct contact *contact);

/* Append the operation `hello`. */
void contact_put_hello(struct sluice_client *client, struct buf *out);

/* Take the limits from its @result. */
void contact_take_limits(struct contact *contact, struct mp_reader result);

/* Do what is due. Returns when it wants to be called next. */
int64_t contact_step(struct sluice_client *client, int64_t now_ms);

/* The broker's epoch, as a reply or an event says it: another one makes everything new. */
void contact_epoch(struct sluice_client *client, const char *epoch, size_t len);

/* An @alive came: the broker lives. */
void contact_alive(struct sluice_client *client);

/* There is another subscription. */
void contact_changed(struct sluice_client *client);

void contact_deinit(struct contact *contact);

#endif
