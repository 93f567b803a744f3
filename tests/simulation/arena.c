#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (256 * 1024)

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

static void *checked(void *memory)
{
    if (!memory) {
        fputs("simulation: out of memory\n", stderr);
        exit(3);
    }
    return memory;
}

void *arena_get(struct arena *arena, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    if (!arena->blocks || arena->size - arena->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct arena_block *block = checked(malloc(sizeof(*block) + room));
        block->next = arena->blocks;
        arena->blocks = block;
        arena->used = 0;
        arena->size = room;
    }
    void *memory = (char *)arena->blocks->bytes + arena->used;
    arena->used += size;
    return memset(memory, 0, size);
}

void arena_free(struct arena *arena)
{
    while (arena->blocks) {
        struct arena_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
    *arena = (struct arena){0};
}

void arena_grow(struct arena *arena, void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return;
    void *old;
    size_t room = *cap ? *cap * 2 : 8;
    memcpy(&old, items, sizeof(old));
    void *grown = arena_get(arena, room * size);
    if (count)
        memcpy(grown, old, count * size);
    memcpy(items, &grown, sizeof(grown));
    *cap = room;
}
