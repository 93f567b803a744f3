/* filter_compile: from the map that somebody wrote to the tree in filter_tree.h, or to a fault with its
 * place. */

#include <stdlib.h>
#include <string.h>

#include "core/filter_build.h"
#include "core/filter_value.h"
#include "wire/nearest.h"

#define FAIL(b, at, ...) fault_set((b)->fault, (b)->dialect->code, at, __VA_ARGS__)

enum operand { OPERAND_VALUE, OPERAND_LIST, OPERAND_BOOL, OPERAND_MAP };

struct operation {
    const char *name;
    enum filter_kind kind;
    bool is_negated;
    enum operand operand;
};

static const struct operation operators[] = {
    {"$eq", FILTER_EQ, false, OPERAND_VALUE},  {"$ne", FILTER_EQ, true, OPERAND_VALUE},
    {"$gt", FILTER_GT, false, OPERAND_VALUE},  {"$gte", FILTER_GTE, false, OPERAND_VALUE},
    {"$lt", FILTER_LT, false, OPERAND_VALUE},  {"$lte", FILTER_LTE, false, OPERAND_VALUE},
    {"$in", FILTER_IN, false, OPERAND_LIST},   {"$nin", FILTER_IN, true, OPERAND_LIST},
    {"$all", FILTER_ALL, false, OPERAND_LIST}, {"$exists", FILTER_EXISTS, false, OPERAND_BOOL},
    {"$not", FILTER_AND, true, OPERAND_MAP},
};

static const char *const operator_names[] = {"$eq", "$ne",  "$gt",  "$gte",    "$lt",  "$lte",
                                             "$in", "$nin", "$all", "$exists", "$not", NULL};
static const char *const logical_names[] = {"$and", "$or", "$nor", NULL};

static int print_len(const struct mp_token *text)
{
    return text->len > 64 ? 64 : (int)text->len;
}

static struct place below(const struct place *at, const struct mp_token *key)
{
    return place_key(at, key->bytes, key->len);
}

static bool is_operator_name(const struct mp_token *key)
{
    return key->type == MP_STR && key->len > 0 && key->bytes[0] == '$';
}

static const struct operation *find_operator(const struct mp_token *key)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (mp_is(key, operators[i].name))
            return &operators[i];
    return NULL;
}

static bool is_logical(const struct mp_token *key)
{
    return mp_is(key, "$and") || mp_is(key, "$or") || mp_is(key, "$nor");
}

static bool is_arg(struct mp_reader r)
{
    struct mp_token map, key;
    return mp_next(&r, &map) && map.type == MP_MAP && map.count == 1 && mp_next(&r, &key) &&
           mp_is(&key, "$arg");
}

static int refuse_arg(struct filter_build *b, const struct place *at)
{
    return FAIL(b, at, "`$arg` has no place in an update: write the value itself");
}

/* Pass over {"$arg": "name"}. */
static int add_arg(struct filter_build *b, struct mp_reader *r, bool is_list, struct filter_list *list,
                   const struct place *at)
{
    struct mp_token map, key, name;
    if (!b->dialect->is_of_session)
        return refuse_arg(b, at);
    if (!mp_next(r, &map) || !mp_next(r, &key) || !mp_next(r, &name) || name.type != MP_STR ||
        name.len == 0) {
        struct place place = place_key(at, "$arg", 4);
        return FAIL(b, &place, "`$arg` needs the name of an argument");
    }
    return build_arg(b, list, &name, is_list, at);
}

/* What to write in the place of a value that is not compared. */
static int refuse_value(struct filter_build *b, enum mp_type type, const char *op_name,
                        const struct place *at)
{
    bool is_ne = op_name && strcmp(op_name, "$ne") == 0;
    switch (type) {
    case MP_NIL:
        return FAIL(b, at, "null is not compared with; for a field that is %s write {\"$exists\": %s}",
                    is_ne ? "there" : "missing", is_ne ? "true" : "false");
    case MP_MAP:
        return FAIL(b, at,
                    "a map is not compared with; write a dotted path for each of its fields: {\"a.b\": 1}");
    case MP_ARRAY:
        return FAIL(b, at,
                    "a list is not compared with; write {\"$in\": [...]} for one of these, {\"$all\": [...]} "
                    "for all");
    default:
        return FAIL(b, at, "%s is not compared with; write a string, a number or a boolean",
                    mp_type_name(type));
    }
}

/* Pass over one value of a list: a scalar or an argument. */
static int add_value(struct filter_build *b, struct mp_reader *r, struct filter_list *list,
                     const char *op_name, const struct place *at)
{
    struct mp_token token;
    if (is_arg(*r))
        return add_arg(b, r, false, list, at);
    if (!mp_next(r, &token))
        return FAIL(b, at, "the value is cut");
    if (!filter_value_is_scalar(&token))
        return refuse_value(b, token.type, op_name, at);
    return build_value(b, list, &token, at);
}

