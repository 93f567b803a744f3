#ifndef SLUICE_IPC_LISTENER_H
#define SLUICE_IPC_LISTENER_H

/* listener: one address that an endpoint listens on, kept alive.
 *
 * An nng listener dies for good when a peer connects and hangs up at the wrong moment (nng issue #1518, fixed
 * in 1.6). So it is probed, and one that does not answer gets a successor. On IPC the successor is bound to a
 * name of its own and then renamed to the path, so that there is no moment without a listener, and the links
 * of the old one go on; the old one is closed when it has none left. On TCP the port has to be given up
 * first, and with it the links.
 *
 * All functions belong to the loop's thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <nng/nng.h>

#include "core/counters.h"
#include "ipc/links.h"
#include "ipc/probe.h"

/* sizeof sun_path */
#define LISTENER_PATH_MAX    108
#define LISTENER_ADDRESS_MAX 300

/* A listener of nng's, and the name that its socket file was given first. */
struct listening {
    struct listening *next;
    nng_listener listener;
    unsigned sweeps;    /* that are still to be made for its orphans */
    bool is_closed;     /* by nng too */
    uint64_t closed_ms; /* when */
    char bound_path[LISTENER_PATH_MAX];
};

struct listener {
    nng_socket socket;
    struct links *links;
    size_t max_bytes;
    char address[LISTENER_ADDRESS_MAX]; /* as it can be dialed */
    char path[LISTENER_PATH_MAX];       /* of an IPC address; "" for TCP */
    char lock_path[LISTENER_PATH_MAX + 8];
    int lock_fd;
    unsigned generation;
    struct listening *current; /* NULL: could not be started again */
    struct listening *retired;
    struct probe probe;
    struct sockaddr_storage probe_address;
    socklen_t probe_address_len;
};

/* Listen on @address for @socket, which takes messages of at most @max_bytes. Borrows @links. 0, or -1 with a
 * message for people in @error[@size]; @l then needs no closing. */
int listener_open(struct listener *l, nng_socket socket, struct links *links, const char *address,
                  size_t max_bytes, char *error, size_t size);

/* Look after it; about every second. */
void listener_watch(struct listener *l, struct counters *counters, uint64_t now_ms);

/* Take the socket file away: nobody new gets in. */
void listener_hide(struct listener *l);

/* After the socket was closed: let the lock go and free what is left. */
void listener_close(struct listener *l);

#endif
