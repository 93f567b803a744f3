#ifndef SLUICE_CLIENT_MEMBER_H
#define SLUICE_CLIENT_MEMBER_H

/* member: a membership's life: it joins, takes turns, joins anew when it was lost, and leaves. */

#include <stdbool.h>
#include <stdint.h>

#include "group.h"

/* Do what is due for all groups of @client. @is_stopping: finish what is held, until @drain_ms, and leave.
 * Returns when it wants to be called next. */
int64_t member_step_all(struct sluice_client *client, bool is_stopping, int64_t drain_ms);

/* Whether all have joined, or have left. */
bool member_all(const struct sluice_client *client, enum member_state state);

/* Those that have left may join again. */
void member_reset_all(struct sluice_client *client);

#endif
