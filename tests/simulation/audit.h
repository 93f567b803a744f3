#ifndef SLUICE_TESTS_SIMULATION_AUDIT_H
#define SLUICE_TESTS_SIMULATION_AUDIT_H

/* audit: what the core tells about itself (`inspect`, `dead`, `stats`), compared with the model event by
 * event. */

#include "sim.h"

/* @after: the cursor of the page; @result: the operation's. */
void audit_inspect(struct sim *sim, const struct m_group *group, uint64_t after, struct mp_reader result);
void audit_dead(struct sim *sim, const struct m_group *group, uint64_t after, struct mp_reader result);
void audit_stats(struct sim *sim, struct mp_reader result);

/* At the end of a seed: nothing is left anywhere. */
void audit_empty(struct sim *sim);

#endif
