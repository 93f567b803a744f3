#ifndef SLUICE_BENCH_HISTOGRAM_H
#define SLUICE_BENCH_HISTOGRAM_H

/* histogram: how often each latency occurred, in slots that grow with the value.
 *
 * Each power of two is split into 128 slots, so a quantile is at most 1/128 (0.8 %) too high, from one
 * nanosecond to 18 minutes, and recording is a shift and an increment. (The idea is HdrHistogram's.) */

#include <stdint.h>

enum { HISTOGRAM_SUB_BITS = 7, HISTOGRAM_MAX_BITS = 40 };
#define HISTOGRAM_SLOTS ((HISTOGRAM_MAX_BITS - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t min; /* exact; UINT64_MAX while empty */
    uint64_t max; /* exact */
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_init(struct histogram *h);

/* Count @value. One of 2^40 and more counts in the last slot; `max` still knows it exactly. */
void histogram_record(struct histogram *h, uint64_t value);

/* Add what @from has counted. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/* The smallest value that at least @fraction (0 to 1) of all values do not exceed, rounded up to its
 * slot's end but never above the maximum. 0 while empty. */
uint64_t histogram_quantile(const struct histogram *h, double fraction);

/* The arithmetic mean, 0 while empty. */
double histogram_mean(const struct histogram *h);

#endif
