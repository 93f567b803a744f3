#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/bytes.h"
#include "support/failing_alloc.h"
#include "wire/mp.h"

static void test_integers_take_the_shortest_form(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *hex;
    } uints[] = {
        {0, "00"},
        {127, "7f"},
        {128, "cc 80"},
        {255, "cc ff"},
        {256, "cd 0100"},
        {65535, "cd ffff"},
        {65536, "ce 00010000"},
        {UINT32_MAX, "ce ffffffff"},
        {(uint64_t)UINT32_MAX + 1, "cf 0000000100000000"},
        {UINT64_MAX, "cf ffffffffffffffff"},
    };
    static const struct {
        int64_t value;
        const char *hex;
    } sints[] = {
        {0, "00"},
        {127, "7f"},
        {200, "cc c8"},
        {INT64_MAX, "cf 7fffffffffffffff"},
        {-1, "ff"},
        {-32, "e0"},
        {-33, "d0 df"},
        {-128, "d0 80"},
        {-129, "d1 ff7f"},
        {-32768, "d1 8000"},
        {-32769, "d2 ffff7fff"},
        {INT32_MIN, "d2 80000000"},
        {(int64_t)INT32_MIN - 1, "d3 ffffffff7fffffff"},
        {INT64_MIN, "d3 8000000000000000"},
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof(uints) / sizeof(uints[0]); i++) {
        buf_reset(&b);
        mp_put_uint(&b, uints[i].value);
        bytes_assert(b.data, b.len, uints[i].hex);
    }
    for (size_t i = 0; i < sizeof(sints) / sizeof(sints[0]); i++) {
        buf_reset(&b);
        mp_put_int(&b, sints[i].value);
        bytes_assert(b.data, b.len, sints[i].hex);
    }
    buf_deinit(&b);
}

static void test_other_scalars(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    mp_put_nil(&b);
    mp_put_bool(&b, false);
    mp_put_bool(&b, true);
    mp_put_double(&b, 1.5);
    mp_put_double(&b, -0.0);
    mp_put_text(&b, "hi");
    mp_put_text(&b, "");
    mp_put_bin(&b, "\0\1", 2);
    mp_put_bin(&b, NULL, 0);
    bytes_assert(b.data, b.len, "c0 c2 c3 cb3ff8000000000000 cb8000000000000000 a26869 a0 c4020001 c400");
    buf_deinit(&b);
}

/* What the header of @len bytes or @count values must be, by the table of the specification. */
static void assert_header(const struct buf *b, const char *hex)
{
    struct buf want = BUF_INIT;
    bytes_put_hex(&want, hex);
    assert_true(b->len >= want.len);
    bytes_assert(b->data, want.len, hex);
    buf_deinit(&want);
}

