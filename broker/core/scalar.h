#ifndef SLUICE_CORE_SCALAR_H
#define SLUICE_CORE_SCALAR_H

/* scalar: the one form in bytes that equal scalars share, whatever their type on the wire: 7 and 7.0 are one,
 * "7" is another. For tables of values. */

#include <stddef.h>
#include <stdint.h>

#include "wire/mp.h"

#define SCALAR_TEXT_MAX 256
#define SCALAR_MAX      (SCALAR_TEXT_MAX + 1)

/* Write the form of @token to @out; returns its length. 0: no scalar, or a string of more than
 * SCALAR_TEXT_MAX bytes. */
size_t scalar_form(const struct mp_token *token, uint8_t out[SCALAR_MAX]);

#endif
