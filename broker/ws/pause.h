#ifndef SLUICE_WS_PAUSE_H
#define SLUICE_WS_PAUSE_H

/* pause: connections that are not read from, so that TCP slows their clients down.
 *
 * libwebsockets takes such a socket out of epoll, and nobody would see that its peer has reset it: so each is
 * looked at about once a second. */

#include "ws/edge.h"

#define PAUSE_TIMERS 1 /* that the edge needs for this */

/* These are harmless for one that is not paused, and leave its clock alone. */

/* We close it: its answer is to be read. */
void pause_end(struct ws_conn *conn);

/* libwebsockets lets go of it. */
void pause_forget(struct ws_conn *conn);

/* Stop looking, for the end. */
void pause_stop(struct ws *ws);

#endif
