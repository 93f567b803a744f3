#ifndef SLUICE_WS_LOBBY_H
#define SLUICE_WS_LOBBY_H

/* lobby: where a new socket waits until the head of its request is there. Only then libwebsockets gets it,
 * which drops long heads without a word and keeps memory for each that is slow. Nothing is taken from the
 * socket here. */

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
