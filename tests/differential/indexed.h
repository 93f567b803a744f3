#ifndef SLUICE_DIFFERENTIAL_INDEXED_H
#define SLUICE_DIFFERENTIAL_INDEXED_H

/* indexed: a filter asked as handlers ask it, by the operation `count` of a core with connections, so that
 * its index chooses who is looked at. */

#include <stdbool.h>

#include "wire/buf.h"

/* Whether a core with two connections, one with the session @doc and one with none, counts as many as @filter
 * with @args (empty: none) matches when it looks at each. All MessagePack; the filter has been found good. */
bool indexed_agrees(const struct buf *filter, const struct buf *args, const struct buf *doc);

/* Free what was kept between calls. */
void indexed_end(void);

#endif
