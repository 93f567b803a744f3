/* The writing half of wire/mp.h. */

#include "wire/mp.h"

static void store16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static void store32(uint8_t *p, uint32_t value)
{
    store16(p, value >> 16);
    store16(p + 2, value & 0xffff);
}

static void store64(uint8_t *p, uint64_t value)
{
    store32(p, (uint32_t)(value >> 32));
    store32(p + 4, (uint32_t)value);
}

/* A lead byte and a number of @width bytes. */
static void put_number(struct buf *b, uint8_t lead, uint64_t value, size_t width)
{
    if (!buf_reserve(b, 1 + width))
        return;
    uint8_t *p = b->data + b->len;
    p[0] = lead;
    if (width == 1)
        p[1] = (uint8_t)value;
    else if (width == 2)
        store16(p + 1, (unsigned)value & 0xffff);
    else if (width == 4)
        store32(p + 1, (uint32_t)value);
    else
        store64(p + 1, value);
    b->len += 1 + width;
}

void mp_put_nil(struct buf *b)
{
    buf_put_byte(b, 0xc0);
}

void mp_put_bool(struct buf *b, bool value)
{
    buf_put_byte(b, value ? 0xc3 : 0xc2);
}

void mp_put_uint(struct buf *b, uint64_t value)
{
    if (value < 0x80)
        buf_put_byte(b, (uint8_t)value);
    else if (value <= UINT8_MAX)
        put_number(b, 0xcc, value, 1);
    else if (value <= UINT16_MAX)
        put_number(b, 0xcd, value, 2);
    else if (value <= UINT32_MAX)
        put_number(b, 0xce, value, 4);
    else
        put_number(b, 0xcf, value, 8);
}

void mp_put_int(struct buf *b, int64_t value)
{
    if (value >= 0)
        mp_put_uint(b, (uint64_t)value);
    else if (value >= -32)
        buf_put_byte(b, (uint8_t)value);
    else if (value >= INT8_MIN)
        put_number(b, 0xd0, (uint64_t)value, 1);
    else if (value >= INT16_MIN)
        put_number(b, 0xd1, (uint64_t)value, 2);
    else if (value >= INT32_MIN)
        put_number(b, 0xd2, (uint64_t)value, 4);
    else
        put_number(b, 0xd3, (uint64_t)value, 8);
}

void mp_put_double(struct buf *b, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    put_number(b, 0xcb, bits, 8);
}

/* A header has a short form in the lead byte itself, and forms of 1 (if there is one), 2 and 4 bytes more. */
struct header_form {
    uint8_t fix;
    uint8_t fix_max;
    uint8_t lead8; /* 0: there is none */
    uint8_t lead16;
    uint8_t lead32;
};

static const struct header_form form_str = {0xa0, 31, 0xd9, 0xda, 0xdb};
static const struct header_form form_map = {0x80, 15, 0, 0xde, 0xdf};
static const struct header_form form_array = {0x90, 15, 0, 0xdc, 0xdd};

/* Write the shortest header for @count to @out, return its size (1 to 5). */
static size_t header_write(const struct header_form *form, uint32_t count, uint8_t *out)
{
    if (count <= form->fix_max) {
        out[0] = (uint8_t)(form->fix | count);
        return 1;
    }
    if (count <= UINT8_MAX && form->lead8) {
        out[0] = form->lead8;
        out[1] = (uint8_t)count;
        return 2;
    }
    if (count <= UINT16_MAX) {
        out[0] = form->lead16;
        store16(out + 1, count);
        return 3;
    }
    out[0] = form->lead32;
    store32(out + 1, count);
    return 5;
}

static void put_header(struct buf *b, const struct header_form *form, uint32_t count)
{
    if (buf_reserve(b, 5))
        b->len += header_write(form, count, b->data + b->len);
}

void mp_put_str_long(struct buf *b, const char *text, size_t len)
{
    if (len > UINT32_MAX || !buf_reserve(b, len + 5)) {
        b->failed = true;
        return;
    }
    b->len += header_write(&form_str, (uint32_t)len, b->data + b->len);
    buf_put(b, text, len);
}

void mp_put_bin(struct buf *b, const void *bytes, size_t len)
{
    if (len > UINT32_MAX || !buf_reserve(b, len + 5)) {
        b->failed = true;
        return;
    }
    if (len <= UINT8_MAX)
        put_number(b, 0xc4, len, 1);
    else if (len <= UINT16_MAX)
        put_number(b, 0xc5, len, 2);
    else
        put_number(b, 0xc6, len, 4);
    buf_put(b, bytes, len);
}

void mp_put_array(struct buf *b, uint32_t count)
{
    put_header(b, &form_array, count);
}

void mp_put_map(struct buf *b, uint32_t count)
{
    put_header(b, &form_map, count);
}

size_t mp_open(struct buf *b)
{
    size_t mark = b->len;
    buf_put_byte(b, 0);
    return mark;
}

static void close_header(struct buf *b, size_t mark, const struct header_form *form, uint32_t count)
{
    uint8_t header[5];
    size_t size = header_write(form, count, header);
    if (b->failed)
        return;
    if (size > 1) {
        size_t content = b->len - mark - 1;
        if (!buf_grow(b, size - 1))
            return;
        memmove(b->data + mark + size, b->data + mark + 1, content);
    }
    memcpy(b->data + mark, header, size);
}

void mp_close_map(struct buf *b, size_t mark, uint32_t count)
{
    close_header(b, mark, &form_map, count);
}

void mp_close_array(struct buf *b, size_t mark, uint32_t count)
{
    close_header(b, mark, &form_array, count);
}

void mp_close_str(struct buf *b, size_t mark)
{
    if (b->failed)
        return;
    size_t len = b->len - mark - 1;
    if (len > UINT32_MAX)
        b->failed = true;
    else
        close_header(b, mark, &form_str, (uint32_t)len);
}
