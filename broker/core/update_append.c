/* update_append: the operands of $push and $addToSet. */

#include <stdlib.h>
#include <string.h>

#include "core/update_compile.h"
#include "wire/nearest.h"

static const char *const push_names[] = {"$each", "$slice", NULL};
static const char *const set_names[] = {"$each", NULL};

static int add_value(struct update_build *b, struct update_op *op, struct doc_value value,
                     const struct place *at)
{
    struct update_value entry = {.value = value};
    if (b->values.len / sizeof entry >= UPDATE_VALUES)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "an update appends at most %d values", UPDATE_VALUES);
    if (update_check_value(b, op, value, 1, at) < 0)
        return -1;
    buf_put(&b->values, &entry, sizeof entry);
    op->value_count++;
    return 0;
}

static int add_each(struct update_build *b, struct update_op *op, struct mp_reader *r, const struct place *at)
{
    struct mp_token list;
    if (!mp_next(r, &list) || list.type != MP_ARRAY)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "`$each` needs a list");
    if (list.count > UPDATE_EACH_VALUES)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "`$each` has at most %d values", UPDATE_EACH_VALUES);
    for (uint32_t i = 0; i < list.count; i++) {
        struct place place = place_index(at, i);
        struct doc_value value;
        if (!mp_raw(r, &value.bytes, &value.len) || add_value(b, op, value, &place) < 0)
            return -1;
    }
    return 0;
}

/* A whole number, also as a float. */
static int read_slice(struct update_build *b, struct update_op *op, struct mp_reader *r,
                      const struct place *at)
{
    struct mp_token token = {.type = MP_NIL};
    mp_next(r, &token);
    op->has_slice = true;
    if (token.type == MP_UINT) {
        op->slice = token.uint > INT64_MAX ? INT64_MAX : (int64_t)token.uint;
        return 0;
    }
    if (token.type == MP_INT) {
        op->slice = token.sint;
        return 0;
    }
    if (token.type == MP_FLOAT && token.real >= -1e15 && token.real <= 1e15 &&
        (double)(int64_t)token.real == token.real) {
        op->slice = (int64_t)token.real;
        return 0;
    }
    return fault_set(b->fault, CODE_BAD_UPDATE, at, "`$slice` needs a whole number");
}

static int refuse_modifier(struct update_build *b, const struct update_op *op, const struct mp_token *key,
                           const struct place *at)
{
    int shown = key->len > 64 ? 64 : (int)key->len;
    const char *meant = nearest(key->bytes, key->len, op->kind == UPDATE_PUSH ? push_names : set_names);
    if (meant) {
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "there is no `%.*s` in `%s`; did you mean `%s`?",
                         shown, key->bytes, update_kind_name(op->kind), meant);
    }
    return fault_set(b->fault, CODE_BAD_UPDATE, at, "there is no `%.*s` in `%s`", shown, key->bytes,
                     update_kind_name(op->kind));
}

/* {"$each": [...], "$slice": n} */
static int add_modifiers(struct update_build *b, struct update_op *op, struct mp_reader r, uint32_t count,
                         const struct place *at)
{
    bool has_each = false;
    for (uint32_t i = 0; i < count; i++) {
        struct mp_token key = {.type = MP_NIL};
        if (!mp_next(&r, &key) || key.type != MP_STR) {
            return fault_set(b->fault, CODE_BAD_UPDATE, at, "names are strings, not %s",
                             mp_type_name(key.type));
        }
        struct place place = place_key(at, key.bytes, key.len);
        int rc;
        if (mp_is(&key, "$each") && !has_each) {
            has_each = true;
            rc = add_each(b, op, &r, &place);
        } else if (mp_is(&key, "$slice") && op->kind == UPDATE_PUSH && !op->has_slice) {
            rc = read_slice(b, op, &r, &place);
        } else if (mp_is(&key, "$each") || (mp_is(&key, "$slice") && op->kind == UPDATE_PUSH)) {
            rc = fault_set(b->fault, CODE_BAD_UPDATE, &place, "`%.*s` stands there twice", (int)key.len,
                           key.bytes);
        } else {
            rc = refuse_modifier(b, op, &key, &place);
        }
        if (rc < 0)
            return -1;
    }
    return has_each ? 0 : fault_set(b->fault, CODE_BAD_UPDATE, at, "`$slice` needs `$each` beside it");
}

/* Whether a key begins with `$`: then the map is no value. */
static bool has_modifier(struct mp_reader r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mp_token key;
        if (!mp_next(&r, &key) || !mp_skip(&r))
            return false;
        if (key.type == MP_STR && key.len > 0 && key.bytes[0] == '$')
            return true;
    }
    return false;
}

/* Values by doc_compare(), equal ones in the order in which they stand: where they stand tells. */
static int compare_values(const void *a, const void *b)
{
    const struct update_value *x = a;
    const struct update_value *y = b;
    int order = doc_compare(x->value, y->value);
    return order != 0 ? order : (x->value.bytes > y->value.bytes) - (x->value.bytes < y->value.bytes);
}

static int compare_places(const void *a, const void *b)
{
    const struct update_value *x = a;
    const struct update_value *y = b;
    return (x->value.bytes > y->value.bytes) - (x->value.bytes < y->value.bytes);
}

static unsigned drop_repeated(struct update_value *values, unsigned count)
{
    qsort(values, count, sizeof *values, compare_values);
    unsigned kept = 1;
    for (unsigned i = 1; i < count; i++)
        if (doc_compare(values[kept - 1].value, values[i].value) != 0)
            values[kept++] = values[i];
    return kept;
}

/* Drop what is there twice and note the order, so that applying needs one binary search per element. */
static int prepare_set(struct update_build *b, struct update_op *op, const struct place *at)
{
    if (b->values.failed || op->value_count == 0)
        return 0;
    struct update_value *values = (struct update_value *)(void *)b->values.data + op->first_value;
    unsigned count = drop_repeated(values, op->value_count);
    b->values.len -= (op->value_count - count) * sizeof *values;
    op->value_count = (uint16_t)count;
    /* The places in sorted order, by which the values, put back in their own order, are found again. */
    const uint8_t **sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return fault_set(b->fault, CODE_OVERLOADED, at, "no memory for the update");
    for (unsigned i = 0; i < count; i++)
        sorted[i] = values[i].value.bytes;
    qsort(values, count, sizeof *values, compare_places);
    for (unsigned i = 0; i < count; i++) {
        struct update_value key = {.value = {sorted[i], 0}};
        const struct update_value *found = bsearch(&key, values, count, sizeof *values, compare_places);
        values[i].sorted = (uint16_t)(found - values);
    }
    free(sorted);
    return 0;
}

int update_compile_append(struct update_build *b, struct update_op *op, const struct place *at)
{
    struct mp_token token;
    struct mp_reader r = mp_reader(op->value.bytes, op->value.len);
    op->first_value = (uint32_t)(b->values.len / sizeof(struct update_value));
    int rc = mp_next(&r, &token) && token.type == MP_MAP && has_modifier(r, token.count)
                 ? add_modifiers(b, op, r, token.count, at)
                 : add_value(b, op, op->value, at);
    if (rc < 0 || op->kind == UPDATE_PUSH)
        return rc;
    return prepare_set(b, op, at);
}
