#ifndef SLUICE_BENCH_TALLY_H
#define SLUICE_BENCH_TALLY_H

/* tally: what a load generator's run has counted. Anything but zeros in the second part is a failure. */

#include <stdint.h>

#include "bench/histogram.h"

struct tally {
    uint64_t sent;             /* in the whole run */
    uint64_t received;         /* right echoes, in the whole run */
    uint64_t measured;         /* right echoes that came within the measured time */
    struct histogram latency;  /* of messages meant to be sent within the measured time, in ns */
    struct histogram lateness; /* open loop: how much later than meant they were sent, in ns */

    uint64_t wrong;          /* neither an echo as sent nor anything of the broker's own */
    uint64_t misordered;     /* echoes that came after the echo of a later message */
    uint64_t unexpected;     /* echoes of nothing that was under way: a second one, or of the future */
    uint64_t errors;         /* `@error` messages */
    uint64_t lost;           /* connections that failed or were closed from the other side */
    uint64_t missing;        /* messages that had no echo at the end */
    char first_problem[256]; /* printable ASCII; empty while all is well */
};

void tally_init(struct tally *t);

/* Say what went wrong; only the first text is kept. */
void tally_note(struct tally *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sum of all failures. */
uint64_t tally_failures(const struct tally *t);

#endif
