#ifndef SLUICE_WIRE_BUF_H
#define SLUICE_WIRE_BUF_H

/* buf: bytes that grow at the end.
 *
 * A refused allocation is sticky: the buffer keeps what it has, `failed` is set, and every later
 * append does nothing. Writers append without looking and ask once, at the end. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed; /* an allocation was refused; the content is cut */
};

#define BUF_INIT                                                                                             \
    {                                                                                                        \
        NULL, 0, 0, false                                                                                    \
    }

void buf_init(struct buf *b);

/* Free the bytes; @b is as after buf_init(). */
void buf_deinit(struct buf *b);

/* Forget content and failure, keep the memory. */
void buf_reset(struct buf *b);

/* The slow half of buf_reserve(): ask for more memory. */
bool buf_enlarge(struct buf *b, size_t n);

/* Make room for @n more bytes. Returns false (and sets `failed`) when refused. */
static inline bool buf_reserve(struct buf *b, size_t n)
{
    if (n <= b->cap - b->len && !b->failed)
        return true;
    return buf_enlarge(b, n);
}

/* Lengthen by @n bytes and return where they begin (to be filled by the caller), or NULL. */
uint8_t *buf_grow(struct buf *b, size_t n);

/* Append @n bytes; they may not lie in @b itself. */
static inline void buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || !buf_reserve(b, n))
        return;
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
}

static inline void buf_put_byte(struct buf *b, uint8_t byte)
{
    if (buf_reserve(b, 1))
        b->data[b->len++] = byte;
}

void buf_put_text(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Give the bytes away: the caller frees them with free(); @b is as after buf_init(). NULL, with *@len 0, when
 * nothing was ever appended or when an allocation was refused: cut content is never given away. */
uint8_t *buf_take(struct buf *b, size_t *len);

#endif
