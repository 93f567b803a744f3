#ifndef SLUICE_WS_LOBBY_H
#define SLUICE_WS_LOBBY_H

/* lobby: where a new socket waits until the head of its request is there. Requests that are refused are
 * answered here; the others libwebsockets gets, with a head of our making. It drops long heads without a
 * word, keeps memory for each that is slow, and takes some good heads for wrong and wrong ones for good. Only
 * the head is taken from the socket. */

#include "ws/edge.h"

/* @fd belongs to @conn from now on. When this fails, @conn is freed and @fd closed. */
void lobby_enter(struct ws_conn *conn, int fd);

/* Let a socket that there is no place for send its request, for a second, and answer it with @status and
 * @text (both static): one that is closed before would see a reset, and no reason. Takes @fd. */
void lobby_refuse(struct ws *ws, int fd, const char *status, const char *text);

/* Send those away that were refused, for the end. */
void lobby_clear(struct ws *ws);

/* Send it away, if it is still there: @conn is freed in one of the loop's next rounds. */
void lobby_leave(struct ws_conn *conn);

#endif
