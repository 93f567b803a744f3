#ifndef SLUICE_CORE_TURN_ENTRY_H
#define SLUICE_CORE_TURN_ENTRY_H

/* turn_entry: what a member says about one event that it is finished with: the effects, or an error, or when
 * it wants to have it again. An entry is one step: all of it is applied and the event done, or nothing, and
 * the reply's `failed` says why. */

#include "core/request.h"
#include "core/turn_failed.h"

struct member;

#define TURN_ENTRIES_MAX 2048

/* The entries of a turn, found once, when they are checked. Their bytes are the request's. */
struct entries {
    uint32_t count;
    const uint8_t *begin; /* of the first one; each of the others begins where the one before ends */
    struct {
        uint64_t seq; /* of the event that it is about */
        const uint8_t *end;
    } at[TURN_ENTRIES_MAX];
};

/* Find the entries of the list @done: each is a map with a `seq`, and neither are they too many nor their
 * operations. 0, or -1 with a fault. */
int entries_check(const struct core *core, const struct arg *done, struct entries *entries,
                  struct fault *fault);

/* Apply them for @member, in their order. What fails is added to @failed, which has room for all. */
void entries_apply(struct core *core, const struct request *request, struct member *member,
                   const struct entries *entries, struct turn_failed *failed);

#endif
