#ifndef SLUICE_BENCH_RANDOM_H
#define SLUICE_BENCH_RANDOM_H

/* random: xorshift64*, seeded by the kernel. For masking keys and nonces of a load generator, which
 * must differ but guard nothing: about a nanosecond each, where getrandom() costs a system call. */

#include <stdint.h>
#include <sys/random.h>

#include "bench/clock.h"

struct random {
    uint64_t state; /* never 0 */
};

static inline void random_init(struct random *r)
{
    if (getrandom(&r->state, sizeof(r->state), GRND_NONBLOCK) != (ssize_t)sizeof(r->state))
        r->state = clock_ns();
    r->state |= 1;
}

static inline uint32_t random_next(struct random *r)
{
    r->state ^= r->state >> 12;
    r->state ^= r->state << 25;
    r->state ^= r->state >> 27;
    return (uint32_t)((r->state * 0x2545f4914f6cdd1dULL) >> 32);
}

#endif
