#ifndef SLUICE_TESTS_SUPPORT_WS_CLIENT_H
#define SLUICE_TESTS_SUPPORT_WS_CLIENT_H

/* ws_client: a tiny WebSocket client (RFC 6455) on loopback for tests in C. Blocking, with a time limit on
 * every wait. It is no judge of the protocol: the tests in Python and JavaScript use clients that we did not
 * write. */

#include <stddef.h>

struct ws;

/* Connect to 127.0.0.1:@port, path @path ("/ws?x=1"), offering @subprotocol (NULL: none); @headers are
 * further lines with CRLF, or "". NULL on failure. */
struct ws *ws_open(int port, const char *path, const char *subprotocol, const char *headers);

/* Close the socket without a close frame, free. NULL is fine. */
void ws_free(struct ws *ws);

/* Send a text message. 0 or -1. */
int ws_send(struct ws *ws, const char *text);

/* Send a close frame. 0 or -1. */
int ws_send_close(struct ws *ws, int code);

/* The next message, terminated, which lives until the next call; NULL when none came within @timeout_ms or
 * the connection ended. Pings are answered on the way. */
const char *ws_receive(struct ws *ws, int timeout_ms);

/* The code of the close frame that came; 0: none; 1006: the connection ended without. */
int ws_close_code(const struct ws *ws);

#endif
