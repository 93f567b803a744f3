#ifndef SLUICE_CORE_TURN_H
#define SLUICE_CORE_TURN_H

/* turn: a member's request: these events are done, with these effects; give me more.
 *
 * A turn is checked as a whole first; then its entries are applied one after the other, each wholly or not at
 * all (turn_entry.h); then the member asks, until groups_serve() has something for it or its time is over.
 * The last turn's `failed` is kept: whoever repeats it learns the same and changes nothing. */

#include <stdbool.h>
#include <stdint.h>

#include "core/request.h"

#define TURN_WAIT_MAX   25000 /* `wait_ms` */
#define TURN_EVENTS_MAX 1024  /* `max`: events that a member may hold */

struct member;

/* How many entries a turn may have. */
unsigned turn_max_entries(const struct core_options *options);

/* Work on the turn whose head is @request; exactly one reply to @ticket follows, now or later. 0, or -1 with
 * a fault: the turn was refused as a whole, and the caller replies. With CODE_BAD_TURN, @last is set to the
 * number of the member's last turn. */
int turn_run(struct core *core, const struct request *request, uint64_t ticket, uint64_t *last,
             struct fault *fault);

/* Reply to the turn that @member waits with: its stored `failed`, and the jobs it was handed out in this
 * turn. It asks no more. @pause: tell it to ask again only after a while. */
void turn_reply(struct core *core, struct member *member, bool pause);

#endif
