#ifndef SLUICE_WIRE_DECIMAL_H
#define SLUICE_WIRE_DECIMAL_H

/* decimal: numbers to and from JSON's decimal text. The locale has no say: no decimal point ever goes through
 * libc. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that every text fits into (none is terminated): what @out points to. */
#define DECIMAL_MAX 32

/* The double nearest to the JSON number @text[@len] (its grammar must have been checked). False when it is
 * too large for a double; what is too small becomes 0. */
bool decimal_to_double(const char *text, size_t len, double *value);

/* The shortest text that reads back as @value (finite), with a fraction or an exponent ("1.0", "1e22").
 * Returns its length. Where a power of two has a shortest form one digit away from the nearest one, a digit
 * more may be written. */
size_t decimal_from_double(double value, char *out);

size_t decimal_from_uint(uint64_t value, char *out);
size_t decimal_from_int(int64_t value, char *out);

#endif
