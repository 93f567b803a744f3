#ifndef SLUICE_TESTS_SIMULATION_SCRIPT_H
#define SLUICE_TESTS_SIMULATION_SCRIPT_H

/* script: what handlers want to have done, made up at random: entries with their effects, and operations of
 * ordinary requests. */

#include "sim.h"

/* The effects of an entry about an event of @own (0: an ordinary request). @i: the event's, 0 if it asks
 * nothing; @version: of the session that came with it. */
struct script_about {
    uint64_t own, i, version;
};

/* Append some operations to @ops. */
#define script_ops(sim, about, owner)                                                                        \
    script_ops_to((sim), (about), &(owner)->ops, &(owner)->ops_count, &(owner)->ops_cap)
void script_ops_to(struct sim *sim, const struct script_about *about, struct op **ops, size_t *count,
                   size_t *cap);

/* The entry about an event. */
void script_entry(struct sim *sim, const struct script_about *about, uint64_t seq, struct entry *entry);

#endif
