/* update_compile: from the map that somebody wrote to the sorted operations in update_tree.h. */

#include <stdlib.h>
#include <string.h>

#include "core/doc.h"
#include "core/filter_tree.h"
#include "core/update_compile.h"
#include "core/update_tree.h"
#include "wire/nearest.h"

static const struct {
    const char *name;
    enum update_kind kind;
} operators[] = {
    {"$set", UPDATE_SET},
    {"$unset", UPDATE_UNSET},
    {"$inc", UPDATE_INC},
    {"$min", UPDATE_MIN},
    {"$max", UPDATE_MAX},
    {"$push", UPDATE_PUSH},
    {"$pull", UPDATE_PULL},
    {"$addToSet", UPDATE_ADD_TO_SET},
    {"$rename", UPDATE_RENAME_FROM},
};

static const char *const operator_names[] = {"$set",  "$unset", "$inc",      "$min",    "$max",
                                             "$push", "$pull",  "$addToSet", "$rename", NULL};

#define OPERATOR_COUNT (sizeof operators / sizeof operators[0])

const char *update_kind_name(enum update_kind kind)
{
    kind = kind == UPDATE_RENAME_TO ? UPDATE_RENAME_FROM : kind;
    for (size_t i = 0; i < OPERATOR_COUNT; i++)
        if (operators[i].kind == kind)
            return operators[i].name;
    return "";
}

/* Every operation and every node of a $pull's filter counts. */
static int count_nodes(struct update_build *b, unsigned more, const struct place *at)
{
    b->nodes += more;
    if (b->nodes > UPDATE_NODES)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "an update has at most %d parts", UPDATE_NODES);
    return 0;
}

static int add_path(struct update_build *b, struct update_op *op, const char *path, size_t len,
                    const struct place *at)
{
    struct path_part parts[DOC_PATH_PARTS];
    int count = path_split(path, len, parts, CODE_BAD_UPDATE, at, b->fault);
    if (count < 0)
        return -1;
    op->first_part = (uint32_t)(b->parts.len / sizeof parts[0]);
    op->part_count = (uint8_t)count;
    buf_put(&b->parts, parts, (size_t)count * sizeof parts[0]);
    return count_nodes(b, 1, at);
}

/* A value that will stand @below levels under the end of the path. */
int update_check_value(struct update_build *b, const struct update_op *op, struct doc_value value,
                       unsigned below, const struct place *at)
{
    if (doc_check_value(value.bytes, value.len, at, b->fault) < 0)
        return -1;
    if (op->part_count + below + doc_depth(value.bytes, value.len) > DOC_DEPTH)
        return fault_set(b->fault, CODE_BAD_VALUE, at, "a session is at most %d deep", DOC_DEPTH);
    return 0;
}

static bool is_number(struct doc_value value)
{
    struct mp_token token;
    struct mp_reader r = mp_reader(value.bytes, value.len);
    return mp_next(&r, &token) && (token.type == MP_UINT || token.type == MP_INT || token.type == MP_FLOAT);
}

static int add_inc(struct update_build *b, struct update_op *op, const struct place *at)
{
    if (update_check_value(b, op, op->value, 0, at) < 0)
        return -1;
    return is_number(op->value) ? 0 : fault_set(b->fault, CODE_BAD_UPDATE, at, "`$inc` needs a number");
}

/* Whether a condition in $pull is a query on maps rather than operators on the element: its first key
 * decides, as in MongoDB. */
static bool is_query(struct mp_reader pairs, uint32_t count)
{
    struct mp_token key;
    if (count == 0 || !mp_next(&pairs, &key) || key.type != MP_STR || key.len == 0 || key.bytes[0] != '$')
        return true;
    return mp_is(&key, "$and") || mp_is(&key, "$or") || mp_is(&key, "$nor");
}

static int add_pull(struct update_build *b, struct update_op *op, const struct place *at)
{
    struct mp_token token;
    struct mp_reader r = mp_reader(op->value.bytes, op->value.len);
    if (!mp_next(&r, &token) || token.type == MP_ARRAY) {
        return fault_set(b->fault, CODE_BAD_UPDATE, at,
                         "a list is not compared with; write {\"$in\": [...]} to remove any of these");
    }
    if (token.type != MP_MAP)
        return update_check_value(b, op, op->value, 0, at);
    op->pulls_maps = is_query(r, token.count);
    struct filter_dialect dialect = {CODE_BAD_UPDATE, false, !op->pulls_maps};
    if (filter_compile_dialect(&op->pull, op->value.bytes, op->value.len, &dialect, at, b->fault) < 0)
        return -1;
    if (count_nodes(b, op->pull->node_count, at) < 0) {
        filter_free(op->pull);
        return -1;
    }
    return 0;
}

