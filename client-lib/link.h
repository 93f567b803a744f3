#ifndef SLUICE_CLIENT_LINK_H
#define SLUICE_CLIENT_LINK_H

/* link: the sockets to the broker. The only place in the library that knows nng.
 *
 * nng's threads only put what comes into a bounded queue and wake the owner; everything else happens on the
 * owner's thread, which all functions here belong to. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"
#include "waker.h"

struct link;
struct sluice_fault;

/* Groups that one client can be a member of: the broker lets 16 requests of a link wait, and while one turn
 * takes over from another a group has two of them. */
#define LINK_GROUPS 8

/* Requests under way at once: one with effects and calls, one with announcements, and of each group two turns
 * and one talk (to join, extend, leave). Those of groups have to be opened. */
enum link_slot {
    LINK_CALLS,
    LINK_CONTROL,
    LINK_TURNS,
    LINK_TALKS = LINK_TURNS + 2 * LINK_GROUPS,
    LINK_SLOTS = LINK_TALKS + LINK_GROUPS
};

/* Open the sockets; nothing is dialed yet. @waker is borrowed until link_close(). Caller owns *@out. 0 or
 * SLUICE_E_SYSTEM, SLUICE_E_NOMEM. */
int link_open(struct link **out, struct waker *waker, struct sluice_fault *fault);

/* Close everything, within two seconds. NULL is fine. */
void link_close(struct link *link);

/* Whether @address can be dialed at all: ipc:// or tcp:// and well-formed. */
bool link_address_valid(const char *address);

/* Connect to `calls`, in the background, for ever. */
int link_dial_calls(struct link *link, const char *address, struct sluice_fault *fault);

/* Connect to `events`; instead of an earlier address if there was one. */
int link_dial_events(struct link *link, const char *address, struct sluice_fault *fault);

/* Look after the connections: one that does not come up is tried anew. Returns when to call it again.
 * link_wait() does it by itself. */
int64_t link_tend(struct link *link, int64_t now_ms);

/* Let messages pass that begin with @topic. 0 or SLUICE_E_NOMEM. */
int link_subscribe(struct link *link, const void *topic, size_t len);

/* What the links are doing. Counts rise with each new connection. */
struct link_state {
    bool calls_up;
    bool events_up;
    unsigned calls_count;
    unsigned events_count;
};
struct link_state link_state(struct link *link);

/* Break the connections; they are made anew by themselves. */
void link_drop(struct link *link);

/* Make a slot of a group usable; nothing happens when it is already. 0 or SLUICE_E_NOMEM, SLUICE_E_SYSTEM. */
int link_open_slot(struct link *link, enum link_slot slot, struct sluice_fault *fault);

/* Send a request on a slot that is free. It is repeated until the reply comes or link_cancel(). 0 or
 * SLUICE_E_NOMEM. */
int link_request(struct link *link, enum link_slot slot, const void *bytes, size_t len);

/* Whether the slot's request is done: 1 with the reply (borrowed until link_finish()), 0 while under way,
 * SLUICE_E_SYSTEM when it failed. */
int link_reply(struct link *link, enum link_slot slot, const void **bytes, size_t *len);

/* The same for a reply that has to live on: 1 with *@packet, which the caller owns, and the slot is free; 0,
 * or SLUICE_E_SYSTEM as link_reply(); SLUICE_E_NOMEM: nothing has changed. */
int link_take_reply(struct link *link, enum link_slot slot, struct packet **packet);

/* Wait until link_reply() is not 0, or until @deadline_ms. */
void link_wait(struct link *link, enum link_slot slot, int64_t deadline_ms);

/* Free the slot: of the reply, and of the request if it is still under way. */
void link_finish(struct link *link, enum link_slot slot);

/* All messages that have come, oldest first, chained by `next`; NULL: none. Caller owns a reference of each.
 */
struct packet *link_take(struct link *link);

#endif
