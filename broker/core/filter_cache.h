#ifndef SLUICE_CORE_FILTER_CACHE_H
#define SLUICE_CORE_FILTER_CACHE_H

/* filter_cache: compiled filters by their bytes. Handlers use the same few filters with other arguments all
 * the time; those not used for longest go out. */

#include <stddef.h>
#include <stdint.h>

#include "core/counters.h"
#include "core/filter.h"
#include "core/uthash_nomem.h"

#define FILTER_CACHE_ENTRIES 1024
#define FILTER_CACHE_BYTES                                                                                   \
    (1024 * 1024) /* of filters as they came; compiled ones take a few times as much                         \
                   */

struct cached_filter {
    struct filter *filter;
    uint8_t *bytes;
    size_t len;
    unsigned users;                    /* one in use is not given up */
    struct cached_filter *prev, *next; /* by use, oldest first */
    UT_hash_handle hh;
};

struct filter_cache {
    struct cached_filter *by_bytes;
    struct cached_filter *by_use;
    size_t bytes;
    struct counters *counters;
};

void filter_cache_init(struct filter_cache *cache, struct counters *counters);
void filter_cache_deinit(struct filter_cache *cache);

/* The filter @mp, compiled now or before; it stays until filter_cache_release(). 0 or -1 as filter_compile().
 */
int filter_cache_use(struct filter_cache *cache, const void *mp, size_t len, const struct place *at,
                     struct cached_filter **out, struct fault *fault);

/* NULL is fine. */
void filter_cache_release(struct filter_cache *cache, struct cached_filter *cached);

#endif
