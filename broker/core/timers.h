#ifndef SLUICE_CORE_TIMERS_H
#define SLUICE_CORE_TIMERS_H

/* timers: one heap of deadlines. A timer is embedded in what it belongs to; starting, moving and
 * stopping one is O(log n), and nothing is allocated but the heap's array. Knows no clock: the owner says
 * what time it is. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t at_ms;
    size_t slot;          /* place in the heap, from 1; 0 while not running */
    struct timer *before; /* neighbours among those that are due, during timers_run() */
    struct timer *after;
    void (*fire)(struct timer *timer, void *arg);
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t cap;
    struct timer *due; /* taken out of the heap by timers_run(), not fired yet */
};

void timers_init(struct timers *timers);

/* All timers must have been stopped. */
void timers_deinit(struct timers *timers);

/* Make room for @count running timers, so that as many timer_start() cannot fail. */
int timers_reserve(struct timers *timers, size_t count);

/* (Re)start @timer for @at_ms. 0, or -ENOMEM (it is then not running). */
int timer_start(struct timers *timers, struct timer *timer, uint64_t at_ms,
                void (*fire)(struct timer *, void *));

/* Does nothing when it is not running. */
void timer_stop(struct timers *timers, struct timer *timer);

static inline bool timer_running(const struct timer *timer)
{
    return timer->slot != 0;
}

/* Fire, in order, each timer whose time has come. Each is stopped before its function is called, which may
 * start, stop and free timers. Timers started meanwhile with a time that has come wait for the next call. */
void timers_run(struct timers *timers, uint64_t now_ms, void *arg);

/* The earliest deadline, or UINT64_MAX when none runs. */
uint64_t timers_next(const struct timers *timers);

/* The earlier of two times, UINT64_MAX being never. */
static inline uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

#endif
