#ifndef SLUICE_WIRE_RECYCLER_H
#define SLUICE_WIRE_RECYCLER_H

/* recycler: memory of small objects that come and go with every message, kept for the next ones of their
 * size. So the steady state of the broker asks malloc() for nothing.
 *
 * What is kept belongs to the calling thread, and is bounded; what is beyond the bound, or larger than
 * RECYCLER_MAX, goes to malloc() and free() as it comes. So it does in builds with AddressSanitizer, which
 * then sees who uses an object after its end. */

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define RECYCLER_KEEPS_NOTHING 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RECYCLER_KEEPS_NOTHING 1
#endif
#endif

#define RECYCLER_MAX 16384 /* bytes of the largest objects that are kept */

/* At least @size bytes, of any content. NULL when refused. */
void *recycler_take(size_t size);

/* Give @memory back, which was taken with the same @size, on the same thread. NULL is fine. */
void recycler_give(void *memory, size_t size);

/* Free all that is kept. */
void recycler_clear(void);

#endif
