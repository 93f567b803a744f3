#ifndef SLUICE_CORE_TURN_ENTRY_H
#define SLUICE_CORE_TURN_ENTRY_H

/* turn_entry: what a member says about one event that it is finished with: the effects, or an error, or when
 * it wants to have it again. An entry is one step: all of it is applied and the event done, or nothing, and
 * the reply's `failed` says why. */

#include "core/request.h"
#include "core/turn_failed.h"

struct member;

/* Check the list @done: each entry is a map with a `seq`, and neither are they too many nor their operations.
 * 0, or -1 with a fault. *@count: how many. */
int entries_check(const struct core *core, const struct arg *done, uint32_t *count, struct fault *fault);

/* Apply the entries of @done (checked) for @member, in their order. What fails is added to @failed, which has
 * room for all. */
void entries_apply(struct core *core, const struct request *request, struct member *member,
                   const struct arg *done, struct turn_failed *failed);

#endif
