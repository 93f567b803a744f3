#ifndef SLUICE_IPC_CALLS_H
#define SLUICE_IPC_CALLS_H

/* calls: the REP socket, one context for each request that is under way.
 *
 * A REP socket hears only while a context receives. CALLS_RECEIVING always do, however many requests wait:
 * each request that is left waiting makes room for by one more context, up to the limits. Beyond a limit
 * nobody is deaf and nothing waits in silence: the link is ended, its peer sees that at once, connects again
 * and repeats.
 *
 * All functions belong to the loop's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>

#include "ipc/ipc.h"
#include "ipc/links.h"

/* Each takes one request before the loop has run once; more are only useful when more come within one turn of
 * the loop. */
#define CALLS_RECEIVING 32

/* Replies that peers have not taken, in all. Beyond, the link that leaves most is ended. */
#define CALLS_UNSENT_BYTES (64UL * 1024 * 1024)

struct calls;

struct calls_request {
    struct link *link;
    ipc_ticket ticket;
    nng_msg *message; /* the caller frees it */
};

/* Open the socket and its contexts. 0, or an nng error. Borrows @links and @options. */
int calls_new(struct calls **out, struct links *links, const struct ipc_options *options);

/* After nng_close() of the socket, on any thread: wait for nng to let the contexts go. */
void calls_stop(struct calls *calls);
void calls_free(struct calls *calls);

nng_socket calls_socket(const struct calls *calls);

/* Take a LETTER_CALL. Returns whether it brings a request of a live link, which then waits. */
bool calls_take(struct calls *calls, struct letter *letter, struct calls_request *request);

/* Receive with as many contexts as should. After letters were taken, and now and then, since it may have
 * lacked memory. */
void calls_listen(struct calls *calls);

/* See ipc_reply(), ipc_abandon(), ipc_may_wait(). */
void calls_reply(struct calls *calls, ipc_ticket ticket, const void *body, size_t len);
void calls_abandon(struct calls *calls, ipc_ticket ticket);
bool calls_may_wait(const struct calls *calls, ipc_ticket ticket);

/* The core has had the request of @ticket: if it is left waiting and may not, end its link. */
void calls_settle(struct calls *calls, ipc_ticket ticket);

/* The link ended, or is about to: its tickets are void from now on. */
void calls_forget_link(struct calls *calls, struct link *link);

unsigned calls_waiting(const struct calls *calls);
/* Replies that nng still holds. */
unsigned calls_unsent(const struct calls *calls);

#endif
