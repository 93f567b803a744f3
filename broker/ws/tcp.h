#ifndef SLUICE_WS_TCP_H
#define SLUICE_WS_TCP_H

/* tcp: what only the kernel knows about a connection. */

#include <stdbool.h>
#include <stdint.h>

/* Small messages go out at once, and a peer that reads nothing costs a bounded amount of kernel memory. */
void tcp_tune(int fd);

/* Time since the last byte came; UINT64_MAX where the kernel does not tell. */
uint64_t tcp_silence_ms(int fd);

/* Bytes that the peer's kernel has acknowledged, bytes that came, bytes on their way. 0 where the kernel does
 * not tell. */
uint64_t tcp_acked(int fd);
uint64_t tcp_received(int fd);
uint64_t tcp_unsent(int fd);

/* Whether the peer has neither hung up nor reset, as far as the kernel can tell without taking what came. */
bool tcp_is_open(int fd);

/* Whether the peer has reset it, or both sides have ended. A peer that has only said that it will send no
 * more is still there. */
bool tcp_is_reset(int fd);

/* End the connection without waiting for what was not sent: the peer sees a reset. */
void tcp_abort(int fd);

/* Throw away what came and was not read (a bounded amount of it): closing a socket with unread bytes resets
 * the connection, and the peer may then lose the last thing that was sent to it. */
void tcp_discard_input(int fd);

#endif
