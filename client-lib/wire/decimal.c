#include "wire/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Up to 15 digits times an exact power of ten: one rounding, so the result is the nearest double. */
static bool read_fast(const struct parts *parts, double *value)
{
#if FLT_EVAL_METHOD == 0
    uint64_t digits = 0;
    int64_t exponent = parts->exponent - parts->fraction;
    if (parts->end - parts->digits > 16 || exponent < -EXACT_POWER_MAX || exponent > EXACT_POWER_MAX)
        return false;
    for (const char *p = parts->digits; p < parts->end; p++)
        if (*p != '.')
            digits = digits * 10 + (uint64_t)(*p - '0');
    if (digits > (uint64_t)1 << DBL_MANT_DIG)
        return false;
    *value =
        exponent < 0 ? (double)digits / exact_powers[-exponent] : (double)digits * exact_powers[exponent];
    return true;
#else
    (void)parts;
    (void)value;
    return false;
#endif
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

size_t decimal_from_uint(uint64_t value, char *out)
{
    char reversed[DECIMAL_MAX];
    size_t n = 0;
    do {
        reversed[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    return n;
}

size_t decimal_from_int(int64_t value, char *out)
{
    if (value >= 0)
        return decimal_from_uint((uint64_t)value, out);
    out[0] = '-';
    return 1 + decimal_from_uint(0 - (uint64_t)value, out + 1);
}

/* The decimal number that @size is nearest to with the fewest digits after the point, while it has at most 15
 * digits (such decimals and doubles correspond one to one). Most numbers that people send are of this kind.
 */
static size_t write_fast(double size, char *out)
{
#if FLT_EVAL_METHOD == 0
    if (size < 1e-5 || size >= 1e15)
        return 0;
    for (unsigned places = 0; places <= EXACT_POWER_MAX; places++) {
        double power = exact_powers[places];
        double scaled = size * power;
        if (scaled >= 1e15)
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        if ((double)digits / power != size)
            continue;
        char text[DECIMAL_MAX];
        size_t n = decimal_from_uint(digits, text);
        size_t whole = n > places ? n - places : 0;
        size_t len = whole ? whole : 1;
        out[0] = '0';
        memcpy(out, text, whole);
        out[len++] = '.';
        if (places == 0)
            out[len++] = '0';
        for (size_t zeros = n; zeros < places; zeros++)
            out[len++] = '0';
        memcpy(out + len, text + whole, n - whole);
        return len + (n - whole);
    }
#else
    (void)size;
    (void)out;
#endif
    return 0;
}

/* The nearest decimal of @precision digits: digits (no zeros at the end) and the exponent of the first one.
 */
static size_t round_to_digits(double size, int precision, char *digits, int *exponent)
{
    char text[64];
    snprintf(text, sizeof(text), "%.*e", precision - 1, size);
    char *e = strchr(text, 'e');
    size_t n = 0;
    for (const char *p = text; p < e; p++)
        if (is_digit(*p)) /* the rest is the locale's decimal point */
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *exponent = atoi(e + 1);
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

size_t decimal_from_double(double value, char *out)
{
    char digits[32] = "0";
    int exponent = 0;
    size_t n = 1;
    double size = fabs(value);
    size_t sign = signbit(value) ? 1 : 0;
    out[0] = '-';
    size_t len = write_fast(size, out + sign);
    if (len > 0)
        return sign + len;
    /* Below DBL_MIN doubles have fewer bits, so fewer digits may do. */
    int precision = size < DBL_MIN ? 1 : DBL_DIG;
    if (size > 0.0)
        n = round_to_digits(size, precision, digits, &exponent);
    while (size > 0.0 && precision < DBL_DECIMAL_DIG && !reads_back(digits, n, exponent, size))
        n = round_to_digits(size, ++precision, digits, &exponent);
    return sign + lay_out(digits, n, exponent, out + sign);
}
