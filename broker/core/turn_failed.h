#ifndef SLUICE_CORE_TURN_FAILED_H
#define SLUICE_CORE_TURN_FAILED_H

/* turn_failed: the list `failed` of a turn under way: which entries were not applied, and why.
 *
 * What was applied cannot be taken back, so the member must learn what was not: the memory for it is taken
 * before the first entry is applied. Where it gets short, the messages are left out, never an item. */

#include <stdint.h>

#include "wire/blob.h"
#include "wire/buf.h"
#include "wire/fault.h"

#define TURN_FAILED_MIN 96 /* bytes that an item has at most without its message and place */

/* What becomes of the event of an entry that failed. */
enum turn_then {
    THEN_AGAIN, /* it comes again */
    THEN_DEAD,
    THEN_NONE /* it is not this member's */
};

struct turn_failed {
    struct blob *blob; /* the memory; NULL when there are no entries */
    struct buf out;    /* writes into the blob and never beyond it, so it never asks for memory itself */
    size_t mark;
    size_t limit;    /* of all bytes */
    uint32_t count;  /* of the items */
    uint32_t unsaid; /* entries that may still be added */
};

/* Room for @entries items and some messages, in all @limit bytes or what the items need. 0 or -ENOMEM. */
int turn_failed_init(struct turn_failed *failed, uint32_t entries, size_t limit);

/* The next entry: it was applied; or it was not. */
void turn_failed_skip(struct turn_failed *failed);
void turn_failed_add(struct turn_failed *failed, uint64_t seq, const struct fault *fault,
                     enum turn_then then);

/* The list, packed; the caller owns it. NULL: it is empty. @failed is gone. */
struct blob *turn_failed_take(struct turn_failed *failed);

#endif
