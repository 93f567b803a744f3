#ifndef SLUICE_CORE_TURN_H
#define SLUICE_CORE_TURN_H

/* turn: a member's request: these events are done, with these effects; give me more. */

#include <stddef.h>
#include <stdint.h>

#include "core/request.h"

struct member;

/* Work on the turn @body, whose map was checked and has a `member`; exactly one reply to @ticket follows, now
 * or from groups_serve(). 0, or -1 with a fault: the turn was refused as a whole, and the caller replies. */
int turn_run(struct core *core, struct request *request, uint64_t ticket, const void *body, size_t len,
             struct fault *fault);

/* Reply to the turn that @member waits with: its stored `failed`, and the jobs it was handed out in this
 * turn. It asks no more. @pause: tell it to ask again only after a while. */
void turn_reply(struct core *core, struct member *member, bool pause);

#endif
