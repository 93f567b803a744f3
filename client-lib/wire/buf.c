#include "wire/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The first allocation: most messages fit, and what is smaller costs malloc the same. */
#define FIRST_BYTES 128

void buf_init(struct buf *b)
{
    *b = (struct buf)BUF_INIT;
}

void buf_deinit(struct buf *b)
{
    free(b->data);
    buf_init(b);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

bool buf_enlarge(struct buf *b, size_t n)
{
    if (b->failed)
        return false;
    if (n <= b->cap - b->len)
        return true;
    size_t cap = b->cap ? b->cap : FIRST_BYTES;
    while (cap - b->len < n && cap <= SIZE_MAX / 2)
        cap *= 2;
    uint8_t *data = cap - b->len < n ? NULL : realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

uint8_t *buf_grow(struct buf *b, size_t n)
{
    /* At least one byte of room, so that growing an empty buffer by nothing gives an address too. */
    if (!buf_reserve(b, n ? n : 1))
        return NULL;
    uint8_t *begin = b->data + b->len;
    b->len += n;
    return begin;
}

void buf_put_text(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_printf(struct buf *b, const char *format, ...)
{
    if (b->failed)
        return;
    size_t room = b->cap - b->len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(room ? (char *)b->data + b->len : NULL, room, format, args);
    va_end(args);
    if (len < 0) {
        b->failed = true;
        return;
    }
    if ((size_t)len >= room) { /* vsnprintf wants a place for its zero byte as well */
        if (!buf_reserve(b, (size_t)len + 1))
            return;
        va_start(args, format);
        vsnprintf((char *)b->data + b->len, (size_t)len + 1, format, args);
        va_end(args);
    }
    b->len += (size_t)len;
}

uint8_t *buf_take(struct buf *b, size_t *len)
{
    if (b->failed)
        buf_deinit(b);
    uint8_t *data = b->data;
    *len = b->len;
    buf_init(b);
    return data;
}
