#ifndef SLUICE_IPC_PROBE_H
#define SLUICE_IPC_PROBE_H

/* probe: asks a listener whether it is alive, without waiting.
 *
 * It dials and says that it speaks an SP protocol that no socket of ours serves. A listener that is alive
 * makes a pipe of it and hangs up; one that died in the way of nng's issue #1518 shakes hands and then does
 * nothing for ever. */

#include <stdint.h>
#include <sys/socket.h>

enum probe_state {
    PROBE_NONE,    /* not begun */
    PROBE_WAITING, /* no answer yet */
    PROBE_ALIVE,
    PROBE_NOBODY, /* nothing listens there */
    PROBE_FAILED, /* cannot be said now: no descriptors left, or so */
};

struct probe {
    int fd;
    enum probe_state state;
    uint64_t begun_ms;
};

#define PROBE_INIT                                                                                           \
    {                                                                                                        \
        .fd = -1, .state = PROBE_NONE                                                                        \
    }

/* Dial @address, a Unix or TCP one of this machine. */
void probe_begin(struct probe *probe, const struct sockaddr *address, socklen_t len, uint64_t now_ms);

/* Look for the answer. Any other result than PROBE_WAITING has ended the probe. */
enum probe_state probe_check(struct probe *probe);

/* Hang up, if it has been begun. */
void probe_end(struct probe *probe);

#endif
