#ifndef SLUICE_WIRE_JSON_STRING_H
#define SLUICE_WIRE_JSON_STRING_H

/* json_string: the inside of JSON strings with escapes, decoded to UTF-8. */

#include <stdint.h>

#include "wire/buf.h"

/* Append what stands from @p on, inside a string of a text that ends at @end, up to the string's '"' or to
 * what cannot stand in a string. Return where that is, or @end. Half a surrogate pair becomes U+FFFD. Whether
 * it is UTF-8 is not asked here.
 *
 * Where @out is refused memory the text is read all the same. */
const uint8_t *json_string_decode(const uint8_t *p, const uint8_t *end, struct buf *out);

#endif
