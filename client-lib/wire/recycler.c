#include "wire/recycler.h"

#include <stdlib.h>

#ifdef RECYCLER_KEEPS_NOTHING
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif

#define STEP       64 /* small sizes are rounded up to a multiple of this, large ones to a power of two */
#define STEPS      16 /* so many of the former */
#define CLASSES    (STEPS + 4)       /* 1,024 << 4 is RECYCLER_MAX */
#define KEPT_BYTES (4 * 1024 * 1024) /* in all */

struct kept {
    struct kept *next;
};

static _Thread_local struct kept *lists[CLASSES];
static _Thread_local size_t kept_bytes;

/* The class of @size, and how many bytes its objects have. CLASSES: none. */
static unsigned class_of(size_t size, size_t *bytes)
{
    if (size <= (size_t)STEP * STEPS) {
        unsigned steps = size ? (unsigned)((size + STEP - 1) / STEP) : 1;
        *bytes = (size_t)steps * STEP;
        return steps - 1;
    }
    unsigned class = STEPS;
    for (*bytes = (size_t)STEP * STEPS * 2; *bytes < size && class < CLASSES; *bytes *= 2)
        class ++;
    return class;
}

void *recycler_take(size_t size)
{
    size_t bytes;
    if (!KEEPS || size > RECYCLER_MAX)
        return malloc(size ? size : 1);
    unsigned class = class_of(size, &bytes);
    struct kept *object = lists[class];
    if (!object)
        return malloc(bytes);
    lists[class] = object->next;
    kept_bytes -= bytes;
    if (object->next)
        __builtin_prefetch(object->next); /* the next one to be taken; it was given back long ago */
    return object;
}

void recycler_give(void *memory, size_t size)
{
    size_t bytes;
    struct kept *object = memory;
    if (!memory)
        return;
    if (!KEEPS || size > RECYCLER_MAX || kept_bytes > KEPT_BYTES) {
        free(memory);
        return;
    }
    unsigned class = class_of(size, &bytes);
    object->next = lists[class];
    lists[class] = object;
    kept_bytes += bytes;
}

void recycler_clear(void)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        while (lists[class]) {
            struct kept *object = lists[class];
            lists[class] = object->next;
            free(object);
        }
    }
    kept_bytes = 0;
}
