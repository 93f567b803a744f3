#include "core/doc_path.h"

#include <string.h>

#include "core/doc.h"

/* No array in a session comes near this many digits. */
#define INDEX_DIGITS 9

uint32_t path_index(const char *text, size_t len)
{
    if (len == 0 || (len > 1 && text[0] == '0'))
        return PATH_NO_INDEX;
    uint32_t index = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return PATH_NO_INDEX;
        if (i < INDEX_DIGITS)
            index = index * 10 + (uint32_t)(text[i] - '0');
    }
    return len <= INDEX_DIGITS ? index : PATH_HUGE_INDEX;
}

int path_part_compare(const struct path_part *a, const struct path_part *b)
{
    if (a->index != b->index)
        return a->index < b->index ? -1 : 1; /* PATH_NO_INDEX is the largest */
    size_t shorter = a->len < b->len ? a->len : b->len;
    int order = memcmp(a->text, b->text, shorter);
    if (order != 0)
        return order;
    return (a->len > b->len) - (a->len < b->len);
}

int path_split(const char *path, size_t len, struct path_part *parts, enum code code, const struct place *at,
               struct fault *fault)
{
    int count = 0;
    const char *end = path + len;
    for (const char *from = path;; count++) {
        const char *dot = memchr(from, '.', (size_t)(end - from));
        size_t part_len = (size_t)((dot ? dot : end) - from);
        if (count == DOC_PATH_PARTS)
            return fault_set(fault, code, at, "a path has at most %d parts", DOC_PATH_PARTS);
        if (part_len == 0)
            return fault_set(fault, code, at, len == 0 ? "the path is empty" : "a part of the path is empty");
        if (from[0] == '$' || from[0] == '@')
            return fault_set(fault, code, at, "no name in a session begins with `%c`", from[0]);
        parts[count] = (struct path_part){from, (uint32_t)part_len, path_index(from, part_len)};
        if (!dot)
            return count + 1;
        from = dot + 1;
    }
}
