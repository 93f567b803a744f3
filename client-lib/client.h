#ifndef SLUICE_CLIENT_CLIENT_H
#define SLUICE_CLIENT_CLIENT_H

/* client: the parts of a handler's end put together. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sluice.h>

#include "contact.h"
#include "error.h"
#include "event.h"
#include "gaps.h"
#include "group.h"
#include "link.h"
#include "outbox.h"
#include "waker.h"

struct subscription {
    char *pattern;
    sluice_handler_fn *fn;
    void *arg;
};

struct sluice_client {
    char id[33]; /* `client` in requests */
    char *name, *version, *key;
    int timeout_ms;
    sluice_error_fn *on_error;
    void *on_error_arg;
    sluice_gap_fn *on_gap;
    void *on_gap_arg;
    sluice_log_fn *on_log;
    void *on_log_arg;
    struct sluice_fault fault; /* the last */

    struct waker waker;
    atomic_bool is_stopping;
    bool is_running;     /* in sluice_run(): functions are called while effects are under way */
    bool is_in_function; /* a handler function or callback runs */
    bool handles_signals;

    char *address; /* of `calls`; NULL until sluice_connect() */
    struct sluice_fault
        connect_fault; /* of an explicit sluice_connect(): the default address is not taken instead */
    struct link *link;
    struct contact contact;
    struct gaps gaps;
    struct outbox outbox;
    uint64_t next_id;

    struct subscription *subscriptions;
    size_t subscription_count;
    struct group *groups;
    int drain_ms;            /* what a member takes to finish when it is stopped ... */
    int64_t drain_end_ms;    /* ... until then; 0 while it is not */
    struct packet *taken;    /* messages that came, oldest first */
    struct mp_reader events; /* what is left of the first one's events ... */
    uint32_t events_left;
    const char *events_epoch;
    size_t events_epoch_len;
    unsigned function_calls; /* in this sluice_poll() */

    struct sluice_event *open;  /* whose values live */
    struct sluice_event *spare; /* for the next events */
    unsigned spare_count;
    struct buf request; /* scratch: one under construction */
    struct buf text;    /* scratch: a document under construction ... */
    struct buf holes;   /* ... its conversions ... */
    struct buf piece;   /* ... a string of it */
};

/* Tell on_log, if somebody listens. */
void client_log(struct sluice_client *client, char level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Remember @fault as the last one and tell on_error. @event may be NULL. */
void client_fail(struct sluice_client *client, const struct sluice_fault *fault, struct sluice_event *event);

/* There was no reply in time: sets @fault, returns SLUICE_E_TIMEOUT. */
int client_no_reply(struct sluice_client *client, struct sluice_fault *fault);

/* Begin to connect with the default address, unless that was done. 0 or an error, kept as the last fault. */
int client_need_link(struct sluice_client *client);

/* Begin a request with the next id in client->request, in which @more pairs follow. @epoch may be NULL or "".
 */
void client_begin_head(struct sluice_client *client, const char *epoch, unsigned more, uint64_t *id);

/* Begin one with operations: up to and with the key `ops`: its list must follow.
 */
void client_begin_request(struct sluice_client *client, const char *epoch, uint64_t *id);

/* Call the functions for the messages that have come, as far as one request can carry their effects. */
void client_dispatch(struct sluice_client *client);

#endif
