#ifndef SLUICE_CORE_DOC_PATH_H
#define SLUICE_CORE_DOC_PATH_H

/* doc_path: a dotted path (`cart.items.0.price`) cut into its parts. */

#include <stddef.h>
#include <stdint.h>

#include "wire/fault.h"

/* The part is no decimal index. */
#define PATH_NO_INDEX UINT32_MAX
/* What stands for all indexes that are larger than any array. */
#define PATH_HUGE_INDEX (UINT32_MAX - 1)

struct path_part {
    const char *text; /* borrowed from the path */
    uint32_t len;
    uint32_t index; /* of an array's element (`0`, `17`, no leading zeros), or PATH_NO_INDEX */
};

/* Cut @path into @parts (DOC_PATH_PARTS of them). Returns how many, at least 1, or -1 with @code at @at: an
 * empty part, a part that no session can have, too many parts. */
int path_split(const char *path, size_t len, struct path_part *parts, enum code code, const struct place *at,
               struct fault *fault);

/* Order of parts: indexes by number, before all other names, those by their bytes. 0 only for equal texts. */
int path_part_compare(const struct path_part *a, const struct path_part *b);

/* The index that @text is, PATH_HUGE_INDEX or PATH_NO_INDEX. */
uint32_t path_index(const char *text, size_t len);

#endif
