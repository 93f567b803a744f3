/* The writing half of wire/decimal.h. */

#include "wire/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/decimal_exact.h"

/* Two digits a step, from the last. */
size_t decimal_from_uint(uint64_t value, char *out)
{
    static const char pairs[] =
        "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
        "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
        "8081828384858687888990919293949596979899";
    char text[20];
    char *end = text + sizeof(text);
    char *p = end;
    for (; value >= 100; value /= 100)
        memcpy(p -= 2, pairs + 2 * (value % 100), 2);
    if (value >= 10)
        memcpy(p -= 2, pairs + 2 * value, 2);
    else
        *--p = (char)('0' + value);
    memcpy(out, p, (size_t)(end - p));
    return (size_t)(end - p);
}

size_t decimal_from_int(int64_t value, char *out)
{
    if (value >= 0)
        return decimal_from_uint((uint64_t)value, out);
    out[0] = '-';
    return 1 + decimal_from_uint(0 - (uint64_t)value, out + 1);
}

/* The nearest decimal of @precision digits (no zeros at the end), and the exponent of the first one. */
static size_t round_to_digits(double size, int precision, char *digits, int *exponent)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*e", precision - 1, size);
    char *e = strchr(text, 'e');
    size_t n = 0;
    for (const char *p = text; p < e; p++)
        if (*p >= '0' && *p <= '9') /* the rest is the locale's decimal point */
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *exponent = (int)strtol(e + 1, NULL, 10);
    return n;
}

static bool reads_back(const char *digits, size_t n, int exponent, double size)
{
    char text[64];
    double read;
    memcpy(text, digits, n);
    int len = snprintf(text + n, sizeof(text) - n, "e%d", exponent - (int)n + 1);
    return decimal_to_double(text, n + (size_t)len, &read) && read == size;
}

/* As people write it from 0.00001 to 16 digits before the point, else with an exponent. */
static size_t lay_out(const char *digits, size_t n, int exponent, char *out)
{
    size_t len = 0;
    if (exponent < -5 || exponent >= 16) {
        out[len++] = digits[0];
        if (n > 1) {
            out[len++] = '.';
            memcpy(out + len, digits + 1, n - 1);
            len += n - 1;
        }
        out[len++] = 'e';
        return len + decimal_from_int(exponent, out + len);
    }
    if (exponent < 0) {
        out[len++] = '0';
        out[len++] = '.';
        for (int zeros = -1; zeros > exponent; zeros--)
            out[len++] = '0';
        memcpy(out + len, digits, n);
        return len + n;
    }
    size_t whole = (size_t)exponent + 1;
    for (size_t i = 0; i < whole; i++)
        out[len++] = i < n ? digits[i] : '0';
    out[len++] = '.';
    if (n <= whole) {
        out[len++] = '0';
        return len;
    }
    memcpy(out + len, digits + whole, n - whole);
    return len + (n - whole);
}

/* A double's digits by libc: any precision, any size, and slow. */
static size_t digits_slowly(double size, char *digits, int *exponent)
{
    /* Below DBL_MIN doubles have fewer bits, so fewer digits may do. */
    int precision = size < DBL_MIN ? 1 : DBL_DIG;
    size_t n = round_to_digits(size, precision, digits, exponent);
    while (precision < DBL_DECIMAL_DIG && !reads_back(digits, n, *exponent, size))
        n = round_to_digits(size, ++precision, digits, exponent);
    return n;
}

#if DECIMAL_EXACT
/* A double as a whole number of 17 digits and a rest: size * 10^places = whole + rest / 2^shift, all exact.
 */
struct scaled {
    uint64_t whole;
    uint128 rest;
    unsigned shift;
    uint64_t gap;  /* to the next double, in units of rest */
    bool is_power; /* of two: the gap below is half as wide */
    int places;
};

static bool scale(double size, struct scaled *out)
{
    uint64_t bits;
    memcpy(&bits, &size, sizeof(bits));
    uint64_t hidden = (uint64_t)1 << (DBL_MANT_DIG - 1);
    uint64_t mantissa = (bits & (hidden - 1)) | hidden;
    int power = (int)(bits >> (DBL_MANT_DIG - 1)) - (DBL_MAX_EXP - 1); /* of two: of the first bit */
    int exponent = power - (DBL_MANT_DIG - 1);                         /* of the last bit */
    /* The first digit's power of ten is power * log10(2) = power * 1233 / 4096, or one more. */
    for (int places = 15 - (power * 1233 >> 12); places <= POWER5_MAX; places++) {
        uint128 value = (uint128)mantissa * power5(places);
        unsigned shift = (unsigned)-(exponent + places);
        uint128 whole = value >> shift;
        if (whole < 10000000000000000u)
            continue;
        *out = (struct scaled){
            .whole = (uint64_t)whole,
            .rest = value & (((uint128)1 << shift) - 1),
            .shift = shift,
            .gap = power5(places),
            .is_power = mantissa == hidden,
            .places = places,
        };
        return true;
    }
    return false;
}

/* Whether what is @distance above or below reads back as the double itself: it is within half the gap. It is
 * never just half: the gap is odd. */
static bool is_near(const struct scaled *s, uint128 distance, bool is_below)
{
    uint128 gap = is_below && s->is_power ? distance * 4 : distance * 2;
    return gap < s->gap;
}

/* The multiple of @unit nearest to the double, if one reads back as it. */
static bool round_to_unit(const struct scaled *s, uint64_t unit, uint64_t *rounded)
{
    uint64_t below = s->whole - s->whole % unit;
    uint128 down = ((uint128)(s->whole - below) << s->shift) + s->rest;
    uint128 up = ((uint128)unit << s->shift) - down;
    bool down_is_near = is_near(s, down, true);
    bool up_is_near = is_near(s, up, false);
    bool go_up = up_is_near && (!down_is_near || up < down || (up == down && below / unit % 2 == 1));
    *rounded = go_up ? below + unit : below;
    return down_is_near || up_is_near;
}

/* The fewest digits, found with whole numbers. 15 come first: where they do, there is only one such number,
 * and it is the one that people wrote. */
static size_t digits_fast(double size, char *digits, int *exponent)
{
    struct scaled s;
    uint64_t rounded;
    if (size < 1e-10 || size >= 1e15 || !scale(size, &s))
        return 0;
    if (!round_to_unit(&s, 100, &rounded) && !round_to_unit(&s, 10, &rounded))
        round_to_unit(&s, 1, &rounded);
    size_t n = decimal_from_uint(rounded, digits);
    *exponent = (int)n - 1 - s.places;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    return n;
}
#else
static size_t digits_fast(double size, char *digits, int *exponent)
{
    (void)size;
    (void)digits;
    (void)exponent;
    return 0;
}
#endif

size_t decimal_from_double(double value, char *out)
{
    char digits[DECIMAL_MAX] = "0";
    int exponent = 0;
    double size = fabs(value);
    size_t sign = signbit(value) ? 1 : 0;
    out[0] = '-';
    if (size < 1e15 && size == (double)(uint64_t)size) {
        size_t len = sign + decimal_from_uint((uint64_t)size, out + sign);
        out[len++] = '.';
        out[len++] = '0';
        return len;
    }
    size_t n = digits_fast(size, digits, &exponent);
    if (n == 0)
        n = digits_slowly(size, digits, &exponent);
    return sign + lay_out(digits, n, exponent, out + sign);
}