static int add_rename(struct update_build *b, struct update_op *op, const struct place *at)
{
    struct mp_token to;
    struct mp_reader r = mp_reader(op->value.bytes, op->value.len);
    if (!mp_next(&r, &to) || to.type != MP_STR)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "`$rename` needs the new path as a string");
    op->rename = b->renames++;
    struct update_op target = *op;
    target.kind = UPDATE_RENAME_TO;
    if (add_path(b, &target, to.bytes, to.len, at) < 0)
        return -1;
    buf_put(&b->ops, &target, sizeof target);
    return 0;
}

static int add_operand(struct update_build *b, struct update_op *op, const struct place *at)
{
    switch ((enum update_kind)op->kind) {
    case UPDATE_SET:
    case UPDATE_MIN:
    case UPDATE_MAX:
        return update_check_value(b, op, op->value, 0, at);
    case UPDATE_INC:
        return add_inc(b, op, at);
    case UPDATE_PUSH:
    case UPDATE_ADD_TO_SET:
        return update_compile_append(b, op, at);
    case UPDATE_PULL:
        return add_pull(b, op, at);
    case UPDATE_RENAME_FROM:
        return add_rename(b, op, at);
    case UPDATE_UNSET:
    case UPDATE_RENAME_TO:
        break;
    }
    return 0; /* what stands beside a path in $unset means nothing, as in MongoDB */
}

static int add_operation(struct update_build *b, enum update_kind kind, struct mp_reader *r,
                         const struct place *at)
{
    struct mp_token key = {.type = MP_NIL};
    if (!mp_next(r, &key) || key.type != MP_STR)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "paths are strings, not %s", mp_type_name(key.type));
    struct place place = place_key(at, key.bytes, key.len);
    struct update_op op = {.kind = (uint8_t)kind, .key = key.bytes, .key_len = key.len};
    if (!mp_raw(r, &op.value.bytes, &op.value.len) || add_path(b, &op, key.bytes, key.len, &place) < 0 ||
        add_operand(b, &op, &place) < 0)
        return -1;
    buf_put(&b->ops, &op, sizeof op);
    if (b->ops.failed)
        filter_free(op.pull); /* nobody else knows it */
    return 0;
}

static int refuse_operator(struct update_build *b, const struct mp_token *key, const struct place *at)
{
    int shown = key->len > 64 ? 64 : (int)key->len;
    if (key->len == 0 || key->bytes[0] != '$') {
        return fault_set(b->fault, CODE_BAD_UPDATE, at,
                         "an update has operators, not fields: write {\"$set\": {\"%.*s\": ...}}", shown,
                         key->bytes);
    }
    const char *meant = nearest(key->bytes, key->len, operator_names);
    if (meant) {
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "there is no operator `%.*s`; did you mean `%s`?",
                         shown, key->bytes, meant);
    }
    return fault_set(b->fault, CODE_BAD_UPDATE, at, "there is no operator `%.*s`", shown, key->bytes);
}

static int add_operator(struct update_build *b, struct mp_reader *r, unsigned *seen, const struct place *at)
{
    struct mp_token key = {.type = MP_NIL};
    struct mp_token map = {.type = MP_NIL};
    if (!mp_next(r, &key) || key.type != MP_STR) {
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "operators are strings, not %s",
                         mp_type_name(key.type));
    }
    struct place place = place_key(at, key.bytes, key.len);
    size_t n = 0;
    while (n < OPERATOR_COUNT && !mp_is(&key, operators[n].name))
        n++;
    if (n == OPERATOR_COUNT)
        return refuse_operator(b, &key, &place);
    if (*seen & (1u << n))
        return fault_set(b->fault, CODE_BAD_UPDATE, &place, "`%s` stands there twice", operators[n].name);
    *seen |= 1u << n;
    if (!mp_next(r, &map) || map.type != MP_MAP) {
        return fault_set(b->fault, CODE_BAD_UPDATE, &place, "`%s` needs a map of paths, not %s",
                         operators[n].name, mp_type_name(map.type));
    }
    for (uint32_t i = 0; i < map.count; i++)
        if (add_operation(b, operators[n].kind, r, &place) < 0)
            return -1;
    return 0;
}

