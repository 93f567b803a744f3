#include "bench/sha1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_digest(const void *bytes, size_t len, const char *hex)
{
    uint8_t digest[SHA1_BYTES];
    char got[2 * SHA1_BYTES + 1];

    sha1(digest, bytes, len);
    for (size_t i = 0; i < SHA1_BYTES; i++)
        snprintf(got + 2 * i, 3, "%02x", digest[i]);
    assert_string_equal(got, hex);
}

static void test_vectors_of_fips_180(void **state)
{
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    (void)state;
    assert_digest("abc", 3, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_digest(two_blocks, strlen(two_blocks), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
    assert_digest("", 0, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* 55 bytes still fit the block that holds the length, 56 do not, 64 are a whole one. */
static void test_lengths_around_a_block(void **state)
{
    char a[64];

    (void)state;
    memset(a, 'a', sizeof(a));
    assert_digest(a, 55, "c1c8bbdc22796e28c0e15163d20899b65621d65a");
    assert_digest(a, 56, "c2db330f6083854c99d4b5bfb6e8f29f201be699");
    assert_digest(a, 64, "0098ba824b5c16427bd7a1122a5a442a25ec644d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_fips_180),
        cmocka_unit_test(test_lengths_around_a_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
