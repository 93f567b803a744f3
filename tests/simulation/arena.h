#ifndef SLUICE_TESTS_SIMULATION_ARENA_H
#define SLUICE_TESTS_SIMULATION_ARENA_H

/* arena: memory of one seed, given back as a whole at its end. What is asked for is zero. There is always
 * enough, or the program ends. */

#include <stddef.h>

struct arena {
    struct arena_block *blocks;
    size_t used, size; /* of the newest block */
};

void *arena_get(struct arena *arena, size_t size);
void arena_free(struct arena *arena);

/* Make room for one more of @size bytes in the array *@items, which has @count and room for *@cap. */
void arena_grow(struct arena *arena, void *items, size_t count, size_t *cap, size_t size);

/* Append to an array: fields `name`, `name_count`, `name_cap` of @owner. Gives a pointer to the new one. */
#define arena_add(arena, owner, name)                                                                        \
    (arena_grow((arena), &(owner)->name, (owner)->name##_count, &(owner)->name##_cap,                        \
                sizeof((owner)->name[0])),                                                                   \
     &(owner)->name[(owner)->name##_count++])

#endif
