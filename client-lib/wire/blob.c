#include "wire/blob.h"

#include <string.h>

#include "wire/recycler.h"

struct blob *blob_new(const void *bytes, size_t len)
{
    if (len > UINT32_MAX)
        return NULL;
    struct blob *b = recycler_take(sizeof(*b) + len);
    if (!b)
        return NULL;
    b->refs = 1;
    b->len = b->room = (uint32_t)len;
    if (bytes && len > 0)
        memcpy(b->data, bytes, len);
    return b;
}

void blob_cut(struct blob *b, size_t len)
{
    b->len = (uint32_t)len;
}

struct blob *blob_ref(struct blob *b)
{
    if (b)
        b->refs++;
    return b;
}

void blob_unref(struct blob *b)
{
    if (b && --b->refs == 0)
        recycler_give(b, sizeof(*b) + b->room);
}
