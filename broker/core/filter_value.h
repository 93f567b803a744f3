#ifndef SLUICE_CORE_FILTER_VALUE_H
#define SLUICE_CORE_FILTER_VALUE_H

/* filter_value: the scalars that filters compare with: strings, finite numbers, booleans. */

#include <stdbool.h>
#include <stdint.h>

#include "wire/mp.h"

/* Whether filters compare with such a value. */
bool filter_value_is_scalar(const struct mp_token *token);

/* Whether two scalars are of one kind (numbers are one kind), so that they can be less or greater. */
bool filter_value_same_kind(const struct mp_token *a, const struct mp_token *b);

/* A total order of scalars: -1, 0, 1. Equal numbers of different types are equal. */
int filter_value_compare(const struct mp_token *a, const struct mp_token *b);

/* Sort, drop what is there twice, return how many are left. */
uint32_t filter_value_sort(struct mp_token *values, uint32_t count);

/* The place of @value in a sorted list, or -1. */
int filter_value_find(const struct mp_token *values, uint32_t count, const struct mp_token *value);

#endif
