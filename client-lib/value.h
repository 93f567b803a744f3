#ifndef SLUICE_CLIENT_VALUE_H
#define SLUICE_CLIENT_VALUE_H

/* value: MessagePack bytes that live as long as an event. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sluice.h>

#include "wire/mp.h"

/* Bytes of a value that a conversion of sluice_doc() wrote. Where the value is used as a filter they travel
 * as arguments. */
struct hole {
    size_t offset;
    size_t len;
    bool is_foreign; /* %p of something that came from outside: may be a map with operators in it */
    bool is_fixed;   /* stays where it is, also in a filter: an item of a list, the operand of $exists */
};

struct sluice_value {
    struct sluice_event *event; /* whose memory it is made of */
    const uint8_t *bytes;
    size_t len;
    bool is_foreign;          /* not made by this program: payload, session, result */
    const struct hole *holes; /* ascending, not overlapping */
    size_t hole_count;
    size_t walk_index; /* sluice_item(): where it was last, so that walking in order is fast */
    const uint8_t *walk_at;
};

/* A value over @bytes, which must live as long as @event's memory. NULL (and the event's fault) when memory
 * is refused. */
struct sluice_value *value_over(struct sluice_event *event, const void *bytes, size_t len, bool is_foreign);

/* A value over a copy of @bytes. */
struct sluice_value *value_copy(struct sluice_event *event, const void *bytes, size_t len, bool is_foreign);

/* A value over the part @bytes of @value: what came from outside stays known as such, conversions as
 * conversions. */
struct sluice_value *value_part(const struct sluice_value *value, const uint8_t *bytes, size_t len);

/* Where the thing at @path is. False if nothing is. */
bool value_find(const struct sluice_value *value, const char *path, struct mp_reader *at);

/* Whether @value is a map. */
bool value_is_map(const struct sluice_value *value);

#endif
