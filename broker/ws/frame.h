#ifndef SLUICE_WS_FRAME_H
#define SLUICE_WS_FRAME_H

/* frame: a message as the bytes that a server puts on the wire (RFC 6455, section 5.2). A broadcast is the
 * same bytes for all connections of an encoding, so they are made once and kept with the message. */

#include <stddef.h>
#include <stdint.h>

#include "core/message.h"

enum frame_opcode { FRAME_TEXT = 0x1, FRAME_BINARY = 0x2, FRAME_CLOSE = 0x8, FRAME_PING = 0x9 };

#define FRAME_HEADER_MAX 10
#define FRAME_REASON_MAX 123

/* Write the header of an unmasked, final frame with @len bytes of payload. Returns its length. */
size_t frame_header(uint8_t out[FRAME_HEADER_MAX], enum frame_opcode opcode, size_t len);

/* The frame of @m for @encoding, made on first use and kept in it. Borrows @scratch for the call. NULL
 * when memory is refused. */
const struct blob *frame_of(struct message *m, enum encoding encoding, struct buf *scratch);

/* A close frame; the reason is cut at a character to FRAME_REASON_MAX bytes, and left out when it is no
 * UTF-8. Caller owns the result; NULL when memory is refused. */
struct blob *frame_close(unsigned code, const char *reason, size_t reason_len);

#endif
