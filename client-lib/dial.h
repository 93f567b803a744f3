#ifndef SLUICE_CLIENT_DIAL_H
#define SLUICE_CLIENT_DIAL_H

/* dial: keeps one socket of a link connected to one address. nng connects again by itself, except where it
 * gets stuck. */

#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

struct sluice_fault;

struct dial {
    nng_socket socket;
    char *address; /* NULL: not dialed yet */
    nng_dialer dialer;
    bool has_dialer;
    int64_t since_ms; /* dialed, or seen to be up */
};

/* Connect @socket to @address in the background, for ever; instead of an earlier address if there was one. 0
 * or an error with @fault. */
int dial_to(struct dial *dial, nng_socket socket, const char *address, struct sluice_fault *fault);

/* @is_up: whether it is connected. Dials anew when it has not been for long. Returns when to look again. */
int64_t dial_tend(struct dial *dial, bool is_up, int64_t now_ms);

/* Forget the address; the socket's end ends the dialer. */
void dial_deinit(struct dial *dial);

#endif
