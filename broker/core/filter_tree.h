#ifndef SLUICE_CORE_FILTER_TREE_H
#define SLUICE_CORE_FILTER_TREE_H

/* filter_tree: how a compiled filter lies in memory, for those who walk it: filter_match and an index
 * planner.
 *
 * The tree is one array of nodes in preorder: the children of node n are n + 1, then the `end` of that one,
 * and so on while below n's own `end`. A leaf compares what a path leads to with a sorted list of
 * values; `$ne`, `$nin`, `$not` and `$nor` are the same nodes, negated. Arguments take the place of values
 * when they are bound, so a list is asked for with filter_values(). */

#include <stdbool.h>
#include <stdint.h>

#include "core/doc_path.h"
#include "core/filter.h"
#include "wire/mp.h"

/* Values in all lists of one filter, so that a filter in a cache stays small. */
#define FILTER_VALUES 16384

enum filter_kind {
    FILTER_AND, /* all children match; so without children, everything does */
    FILTER_OR,  /* at least one child matches */
    FILTER_EQ,  /* leaves; the list has one value for all but IN, ALL and EXISTS */
    FILTER_GT,
    FILTER_GTE,
    FILTER_LT,
    FILTER_LTE,
    FILTER_IN,    /* equal to one of the list */
    FILTER_ALL,   /* for each of the list, something equal to it; nothing if the list is empty */
    FILTER_EXISTS /* the path leads somewhere; has no list */
};

/* Where a path begins. */
enum filter_source {
    FILTER_SESSION,
    FILTER_AT_CONN,
    FILTER_AT_REMOTE,
    FILTER_AT_CONNECTED_MS,
    FILTER_AT_SUBPROTOCOL,
    FILTER_AT_PATH
};

struct filter_node {
    uint8_t kind;
    bool is_negated; /* matches where it otherwise would not */
    uint16_t end;    /* the first node behind this subtree */
    uint16_t path;   /* leaves: index into paths */
    uint16_t list;   /* leaves but EXISTS: index into lists */
};

struct filter_path {
    uint8_t source;
    uint8_t part_count; /* 0 for a pseudo-field, and for the value itself (an element in $pull) */
    uint16_t first_part;
};

/* What a leaf compares with: literal values, and arguments that join them. */
struct filter_list {
    uint32_t first;     /* index into values */
    uint16_t count;     /* of literal values: sorted, none twice */
    uint16_t first_ref; /* index into refs */
    uint16_t ref_count; /* 0: the literal values are all */
};

/* An argument that the filter names. */
struct filter_slot {
    const char *name;
    uint32_t len;
    bool is_list; /* takes the place of a whole list */
};

struct filter {
    uint16_t node_count, list_count, slot_count;
    const struct filter_node *nodes; /* node 0 is the root */
    const struct filter_path *paths;
    const struct path_part *parts;
    const struct filter_list *lists;
    const uint16_t *refs; /* indexes into slots */
    const struct filter_slot *slots;
    const struct mp_token *values;
    uint8_t *text; /* the filter's own copy of its bytes; names and strings point into it */
};

/* The values that node @n compares with: sorted by filter_value_compare(), none twice. */
struct filter_values {
    const struct mp_token *at;
    uint32_t count;
};

struct filter_args {
    const struct filter *filter;
    struct mp_token *values;
    struct filter_values lists[]; /* one for each list of the filter */
};

struct filter_values filter_values(const struct filter *filter, const struct filter_args *args,
                                   const struct filter_node *node);

/* How a text is to be compiled. */
struct filter_dialect {
    enum code code;     /* what faults say */
    bool is_of_session; /* knows `$arg` and the pseudo-fields */
    bool is_of_element; /* the map has operators on the value itself, without a path: {"$gte": 5} */
};

int filter_compile_dialect(struct filter **out, const void *mp, size_t len,
                           const struct filter_dialect *dialect, const struct place *at, struct fault *fault);

/* filter_matches() on a bare value (checked), of a filter without arguments and pseudo-fields. */
bool filter_matches_value(const struct filter *filter, const void *mp, size_t len);

#endif
