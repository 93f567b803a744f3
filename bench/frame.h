#ifndef SLUICE_BENCH_FRAME_H
#define SLUICE_BENCH_FRAME_H

/* frame: one WebSocket frame (RFC 6455, section 5.2), read from and written to plain memory. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_opcode {
    FRAME_CONTINUATION = 0x0,
    FRAME_TEXT = 0x1,
    FRAME_BINARY = 0x2,
    FRAME_CLOSE = 0x8,
    FRAME_PING = 0x9,
    FRAME_PONG = 0xa
};

enum {
    FRAME_HEADER_MAX = 14, /* 2 bytes, 8 of length, 4 of key */
    FRAME_CONTROL_MAX = 125
};

enum { FRAME_E_MORE = 1 }; /* the frame is not complete */

struct frame {
    enum frame_opcode opcode;
    bool is_final;
    bool is_masked;
    uint8_t key[4];      /* if masked */
    size_t header_bytes; /* the payload begins after these */
    size_t payload_bytes;
};

/* Look at the frame that begins at @in. Returns 0 when all of it is there, FRAME_E_MORE when not yet,
 * -EMSGSIZE when its payload exceeds @limit, -EPROTO when it breaks RFC 6455 (extensions count as
 * breaking: none is ever negotiated). The payload is left as it is: frame_mask() unmasks. */
int frame_read(struct frame *f, const uint8_t *in, size_t len, size_t limit);

/* Write a header of at most FRAME_HEADER_MAX bytes to @out and return its size. @key is NULL for an
 * unmasked frame. The caller puts the payload behind it, masked by frame_mask() if there is a key. */
size_t frame_write_header(uint8_t *out, enum frame_opcode opcode, bool is_final, size_t payload_bytes,
                          const uint8_t *key);

/* Mask or unmask @n bytes with @key. @out may be @in, or lie at least 4 bytes before it. */
void frame_mask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4]);

#endif
