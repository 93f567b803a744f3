#ifndef SLUICE_WS_CONN_H
#define SLUICE_WS_CONN_H

/* conn: one connection's life, from accept to its last callback: assembling messages, pings and silence,
 * closing. */

#include "ws/edge.h"

/* A new one in CONN_HTTP whose time for the handshake runs; takes @peer on success. NULL when memory is
 * refused. */
struct ws_conn *ws_conn_new(struct ws *ws, struct peer *peer);

/* libwebsockets has let go of it (or never had it): tell what was not told, and free it. */
void ws_conn_free(struct ws_conn *conn);

/* A request for a file came, which may take a while. */
void ws_conn_serves_file(struct ws_conn *conn);

/* Its request was refused, and the answer is on its way: a moment to take it. */
void ws_conn_lingers(struct ws_conn *conn);

/* The handshake is complete. Calls `opened`. */
void ws_conn_established(struct ws_conn *conn, const struct ws_opening *opening);

/* A piece of a message's payload. @remaining bytes of its frame are still to come. */
void ws_conn_receive(struct ws_conn *conn, const void *bytes, size_t len, bool is_final, bool is_binary,
                     size_t remaining);

/* Whether it is open and read from, time runs: pings, and an end after silence. Stopped, neither comes;
 * started, all begins anew. */
void ws_conn_start_clock(struct ws_conn *conn);
void ws_conn_stop_clock(struct ws_conn *conn);

/* A whole message came: `message` or `unreadable`. */
void ws_conn_message(struct ws_conn *conn, const void *bytes, size_t len, bool is_binary);

/* Something other than a message came. */
void ws_conn_heard(struct ws_conn *conn);

/* The peer's close frame: its payload. 0: to be answered by libwebsockets; -1: hang up, it is the answer to
 * ours or wrong. */
int ws_conn_peer_closes(struct ws_conn *conn, const uint8_t *payload, size_t len);

/* Whether libwebsockets closes an open connection whose peer is still there, and has no code to tell it. */
bool ws_conn_is_cut_off(const struct ws_conn *conn);

/* libwebsockets closes the connection by itself, sending @payload if there is any. */
void ws_conn_leaves(struct ws_conn *conn, const uint8_t *payload, size_t len);

/* End it: tell `closed`, send what is queued and then the close frame. */
void ws_conn_end(struct ws_conn *conn, unsigned code, const char *reason);

/* As ws_conn_end(), without an up-call. */
void ws_conn_close(struct ws_conn *conn, unsigned code, const char *reason, size_t reason_len);

/* It does not take what it gets: drop the queue and end it with 3012. */
void ws_conn_give_up(struct ws_conn *conn);

/* End the TCP connection now. Not from within a callback of libwebsockets for the same connection. */
void ws_conn_hang_up(struct ws_conn *conn);

/* The writer's reports: the queue is written, the kernel is full, write the close frame now. */
void ws_conn_flows(struct ws_conn *conn);
void ws_conn_stalls(struct ws_conn *conn);
int ws_conn_send_close(struct ws_conn *conn);

#endif
