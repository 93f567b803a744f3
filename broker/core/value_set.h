#ifndef SLUICE_CORE_VALUE_SET_H
#define SLUICE_CORE_VALUE_SET_H

/* value_set: different MessagePack values, numbers by value: 1 and 1.0 are one. */

#include <stddef.h>
#include <stdint.h>

#include "wire/buf.h"

struct value_slot {
    uint64_t hash;
    size_t at;  /* in bytes; behind the value's length */
    size_t len; /* 0: the slot is free */
};

struct value_set {
    const uint64_t *key; /* of the hash, borrowed */
    struct buf bytes;    /* the values, one behind the other */
    struct value_slot *slots;
    size_t cap; /* a power of two */
    size_t count;
};

void value_set_init(struct value_set *set, const uint64_t key[2]);
void value_set_deinit(struct value_set *set);

/* Put the value in, unless it is there. 0 or -ENOMEM. */
int value_set_add(struct value_set *set, const void *mp, size_t len);

#endif
