#ifndef SLUICE_IPC_ORPHANS_H
#define SLUICE_IPC_ORPHANS_H

/* orphans: peers that dialed an IPC listener after it had died in the way of nng's issue #1518. nng has
 * shaken hands with them and then forgotten them: they think that they have a link, and would wait for ever.
 * Nothing in nng's interface leads to them, but their descriptors are ours. */

#include "ipc/links.h"

/* Hang up on the connections that were accepted on @path, the name to which @listener was bound, and are no
 * links. Returns how many. */
unsigned orphans_hang_up(struct links *links, int listener, const char *path);

/* Close the descriptors of those that are left some seconds after nng has closed the listener: nng shuts them
 * down, but never closes them. */
void orphans_close(const char *path);

#endif
