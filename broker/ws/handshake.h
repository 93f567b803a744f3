#ifndef SLUICE_WS_HANDSHAKE_H
#define SLUICE_WS_HANDSHAKE_H

/* handshake: which HTTP requests become connections, what the others are told, and what an opening says. */

#include "ws/edge.h"

#define SUBPROTOCOL_JSON    "sluice.v1.json"
#define SUBPROTOCOL_MSGPACK "sluice.v1.msgpack"

/* Copy the list of the configured names (ends with NULL; may be NULL), not the names. *@out is freed with
 * free(). 0 or -ENOMEM. */
int handshake_headers_new(const char *const **out, const char *const *names);

/* A whole head has come on @fd. 0: the connection may go to libwebsockets, with @out for a head; -1: it was
 * refused and answered. */
int handshake_begin(struct ws_conn *conn, int fd, const void *bytes, size_t len, struct buf *out);

/* There is no such file. */
void handshake_not_found(struct ws_conn *conn);

/* The 101 was sent: gather the opening. -1 when memory is refused: close. */
int handshake_done(struct ws_conn *conn);

/* As handshake_respond(), for a connection, and counted. -1. */
int handshake_refuse(struct ws_conn *conn, int fd, const char *status, const char *headers, const char *text);

/* A response of ours, for those that never get a connection. @status is "503 Service Unavailable"; @headers
 * are whole lines or "". */
void handshake_respond(int fd, const char *status, const char *headers, const char *text);

#endif
