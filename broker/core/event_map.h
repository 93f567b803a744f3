#ifndef SLUICE_CORE_EVENT_MAP_H
#define SLUICE_CORE_EVENT_MAP_H

/* event_map: the pairs of the map by which handlers learn of an event, as far as they never change. What
 * depends on who gets it when (`seq`, `attempt`, `session`, `version`) is put between or behind these. */

#include <stddef.h>
#include <stdint.h>

#include "core/publisher.h"
#include "wire/buf.h"

/* How many pairs the three below append together. */
uint32_t event_map_pairs(const struct event *event);

/* Hardly more bytes than they append together. */
size_t event_map_bytes(const struct event *event);

/* `event`, `conn`, and last `payload` if there is one. */
void event_map_put_what(struct buf *out, const struct event *event);

/* `i` if somebody asked, `time_ms`. */
void event_map_put_when(struct buf *out, const struct event *event, uint64_t wall_ms);

/* `trace`, and what `@connect` and `@disconnect` tell. */
void event_map_put_how(struct buf *out, const struct event *event);

#endif
