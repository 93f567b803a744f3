#ifndef SLUICE_CORE_UTHASH_NOMEM_H
#define SLUICE_CORE_UTHASH_NOMEM_H

/* uthash, told not to end the process when memory is refused: an element that could not be added has
 * hh.tbl == NULL. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element)                                                                         \
    do {                                                                                                     \
        (void)(element);                                                                                     \
    } while (0)
#include <uthash.h>
#include <utlist.h>

#endif
