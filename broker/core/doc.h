#ifndef SLUICE_CORE_DOC_H
#define SLUICE_CORE_DOC_H

/* doc: a session's document as checked MessagePack bytes, read in place and changed by writing new bytes.
 *
 * A document never changes: an update writes its successor into a buf, and the session then points to
 * that. So a failing update changes nothing, a step is undone by keeping the old bytes, and an event
 * carries its session by a copy of bytes. */

#include <stdbool.h>
#include <stddef.h>

#include "wire/mp.h"

#define DOC_DEPTH      16
#define DOC_PATH_PARTS 16

/* Check a value that somebody wants to store in a session: finite numbers, no ext, string keys, none twice,
 * none empty, none beginning with `$` or `@` or containing `.`, at most DOC_DEPTH deep. 0, or -1 with
 * CODE_BAD_VALUE. */
int doc_check_value(const void *mp, size_t len, const struct place *at, struct fault *fault);

/* How deep a checked value nests: 0 for a scalar, 1 for {} and []. */
unsigned doc_depth(const void *mp, size_t len);

/* The value at a dotted path through maps and (by decimal index) arrays, as MongoDB's $set reads it. False if
 * it is missing. */
bool doc_get(const void *doc, size_t len, const char *path, size_t path_len, struct mp_reader *value);

/* mp_skip(), fast for what most fields are. */
static inline bool doc_skip(struct mp_reader *r)
{
    struct mp_reader inside = *r;
    struct mp_token token;
    if (mp_next(&inside, &token) && token.type != MP_MAP && token.type != MP_ARRAY) {
        *r = inside;
        return true;
    }
    return mp_skip(r);
}

/* The value of @key in a map whose header of @count pairs was just read from @pairs. Stops at the first hit,
 * which in a checked document is the only one. */
bool doc_find(struct mp_reader pairs, uint32_t count, const char *key, size_t key_len,
              struct mp_reader *value);

/* The element at @index of an array whose header of @count elements was just read from @elements. */
bool doc_element(struct mp_reader elements, uint32_t count, uint32_t index, struct mp_reader *value);

/* Append to @out the document with only the top-level @keys (NULL-free list of count) that it has. */
void doc_project(const void *doc, size_t len, const struct mp_token *keys, size_t count, struct buf *out);

#endif
