#include "core/names.h"

#include <stdlib.h>
#include <string.h>

void names_init(struct names *names, size_t max)
{
    *names = (struct names){.max = max};
}

static void name_drop(struct names *names, struct name *name)
{
    HASH_DEL(names->table, name);
    DL_DELETE(names->by_use, name);
    free(name);
}

void names_deinit(struct names *names)
{
    while (names->by_use)
        name_drop(names, names->by_use);
}

static struct name *name_add(struct names *names, const char *text, size_t len, uint64_t *forgotten)
{
    struct name *name = calloc(1, sizeof(*name));
    if (!name)
        return NULL;
    memcpy(name->text, text, len);
    name->len = (uint8_t)len;
    if (HASH_COUNT(names->table) >= names->max && names->by_use) {
        name_drop(names, names->by_use);
        (*forgotten)++;
    }
    HASH_ADD(hh, names->table, text, len, name);
    if (!name->hh.tbl) {
        free(name);
        return NULL;
    }
    DL_APPEND(names->by_use, name);
    return name;
}

struct name *names_use(struct names *names, const char *text, size_t len, uint64_t now_ms,
                       uint64_t *forgotten)
{
    struct name *name;
    HASH_FIND(hh, names->table, text, len, name);
    if (!name) {
        name = name_add(names, text, len, forgotten);
        if (!name)
            return NULL;
    } else if (name->next) { /* not yet the last one */
        DL_DELETE(names->by_use, name);
        DL_APPEND(names->by_use, name);
    }
    name->used_ms = now_ms;
    return name;
}
