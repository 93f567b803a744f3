#ifndef SLUICE_WIRE_UTF8_VECTOR_H
#define SLUICE_WIRE_UTF8_VECTOR_H

/* utf8_vector: UTF-8 checked in blocks of 16 bytes, where the processor can look 16 bytes up in a table at
 * once (SSSE3; asked when it runs).
 *
 * Text that is not ASCII mixes characters of all sizes, which no branch predictor guesses. Here are no
 * branches for them. The method is that of Keiser and Lemire, "Validating UTF-8 In Less Than One Instruction
 * Per Byte" (2020). */

#include <stddef.h>
#include <stdint.h>

/* As much as this had better be there. */
#define UTF8_VECTOR_MIN 32

/* How many of the @len bytes are whole characters of valid UTF-8, or fewer: what is wrong, and up to some
 * characters before that, is left to others. 0 where the processor cannot do it. */
size_t utf8_vector_prefix(const uint8_t *bytes, size_t len);

#endif
