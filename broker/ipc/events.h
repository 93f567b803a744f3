#ifndef SLUICE_IPC_EVENTS_H
#define SLUICE_IPC_EVENTS_H

/* events: the PUB socket. Publishing never waits: a subscriber that is slow loses its oldest messages, which
 * it sees by `seq`. */

#include <stddef.h>

#include <nng/nng.h>

#include "ipc/links.h"

/* Open the socket; @queue messages may wait for each subscriber. 0, or an nng error. */
int events_open(nng_socket *out, struct links *links, unsigned queue);

/* 0, or an nng error: the message went to nobody. */
int events_publish(nng_socket socket, const void *body, size_t len);

#endif
