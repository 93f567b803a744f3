#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Random values, read and written by us and by msgpack-c. */

#include "support/against_msgpack.h"
#include "support/random.h"
#include "wire/mp.h"

static void put_be(struct buf *out, uint8_t lead, uint64_t value, size_t width)
{
    buf_put_byte(out, lead);
    for (size_t i = width; i > 0; i--)
        buf_put_byte(out, (uint8_t)(value >> 8 * (i - 1)));
}

static void put_bytes(struct random *r, struct buf *out, size_t n)
{
    for (; n > 0; n--)
        buf_put_byte(out, (uint8_t)('a' + random_below(r, 26)));
}

/* Any value in any form, the shortest or not. */
static void put_value(struct random *r, struct buf *out, unsigned depth)
{
    static const uint8_t numbers[] = {0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd1, 0xd2, 0xd3, 0xca, 0xcb};
    static const uint8_t number_widths[] = {1, 2, 4, 8, 1, 2, 4, 8, 4, 8};
    uint64_t n = random_below(r, 20) == 0 ? random_below(r, 300) : random_below(r, 5);
    uint64_t form = random_below(r, 3);
    size_t width = (size_t)1 << form;
    switch (random_below(r, depth > 0 ? 10 : 7)) {
    case 0: {
        static const uint8_t words[] = {0xc0, 0xc2, 0xc3};
        buf_put_byte(out, words[random_below(r, 3)]);
        break;
    }
    case 1:
        buf_put_byte(out, (uint8_t)(random_below(r, 0xa0) - 0x20)); /* 0xe0..0x7f */
        break;
    case 2:
    case 3: {
        uint64_t i = random_below(r, sizeof(numbers));
        put_be(out, numbers[i], random_next(r), number_widths[i]);
        break;
    }
    case 4:
        if (n < 32 && random_below(r, 2))
            buf_put_byte(out, (uint8_t)(0xa0 | n));
        else
            put_be(out, (uint8_t)(0xd9 + form), width == 1 ? n &= 0xff : n, width);
        put_bytes(r, out, n);
        break;
    case 5:
        put_be(out, (uint8_t)(0xc4 + form), width == 1 ? n &= 0xff : n, width);
        put_bytes(r, out, n);
        break;
    case 6: {
        uint64_t fixed = random_below(r, 6);
        if (fixed < 5) {
            buf_put_byte(out, (uint8_t)(0xd4 + fixed));
            put_bytes(r, out, 1 + ((size_t)1 << fixed));
        } else {
            put_be(out, (uint8_t)(0xc7 + form), width == 1 ? n &= 0xff : n, width);
            put_bytes(r, out, 1 + n);
        }
        break;
    }
    default: {
        bool is_map = random_below(r, 2);
        if (n < 16 && random_below(r, 2))
            buf_put_byte(out, (uint8_t)((is_map ? 0x80 : 0x90) | n));
        else if (form < 2)
            put_be(out, is_map ? 0xde : 0xdc, n, 2);
        else
            put_be(out, is_map ? 0xdf : 0xdd, n, 4);
        for (uint64_t i = 0; i < (is_map ? 2 * n : n); i++)
            put_value(r, out, n > 5 ? 0 : depth - 1);
        break;
    }
    }
}

static const struct mp_rules everything = {.flags = MP_ALLOW_BIN | MP_ALLOW_EXT | MP_ALLOW_NONFINITE |
                                                    MP_ALLOW_ANY_KEYS};

/* Read @len bytes both ways; fail where the two differ. Returns whether they are one value. */
static bool read_both(const void *bytes, size_t len)
{
    msgpack_zone zone;
    msgpack_object object;
    size_t offset = 0;
    struct fault fault;
    if (!msgpack_zone_init(&zone, 2048))
        fail();
    bool ours = mp_check(bytes, len, &everything, NULL, &fault) == 0;
    msgpack_unpack_return got = msgpack_unpack(bytes, len, &offset, &zone, &object);
    /* EXTRA_BYTES: one value, and more behind it */
    bool theirs = got == MSGPACK_UNPACK_SUCCESS && offset == len;
    struct mp_reader r = mp_reader(bytes, len);
    if (ours != theirs)
        fail_msg("msgpack-c says %d with %zu of %zu bytes; we say %s", (int)got, offset, len,
                 ours ? "yes" : fault.message);
    if (ours && (!against_msgpack(&r, &object) || r.at != r.end))
        fail_msg("it means something else to msgpack-c");
    if (ours) {
        r = mp_reader(bytes, len);
        assert_true(mp_skip(&r));
        assert_ptr_equal(r.at, r.end);
    }
    msgpack_zone_destroy(&zone);
    return ours;
}

