#ifndef SLUICE_BENCH_HANDSHAKE_H
#define SLUICE_BENCH_HANDSHAKE_H

/* handshake: the HTTP upgrade that opens a WebSocket (RFC 6455, section 4), both sides. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/random.h"
#include "wire/buf.h"

enum {
    HANDSHAKE_KEY_TEXT = 25,   /* 16 random bytes in base64, and the end */
    HANDSHAKE_MAX_BYTES = 4096 /* a longer request or answer is refused */
};

/* Bytes of the HTTP head at @in, its empty line included; 0 while that has not come. */
size_t handshake_head_bytes(const uint8_t *in, size_t len);

/* Append a client's request to @out, with a new key that goes to @key. @subprotocol may be NULL. */
void handshake_put_request(struct buf *out, const char *host, const char *path, const char *subprotocol,
                           struct random *random, char key[HANDSHAKE_KEY_TEXT]);

/* Check the server's @head against the request's @key and @subprotocol. Returns 0, or -EPROTO with what is
 * wrong in @why (@why_size bytes, always terminated, printable). */
int handshake_check_answer(const uint8_t *head, size_t len, const char *key, const char *subprotocol,
                           char *why, size_t why_size);

/* Append a server's answer to the request @head: 101, choosing the first subprotocol offered, and return
 * 0; or a 400, and return -EPROTO: send it and close. */
int handshake_put_answer(struct buf *out, const uint8_t *head, size_t len);

#endif
