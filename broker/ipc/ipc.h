#ifndef SLUICE_IPC_IPC_H
#define SLUICE_IPC_IPC_H

/* ipc: the handlers' edge. The only place in the broker that knows nng.
 *
 * `calls` (REP) takes requests and sends replies, `events` (PUB) publishes. nng's threads only put what comes
 * into one bounded queue and call `wake`; ipc_drain() hands it over on the loop's thread. All other functions
 * belong to that thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/counters.h"

struct ipc;

/* Names a request that waits for its reply. Never 0. */
typedef uint64_t ipc_ticket;

struct ipc_options {
    const char *const *calls; /* addresses, end with NULL: ipc:///path, tcp://host:port (port 0: any) */
    const char *const *events;
    size_t max_request_bytes;      /* 1 MiB less a margin: longer ones end the link */
    unsigned publish_queue;        /* 256: messages that wait for each subscriber */
    unsigned max_subscribers;      /* 32 SUB links; further ones are refused */
    unsigned max_waiting;          /* 1,024 requests not replied yet, in all: see ipc_may_wait() */
    unsigned max_waiting_per_link; /* 16 */
    struct counters *counters;     /* raised on the loop's thread only */
    void (*wake)(
        void *arg); /* any thread: something waits for ipc_drain(); must be cheap and may be called often */
    void *wake_arg;
};

/* Where a request comes from. @pid as the kernel says, 0 if it does not (TCP). */
struct ipc_peer {
    uint64_t link;
    uint64_t pid;
    bool is_tcp;
};

struct ipc_events {
    void *arg;
    /* A link to `calls` came. Ids are never reused. */
    void (*link_up)(void *arg, uint64_t link, bool is_tcp);
    /* It is gone: no request of it will be handed over any more, and replies to its tickets are dropped. */
    void (*link_down)(void *arg, uint64_t link);
    /* A request. @body is borrowed for the call. Exactly one ipc_reply() must follow, now or later. */
    void (*request)(void *arg, const struct ipc_peer *peer, ipc_ticket ticket, const void *body, size_t len);
    /* The number of SUB links is another one. */
    void (*subscribers)(void *arg, unsigned count);
};

/* Take the lock files, listen on every address. 0, or -1 with a message for people in @error[@size] (names
 * the address and what to do). */
int ipc_new(struct ipc **out, const struct ipc_options *options, const struct ipc_events *events, char *error,
            size_t size);

/* The address of index @index as it can be dialed (a TCP port 0 resolved), or NULL past the last. */
const char *ipc_calls_address(const struct ipc *ipc, size_t index);
const char *ipc_events_address(const struct ipc *ipc, size_t index);

/* Hand over what has come, at most for about a millisecond. Returns whether something is left. */
bool ipc_drain(struct ipc *ipc);

/* Look after the listeners; to be called about every second. */
void ipc_watch(struct ipc *ipc);

/* Send the reply and end the ticket. Does nothing for tickets of links that are gone. */
void ipc_reply(struct ipc *ipc, ipc_ticket ticket, const void *body, size_t len);

/* End the ticket without a reply: the same request has come again, and the reply will go to the newer ticket.
 */
void ipc_abandon(struct ipc *ipc, ipc_ticket ticket);

/* Whether the request may be left waiting, as far as max_waiting and max_waiting_per_link go. One that may
 * not is to be replied before `request` returns; else its link is ended, so that its peer connects again and
 * repeats instead of waiting in vain. */
bool ipc_may_wait(const struct ipc *ipc, ipc_ticket ticket);

/* Publish @body (topic, zero byte, map) to the subscribers. */
void ipc_publish(struct ipc *ipc, const void *body, size_t len);

/* Give what was published and replied up to half a second to go out, then close everything, within about two
 * seconds at most in all; remove socket and lock files. Makes no up-calls. NULL is fine. */
void ipc_free(struct ipc *ipc);

#endif
