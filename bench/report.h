#ifndef SLUICE_BENCH_REPORT_H
#define SLUICE_BENCH_REPORT_H

/* report: the result of a run, for people and for programs. */

#include <stdio.h>

#include "bench/load.h"
#include "wire/buf.h"

/* Echoes per second of the measured time. */
double report_rate(const struct load_result *r);

/* The share of one CPU that the load generator took, in percent. */
double report_cpu_percent(const struct load_result *r);

void report_text(FILE *out, const struct load_options *o, const struct load_result *r);

/* One JSON map. Latencies in microseconds. */
void report_json(struct buf *out, const struct load_options *o, const struct load_result *r);

#endif
