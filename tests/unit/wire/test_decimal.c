#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "support/random.h"
#include "wire/decimal.h"

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void assert_reads(const char *text, double want)
{
    double got;
    if (!decimal_to_double(text, strlen(text), &got))
        fail_msg("%s is too large", text);
    if (bits_of(got) != bits_of(want))
        fail_msg("%s: %.17g, not %.17g", text, got, want);
}

static void test_reads_the_nearest_double(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "0",
        "1",
        "10",
        "0.5",
        "0.1",
        "1e22",
        "1e23",
        "9007199254740993",
        "9007199254740993.0",
        "9007199254740992.5",
        "123456789012345678901234567890",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "179769313486231570000e288",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "4.9e-324",
        "5e-324",
        "2.4703282292062328e-324",
        "2.4703282292062327e-324",
        "1e-323",
        "0.000001",
        "6.02214076e23",
        "1e-5",
        "8.5e15",
        "4503599627370496.5",
        "4503599627370497.5",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "1.00000000000000011102230246251565404236316680908203126",
        "3.14159265358979323846",
        "1E5",
        "1e+5",
        "1e-0",
        "100000000000000000000000e-23",
        "0.00000000000000000000001e23",
        "00e1",
        /* A quotient that ends in the middle between two doubles, and has a rest. */
        "8447723913590012774e-27",
        "4614391921458996155e-27",
        "3889811388372029580e-27",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char negative[100];
        assert_reads(rows[i], strtod(rows[i], NULL));
        snprintf(negative, sizeof(negative), "-%s", rows[i]);
        assert_reads(negative, strtod(negative, NULL));
    }
}

static void test_too_large_is_refused_too_small_is_zero(void **state)
{
    (void)state;
    double value;
    assert_false(decimal_to_double("1e309", 5, &value));
    assert_false(decimal_to_double("-1e309", 6, &value));
    assert_false(decimal_to_double("1.7976931348623159e308", 22, &value));
    assert_false(decimal_to_double("1e999999999999999999999999", 26, &value));
    assert_reads("1e-400", 0.0);
    assert_reads("-1e-400", -0.0);
    assert_reads("1e-999999999999999999999999", 0.0);
    assert_reads("0e999999999999999999999999", 0.0);
    assert_reads("0.000e999999999999999999999999", 0.0);
}

static void test_endless_digits_and_exponents_that_undo_each_other(void **state)
{
    (void)state;
    static char text[70000];
    /* 0.000...0001e60001 is 1 */
    memset(text, '0', sizeof(text));
    text[1] = '.';
    memcpy(text + 60002, "1e60001", 8);
    assert_reads(text, 1.0);
    /* 1000...0e-60000 is 1 */
    memset(text, '0', sizeof(text));
    text[0] = '1';
    memcpy(text + 60001, "e-60000", 8);
    assert_reads(text, 1.0);
    /* The middle of 1 and its neighbour rounds to even; one more digit, very far behind, tips it. */
    static const char middle[] = "1.00000000000000011102230246251565404236316680908203125";
    memset(text, '0', sizeof(text));
    memcpy(text, middle, sizeof(middle) - 1);
    text[60000] = '\0';
    assert_reads(text, 1.0);
    text[59999] = '1';
    assert_reads(text, nextafter(1.0, 2.0));
}

static size_t significant_digits(const char *text, size_t len)
{
    size_t n = 0;
    size_t trailing = 0;
    for (size_t i = 0; i < len && text[i] != 'e'; i++) {
        if (text[i] < '0' || text[i] > '9' || (n == 0 && text[i] == '0'))
            continue;
        n++;
        trailing = text[i] == '0' ? trailing + 1 : 0;
    }
    return n - trailing;
}

static void assert_writes(double value, const char *want)
{
    char text[DECIMAL_MAX + 1];
    size_t len = decimal_from_double(value, text);
    assert_true(len <= DECIMAL_MAX);
    text[len] = '\0';
    assert_string_equal(text, want);
}