static void test_lengths_take_the_shortest_header(void **state)
{
    (void)state;
    static char zeros[70000];
    static const struct {
        size_t len;
        const char *str;
        const char *bin;
        const char *array;
        const char *map;
    } rows[] = {
        {0, "a0", "c400", "90", "80"},
        {15, "af", "c40f", "9f", "8f"},
        {16, "b0", "c410", "dc0010", "de0010"},
        {31, "bf", "c41f", "dc001f", "de001f"},
        {32, "d920", "c420", "dc0020", "de0020"},
        {255, "d9ff", "c4ff", "dc00ff", "de00ff"},
        {256, "da0100", "c50100", "dc0100", "de0100"},
        {65535, "daffff", "c5ffff", "dcffff", "deffff"},
        {65536, "db00010000", "c600010000", "dd00010000", "df00010000"},
    };
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint32_t count = (uint32_t)rows[i].len;
        buf_reset(&b);
        mp_put_str(&b, zeros, count);
        assert_header(&b, rows[i].str);
        size_t header = strlen(rows[i].str) / 2;
        assert_int_equal(b.len, header + count);
        buf_reset(&b);
        mp_put_bin(&b, zeros, count);
        assert_header(&b, rows[i].bin);
        buf_reset(&b);
        mp_put_array(&b, count);
        bytes_assert(b.data, b.len, rows[i].array);
        buf_reset(&b);
        mp_put_map(&b, count);
        bytes_assert(b.data, b.len, rows[i].map);

        /* The same by open and close, between other bytes. */
        for (int kind = 0; kind < 3; kind++) {
            buf_reset(&b);
            buf_put_byte(&b, 0xaa);
            size_t mark = mp_open(&b);
            for (uint32_t j = 0; j < (kind == 1 ? 2 * count : count); j++)
                buf_put_byte(&b, (uint8_t)(j % 100));
            size_t content = b.len - mark - 1;
            if (kind == 0)
                mp_close_array(&b, mark, count);
            else if (kind == 1)
                mp_close_map(&b, mark, count);
            else
                mp_close_str(&b, mark);
            const char *want = kind == 0 ? rows[i].array : kind == 1 ? rows[i].map : rows[i].str;
            header = strlen(want) / 2;
            assert_int_equal(b.len, 1 + header + content);
            assert_int_equal(b.data[0], 0xaa);
            bytes_assert(b.data + 1, header, want);
            for (size_t j = 0; j < content; j++)
                assert_int_equal(b.data[1 + header + j], j % 100);
        }
    }
    buf_deinit(&b);
}

static void test_marks_nest(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    size_t outer = mp_open(&b);
    mp_put_text(&b, "list");
    size_t inner = mp_open(&b);
    for (unsigned i = 0; i < 20; i++)
        mp_put_uint(&b, i);
    mp_close_array(&b, inner, 20);
    mp_put_text(&b, "none");
    inner = mp_open(&b);
    mp_close_map(&b, inner, 0);
    mp_close_map(&b, outer, 2);
    bytes_assert(b.data, b.len,
                 "82 a4 6c697374 dc0014 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f 10 11 12 13"
                 "a4 6e6f6e65 80");
    buf_deinit(&b);
}

static void write_everything(struct buf *b)
{
    static const char text[40] = "0123456789012345678901234567890123456789";
    size_t outer = mp_open(b);
    for (unsigned i = 0; i < 20; i++) {
        size_t inner = mp_open(b);
        mp_put_str(b, text, sizeof(text));
        mp_put_bin(b, text, sizeof(text));
        mp_put_double(b, 1.5);
        mp_put_uint(b, 1000);
        mp_put_array(b, 0);
        mp_close_map(b, inner, 17);
        inner = mp_open(b);
        buf_put(b, text, sizeof(text));
        mp_close_str(b, inner);
    }
    mp_close_array(b, outer, 1000);
}

static void test_every_refused_allocation_fails_the_buffer_and_nothing_else(void **state)
{
    (void)state;
    struct buf whole = BUF_INIT;
    unsigned long n = 0;
    write_everything(&whole);
    for (;; n++) {
        struct buf b = BUF_INIT;
        failing_alloc_start(n);
        write_everything(&b);
        bool was_refused = failing_alloc_stop();
        assert_int_equal(b.failed, was_refused);
        if (!was_refused) {
            assert_int_equal(b.len, whole.len);
            assert_memory_equal(b.data, whole.data, whole.len);
        }
        buf_deinit(&b);
        if (!was_refused)
            break;
    }
    assert_true(n >= 4);
    buf_deinit(&whole);
}

static void test_lengths_beyond_the_format_fail_the_buffer(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    mp_put_str(&b, "x", (size_t)UINT32_MAX + 1);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    buf_reset(&b);
    mp_put_bin(&b, "x", (size_t)UINT32_MAX + 1);
    assert_true(b.failed);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers_take_the_shortest_form),
        cmocka_unit_test(test_other_scalars),
        cmocka_unit_test(test_lengths_take_the_shortest_header),
        cmocka_unit_test(test_marks_nest),
        cmocka_unit_test(test_every_refused_allocation_fails_the_buffer_and_nothing_else),
        cmocka_unit_test(test_lengths_beyond_the_format_fail_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
