#ifndef SLUICE_CORE_FILTER_BUILD_H
#define SLUICE_CORE_FILTER_BUILD_H

/* filter_build: the growing arrays of a filter that is being compiled. A refused allocation shows only at the
 * end, in filter_build_finish(). Functions that return an int give an index, or 0, or -1 with a fault. */

#include "core/filter_tree.h"
#include "wire/buf.h"

struct filter_build {
    const struct filter_dialect *dialect;
    struct fault *fault;
    struct buf nodes, paths, parts, lists, refs, slots, values;
};

/* Append a node and return its index; what is added until build_end() is below it. */
int build_begin(struct filter_build *b, enum filter_kind kind, bool is_negated, const struct place *at);
void build_end(struct filter_build *b, int node);

/* Append a path: of a field, a pseudo-field, or (@key NULL) of the value itself. */
int build_path(struct filter_build *b, const struct mp_token *key, const struct place *at);

/* A list is filled value by value, then given to a leaf. */
struct filter_list build_list(const struct filter_build *b);
int build_value(struct filter_build *b, struct filter_list *list, const struct mp_token *value,
                const struct place *at);
int build_arg(struct filter_build *b, struct filter_list *list, const struct mp_token *name, bool is_list,
              const struct place *at);

/* Append a leaf with its list (NULL for EXISTS). */
int build_leaf(struct filter_build *b, enum filter_kind kind, bool is_negated, int path,
               struct filter_list *list, const struct place *at);

/* All arrays behind the struct, in one block. Caller owns the result; NULL when memory was refused. */
struct filter *build_finish(const struct filter_build *b);

void build_deinit(struct filter_build *b);

#endif
