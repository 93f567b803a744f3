#ifndef SLUICE_IPC_CLOSING_H
#define SLUICE_IPC_CLOSING_H

/* closing: ends nng's sockets in bounded time.
 *
 * nng_close() throws away what is queued, and can hang. So what is on its way is given a moment, and the
 * closing itself is done by a thread that is left behind if it does not come to an end. */

#include <stdbool.h>
#include <stdint.h>

/* Number of messages that nng has written to all links of this process. Any thread. */
uint64_t closing_messages_written(void);

/* Run @close(@arg) on a thread of its own. True when it has ended within @limit_ms: the caller may free @arg.
 * Else it still runs, @arg belongs to it, and it calls @release(@arg) should it ever end. */
bool closing_run(void (*close)(void *arg), void (*release)(void *arg), void *arg, unsigned limit_ms);

#endif
