#include "core/doc_order.h"

#include <string.h>

static int rank(enum mp_type type)
{
    switch (type) {
    case MP_NIL:
        return 0;
    case MP_UINT:
    case MP_INT:
    case MP_FLOAT:
        return 1;
    case MP_STR:
        return 2;
    case MP_MAP:
        return 3;
    case MP_ARRAY:
        return 4;
    case MP_BIN:
        return 5;
    case MP_BOOL:
        return 6;
    case MP_EXT:
        break;
    }
    return 7;
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static int compare_sizes(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_bytes(const struct mp_token *a, const struct mp_token *b)
{
    int order = memcmp(a->bytes, b->bytes, a->len < b->len ? a->len : b->len);
    return order != 0 ? sign(order) : compare_sizes(a->len, b->len);
}

static int compare_next(struct mp_reader *a, struct mp_reader *b);

static int compare_rank_of_next(struct mp_reader a, struct mp_reader b)
{
    struct mp_token x, y;
    if (!mp_next(&a, &x) || !mp_next(&b, &y))
        return 0;
    return sign(rank(x.type) - rank(y.type));
}

static int compare_pairs(struct mp_reader *a, struct mp_reader *b)
{
    struct mp_token x, y;
    if (!mp_next(a, &x) || !mp_next(b, &y) || x.type != MP_STR || y.type != MP_STR)
        return 0;
    int order = compare_rank_of_next(*a, *b);
    if (order == 0)
        order = compare_bytes(&x, &y);
    return order != 0 ? order : compare_next(a, b);
}

static int compare_containers(const struct mp_token *x, struct mp_reader *a, const struct mp_token *y,
                              struct mp_reader *b)
{
    uint32_t shorter = x->count < y->count ? x->count : y->count;
    for (uint32_t i = 0; i < shorter; i++) {
        int order = x->type == MP_MAP ? compare_pairs(a, b) : compare_next(a, b);
        if (order != 0)
            return order;
    }
    return compare_sizes(x->count, y->count);
}

/* Passes over both values where they are equal. As deep as the values are, which is bounded by DOC_DEPTH. */
static int compare_next(struct mp_reader *a, struct mp_reader *b)
{
    struct mp_token x = {.type = MP_NIL};
    struct mp_token y = x;
    if (!mp_next(a, &x) || !mp_next(b, &y))
        return 0;
    int order = sign(rank(x.type) - rank(y.type));
    if (order != 0)
        return order;
    switch (x.type) {
    case MP_UINT:
    case MP_INT:
    case MP_FLOAT:
        return mp_compare_numbers(&x, &y);
    case MP_BOOL:
        return (int)x.boolean - (int)y.boolean;
    case MP_STR:
        return compare_bytes(&x, &y);
    case MP_BIN:
    case MP_EXT:
        order = compare_sizes(x.len, y.len);
        return order != 0 ? order : compare_bytes(&x, &y);
    case MP_MAP:
    case MP_ARRAY:
        return compare_containers(&x, a, &y, b);
    case MP_NIL:
        break;
    }
    return 0;
}

int doc_compare(struct doc_value a, struct doc_value b)
{
    struct mp_reader x = mp_reader(a.bytes, a.len);
    struct mp_reader y = mp_reader(b.bytes, b.len);
    return compare_next(&x, &y);
}

/* 0.0 is not -0.0. */
static bool same_bits(double a, double b)
{
    uint64_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    return x == y;
}

static bool same_token(const struct mp_token *x, const struct mp_token *y)
{
    if (x->type != y->type)
        return false;
    switch (x->type) {
    case MP_NIL:
        return true;
    case MP_BOOL:
        return x->boolean == y->boolean;
    case MP_UINT:
        return x->uint == y->uint;
    case MP_INT:
        return x->sint == y->sint;
    case MP_FLOAT:
        return same_bits(x->real, y->real);
    case MP_ARRAY:
    case MP_MAP:
        return x->count == y->count;
    case MP_STR:
    case MP_BIN:
    case MP_EXT:
        break;
    }
    return x->len == y->len && memcmp(x->bytes, y->bytes, x->len) == 0;
}

bool doc_identical(struct doc_value a, struct doc_value b)
{
    if (a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0)
        return true;
    /* Headers carry the counts, so equal tokens in a row are equal trees. */
    struct mp_reader x = mp_reader(a.bytes, a.len);
    struct mp_reader y = mp_reader(b.bytes, b.len);
    struct mp_token from_x, from_y;
    while (mp_next(&x, &from_x))
        if (!mp_next(&y, &from_y) || !same_token(&from_x, &from_y))
            return false;
    return !mp_next(&y, &from_y);
}
