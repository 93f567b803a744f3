#ifndef SLUICE_WS_HANDSHAKE_H
#define SLUICE_WS_HANDSHAKE_H

/* handshake: which HTTP requests become connections, what the others are told, and what an opening says. */

#include "ws/edge.h"

#define SUBPROTOCOL_JSON    "sluice.v1.json"
#define SUBPROTOCOL_MSGPACK "sluice.v1.msgpack"

/* Look up the configured names (ends with NULL; may be NULL). *@out is freed with free(). 0 or -ENOMEM. */
int handshake_headers_new(struct header_name **out, const char *const *names);

/* A request with an Upgrade header. 0 to let libwebsockets do the handshake; -1: it was refused, close. */
int handshake_check(struct ws_conn *conn);

/* A request without. 0 to let libwebsockets look for a file; -1: it was refused, close. */
int handshake_plain(struct ws_conn *conn, const char *uri, size_t len);

/* There is no such file. */
void handshake_not_found(struct ws_conn *conn);

/* The 101 was sent: gather the opening. -1 when memory is refused: close. */
int handshake_done(struct ws_conn *conn);

/* A response of ours, for those that never get a connection. @status is "503 Service Unavailable"; @headers
 * are whole lines or "". */
void handshake_respond(int fd, const char *status, const char *headers, const char *text);

#endif
