#ifndef SLUICE_WS_SLOTS_H
#define SLUICE_WS_SLOTS_H

/* slots: the read buffers of libwebsockets, one for each connection.
 *
 * Their size says how much one read may bring, but only control frames with a payload are ever written into
 * them. So they lie in address space of their own, on pages that take no memory until then, and the memory of
 * one that was written goes back to the system when the connection ends. What finds no slot comes from the
 * heap, as everything else of libwebsockets does. Not thread-safe, as that is not. */

#include <stddef.h>

/* The largest allocation that gets a slot; so does one that is up to a quarter smaller. */
#define SLOT_BYTES ((size_t)16 * 1024)

/* Let libwebsockets allocate by slots_realloc(), with @count slots. Once in a process: later calls do
 * nothing. Where the system refuses the address space there are no slots. */
void slots_install(unsigned count);

/* As realloc(), but of @size 0 free(). @reason is not looked at. */
void *slots_realloc(void *block, size_t size, const char *reason);

/* How many are taken. */
unsigned slots_taken(void);

#endif
