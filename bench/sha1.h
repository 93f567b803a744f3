#ifndef SLUICE_BENCH_SHA1_H
#define SLUICE_BENCH_SHA1_H

/* sha1: FIPS 180-4, for the WebSocket handshake only: short inputs, no secrets. */

#include <stddef.h>
#include <stdint.h>

enum { SHA1_BYTES = 20 };

void sha1(uint8_t out[SHA1_BYTES], const void *bytes, size_t len);

#endif
