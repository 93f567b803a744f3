#ifndef SLUICE_CORE_TARGET_H
#define SLUICE_CORE_TARGET_H

/* target: the connections that an operation is about: one by its id, or those that match a filter. */

#include <stdbool.h>
#include <stddef.h>

#include "core/args.h"
#include "core/core_impl.h"
#include "core/filter.h"

/* A filter with its arguments. */
struct query {
    struct filter *filter; /* NULL: everybody */
    struct filter_args *args;
};

/* Compile @filter, which stands at @at, and give it its arguments from the `args` of the operation at @op.
 * Refuses one that would have to look at too many sessions. 0, or -1 with a fault. */
int query_init(struct query *query, const struct core *core, const struct arg *filter, const struct place *at,
               const struct arg *args, const struct place *op, struct fault *fault);
void query_deinit(struct query *query);

bool query_matches(const struct query *query, struct core *core, const struct conn *conn);

/* How many connections match. */
uint64_t query_count(const struct query *query, struct core *core);

struct target {
    bool is_one;
    struct conn *one; /* NULL: it is gone */
    struct query query;
    size_t place;
};

/* From the arguments `conn` and `filter` (exactly one must be given) and `args`. 0 or -1 with a fault. */
int target_init(struct target *target, const struct core *core, const struct arg *conn,
                const struct arg *filter, const struct arg *args, const struct place *op,
                struct fault *fault);
void target_deinit(struct target *target);

/* The next connection, in the order in which they opened, or NULL. The one returned may be closed before the
 * next call. */
struct conn *target_next(struct target *target, struct core *core);

#endif
