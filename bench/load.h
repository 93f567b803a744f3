#ifndef SLUICE_BENCH_LOAD_H
#define SLUICE_BENCH_LOAD_H

/* load: one run of the load generator: connect, warm up, measure, wait for what is under way, close.
 *
 * Stepwise it is led by lines: it says `connected` on standard output, goes on when a line `go` comes on
 * standard input, says `finished` when all echoes are there, and does the same again for the next `go`. Any
 * other line, and the end of the input, end the run. */

#include <stdbool.h>
#include <stdint.h>

#include "bench/message.h"
#include "bench/tally.h"

struct load_options {
    const char *host, *port, *path;
    const char *subprotocol; /* or NULL */
    struct message_options message;
    uint32_t connections;
    uint32_t window;   /* closed loop: messages under way per connection; open loop: the most of them */
    uint32_t messages; /* closed loop: as many for each connection, within duration_ns at most; 0: no limit */
    uint32_t sources;  /* local addresses to come from; 0: whatever the system takes */
    bool is_cast;      /* connection 0 sends, all get each message; closed loop only */
    bool is_stepwise;
    double rate; /* open loop: messages per second in all; 0: closed loop */
    uint32_t chop_bytes;
    uint64_t connect_ns; /* the time for all handshakes */
    uint64_t warmup_ns, duration_ns;
    uint64_t drain_ns; /* the time that the last echoes may take */
};

struct load_result {
    struct tally tally;
    uint64_t connect_ns; /* from the first connect to the last handshake */
    uint64_t cpu_ns;     /* of this process, user and system, within wall_ns */
    uint64_t wall_ns;    /* the measured time as it really was */
    uint64_t span_ns;    /* the time in which `measured` were to come: duration_ns, or until all had come */
};

/* Run it. Takes at most connect_ns + warmup_ns + duration_ns + drain_ns and a second. Returns 0 when it ran
 * (the tally says whether all was right), or a negative errno when it did not come to that: then the tally's
 * first_problem says why. */
int load_run(const struct load_options *options, struct load_result *result);

#endif
