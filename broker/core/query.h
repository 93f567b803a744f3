#ifndef SLUICE_CORE_QUERY_H
#define SLUICE_CORE_QUERY_H

/* query: a filter at work: compiled (or found compiled), with its arguments, planned, and walked. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/args.h"
#include "core/core_impl.h"
#include "core/filter_cache.h"
#include "core/plan.h"

#define QUERY_AHEAD 16

struct query {
    struct cached_filter *cached; /* NULL: everybody */
    struct filter_args *args;
    struct plan plan;
    uint64_t visit; /* of this walk, so that nobody is met twice */
    size_t source;  /* where the walk is: the posting, then the loose ones ... */
    size_t place;   /* ... and the place in it */
    struct conn *loose;
    struct conn *ahead[QUERY_AHEAD]; /* ring: the candidates that come next */
    unsigned ahead_first, ahead_count;
    unsigned ahead_asked;         /* of how many of them the session was asked for */
    uint64_t candidates, matches; /* of the walk so far */
    bool is_silent;               /* walks what `explain` has walked already: not counted again */
};

/* Everybody. */
void query_init_all(struct query *query);

/* Take @filter, which stands at @at, and give it its arguments from the `args` of the operation at @op.
 * Refuses one that would have to look at too many sessions. 0, or -1 with a fault. */
int query_init(struct query *query, struct core *core, const struct arg *filter, const struct place *at,
               const struct arg *args, const struct place *op, struct fault *fault);
void query_deinit(struct query *query, struct core *core);

/* Begin a walk, or begin it anew. */
void query_begin(struct query *query, struct core *core);

/* The next connection that matches, in no order; NULL at the end. Between begin and end no session may change
 * and no connection come or go. */
struct conn *query_next(struct query *query, struct core *core);

/* How many connections match. Walks. */
uint64_t query_count(struct query *query, struct core *core);

/* Whether the walk meets connections in the order in which they opened; query_skip() then begins behind a
 * number. */
bool query_is_ordered(const struct query *query);
void query_skip(struct query *query, struct core *core, uint64_t number);

/* Append what `explain` tells, a map, after walking the whole of it. */
void query_explain(struct query *query, struct core *core, struct buf *out);

#endif
