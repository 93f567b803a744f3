/* filter_args: the values of a filter's `$arg`s for one use of it. Whatever a client smuggles in, it is
 * compared with, never read as an operator: only scalars, and lists of them where the filter says so, pass.
 */

#include <stdlib.h>
#include <string.h>

#include "core/filter_tree.h"
#include "core/filter_value.h"

/* What a slot was given. */
struct given {
    bool is_there;
    struct mp_token value;       /* a scalar, or a list's header */
    struct mp_reader rest;       /* a list's values */
    struct filter_values sorted; /* a list, once it was asked for */
};

struct binder {
    const struct filter *filter;
    const struct place *at;
    struct fault *fault;
    struct given given[FILTER_NODES];
    uint32_t used; /* of args->values */
};

static int print_len(uint32_t len)
{
    return len > 64 ? 64 : (int)len;
}

static int find_slot(const struct filter *filter, const struct mp_token *name)
{
    for (int i = 0; i < filter->slot_count; i++)
        if (filter->slots[i].len == name->len && memcmp(filter->slots[i].name, name->bytes, name->len) == 0)
            return i;
    return -1;
}

static int check_list(struct binder *b, struct given *given, const struct place *at)
{
    if (given->value.count > FILTER_IN_VALUES)
        return fault_set(b->fault, CODE_BAD_ARGUMENT, at, "a list has at most %d values", FILTER_IN_VALUES);
    struct mp_reader r = given->rest;
    for (uint32_t i = 0; i < given->value.count; i++) {
        struct place place = place_index(at, i);
        struct mp_token token = {.type = MP_NIL};
        if (!mp_next(&r, &token) || !filter_value_is_scalar(&token)) {
            return fault_set(b->fault, CODE_BAD_ARGUMENT, &place,
                             "the list holds strings, numbers and booleans, not %s",
                             mp_type_name(token.type));
        }
    }
    return 0;
}

static int take_argument(struct binder *b, struct mp_reader *r)
{
    struct mp_token name;
    if (!mp_next(r, &name) || name.type != MP_STR)
        return fault_set(b->fault, CODE_BAD_ARGUMENT, b->at, "names of arguments are strings");
    struct place place = place_key(b->at, name.bytes, name.len);
    int slot = find_slot(b->filter, &name);
    if (slot < 0) { /* another filter's of the same operation */
        mp_skip(r);
        return 0;
    }
    struct given *given = &b->given[slot];
    struct mp_reader value = *r;
    mp_skip(r);
    mp_next(&value, &given->value);
    given->rest = value;
    given->is_there = true;
    if (b->filter->slots[slot].is_list) {
        return given->value.type == MP_ARRAY
                   ? check_list(b, given, &place)
                   : fault_set(b->fault, CODE_BAD_ARGUMENT, &place,
                               "the filter needs a list here (`$in`, `$nin`, `$all`), not %s",
                               mp_type_name(given->value.type));
    }
    if (!filter_value_is_scalar(&given->value)) {
        return fault_set(b->fault, CODE_BAD_ARGUMENT, &place, "a string, a number or a boolean, not %s",
                         mp_type_name(given->value.type));
    }
    return 0;
}

static int take_arguments(struct binder *b, const void *mp, size_t len)
{
    static const struct mp_rules rules = {MP_REFUSE_DUPLICATES, 0, CODE_BAD_ARGUMENT};
    if (!mp)
        return 0;
    if (mp_check(mp, len, &rules, b->at, b->fault) < 0)
        return -1;
    struct mp_reader r = mp_reader(mp, len);
    struct mp_token map = {.type = MP_NIL};
    if (!mp_next(&r, &map) || map.type != MP_MAP) {
        return fault_set(b->fault, CODE_BAD_ARGUMENT, b->at, "arguments are a map, not %s",
                         mp_type_name(map.type));
    }
    for (uint32_t i = 0; i < map.count; i++)
        if (take_argument(b, &r) < 0)
            return -1;
    return 0;
}

