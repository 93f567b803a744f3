#ifndef SLUICE_CLIENT_TURN_H
#define SLUICE_CLIENT_TURN_H

/* turn: a member's requests: what is finished, with its effects, and give me more, in one.
 *
 * At rest one turn is out and waits for events at the broker. What is finished meanwhile goes with a newer
 * one, which ends that wait; so there are at most two. */

#include <stdbool.h>
#include <stdint.h>

#include "group.h"

/* Take the replies that have come. */
void turn_receive(struct group *group, int64_t now_ms);

/* Send what is due. @is_ending: fetch nothing more, and end the wait of the one that is out. Returns when it
 * wants to be called next. */
int64_t turn_send(struct group *group, bool is_ending, int64_t now_ms);

/* No turn is on its way. */
bool turn_idle(const struct group *group);

/* Give up what is on its way, and count from the first again. */
void turn_reset(struct group *group);

#endif
