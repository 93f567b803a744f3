#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Most handler functions make a few documents of some hundred bytes: one chunk. Larger needs get chunks of
 * twice the last size, so that their number stays small. */
#define CHUNK_FIRST 2048
#define CHUNK_MAX   ((size_t)256 * 1024)

struct arena_chunk {
    struct arena_chunk *older;
    size_t cap;
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

static struct arena_chunk *chunk_new(struct arena *arena, size_t size)
{
    size_t cap = arena->chunks ? arena->chunks->cap * 2 : CHUNK_FIRST;
    struct arena_chunk *chunk;

    if (cap > CHUNK_MAX)
        cap = CHUNK_MAX;
    if (cap < size)
        cap = size;
    if (cap > SIZE_MAX - sizeof(*chunk))
        return NULL;
    chunk = malloc(sizeof(*chunk) + cap);
    if (!chunk)
        return NULL;
    chunk->cap = cap;
    chunk->used = 0;
    chunk->older = arena->chunks;
    arena->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t align = alignof(max_align_t);
    struct arena_chunk *chunk = arena->chunks;
    void *memory;

    if (size > SIZE_MAX - align)
        return NULL;
    size = (size + align - 1) / align * align;
    if (!chunk || size > chunk->cap - chunk->used)
        chunk = chunk_new(arena, size);
    if (!chunk)
        return NULL;
    memory = chunk->data + chunk->used;
    chunk->used += size;
    return memory;
}

char *arena_text(struct arena *arena, const void *bytes, size_t len)
{
    char *text = len < SIZE_MAX ? arena_alloc(arena, len + 1) : NULL;

    if (!text)
        return NULL;
    if (len)
        memcpy(text, bytes, len);
    text[len] = '\0';
    return text;
}

bool arena_owns(const struct arena *arena, const void *pointer)
{
    uintptr_t at = (uintptr_t)pointer;

    for (const struct arena_chunk *chunk = arena->chunks; chunk; chunk = chunk->older)
        if (at >= (uintptr_t)chunk->data && at - (uintptr_t)chunk->data < chunk->used)
            return true;
    return false;
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;

    while (chunk && (chunk->older || chunk->cap > CHUNK_FIRST)) {
        struct arena_chunk *older = chunk->older;
        free(chunk);
        chunk = older;
    }
    if (chunk)
        chunk->used = 0;
    arena->chunks = chunk;
}

void arena_deinit(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *older = arena->chunks->older;
        free(arena->chunks);
        arena->chunks = older;
    }
}