static int require_all(const struct binder *b)
{
    for (int i = 0; i < b->filter->slot_count; i++) {
        const struct filter_slot *slot = &b->filter->slots[i];
        if (!b->given[i].is_there) {
            struct place place = place_key(b->at, slot->name, slot->len);
            return fault_set(b->fault, CODE_BAD_ARGUMENT, &place, "the filter's argument `%.*s` is missing",
                             print_len(slot->len), slot->name);
        }
    }
    return 0;
}

/* Whether the list is one argument. */
static bool is_whole(const struct filter *filter, const struct filter_list *list)
{
    return list->ref_count == 1 && filter->slots[filter->refs[list->first_ref]].is_list;
}

/* The values that the lists of the filter need: whole lists are shared, others get a copy with the arguments
 * in it. */
static size_t count_values(const struct binder *b)
{
    size_t total = 0;
    for (int i = 0; i < b->filter->slot_count; i++)
        total += b->filter->slots[i].is_list ? b->given[i].value.count : 0;
    for (int i = 0; i < b->filter->list_count; i++) {
        const struct filter_list *list = &b->filter->lists[i];
        if (list->ref_count > 0 && !is_whole(b->filter, list))
            total += (size_t)list->count + list->ref_count;
    }
    return total;
}

static struct filter_values finish(struct binder *b, const struct filter_args *args, uint32_t first)
{
    struct filter_values values = {args->values + first, 0};
    values.count = filter_value_sort(args->values + first, b->used - first);
    b->used = first + values.count;
    return values;
}

static struct filter_values whole_list(struct binder *b, struct filter_args *args, struct given *given)
{
    if (!given->sorted.at) {
        uint32_t first = b->used;
        for (uint32_t i = 0; i < given->value.count; i++)
            mp_next(&given->rest, &args->values[b->used++]);
        given->sorted = finish(b, args, first);
    }
    return given->sorted;
}

static struct filter_values bound_list(struct binder *b, struct filter_args *args,
                                       const struct filter_list *list)
{
    const struct filter *filter = b->filter;
    const uint16_t *refs = filter->refs + list->first_ref;
    if (list->ref_count == 0)
        return (struct filter_values){filter->values + list->first, list->count};
    if (is_whole(filter, list))
        return whole_list(b, args, &b->given[refs[0]]);
    uint32_t first = b->used;
    for (uint32_t i = 0; i < list->count; i++)
        args->values[b->used++] = filter->values[list->first + i];
    for (uint32_t i = 0; i < list->ref_count; i++)
        args->values[b->used++] = b->given[refs[i]].value;
    return finish(b, args, first);
}

static int bind_lists(struct binder *b, struct filter_args **out)
{
    const struct filter *filter = b->filter;
    size_t total = count_values(b);
    if (total > FILTER_VALUES)
        return fault_set(b->fault, CODE_BAD_ARGUMENT, b->at, "a filter has at most %d values", FILTER_VALUES);
    struct filter_args *args = malloc(sizeof *args + filter->list_count * sizeof args->lists[0]);
    struct mp_token *values = malloc((total > 0 ? total : 1) * sizeof *values);
    if (!args || !values) {
        free(args);
        free(values);
        return fault_set(b->fault, CODE_OVERLOADED, b->at, "no memory for the arguments");
    }
    args->filter = filter;
    args->values = values;
    for (int i = 0; i < filter->list_count; i++)
        args->lists[i] = bound_list(b, args, &filter->lists[i]);
    *out = args;
    return 0;
}

int filter_bind(struct filter_args **out, const struct filter *filter, const void *mp, size_t len,
                const struct place *at, struct fault *fault)
{
    struct binder b = {.filter = filter, .at = at, .fault = fault};
    *out = NULL;
    if (take_arguments(&b, mp, len) < 0 || require_all(&b) < 0)
        return -1;
    return filter->slot_count == 0 ? 0 : bind_lists(&b, out);
}

void filter_args_free(struct filter_args *args)
{
    if (args) {
        free(args->values);
        free(args);
    }
}
