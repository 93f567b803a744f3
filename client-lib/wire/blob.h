#ifndef SLUICE_WIRE_BLOB_H
#define SLUICE_WIRE_BLOB_H

/* blob: bytes that never change, shared by reference. Not thread-safe: one loop owns them. */

#include <stddef.h>
#include <stdint.h>

struct blob {
    unsigned refs;
    uint32_t len;
    uint32_t room; /* bytes behind `data`, at least len */
    uint8_t data[];
};

/* A copy of @len bytes, or room for them when @bytes is NULL. One reference; NULL when refused. */
struct blob *blob_new(const void *bytes, size_t len);

/* Fewer bytes than it was made for: only while nobody shares it. */
void blob_cut(struct blob *b, size_t len);

/* Share: returns @b with one more reference. NULL stays NULL. */
struct blob *blob_ref(struct blob *b);

/* Drop one reference, free with the last. NULL is fine. */
void blob_unref(struct blob *b);

#endif
