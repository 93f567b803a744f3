#ifndef SLUICE_TESTS_SUPPORT_RANDOM_H
#define SLUICE_TESTS_SUPPORT_RANDOM_H

/* random: numbers that a seed repeats. The seed is printed, and SLUICE_SEED sets it. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct random {
    uint64_t state;
};

static inline struct random random_new(const char *who)
{
    const char *wish = getenv("SLUICE_SEED");
    uint64_t seed = wish ? strtoull(wish, NULL, 10) : (uint64_t)time(NULL) * 2654435761u;
    printf("%s: SLUICE_SEED=%llu\n", who, (unsigned long long)seed);
    return (struct random){seed};
}

/* splitmix64 */
static inline uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 to @n - 1. */
static inline uint64_t random_below(struct random *r, uint64_t n)
{
    return random_next(r) % n;
}

#endif
