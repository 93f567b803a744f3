#ifndef SLUICE_CLIENT_GAPS_H
#define SLUICE_CLIENT_GAPS_H

/* gaps: which `seq` each event name has reached, and so how many events never got here.
 *
 * A name that was not heard of before has no past to compare with, and a `seq` that falls begins anew: the
 * broker forgets names that were not used for long. So what is told is a lower bound. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gap_name;

struct gaps {
    struct gap_name *names;
    size_t count;
    bool has_base; /* an @alive has come: a name that a later one adds was used in between */
};

/* Forget everything: the broker was started anew, or a subscription came that has no past. */
void gaps_reset(struct gaps *gaps);

/* An event came. Returns how many of its name were lost before it. */
uint64_t gaps_event(struct gaps *gaps, const char *name, size_t len, uint64_t seq);

/* An @alive says that @name has reached @seq. Returns how many were lost up to it. After the last name of an
 * @alive: gaps_base(). */
uint64_t gaps_alive(struct gaps *gaps, const char *name, size_t len, uint64_t seq);
void gaps_base(struct gaps *gaps);

#endif