static int add_values(struct filter_build *b, struct mp_reader *r, struct filter_list *list,
                      const char *op_name, const struct place *at)
{
    struct mp_token token;
    if (is_arg(*r))
        return add_arg(b, r, true, list, at);
    if (!mp_next(r, &token) || token.type != MP_ARRAY)
        return FAIL(b, at, "`%s` needs a list of values", op_name);
    if (token.count > FILTER_IN_VALUES)
        return FAIL(b, at, "a list has at most %d values", FILTER_IN_VALUES);
    for (uint32_t i = 0; i < token.count; i++) {
        struct place place = place_index(at, i);
        if (add_value(b, r, list, op_name, &place) < 0)
            return -1;
    }
    return 0;
}

static int add_leaf(struct filter_build *b, struct mp_reader *r, int path, const struct operation *op,
                    const struct place *at)
{
    if (op->operand == OPERAND_BOOL) {
        struct mp_token token;
        if (!mp_next(r, &token) || token.type != MP_BOOL)
            return FAIL(b, at, "`%s` needs true or false", op->name);
        return build_leaf(b, op->kind, op->is_negated != !token.boolean, path, NULL, at);
    }
    struct filter_list list = build_list(b);
    int rc = op->operand == OPERAND_LIST ? add_values(b, r, &list, op->name, at)
                                         : add_value(b, r, &list, op->name, at);
    return rc < 0 ? -1 : build_leaf(b, op->kind, op->is_negated, path, &list, at);
}

static int refuse_operator(struct filter_build *b, const struct mp_token *key, const char *const *known,
                           const struct place *at)
{
    const char *meant = nearest(key->bytes, key->len, known);
    if (meant) {
        return FAIL(b, at, "there is no operator `%.*s` here; did you mean `%s`?", print_len(key), key->bytes,
                    meant);
    }
    return FAIL(b, at, "there is no operator `%.*s` here", print_len(key), key->bytes);
}

static int refuse_field_operator(struct filter_build *b, const struct mp_token *key, const struct place *at)
{
    if (is_logical(key))
        return FAIL(b, at, "`%.*s` stands beside field names, not below one", (int)key->len, key->bytes);
    if (mp_is(key, "$arg")) {
        return b->dialect->is_of_session
                   ? FAIL(b, at, "`$arg` stands alone in its map, in the place of a value")
                   : refuse_arg(b, at);
    }
    return refuse_operator(b, key, operator_names, at);
}

/* Count a map's keys and those that are operators. */
static uint32_t count_operators(struct mp_reader r, uint32_t count)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct mp_token key;
        if (!mp_next(&r, &key) || !mp_skip(&r))
            break;
        found += is_operator_name(&key);
    }
    return found;
}

/* The operators of one field: {"$gte": 1, "$lt": 5}. */
static int add_operators(struct filter_build *b, struct mp_reader *r, int path, bool is_negated,
                         unsigned depth, const struct place *at)
{
    struct mp_token map, key;
    if (depth > FILTER_DEPTH)
        return FAIL(b, at, "a filter is at most %d deep", FILTER_DEPTH);
    if (!mp_next(r, &map) || map.type != MP_MAP || map.count == 0)
        return FAIL(b, at, "`$not` needs a map of operators: {\"$not\": {\"$gt\": 5}}");
    uint32_t operator_count = count_operators(*r, map.count);
    if (operator_count < map.count) {
        return FAIL(b, at,
                    operator_count == 0 ? "`$not` needs a map of operators: {\"$not\": {\"$gt\": 5}}"
                                        : "operators and names are mixed in one map");
    }
    bool is_group = is_negated || map.count > 1;
    int group = is_group ? build_begin(b, FILTER_AND, is_negated, at) : 0;
    if (group < 0)
        return -1;
    for (uint32_t i = 0; i < map.count; i++) {
        if (!mp_next(r, &key) || key.type != MP_STR)
            return FAIL(b, at, "the map is cut");
        struct place place = below(at, &key);
        const struct operation *op = find_operator(&key);
        if (!op)
            return refuse_field_operator(b, &key, &place);
        if (op->operand == OPERAND_MAP ? add_operators(b, r, path, true, depth + 1, &place) < 0
                                       : add_leaf(b, r, path, op, &place) < 0)
            return -1;
    }
    if (is_group)
        build_end(b, group);
    return 0;
}

/* What stands beside a field's name. */
static int add_field(struct filter_build *b, struct mp_reader *r, const struct mp_token *key, unsigned depth,
                     const struct place *at)
{
    int path = build_path(b, key, at);
    struct mp_token token;
    struct mp_reader inside = *r;
    if (path < 0 || !mp_next(&inside, &token))
        return -1;
    if (token.type == MP_MAP && !is_arg(*r)) {
        if (count_operators(inside, token.count) == 0)
            return refuse_value(b, MP_MAP, NULL, at);
        return add_operators(b, r, path, false, depth, at);
    }
    static const struct operation equality = {NULL, FILTER_EQ, false, OPERAND_VALUE};
    return add_leaf(b, r, path, &equality, at);
}

