#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/base64.h"

static void assert_base64(const char *bytes, const char *want)
{
    struct buf b = BUF_INIT;
    buf_put_text(&b, ">");
    base64_put(&b, bytes, strlen(bytes));
    buf_put_byte(&b, '\0');
    assert_string_equal((char *)b.data + 1, want);
    buf_deinit(&b);
}

/* RFC 4648, section 10. */
static void test_vectors_of_the_rfc(void **state)
{
    (void)state;
    assert_base64("", "");
    assert_base64("f", "Zg==");
    assert_base64("fo", "Zm8=");
    assert_base64("foo", "Zm9v");
    assert_base64("foob", "Zm9vYg==");
    assert_base64("fooba", "Zm9vYmE=");
    assert_base64("foobar", "Zm9vYmFy");
}

static int digit_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    return (int)(strchr(digits, c) - digits);
}

static void test_every_triple_of_border_bytes_decodes_to_itself(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (unsigned i = 0; i < 1 << 24; i += 7919) {
        unsigned char in[3] = {(unsigned char)(i >> 16), (unsigned char)(i >> 8), (unsigned char)i};
        buf_reset(&b);
        base64_put(&b, in, 3);
        assert_int_equal(b.len, 4);
        unsigned bits = 0;
        for (int j = 0; j < 4; j++)
            bits = bits << 6 | (unsigned)digit_value((char)b.data[j]);
        assert_int_equal(bits, i);
    }
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_of_the_rfc),
        cmocka_unit_test(test_every_triple_of_border_bytes_decodes_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
