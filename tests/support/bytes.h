#ifndef SLUICE_TESTS_SUPPORT_BYTES_H
#define SLUICE_TESTS_SUPPORT_BYTES_H

/* bytes: expected bytes written as hexadecimal text ("82 a1 61 01"). Include cmocka.h before. */

#include <stdio.h>
#include <string.h>

#include "wire/buf.h"

/* Append the bytes that @hex stands for; white space is passed over. */
static inline void bytes_put_hex(struct buf *b, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    unsigned value = 0;
    unsigned n = 0;
    for (; *hex; hex++) {
        const char *digit = strchr(digits, *hex);
        if (!digit)
            continue;
        value = value << 4 | (unsigned)(digit - digits);
        if (++n % 2 == 0)
            buf_put_byte(b, (uint8_t)value);
    }
}

/* Fail unless @len bytes are those of @hex. */
static inline void bytes_assert(const void *bytes, size_t len, const char *hex)
{
    struct buf want = BUF_INIT;
    bytes_put_hex(&want, hex);
    if (want.len != len || (len > 0 && memcmp(want.data, bytes, len) != 0)) {
        fprintf(stderr, "wanted %s\n   got ", hex);
        for (size_t i = 0; i < len; i++)
            fprintf(stderr, "%02x ", ((const uint8_t *)bytes)[i]);
        fprintf(stderr, "\n");
        fail();
    }
    buf_deinit(&want);
}

#endif