static void test_random_values_of_all_forms_are_read_alike(void **state)
{
    (void)state;
    struct random r = random_new("mp");
    struct buf b = BUF_INIT;
    for (int i = 0; i < 20000; i++) {
        buf_reset(&b);
        put_value(&r, &b, 6);
        if (!read_both(b.data, b.len))
            fail_msg("a valid value was refused");
    }
    buf_deinit(&b);
}

/* A count that cannot fit makes msgpack-c ask for gigabytes; those stay our own business. */
static bool asks_for_much(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i + 5 <= len; i++)
        if ((bytes[i] == 0xdd || bytes[i] == 0xdf) && (bytes[i + 1] || bytes[i + 2]))
            return true;
    return false;
}

static void test_cut_and_changed_values_are_judged_alike(void **state)
{
    (void)state;
    struct random r = random_new("mp");
    struct buf b = BUF_INIT;
    int accepted = 0;
    for (int i = 0; i < 50000; i++) {
        buf_reset(&b);
        put_value(&r, &b, 3);
        size_t len = b.len;
        if (random_below(&r, 3) == 0)
            len = random_below(&r, len);
        else
            b.data[random_below(&r, len)] = (uint8_t)random_next(&r);
        /* msgpack-c checks no UTF-8: only what is ASCII can be compared. */
        bool is_text = true;
        struct mp_reader reader = mp_reader(b.data, len);
        struct mp_token token;
        while (is_text && mp_next(&reader, &token))
            for (uint32_t j = 0; token.type == MP_STR && j < token.len; j++)
                is_text = is_text && (uint8_t)token.bytes[j] < 0x80;
        if (!is_text || len == 0 || asks_for_much(b.data, len))
            continue;
        uint8_t *copy = malloc(len);
        memcpy(copy, b.data, len);
        accepted += read_both(copy, len);
        free(copy);
    }
    assert_true(accepted > 1000);
    buf_deinit(&b);
}

static void test_scalars_are_written_alike(void **state)
{
    (void)state;
    struct random r = random_new("mp");
    msgpack_sbuffer want;
    msgpack_packer packer;
    struct buf got = BUF_INIT;
    char *text = calloc(1, 70000);
    msgpack_sbuffer_init(&want);
    msgpack_packer_init(&packer, &want, msgpack_sbuffer_write);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = random_next(&r) >> random_below(&r, 64);
        uint32_t len = (uint32_t)random_below(&r, 1u << random_below(&r, 17));
        msgpack_sbuffer_clear(&want);
        buf_reset(&got);
        msgpack_pack_uint64(&packer, bits);
        mp_put_uint(&got, bits);
        msgpack_pack_int64(&packer, -(int64_t)(bits >> 1));
        mp_put_int(&got, -(int64_t)(bits >> 1));
        msgpack_pack_int64(&packer, (int64_t)bits);
        mp_put_int(&got, (int64_t)bits);
        msgpack_pack_double(&packer, (double)bits / 3);
        mp_put_double(&got, (double)bits / 3);
        msgpack_pack_array(&packer, (size_t)len);
        mp_put_array(&got, len);
        msgpack_pack_map(&packer, (size_t)len);
        mp_put_map(&got, len);
        msgpack_pack_str_with_body(&packer, text, len);
        mp_put_str(&got, text, len);
        msgpack_pack_bin_with_body(&packer, text, len);
        mp_put_bin(&got, text, len);
        msgpack_pack_nil(&packer);
        mp_put_nil(&got);
        msgpack_pack_true(&packer);
        mp_put_bool(&got, true);
        msgpack_pack_false(&packer);
        mp_put_bool(&got, false);
        assert_int_equal(got.len, want.size);
        assert_memory_equal(got.data, want.data, want.size);
    }
    msgpack_sbuffer_destroy(&want);
    buf_deinit(&got);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_values_of_all_forms_are_read_alike),
        cmocka_unit_test(test_cut_and_changed_values_are_judged_alike),
        cmocka_unit_test(test_scalars_are_written_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
