#ifndef SLUICE_WS_OUTQUEUE_H
#define SLUICE_WS_OUTQUEUE_H

/* outqueue: what waits to be written to one connection: references to messages whose frame for the
 * connection's encoding is made already (frame_of). It is bounded in messages and bytes, keeps their order,
 * and hands out as many whole frames as fit one write. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"

struct outqueue {
    struct message **ring;
    unsigned first;
    unsigned count;
    unsigned cap; /* a power of two, or 0 while nothing was queued */
    enum encoding encoding;
    size_t bytes; /* of the frames that wait */
};

/* Bytes for one write. */
struct outqueue_span {
    const uint8_t *bytes;
    size_t len;
    unsigned count; /* messages in it */
};

void outqueue_init(struct outqueue *q, enum encoding encoding);

/* Share @m and put it at the end. 0; 1 when that would exceed @max_items or @max_bytes (an empty queue always
 * takes one); -ENOMEM. */
int outqueue_push(struct outqueue *q, struct message *m, unsigned max_items, size_t max_bytes);

/* The oldest frames: either several, copied together into @room[@size], or a single one in place, of any
 * length. False when nothing waits. They stay in the queue until outqueue_drop(). */
bool outqueue_gather(const struct outqueue *q, uint8_t *room, size_t size, struct outqueue_span *span);

/* Forget the @count oldest. */
void outqueue_drop(struct outqueue *q, unsigned count);

/* Forget everything and free the memory. Returns how many there were. */
unsigned outqueue_clear(struct outqueue *q);

#endif
