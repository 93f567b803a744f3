#ifndef SLUICE_WIRE_UTF8_H
#define SLUICE_WIRE_UTF8_H

/* utf8: UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, at most U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>

/* Whether all @len bytes are UTF-8. */
bool utf8_valid(const void *bytes, size_t len);

/* How many of the @len bytes, from the first on, are whole characters of valid UTF-8. */
size_t utf8_prefix(const void *bytes, size_t len);

/* How many bytes (1..4) the character at @bytes takes; 0 when none is there. */
size_t utf8_char(const void *bytes, size_t len);

/* Append-style encoder: writes the 1..4 bytes of @code_point to @out, returns how many. What is no code point
 * of its own (a surrogate, more than U+10FFFF) becomes U+FFFD. */
size_t utf8_encode(unsigned code_point, char out[4]);

/* The longest length <= @limit that does not cut a character of the valid UTF-8 @bytes[@len]. */
size_t utf8_cut(const void *bytes, size_t len, size_t limit);

#endif
