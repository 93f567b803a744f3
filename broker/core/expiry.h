#ifndef SLUICE_CORE_EXPIRY_H
#define SLUICE_CORE_EXPIRY_H

/* expiry: fields of a session that end after a time (`ttl_ms`), unless they are set again. */

#include <stddef.h>
#include <stdint.h>

#include "core/timers.h"
#include "core/update.h"

struct conn;
struct expiry;

#define EXPIRY_FIELDS 256 /* of one connection */

/* What expires of a session does not change but is replaced, so that a step can take it back.
 *
 * @update has been applied to @conn: make what expires from now on, where the fields that its $set names end
 * at @at_ms (UINT64_MAX: never). *@next is conn->expiry when nothing is to change, NULL when nothing expires
 * any more, else the caller's. 0, 1 when too many fields would expire, or -ENOMEM. */
int expiry_after(struct timers *timers, struct conn *conn, const struct update *update, uint64_t at_ms,
                 struct expiry **next);

/* Put @next (may be NULL) in the place of what expires of @conn and return that. Cannot fail: @next is from
 * expiry_after(), or was in this place before and goes back. */
struct expiry *expiry_swap(struct timers *timers, struct conn *conn, struct expiry *next);

/* Free one that is in no connection. NULL is fine. */
void expiry_free(struct expiry *expiry);

/* The connection ends. */
void expiry_drop(struct timers *timers, struct conn *conn);

#endif
