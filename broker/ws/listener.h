#ifndef SLUICE_WS_LISTENER_H
#define SLUICE_WS_LISTENER_H

/* listener: the sockets that accept. libwebsockets' own accept loop spins when descriptors run out and knows
 * no limits. */

#include "ws/edge.h"

/* Listen on every address of options.host. 0, or -1 with a text for people in @error[@size]. */
int listener_new(struct listener **out, struct ws *ws, char *error, size_t size);

unsigned listener_port(const struct listener *listener);

/* Accept no more. It may be called twice. */
void listener_stop(struct listener *listener);

/* After listener_stop(), once its handles have gone (ws->open_handles). NULL is fine. */
void listener_free(struct listener *listener);

#endif
