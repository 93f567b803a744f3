#ifndef SLUICE_CORE_PAIRS_H
#define SLUICE_CORE_PAIRS_H

/* pairs: a key and its value, of a map that is being written. Inline, so that the length of a literal key is
 * known when compiled. */

#include <stdbool.h>
#include <stdint.h>

#include "wire/mp.h"

static inline void put_pair(struct buf *out, const char *key, const char *text)
{
    mp_put_text(out, key);
    mp_put_text(out, text);
}

static inline void put_number(struct buf *out, const char *key, uint64_t number)
{
    mp_put_text(out, key);
    mp_put_uint(out, number);
}

static inline void put_bool(struct buf *out, const char *key, bool value)
{
    mp_put_text(out, key);
    mp_put_bool(out, value);
}

#endif
