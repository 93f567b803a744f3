#ifndef SLUICE_CLIENT_CLOCK_H
#define SLUICE_CLIENT_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds on a clock that never jumps. */
static inline int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#define CLOCK_NEVER INT64_MAX

static inline int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

#endif