static int compile_text(struct update_build *b, const uint8_t *text, size_t len, const struct place *at)
{
    struct mp_reader r = mp_reader(text, len);
    struct mp_token map = {.type = MP_NIL};
    unsigned seen = 0;
    if (!mp_next(&r, &map) || map.type != MP_MAP) {
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "an update is a map of operators, not %s",
                         mp_type_name(map.type));
    }
    if (map.count == 0)
        return fault_set(b->fault, CODE_BAD_UPDATE, at, "the update has no operator");
    for (uint32_t i = 0; i < map.count; i++)
        if (add_operator(b, &r, &seen, at) < 0)
            return -1;
    return 0;
}

static int compare_paths(const void *a, const void *b)
{
    const struct update_op *x = a;
    const struct update_op *y = b;
    for (unsigned i = 0; i < x->part_count && i < y->part_count; i++) {
        int order = path_part_compare(&x->parts[i], &y->parts[i]);
        if (order != 0)
            return order;
    }
    return (int)x->part_count - (int)y->part_count;
}

/* Sorted, a path stands right before all that are below it. */
static int refuse_conflicts(const struct update *update, const struct place *at, struct fault *fault)
{
    for (unsigned i = 0; i + 1 < update->op_count; i++) {
        const struct update_op *upper = &update->ops[i];
        const struct update_op *lower = &update->ops[i + 1];
        struct update_op cut = *lower;
        cut.part_count = upper->part_count < lower->part_count ? upper->part_count : lower->part_count;
        if (compare_paths(upper, &cut) == 0) {
            struct place place =
                place_key(at, update_kind_name(lower->kind), strlen(update_kind_name(lower->kind)));
            struct place path = place_key(&place, lower->key, lower->key_len);
            return fault_set(fault, CODE_BAD_UPDATE, &path, "conflicts with `%.*s` of `%s`",
                             upper->key_len > 64 ? 64 : (int)upper->key_len, upper->key,
                             update_kind_name(upper->kind));
        }
    }
    return 0;
}

/* Takes the arrays over. False when memory was refused. */
static bool finish(struct update_build *b, struct update *update)
{
    size_t len;
    if (b->ops.failed || b->parts.failed || b->values.failed)
        return false;
    update->op_count = (uint16_t)(b->ops.len / sizeof(struct update_op));
    update->rename_count = b->renames;
    update->ops = (void *)buf_take(&b->ops, &len);
    update->parts = (void *)buf_take(&b->parts, &len);
    update->values = (void *)buf_take(&b->values, &len);
    for (unsigned i = 0; i < update->op_count; i++)
        update->ops[i].parts = update->parts + update->ops[i].first_part;
    if (update->op_count > 1)
        qsort(update->ops, update->op_count, sizeof update->ops[0], compare_paths);
    return true;
}

static void build_deinit(struct update_build *b)
{
    struct update_op *ops = (void *)b->ops.data;
    for (size_t i = 0; i < b->ops.len / sizeof *ops; i++)
        filter_free(ops[i].pull);
    buf_deinit(&b->ops);
    buf_deinit(&b->parts);
    buf_deinit(&b->values);
}

int update_compile(struct update **out, const void *mp, size_t len, const struct place *at,
                   struct fault *fault)
{
    struct update_build b = {.fault = fault};
    struct update *update = calloc(1, sizeof *update);
    uint8_t *text = malloc(len > 0 ? len : 1);
    int rc = -1;
    if (!update || !text) {
        free(text);
        free(update);
        return fault_set(fault, CODE_OVERLOADED, at, "no memory for the update");
    }
    update->text = memcpy(text, mp, len);
    if (compile_text(&b, text, len, at) == 0) {
        rc = finish(&b, update) ? refuse_conflicts(update, at, fault)
                                : fault_set(fault, CODE_OVERLOADED, at, "no memory for the update");
    }
    build_deinit(&b);
    if (rc < 0) {
        update_free(update);
        return -1;
    }
    *out = update;
    return 0;
}

void update_free(struct update *update)
{
    if (!update)
        return;
    for (unsigned i = 0; i < update->op_count; i++)
        filter_free(update->ops[i].pull);
    free(update->ops);
    free(update->parts);
    free(update->values);
    free(update->text);
    free(update);
}

void update_each_set(const struct update *update, void (*fn)(void *arg, const char *path, size_t len),
                     void *arg)
{
    for (unsigned i = 0; i < update->op_count; i++)
        if (update->ops[i].kind == UPDATE_SET)
            fn(arg, update->ops[i].key, update->ops[i].key_len);
}
