#include "core/filter_cache.h"

#include <stdlib.h>
#include <string.h>

void filter_cache_init(struct filter_cache *cache, struct counters *counters)
{
    *cache = (struct filter_cache){.counters = counters};
}

static void drop(struct filter_cache *cache, struct cached_filter *cached)
{
    HASH_DEL(cache->by_bytes, cached);
    DL_DELETE(cache->by_use, cached);
    cache->bytes -= cached->len;
    filter_free(cached->filter);
    free(cached->bytes);
    free(cached);
}

void filter_cache_deinit(struct filter_cache *cache)
{
    while (cache->by_use)
        drop(cache, cache->by_use);
}

static void keep_bounds(struct filter_cache *cache)
{
    struct cached_filter *cached, *next;
    DL_FOREACH_SAFE(cache->by_use, cached, next)
    {
        if (HASH_COUNT(cache->by_bytes) <= FILTER_CACHE_ENTRIES && cache->bytes <= FILTER_CACHE_BYTES)
            return;
        if (!cached->users)
            drop(cache, cached);
    }
}

static struct cached_filter *add(struct filter_cache *cache, const void *mp, size_t len,
                                 const struct place *at, struct fault *fault)
{
    struct cached_filter *cached = calloc(1, sizeof(*cached));
    uint8_t *bytes = malloc(len);
    if (!cached || !bytes) {
        fault_set(fault, CODE_OVERLOADED, at, "no memory for the filter");
        goto refused;
    }
    if (filter_compile(&cached->filter, mp, len, at, fault) < 0)
        goto refused;
    cache->counters->filters_compiled++;
    memcpy(bytes, mp, len);
    cached->bytes = bytes;
    cached->len = len;
    HASH_ADD_KEYPTR(hh, cache->by_bytes, cached->bytes, len, cached);
    if (!cached->hh.tbl) {
        filter_free(cached->filter);
        fault_set(fault, CODE_OVERLOADED, at, "no memory for the filter");
        goto refused;
    }
    DL_APPEND(cache->by_use, cached);
    cache->bytes += len;
    return cached;

refused:
    free(bytes);
    free(cached);
    return NULL;
}

int filter_cache_use(struct filter_cache *cache, const void *mp, size_t len, const struct place *at,
                     struct cached_filter **out, struct fault *fault)
{
    struct cached_filter *cached;
    HASH_FIND(hh, cache->by_bytes, mp, len, cached);
    if (cached) {
        DL_DELETE(cache->by_use, cached);
        DL_APPEND(cache->by_use, cached);
        cache->counters->filters_reused++;
    } else {
        cached = add(cache, mp, len, at, fault);
        if (!cached)
            return -1;
    }
    cached->users++;
    keep_bounds(cache);
    *out = cached;
    return 0;
}

void filter_cache_release(struct filter_cache *cache, struct cached_filter *cached)
{
    (void)cache;
    if (cached)
        cached->users--;
}
