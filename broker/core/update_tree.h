#ifndef SLUICE_CORE_UPDATE_TREE_H
#define SLUICE_CORE_UPDATE_TREE_H

/* update_tree: how a compiled update lies in memory.
 *
 * The operations are one array, sorted by their paths part by part. So all that concerns a field is a run of
 * neighbours, new fields come in MongoDB's order, a conflict is between neighbours, and one pass over the
 * document applies them all. */

#include <stdbool.h>
#include <stdint.h>

#include "core/doc_order.h"
#include "core/doc_path.h"
#include "core/update.h"
#include "wire/buf.h"
#include "wire/mp.h"

/* Values in one $each. */
#define UPDATE_EACH_VALUES 4096
/* In all of one update. */
#define UPDATE_VALUES 16384

enum update_kind {
    UPDATE_SET,
    UPDATE_UNSET,
    UPDATE_INC,
    UPDATE_MIN,
    UPDATE_MAX,
    UPDATE_PUSH,
    UPDATE_ADD_TO_SET,
    UPDATE_PULL,
    UPDATE_RENAME_FROM, /* $rename is two operations with the same `rename` */
    UPDATE_RENAME_TO
};

struct update_op {
    uint8_t kind;
    uint8_t part_count;
    bool has_slice;
    uint16_t rename; /* which $rename, from 0 */
    uint16_t value_count;
    uint32_t first_part;
    uint32_t first_value;          /* PUSH, ADD_TO_SET: index into values */
    const struct path_part *parts; /* its path */
    const char *key;               /* the path as it stands below the operator */
    uint32_t key_len;
    struct doc_value value; /* SET, INC, MIN, MAX; PULL: remove what is equal */
    struct filter *pull;    /* PULL: remove what matches, or NULL */
    bool pulls_maps;        /* PULL: the filter is a query that only maps can match */
    int64_t slice;          /* PUSH */
};

/* What $push and $addToSet append. For $addToSet none is there twice. */
struct update_value {
    struct doc_value value;
    uint16_t sorted; /* ADD_TO_SET: the n-th of these is the index of the n-th in doc_compare()'s order */
};

struct update {
    uint16_t op_count;
    uint16_t rename_count;
    struct update_op *ops;
    struct path_part *parts;
    struct update_value *values;
    uint8_t *text; /* the update's own copy of its bytes */
};

/* The operator's name: "$set". */
const char *update_kind_name(enum update_kind kind);

/* One update at work on one document. */
struct update_run {
    const struct update *update;
    struct buf *out;
    size_t start; /* where the result begins in @out */
    size_t limit_bytes;
    const struct place *at;
    struct fault *fault;
    struct doc_value renamed[UPDATE_NODES / 2]; /* what each $rename moves; without bytes: it does nothing */
};

/* Operations, neighbours in the update, whose first @depth parts led to one value. */
struct update_span {
    unsigned from, to;
    unsigned depth;
};

/* Those of @span that go on to the field @name; none: from == to. */
struct update_span update_group_of(const struct update_run *run, struct update_span span,
                                   const struct mp_token *name);

/* Whether the paths of @span end here, so that it is one operation. */
bool update_is_leaf(const struct update_run *run, struct update_span span);

/* Fill run->renamed from the document whose header of @count pairs was read from @pairs. 0, or -1 with a
 * fault. */
int update_find_renamed(struct update_run *run, struct mp_reader pairs, uint32_t count);

/* What became of a value. */
enum update_outcome { UPDATE_FAILED = -1, UPDATE_WRITTEN = 0, UPDATE_ABSENT = 1 };

/* Write what @op makes of @old (without bytes: missing) to run->out. */
enum update_outcome update_leaf(struct update_run *run, const struct update_op *op, struct doc_value old);

/* The same for the operators of arrays. */
enum update_outcome update_push(struct update_run *run, const struct update_op *op, struct doc_value old);
enum update_outcome update_add_to_set(struct update_run *run, const struct update_op *op,
                                      struct doc_value old);
enum update_outcome update_pull(struct update_run *run, const struct update_op *op, struct doc_value old);

/* Whether the result is within its limit so far; if not, the fault is set. It only ever grows while it is
 * written. */
bool update_fits(struct update_run *run);

/* Set the fault at the operation's place. Returns UPDATE_FAILED. */
enum update_outcome update_fail(struct update_run *run, const struct update_op *op, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
