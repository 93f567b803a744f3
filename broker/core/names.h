#ifndef SLUICE_CORE_NAMES_H
#define SLUICE_CORE_NAMES_H

/* names: the `seq` reached by each event name, for subscribers to see what they lost.
 *
 * Clients choose event names, so the table is bounded: the name not used for longest goes out, and starts at
 * 1 again when it comes back (a subscriber takes 1 for a new start, not for a loss). */

#include <stddef.h>
#include <stdint.h>

#include "wire/event_name.h"

#include "core/uthash_nomem.h"

struct name {
    char text[EVENT_NAME_MAX + 1];
    uint8_t len;
    uint64_t seq;             /* reached */
    uint64_t used_ms;         /* mono, when */
    uint32_t bucket;          /* publisher's: the bucket that takes events of this name, if ... */
    uint64_t flush;           /* ... this is the flush under way */
    struct name *prev, *next; /* by use, oldest first */
    UT_hash_handle hh;
};

struct names {
    struct name *table;
    struct name *by_use;
    size_t max;
};

void names_init(struct names *names, size_t max);
void names_deinit(struct names *names);

/* The entry of @text (at most EVENT_NAME_MAX bytes), made if it is new; it is now the one used last. NULL
 * when memory is refused.
 * *@forgotten counts up when another one had to go. */
struct name *names_use(struct names *names, const char *text, size_t len, uint64_t now_ms,
                       uint64_t *forgotten);

#endif
