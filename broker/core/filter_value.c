#include "core/filter_value.h"

#include <stdlib.h>
#include <string.h>

enum kind { KIND_NUMBER, KIND_STRING, KIND_BOOL, KIND_NONE };

static enum kind kind_of(const struct mp_token *token)
{
    switch (token->type) {
    case MP_UINT:
    case MP_INT:
    case MP_FLOAT:
        return KIND_NUMBER;
    case MP_STR:
        return KIND_STRING;
    case MP_BOOL:
        return KIND_BOOL;
    default:
        return KIND_NONE;
    }
}

bool filter_value_is_scalar(const struct mp_token *token)
{
    return kind_of(token) != KIND_NONE;
}

bool filter_value_same_kind(const struct mp_token *a, const struct mp_token *b)
{
    return kind_of(a) == kind_of(b) && kind_of(a) != KIND_NONE;
}

static int compare_strings(const struct mp_token *a, const struct mp_token *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
    if (order == 0)
        return (a->len > b->len) - (a->len < b->len);
    return order < 0 ? -1 : 1;
}

int filter_value_compare(const struct mp_token *a, const struct mp_token *b)
{
    enum kind kind = kind_of(a);
    enum kind other = kind_of(b);
    if (kind != other)
        return kind < other ? -1 : 1;
    switch (kind) {
    case KIND_NUMBER:
        if (a->type == MP_UINT && b->type == MP_UINT)
            return (a->uint > b->uint) - (a->uint < b->uint);
        return mp_compare_numbers(a, b);
    case KIND_STRING:
        return compare_strings(a, b);
    case KIND_BOOL:
        return (int)a->boolean - (int)b->boolean;
    case KIND_NONE:
        break;
    }
    return 0;
}

static int compare_for_sort(const void *a, const void *b)
{
    return filter_value_compare(a, b);
}

uint32_t filter_value_sort(struct mp_token *values, uint32_t count)
{
    if (count < 2)
        return count;
    qsort(values, count, sizeof *values, compare_for_sort);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < count; i++)
        if (filter_value_compare(&values[kept - 1], &values[i]) != 0)
            values[kept++] = values[i];
    return kept;
}

int filter_value_find(const struct mp_token *values, uint32_t count, const struct mp_token *value)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = filter_value_compare(value, &values[middle]);
        if (order == 0)
            return (int)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}
