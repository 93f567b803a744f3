#ifndef SLUICE_TESTS_SIMULATION_RUN_H
#define SLUICE_TESTS_SIMULATION_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "summary.h"

struct run_result {
    bool is_good;
    uint64_t step; /* where it ended */
    char text[512];
};

/* One seed, from its first input until everything has drained. @verbose_from: from which step on it is told
 * what happens (UINT64_MAX: never). */
struct run_result run_seed(uint64_t seed, unsigned inputs, uint64_t verbose_from, struct summary *summary);

#endif
