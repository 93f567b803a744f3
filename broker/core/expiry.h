#ifndef SLUICE_CORE_EXPIRY_H
#define SLUICE_CORE_EXPIRY_H

/* expiry: fields of a session that end after a time (`ttl_ms`), unless they are set again. */

#include <stddef.h>
#include <stdint.h>

#include "core/timers.h"
#include "core/update.h"

struct conn;

#define EXPIRY_FIELDS 256 /* of one connection */

/* Make sure that expiry_note() of @update with a time cannot fail, also for the @others that the same
 * operation has prepared. 0, 1 when too many fields of @conn expire, or -ENOMEM. */
int expiry_reserve(struct timers *timers, size_t others, struct conn *conn, const struct update *update);

/* @update has been applied to @conn: the fields that its $set names end at @at_ms (UINT64_MAX: never). */
void expiry_note(struct timers *timers, struct conn *conn, const struct update *update, uint64_t at_ms);

/* The connection ends. */
void expiry_drop(struct timers *timers, struct conn *conn);

#endif
