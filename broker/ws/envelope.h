#ifndef SLUICE_WS_ENVELOPE_H
#define SLUICE_WS_ENVELOPE_H

/* envelope: reads one client's message, {"e", "p"?, "i"?, "t"?}, JSON or MessagePack.
 *
 * Unknown keys are ignored, but what stands there must be well-formed too. JSON is transcoded on the way,
 * so behind this module every payload is checked MessagePack. */

#include <stdbool.h>
#include <stddef.h>

#include "wire/buf.h"
#include "ws/ws.h"

/* Memory that is used again for each message. One for all connections of a loop. */
struct envelope_room {
    struct buf key;
    struct buf event;
    struct buf payload;
    struct buf trace;
    struct buf other;
};

void envelope_room_init(struct envelope_room *room);
void envelope_room_deinit(struct envelope_room *room);

/* Read @len bytes of a complete message (text is UTF-8 already). 0, or -1 with CODE_BAD_MESSAGE, CODE_BAD_ID,
 * or CODE_OVERLOADED when memory is refused; @out then has event and id as far as they were readable. What
 * @out points to lives in
 * @bytes and @room. */
int envelope_read(struct envelope *out, struct envelope_room *room, const void *bytes, size_t len,
                  enum encoding encoding, bool is_binary, struct fault *fault);

#endif
