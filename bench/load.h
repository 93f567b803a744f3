#ifndef SLUICE_BENCH_LOAD_H
#define SLUICE_BENCH_LOAD_H

/* load: one run of the load generator: connect, warm up, measure, wait for what is under way, close. */

#include <stdbool.h>
#include <stdint.h>

#include "bench/message.h"
#include "bench/tally.h"

struct load_options {
    const char *host, *port, *path;
    const char *subprotocol; /* or NULL */
    struct message_options message;
    uint32_t connections;
    uint32_t window; /* closed loop: messages under way per connection; open loop: the most of them */
    double rate;     /* open loop: messages per second in all; 0: closed loop */
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
};

/* Run it. Takes at most connect_ns + warmup_ns + duration_ns + drain_ns and a second. Returns 0 when it ran
 * (the tally says whether all was right), or a negative errno when it did not come to that: then the tally's
 * first_problem says why. */
int load_run(const struct load_options *options, struct load_result *result);

#endif
