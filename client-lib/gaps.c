#include "gaps.h"

#include <stdlib.h>
#include <string.h>

/* uthash, told not to end the process when memory is refused: an element that was not added has no table. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element)                                                                         \
    do {                                                                                                     \
        (void)(element);                                                                                     \
    } while (0)
#include <uthash.h>

/* The broker keeps 4,096 names and forgets others; a table that grew far beyond begins anew. */
#define NAMES_MAX 65536

struct gap_name {
    UT_hash_handle hh;
    uint64_t seq;
    char name[];
};

void gaps_reset(struct gaps *gaps)
{
    struct gap_name *entry, *next;

    HASH_ITER (hh, gaps->names, entry, next) {
        HASH_DEL(gaps->names, entry);
        free(entry);
    }
    gaps->count = 0;
    gaps->has_base = false;
}

/* Without memory for an entry the name just stays unknown. */
static void gaps_add(struct gaps *gaps, const char *name, size_t len, uint64_t seq)
{
    struct gap_name *entry;

    if (gaps->count >= NAMES_MAX)
        gaps_reset(gaps);
    entry = malloc(sizeof(*entry) + len);
    if (!entry)
        return;
    entry->seq = seq;
    memcpy(entry->name, name, len);
    HASH_ADD(hh, gaps->names, name, (unsigned)len, entry);
    if (!entry->hh.tbl) {
        free(entry);
        return;
    }
    gaps->count++;
}

static struct gap_name *gaps_find(const struct gaps *gaps, const char *name, size_t len)
{
    struct gap_name *entry;

    HASH_FIND(hh, gaps->names, name, (unsigned)len, entry);
    return entry;
}

uint64_t gaps_event(struct gaps *gaps, const char *name, size_t len, uint64_t seq)
{
    struct gap_name *entry = gaps_find(gaps, name, len);
    uint64_t lost;

    if (!entry) {
        gaps_add(gaps, name, len, seq);
        return 0;
    }
    lost = seq > entry->seq ? seq - entry->seq - 1 : seq - (seq > 0);
    entry->seq = seq;
    return lost;
}

uint64_t gaps_alive(struct gaps *gaps, const char *name, size_t len, uint64_t seq)
{
    struct gap_name *entry = gaps_find(gaps, name, len);
    uint64_t lost;

    if (!entry) {
        gaps_add(gaps, name, len, seq);
        return gaps->has_base ? 1 : 0;
    }
    lost = seq > entry->seq ? seq - entry->seq : seq < entry->seq ? seq : 0;
    entry->seq = seq;
    return lost;
}

void gaps_base(struct gaps *gaps)
{
    gaps->has_base = true;
}
