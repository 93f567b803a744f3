#ifndef SLUICE_WS_PAUSE_H
#define SLUICE_WS_PAUSE_H

/* pause: connections that are not read from, so that TCP slows their clients down.
 *
 * libwebsockets takes such a socket out of epoll, and nobody would see that its peer has reset it: so each is
 * looked at about once a second. And what it has read already, behind the message that led to the pause, it
 * would keep in a list that it walks in each turn of the loop: so it may give all that to us, and it is held
 * here. That is one read, at most two. */

#include "ws/edge.h"

#define PAUSE_TIMERS 1 /* that the edge needs for this */

/* Whether messages are to be held: handed over in their order when it is read from again. */
static inline bool pause_holds(const struct ws_conn *conn)
{
    return conn->reading != READING_ON;
}

/* Keep a copy of a whole message. 0, or -1 when memory is refused. */
int pause_hold(struct ws_conn *conn, const void *bytes, size_t len, bool is_binary);

/* The loop's end: stop and begin reading, hand over what was held, for about a millisecond. */
void pause_run(struct ws *ws);

/* The peer has ended it in order, and that is about to be told: hand over all that was held, as long as it is
 * known. When it ends otherwise, that is lost like what is still in the kernel. */
void pause_flush(struct ws_conn *conn);

/* We close it: read on, since its answer is awaited. Like pause_forget() it is harmless for one that is not
 * paused, and leaves its clock alone. */
void pause_end(struct ws_conn *conn);

/* libwebsockets lets go of it. */
void pause_forget(struct ws_conn *conn);

/* Stop looking, for the end. */
void pause_stop(struct ws *ws);

#endif
