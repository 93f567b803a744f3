#ifndef SLUICE_CORE_UPDATE_COMPILE_H
#define SLUICE_CORE_UPDATE_COMPILE_H

/* update_compile: what the two files that compile updates share. */

#include "core/update_tree.h"

struct update_build {
    struct fault *fault;
    struct buf ops, parts, values;
    unsigned nodes;
    uint16_t renames;
};

/* Check a value that will stand @below levels under the end of the operation's path. 0, or -1 with
 * CODE_BAD_VALUE. */
int update_check_value(struct update_build *b, const struct update_op *op, struct doc_value value,
                       unsigned below, const struct place *at);

/* The operand of $push or $addToSet: one value, or $each with $slice. */
int update_compile_append(struct update_build *b, struct update_op *op, const struct place *at);

#endif
