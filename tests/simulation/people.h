#ifndef SLUICE_TESTS_SIMULATION_PEOPLE_H
#define SLUICE_TESTS_SIMULATION_PEOPLE_H

/* people: those who are no members: clients at their connections, and an operator who sends ordinary
 * requests, looks into groups, and makes every mistake once. */

#include "sim.h"

void clients_act(struct sim *sim);
void operator_act(struct sim *sim);

/* Keep the subscriber of `@dead` announced; now and then that is forgotten. */
void operator_announce(struct sim *sim);

#endif
