#ifndef SLUICE_CLIENT_ARENA_H
#define SLUICE_CLIENT_ARENA_H

/* arena: memory that is given back all at once: what a handler function makes lives until it has returned.
 * Belongs to one event. */

#include <stdbool.h>
#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
};

/* @size bytes, aligned for any type, not cleared. They live until arena_reset(). NULL when refused. */
void *arena_alloc(struct arena *arena, size_t size);

/* A copy of @len bytes with a zero byte behind. NULL when refused. */
char *arena_text(struct arena *arena, const void *bytes, size_t len);

/* Whether @pointer points into memory that the arena gave out. */
bool arena_owns(const struct arena *arena, const void *pointer);

/* Everything given out is gone. One small chunk is kept for the next use. */
void arena_reset(struct arena *arena);

/* Free it all. */
void arena_deinit(struct arena *arena);

#endif
