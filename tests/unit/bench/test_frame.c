#include "bench/frame.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LIMIT = 1 << 20 };

static const size_t sizes[] = {0, 1, 7, 8, 9, 125, 126, 127, 65535, 65536, 70000};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

/* The two frames that RFC 6455, section 5.7, spells out. */
static void test_examples_of_the_rfc(void **state)
{
    static const uint8_t hello[] = {'H', 'e', 'l', 'l', 'o'};
    static const uint8_t plain[] = {0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f};
    static const uint8_t masked[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    uint8_t out[FRAME_HEADER_MAX + 5];
    struct frame f;
    size_t n;

    (void)state;
    n = frame_write_header(out, FRAME_TEXT, true, 5, NULL);
    memcpy(out + n, hello, sizeof(hello));
    assert_int_equal(n + 5, sizeof(plain));
    assert_memory_equal(out, plain, sizeof(plain));
    n = frame_write_header(out, FRAME_TEXT, true, 5, masked + 2);
    frame_mask(out + n, hello, sizeof(hello), masked + 2);
    assert_int_equal(n + 5, sizeof(masked));
    assert_memory_equal(out, masked, sizeof(masked));

    assert_int_equal(frame_read(&f, masked, sizeof(masked), LIMIT), 0);
    assert_true(f.is_masked && f.is_final && f.opcode == FRAME_TEXT);
    frame_mask(out, masked + f.header_bytes, f.payload_bytes, f.key);
    assert_memory_equal(out, hello, sizeof(hello));
}

static uint8_t *make_frame(size_t payload_bytes, const uint8_t *key, size_t *len)
{
    uint8_t *bytes = malloc(FRAME_HEADER_MAX + payload_bytes);
    size_t header;

    assert_non_null(bytes);
    header = frame_write_header(bytes, FRAME_BINARY, true, payload_bytes, key);
    for (size_t i = 0; i < payload_bytes; i++)
        bytes[header + i] = (uint8_t)(i * 31 + 7);
    if (key)
        frame_mask(bytes + header, bytes + header, payload_bytes, key);
    *len = header + payload_bytes;
    return bytes;
}

static void test_each_size_comes_back_masked_and_unmasked(void **state)
{
    static const uint8_t key[4] = {0xde, 0xad, 0xbe, 0xef};

    (void)state;
    for (size_t i = 0; i < 2 * (size_t)SIZES; i++) {
        bool is_masked = i % 2;
        size_t len;
        uint8_t *bytes = make_frame(sizes[i / 2], is_masked ? key : NULL, &len);
        struct frame f;

        assert_int_equal(frame_read(&f, bytes, len, LIMIT), 0);
        assert_int_equal(f.is_masked, is_masked);
        assert_int_equal(f.payload_bytes, sizes[i / 2]);
        assert_int_equal(f.header_bytes + f.payload_bytes, len);
        if (is_masked)
            frame_mask(bytes + f.header_bytes, bytes + f.header_bytes, f.payload_bytes, f.key);
        for (size_t at = 0; at < f.payload_bytes; at++)
            assert_int_equal(bytes[f.header_bytes + at], (uint8_t)(at * 31 + 7));
        free(bytes);
    }
}

static void test_frame_cut_at_any_byte_asks_for_more(void **state)
{
    static const uint8_t key[4] = {1, 2, 3, 4};

    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        size_t len, step = sizes[i] > 1000 ? 97 : 1;
        uint8_t *bytes = make_frame(sizes[i], key, &len);
        struct frame f;

        for (size_t cut = 0; cut < len; cut += cut < 20 ? 1 : step) {
            uint8_t *exact = malloc(cut ? cut : 1); /* the address sanitizer sees a byte too many read */

            assert_non_null(exact);
            memcpy(exact, bytes, cut);
            assert_int_equal(frame_read(&f, exact, cut, LIMIT), FRAME_E_MORE);
            free(exact);
        }
        free(bytes);
    }
}

static void assert_refused(const void *bytes, size_t len, int error)
{
    struct frame f;

    assert_int_equal(frame_read(&f, bytes, len, LIMIT), error);
}

static void test_what_breaks_the_rfc_is_refused(void **state)
{
    (void)state;
    assert_refused("\xc1\x00", 2, -EPROTO);         /* compressed: never negotiated */
    assert_refused("\x83\x00", 2, -EPROTO);         /* unknown opcode */
    assert_refused("\x8b\x00", 2, -EPROTO);         /* unknown control opcode */
    assert_refused("\x09\x00", 2, -EPROTO);         /* a ping in fragments */
    assert_refused("\x89\x7e\x00\x7e", 4, -EPROTO); /* a ping of 126 bytes */
    assert_refused("\x81\x7e\x00\x7d", 4, -EPROTO); /* 125 in the form for more */
    assert_refused("\x81\x7f\x00\x00\x00\x00\x00\x00\xff\xff", 10, -EPROTO); /* 65535 in the longest form */
    assert_refused("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00", 10, -EMSGSIZE);
}

static void test_payload_above_the_limit_is_refused_before_it_came(void **state)
{
    struct frame f;

    (void)state;
    assert_int_equal(frame_read(&f, (const uint8_t *)"\x81\x7d", 2, 124), -EMSGSIZE);
    assert_int_equal(frame_read(&f, (const uint8_t *)"\x81\x7d", 2, 125), FRAME_E_MORE);
}

/* limit_echo moves a payload to where its shorter answer's begins. */
static void test_unmasking_four_bytes_down_in_place(void **state)
{
    static const uint8_t key[4] = {9, 8, 7, 6};
    uint8_t bytes[4 + 300], expected[300];

    (void)state;
    for (size_t n = 0; n <= 300; n++) {
        for (size_t i = 0; i < n; i++)
            expected[i] = (uint8_t)(i ^ 0x5a);
        frame_mask(bytes + 4, expected, n, key);
        frame_mask(bytes, bytes + 4, n, key);
        assert_memory_equal(bytes, expected, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_rfc),
        cmocka_unit_test(test_each_size_comes_back_masked_and_unmasked),
        cmocka_unit_test(test_frame_cut_at_any_byte_asks_for_more),
        cmocka_unit_test(test_what_breaks_the_rfc_is_refused),
        cmocka_unit_test(test_payload_above_the_limit_is_refused_before_it_came),
        cmocka_unit_test(test_unmasking_four_bytes_down_in_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
