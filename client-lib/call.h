#ifndef SLUICE_CLIENT_CALL_H
#define SLUICE_CLIENT_CALL_H

/* call: a request that is waited for. */

#include "event.h"

/* Make sure that the broker's limits are known before a request of @count operations and @len bytes is made:
 * small ones fit any broker. 0 or an error with @fault. */
int call_need_limits(struct sluice_event *event, size_t len, unsigned count, struct sluice_fault *fault);

/* Run @count operations (@ops, one behind the other) at once, after all effects that wait. 0 with *@results
 * reading from the first result on, until call_end(); or an error with @fault. */
int call_begin(struct sluice_event *event, const void *ops, size_t len, unsigned count,
               struct mp_reader *results, struct sluice_fault *fault);
void call_end(struct sluice_event *event);

/* Renew the lease of @event, which a member holds. */
int call_extend(struct sluice_event *event);

#endif
