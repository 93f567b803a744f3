#ifndef SLUICE_CLIENT_VERDICT_H
#define SLUICE_CLIENT_VERDICT_H

/* verdict: what becomes of an event, by what its function returned: the entry of a turn. */

#include <stdbool.h>
#include <stddef.h>

#include "event.h"

/* What the function returned was an error: the step's fault, with the words of the call that gave it if it
 * was one. */
void verdict_take_error(struct sluice_event *event, int result);

/* Close @event, which a member holds, and decide by what its function returned. Tells on_error where it
 * failed.
 */
void verdict_settle(struct sluice_event *event, int result);

/* Append its entry. */
void verdict_put(const struct sluice_event *event, struct buf *out);

/* At least the bytes of its entry, and how many operations are in it. */
size_t verdict_bytes(const struct sluice_event *event);
unsigned verdict_ops(const struct sluice_event *event);

#endif
