#ifndef SLUICE_WIRE_NEAREST_H
#define SLUICE_WIRE_NEAREST_H

#include <stddef.h>

/* The one of @known (ends with NULL) that somebody who wrote @word may have meant: the smallest edit
 * distance (insert, delete, replace, swap of neighbours; case ignored) if it is at most a third of the longer
 * word's length (at least 1) and some letter stays, or NULL. The first of equals. Words of more than 64 bytes
 * are near to none. */
const char *nearest(const char *word, size_t len, const char *const *known);

#endif
