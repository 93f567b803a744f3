#ifndef SLUICE_CORE_PLAN_H
#define SLUICE_CORE_PLAN_H

/* plan: where the candidates of a filter come from. Equality, $in and $all on an indexed top-level field (and
 * on `@conn`) have postings; $and takes its cheapest part, $or all of its parts; nothing else narrows. The
 * whole filter is then checked on each candidate, so a plan can be wide but never wrong; but where the filter
 * is no more than what the postings say (equality, $in, and $or of these), there is nothing left to check. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/conn_table.h"
#include "core/filter_tree.h"
#include "core/index.h"
#include "wire/buf.h"

enum plan_kind {
    PLAN_EVERYBODY, /* all match */
    PLAN_SCAN,      /* all are candidates */
    PLAN_INDEX      /* those in the postings, the loose ones, and `conns` */
};

/* A leaf that the candidates come from. */
struct plan_use {
    const char *field;
    size_t len;
    size_t values;
    size_t candidates;
};

struct plan {
    enum plan_kind kind;
    bool is_exact; /* PLAN_INDEX: all in `postings` and `conns` match; only the loose ones must be checked */
    struct buf postings; /* of const struct posting * */
    struct buf conns;    /* of struct conn *, for `@conn` */
    struct buf uses;     /* of struct plan_use */
};

/* What a plan is made from. */
struct plan_source {
    const struct index *index;
    const struct conn_table *conns;
    const char *epoch;
    const struct filter *filter;
    const struct filter_args *args;
};

/* 0 or -ENOMEM. To be freed with plan_deinit() either way. Holds until a session changes. */
int plan_make(struct plan *plan, const struct plan_source *source);
void plan_deinit(struct plan *plan);

size_t plan_posting_count(const struct plan *plan);
const struct posting *plan_posting(const struct plan *plan, size_t index);
size_t plan_conn_count(const struct plan *plan);
struct conn *plan_conn(const struct plan *plan, size_t index);

/* For people: how many connections have a compared field with the same text in another type ("7" for 7,
 * "true" for true). */
size_t plan_other_type(const struct plan_source *source);

/* For people: the first top-level field that the filter looks at ("" if it looks at none). Not terminated. */
const char *plan_first_field(const struct filter *filter, size_t *len);

#endif
