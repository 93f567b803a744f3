#ifndef SLUICE_WS_WRITER_H
#define SLUICE_WS_WRITER_H

/* writer: moves queues to sockets at the loop's end, connections with answers first, for about a millisecond
 * a turn. */

#include "ws/edge.h"

/* Put @conn in a list of work; at the loop's end something is written for it, or it is given up
 * (LIST_DOOMED). Being in a list of more hurry already, it stays there. */
void writer_add(struct ws_conn *conn, enum conn_list list);

void writer_remove(struct ws_conn *conn);

/* Let the loop come again without sleeping. */
void writer_stay_awake(struct ws *ws);

/* The loop's end. Whether something is left to write. */
bool writer_run(struct ws *ws);

/* The socket takes bytes again: called from libwebsockets' callback. -1: it must be closed. */
int writer_resume(struct ws_conn *conn);

#endif