static void test_writes_no_needless_digits(void **state)
{
    (void)state;
    assert_writes(0.0, "0.0");
    assert_writes(-0.0, "-0.0");
    assert_writes(1.0, "1.0");
    assert_writes(-1.0, "-1.0");
    assert_writes(10.0, "10.0");
    assert_writes(100.0, "100.0");
    assert_writes(0.1, "0.1");
    assert_writes(0.5, "0.5");
    assert_writes(12.25, "12.25");
    assert_writes(-0.75, "-0.75");
    assert_writes(0.3, "0.3");
    assert_writes(0.1 + 0.2, "0.30000000000000004");
    assert_writes(1.0 / 3.0, "0.3333333333333333");
    assert_writes(2.0 / 3.0, "0.6666666666666666");
    assert_writes(100.01, "100.01");
    assert_writes(123456.789, "123456.789");
    assert_writes(999999999999999.0, "999999999999999.0");
    assert_writes(1e15, "1000000000000000.0");
    assert_writes(1.5e15, "1500000000000000.0");
    assert_writes(9007199254740992.0, "9007199254740992.0");
    assert_writes(9007199254740991.0, "9007199254740991.0");
    assert_writes(2251799813685248.5, "2251799813685248.5");
    assert_writes(1e16, "1e16");
    assert_writes(1.5e16, "1.5e16");
    assert_writes(1e22, "1e22");
    assert_writes(1e23, "1e23");
    assert_writes(-1e100, "-1e100");
    assert_writes(0.001, "0.001");
    assert_writes(0.00001, "0.00001");
    assert_writes(0.000012345, "0.000012345");
    assert_writes(0.000001, "1e-6");
    assert_writes(1.25e-7, "1.25e-7");
    assert_writes(DBL_MAX, "1.7976931348623157e308");
    assert_writes(DBL_MIN, "2.2250738585072014e-308");
    assert_writes(5e-324, "5e-324");
    assert_writes(1e-323, "1e-323");
    assert_writes(1.5e-323, "1.5e-323");
    assert_writes(DBL_EPSILON, "2.220446049250313e-16");
    assert_writes(1.7976931348623155e308, "1.7976931348623155e308");
}

/* Text and back gives the same bits, and fewer digits would not have done. */
static void assert_round_trip(double value)
{
    char text[DECIMAL_MAX + 1];
    double back;
    size_t len = decimal_from_double(value, text);
    text[len] = '\0';
    if (len > 25 || !strpbrk(text, ".e"))
        fail_msg("%s for %.17g", text, value);
    if (!decimal_to_double(text, len, &back) || bits_of(back) != bits_of(value))
        fail_msg("%s: %.17g, not %.17g", text, back, value);
    if (bits_of(strtod(text, NULL)) != bits_of(value))
        fail_msg("strtod reads %s otherwise", text);
    size_t digits = significant_digits(text, len);
    if (digits > 1) {
        char shorter[64];
        snprintf(shorter, sizeof(shorter), "%.*e", (int)digits - 2, value);
        if (bits_of(strtod(shorter, NULL)) == bits_of(value))
            fail_msg("%s, but %s would do", text, shorter);
    }
}

static void test_random_doubles_survive(void **state)
{
    (void)state;
    struct random r = random_new("decimal");
    for (int i = 0; i < 30000; i++) {
        double value = from_bits(random_next(&r)); /* of any size */
        if (isfinite(value))
            assert_round_trip(value);
        assert_round_trip((double)(int64_t)random_next(&r) / (double)(1u << random_below(&r, 32)));
        assert_round_trip(from_bits(random_next(&r) & 0x000fffffffffffffu)); /* below DBL_MIN */
    }
}

static void test_random_decimals_survive_as_they_were_written(void **state)
{
    (void)state;
    struct random r = random_new("decimal");
    for (int i = 0; i < 100000; i++) {
        char text[64];
        char got[DECIMAL_MAX + 1];
        double value;
        int places = 1 + (int)random_below(&r, 8);
        long long whole = (long long)random_below(&r, (uint64_t)pow(10, (double)(1 + random_below(&r, 7))));
        long long part = (long long)random_below(&r, (uint64_t)pow(10, places));
        if (part % 10 == 0)
            part++;
        int len = snprintf(text, sizeof(text), "%lld.%0*lld", whole, places, part);
        if (whole == 0 && part < (long long)pow(10, places - 4))
            continue; /* may be written with an exponent */
        assert_true(decimal_to_double(text, (size_t)len, &value));
        got[decimal_from_double(value, got)] = '\0';
        assert_string_equal(got, text);
    }
}

static void test_powers_of_two_and_ten_and_their_neighbours_survive(void **state)
{
    (void)state;
    char text[DECIMAL_MAX];
    double back;
    for (int e = -1074; e < 1024; e++) {
        double power = ldexp(1.0, e);
        assert_round_trip(nextafter(power, INFINITY) < INFINITY ? nextafter(power, INFINITY) : power);
        assert_round_trip(nextafter(power, 0.0));
        assert_true(decimal_to_double(text, decimal_from_double(power, text), &back) && back == power);
    }
    for (int e = -323; e <= 308; e++) {
        char written[16];
        snprintf(written, sizeof(written), "1e%d", e);
        double power = strtod(written, NULL);
        assert_round_trip(power);
        assert_round_trip(nextafter(power, 0.0));
        assert_reads(written, power);
    }
}

