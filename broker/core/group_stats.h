#ifndef SLUICE_CORE_GROUP_STATS_H
#define SLUICE_CORE_GROUP_STATS_H

/* group_stats: what `stats` tells about groups and their members. */

#include "core/request.h"

/* Add `groups` to the result; where they are too many for a reply, as many as fit, and `groups_left_out`. */
void group_stats_put(struct call *call);

#endif
