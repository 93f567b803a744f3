#ifndef SLUICE_CORE_DOC_ORDER_H
#define SLUICE_CORE_DOC_ORDER_H

/* doc_order: how values of documents compare, in MongoDB's order of types: nil, numbers, strings, maps,
 * arrays, bin, booleans. */

#include <stdbool.h>
#include <stddef.h>

#include "wire/mp.h"

/* A value's bytes, borrowed. */
struct doc_value {
    const uint8_t *bytes; /* NULL: there is no value */
    size_t len;
};

/* -1, 0 or 1 for two checked values. Numbers by value, whatever their type; maps pair by pair in
 * their order (type of the value, name, value), so {a, b} is not {b, a}. */
int doc_compare(struct doc_value a, struct doc_value b);

/* Whether two checked values are the same in type and value, maps also in their order. Forms of the
 * same integer or string of different lengths on the wire are the same. */
bool doc_identical(struct doc_value a, struct doc_value b);

#endif