static int add_query(struct filter_build *b, struct mp_reader *r, unsigned depth, const struct place *at);

/* $and, $or, $nor */
static int add_logical(struct filter_build *b, struct mp_reader *r, const struct mp_token *key,
                       unsigned depth, const struct place *at)
{
    struct mp_token list;
    bool is_and = mp_is(key, "$and");
    if (!mp_next(r, &list) || list.type != MP_ARRAY || list.count == 0)
        return FAIL(b, at, "`%.*s` needs a list of at least one filter", (int)key->len, key->bytes);
    int group = build_begin(b, is_and ? FILTER_AND : FILTER_OR, mp_is(key, "$nor"), at);
    if (group < 0)
        return -1;
    for (uint32_t i = 0; i < list.count; i++) {
        struct place place = place_index(at, i);
        if (add_query(b, r, depth + 1, &place) < 0)
            return -1;
    }
    build_end(b, group);
    return 0;
}

static int add_condition(struct filter_build *b, struct mp_reader *r, unsigned depth, const struct place *at)
{
    struct mp_token key;
    if (!mp_next(r, &key) || key.type != MP_STR)
        return FAIL(b, at, "the map is cut");
    struct place place = below(at, &key);
    if (is_logical(&key))
        return add_logical(b, r, &key, depth, &place);
    if (is_operator_name(&key)) {
        if (mp_is(&key, "$not")) {
            return FAIL(b, &place,
                        "`$not` stands below a field: {\"level\": {\"$not\": {\"$gt\": 5}}}; see `$nor`");
        }
        if (find_operator(&key)) {
            return FAIL(b, &place, "`%.*s` stands below a field: {\"level\": {\"%.*s\": ...}}", (int)key.len,
                        key.bytes, (int)key.len, key.bytes);
        }
        return refuse_operator(b, &key, logical_names, &place);
    }
    return add_field(b, r, &key, depth, &place);
}

/* A whole filter: a map of conditions that all hold. */
static int add_query(struct filter_build *b, struct mp_reader *r, unsigned depth, const struct place *at)
{
    struct mp_token map = {.type = MP_NIL};
    if (depth > FILTER_DEPTH)
        return FAIL(b, at, "a filter is at most %d deep", FILTER_DEPTH);
    if (!mp_next(r, &map) || map.type != MP_MAP)
        return FAIL(b, at, "a filter is a map, not %s", mp_type_name(map.type));
    bool is_group = map.count != 1;
    int group = is_group ? build_begin(b, FILTER_AND, false, at) : 0;
    if (group < 0)
        return -1;
    for (uint32_t i = 0; i < map.count; i++)
        if (add_condition(b, r, depth, at) < 0)
            return -1;
    if (is_group)
        build_end(b, group);
    return 0;
}

static int compile_text(struct filter_build *b, const uint8_t *text, size_t len, const struct place *at)
{
    const struct mp_rules rules = {MP_REFUSE_DUPLICATES, 0, b->dialect->code};
    if (mp_check(text, len, &rules, at, b->fault) < 0)
        return -1;
    struct mp_reader r = mp_reader(text, len);
    if (!b->dialect->is_of_element)
        return add_query(b, &r, 1, at);
    int path = build_path(b, NULL, at);
    return path < 0 ? -1 : add_operators(b, &r, path, false, 1, at);
}

int filter_compile_dialect(struct filter **out, const void *mp, size_t len,
                           const struct filter_dialect *dialect, const struct place *at, struct fault *fault)
{
    struct filter_build b = {.dialect = dialect, .fault = fault};
    uint8_t *text = malloc(len > 0 ? len : 1);
    if (!text)
        return fault_set(fault, CODE_OVERLOADED, at, "no memory for the filter");
    memcpy(text, mp, len);
    struct filter *filter = NULL;
    if (compile_text(&b, text, len, at) == 0) {
        filter = build_finish(&b);
        if (!filter)
            fault_set(fault, CODE_OVERLOADED, at, "no memory for the filter");
    }
    build_deinit(&b);
    if (!filter) {
        free(text);
        return -1;
    }
    filter->text = text;
    *out = filter;
    return 0;
}

int filter_compile(struct filter **out, const void *mp, size_t len, const struct place *at,
                   struct fault *fault)
{
    static const struct filter_dialect dialect = {CODE_BAD_FILTER, true, false};
    return filter_compile_dialect(out, mp, len, &dialect, at, fault);
}

void filter_free(struct filter *filter)
{
    if (filter) {
        free(filter->text);
        free(filter);
    }
}
