#ifndef SLUICE_CORE_HASH_H
#define SLUICE_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* SipHash-2-4 of @len bytes (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012): with a secret
 * key, nobody outside can choose inputs that collide. */
uint64_t hash_bytes(const uint64_t key[2], const void *bytes, size_t len);

/* Tell two requests of one handler apart: a few instructions for 16 bytes. Keyed, but not made against those
 * who choose the bytes, who would only deceive themselves. The value is this process's own. */
uint64_t hash_fingerprint(const uint64_t key[2], const void *bytes, size_t len);

/* Mix the bits of a number (the finalizer of splitmix64). Not keyed. */
static inline uint64_t hash_number(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The next number of a splitmix64 sequence. */
static inline uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    return hash_number(*state);
}

#endif
