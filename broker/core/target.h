#ifndef SLUICE_CORE_TARGET_H
#define SLUICE_CORE_TARGET_H

/* target: the connections that an operation is about: one by its id, or those that match a filter. */

#include <stdbool.h>

#include "core/query.h"

struct target {
    bool is_one;
    struct conn *one;   /* NULL: it is gone */
    struct query query; /* of a filter */
};

/* From the arguments `conn` and `filter` (exactly one must be given) and `args`. 0 or -1 with a fault. */
int target_init(struct target *target, struct core *core, const struct arg *conn, const struct arg *filter,
                const struct arg *args, const struct place *op, struct fault *fault);
void target_deinit(struct target *target, struct core *core);

/* Walk the connections, as query_begin() and query_next(). */
void target_begin(struct target *target, struct core *core);
struct conn *target_next(struct target *target, struct core *core);

#endif
