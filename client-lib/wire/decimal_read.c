/* The reading half of wire/decimal.h. */

#include "wire/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/decimal_exact.h"

/* No two neighbouring doubles, nor the middle between them, differ only after so many digits (767). */
#define DIGITS_MAX 800

/* Powers of ten that a double holds exactly. */
static const double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                      1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define EXACT_POWER_MAX 22

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A number's text, taken apart: value = 0.digits... with @exponent counted from the end of the kept digits.
 */
struct parts {
    const char *digits; /* from the first that is not 0; a '.' may stand among them */
    const char *end;    /* of the digits */
    int64_t exponent;   /* as written after the e */
    int64_t fraction;   /* digits after the point */
    bool is_negative;
};

static struct parts take_apart(const char *text, size_t len)
{
    struct parts parts = {.digits = text, .end = text + len};
    const char *end = text + len;
    const char *p = text;
    parts.is_negative = p < end && *p == '-';
    p += parts.is_negative;
    const char *first = NULL;
    const char *point = NULL;
    for (; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.')
            point = p;
        else if (!first && *p != '0')
            first = p;
    }
    parts.end = p;
    parts.digits = first ? first : p;
    parts.fraction = point ? p - point - 1 : 0;
    if (p == end)
        return parts;
    p++; /* the e */
    bool is_down = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    for (; p < end; p++)
        if (parts.exponent < INT64_MAX / 100)
            parts.exponent = parts.exponent * 10 + (*p - '0');
    if (is_down)
        parts.exponent = -parts.exponent;
    return parts;
}

/* All digits as one whole number and a power of ten, for strtod(): what has no point has no locale. */
static double read_slowly(const struct parts *parts)
{
    char text[DIGITS_MAX + 32];
    size_t n = 0;
    int64_t exponent = parts->exponent - parts->fraction;
    bool is_cut = false;
    for (const char *p = parts->digits; p < parts->end; p++) {
        if (*p == '.')
            continue;
        if (n < DIGITS_MAX) {
            text[n++] = *p;
        } else {
            is_cut = is_cut || *p != '0';
            exponent++;
        }
    }
    if (is_cut) { /* whatever it was, it is more than nothing */
        text[n++] = '1';
        exponent--;
    }
    /* Far beyond what a double can hold either way. */
    int clamped = exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : (int)exponent;
    snprintf(text + n, sizeof(text) - n, "e%d", clamped);
    return strtod(text, NULL);
}

#if DECIMAL_EXACT
/* The double nearest to @value * 2^@exponent, ties to even; @rest: the value is a little more than that. */
static double round_to_double(uint128 value, int exponent, bool rest)
{
    uint64_t top = (uint64_t)(value >> 64);
    int width = top ? 128 - __builtin_clzll(top) : 64 - __builtin_clzll((uint64_t)value);
    int cut = width - DBL_MANT_DIG;
    if (cut <= 0) /* all of it fits; there is no rest where the quotient has 64 bits or more */
        return ldexp((double)(uint64_t)value, exponent);
    uint64_t kept = (uint64_t)(value >> cut);
    uint128 lost = value & (((uint128)1 << cut) - 1);
    uint128 half = (uint128)1 << (cut - 1);
    if (lost > half || (lost == half && (rest || (kept & 1))))
        kept++;
    return ldexp((double)kept, exponent + cut);
}

/* Up to 19 digits and 27 places: a product or quotient of whole numbers, rounded once. */
static bool read_exactly(uint64_t digits, int64_t exponent, double *value)
{
    if (digits == 0 || exponent < -POWER5_MAX || exponent > POWER5_MAX)
        return false;
    if (exponent >= 0) {
        *value = round_to_double((uint128)digits * power5(exponent), (int)exponent, false);
        return true;
    }
    int shift = 64 + __builtin_clzll(digits);
    uint128 dividend = (uint128)digits << shift;
    uint128 quotient = dividend / power5(-exponent);
    bool rest = quotient * power5(-exponent) != dividend;
    *value = round_to_double(quotient, (int)exponent - shift, rest);
    return true;
}
#else
static bool read_exactly(uint64_t digits, int64_t exponent, double *value)
{
    (void)digits;
    (void)exponent;
    (void)value;
    return false;
}
#endif

/* Up to 15 digits times an exact power of ten: one rounding, so the result is the nearest double. */
static bool read_simply(uint64_t digits, int64_t exponent, double *value)
{
    if (FLT_EVAL_METHOD != 0 || digits > (uint64_t)1 << DBL_MANT_DIG || exponent < -EXACT_POWER_MAX ||
        exponent > EXACT_POWER_MAX)
        return false;
    *value =
        exponent < 0 ? (double)digits / exact_powers[-exponent] : (double)digits * exact_powers[exponent];
    return true;
}

static bool read_fast(const struct parts *parts, double *value)
{
    uint64_t digits = 0;
    int64_t exponent = parts->exponent - parts->fraction;
    if (parts->end - parts->digits > 20) /* 19 digits and a point */
        return false;
    for (const char *p = parts->digits; p < parts->end; p++) {
        if (*p == '.')
            continue;
        if (digits > UINT64_MAX / 10 - 1)
            return false;
        digits = digits * 10 + (uint64_t)(*p - '0');
    }
    return read_simply(digits, exponent, value) || read_exactly(digits, exponent, value);
}

bool decimal_to_double(const char *text, size_t len, double *value)
{
    struct parts parts = take_apart(text, len);
    double size = 0.0;
    if (parts.digits < parts.end && !read_fast(&parts, &size))
        size = read_slowly(&parts);
    *value = parts.is_negative ? -size : size;
    return isfinite(size);
}