static void test_random_texts_read_as_strtod_reads_them(void **state)
{
    (void)state;
    struct random r = random_new("decimal");
    for (int i = 0; i < 100000; i++) {
        char text[64];
        int len = 0;
        int digits = 1 + (int)random_below(&r, 25);
        int point = (int)random_below(&r, (uint64_t)digits + 1);
        for (int j = 0; j < digits; j++) {
            text[len++] = (char)('0' + random_below(&r, 10));
            if (j + 1 == point && point < digits)
                text[len++] = '.';
        }
        if (random_below(&r, 2))
            len += snprintf(text + len, 16, "e%d", (int)random_below(&r, 660) - 340);
        text[len] = '\0';
        double want = strtod(text, NULL);
        double got;
        bool fits = decimal_to_double(text, (size_t)len, &got);
        if (fits != (isfinite(want) != 0) || (fits && bits_of(got) != bits_of(want)))
            fail_msg("%s: %.17g, not %.17g", text, got, want);
    }
}

/* As many digits as fit 64 bits, and powers of ten around the last that does: the paths without strtod. */
static void test_random_long_numbers_read_as_strtod_reads_them(void **state)
{
    (void)state;
    struct random r = random_new("decimal");
    for (int i = 0; i < 300000; i++) {
        char text[64];
        double got;
        uint64_t digits = random_next(&r) >> random_below(&r, 12);
        int len = snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits,
                           (int)random_below(&r, 60) - 30);
        assert_true(decimal_to_double(text, (size_t)len, &got));
        if (got != strtod(text, NULL))
            fail_msg("%s: %.17g", text, got);
    }
}

static void test_integers(void **state)
{
    (void)state;
    char text[DECIMAL_MAX + 1];
    text[decimal_from_uint(0, text)] = '\0';
    assert_string_equal(text, "0");
    text[decimal_from_uint(UINT64_MAX, text)] = '\0';
    assert_string_equal(text, "18446744073709551615");
    text[decimal_from_int(INT64_MIN, text)] = '\0';
    assert_string_equal(text, "-9223372036854775808");
    text[decimal_from_int(INT64_MAX, text)] = '\0';
    assert_string_equal(text, "9223372036854775807");
    struct random r = random_new("decimal");
    for (int i = 0; i < 100000; i++) {
        char want[32];
        uint64_t value = random_next(&r) >> random_below(&r, 64);
        snprintf(want, sizeof(want), "%llu", (unsigned long long)value);
        text[decimal_from_uint(value, text)] = '\0';
        assert_string_equal(text, want);
        snprintf(want, sizeof(want), "%lld", (long long)value);
        text[decimal_from_int((int64_t)value, text)] = '\0';
        assert_string_equal(text, want);
    }
}

/* Make a locale with a decimal comma in a directory of our own; most machines have none ready. */
static bool set_comma_locale(void)
{
    char directory[] = "/tmp/sluice-locale-XXXXXX";
    char command[256];
    if (setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        return true;
    if (!mkdtemp(directory))
        return false;
    snprintf(command, sizeof(command), "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 >/dev/null 2>&1",
             directory);
    bool is_made = system(command) == 0; /* NOLINT(cert-env33-c): no input of anybody */
    setenv("LOCPATH", directory, 1);
    is_made = is_made && setlocale(LC_NUMERIC, "de_DE.UTF-8");
    snprintf(command, sizeof(command), "rm -r %s", directory);
    return system(command) == 0 && is_made; /* NOLINT(cert-env33-c) */
}

static void test_a_locale_with_a_decimal_comma_changes_nothing(void **state)
{
    (void)state;
    char comma[8];
    if (!set_comma_locale())
        skip();
    snprintf(comma, sizeof(comma), "%.1f", 0.5);
    assert_string_equal(comma, "0,5"); /* the locale is really on */
    test_writes_no_needless_digits(NULL);
    static const char text[] = "3.14159265358979323846";
    double value;
    assert_true(decimal_to_double(text, sizeof(text) - 1, &value) && value == 3.14159265358979323846);
    assert_true(decimal_to_double("1.5e300", 7, &value) && value == 1.5e300);
    setlocale(LC_NUMERIC, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_the_nearest_double),
        cmocka_unit_test(test_too_large_is_refused_too_small_is_zero),
        cmocka_unit_test(test_endless_digits_and_exponents_that_undo_each_other),
        cmocka_unit_test(test_writes_no_needless_digits),
        cmocka_unit_test(test_random_doubles_survive),
        cmocka_unit_test(test_random_decimals_survive_as_they_were_written),
        cmocka_unit_test(test_powers_of_two_and_ten_and_their_neighbours_survive),
        cmocka_unit_test(test_random_texts_read_as_strtod_reads_them),
        cmocka_unit_test(test_random_long_numbers_read_as_strtod_reads_them),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_a_locale_with_a_decimal_comma_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
