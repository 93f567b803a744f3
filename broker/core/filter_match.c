/* filter_match: whether a subject matches, by walking session bytes in place. Nothing is allocated.
 *
 * Paths go through arrays as MongoDB's do: a name looks into each map of the array, an index also at its
 * element; a leaf that is an array is compared element by element, but not where an index led to it. */

#include <string.h>

#include "core/doc.h"
#include "core/filter_tree.h"
#include "core/filter_value.h"

#define FOUND_WORDS (FILTER_IN_VALUES / 64)

/* One leaf at work. */
struct leaf {
    enum filter_kind kind;
    struct filter_values values;
    const struct path_part *parts;
    unsigned part_count;
    uint64_t *found;  /* ALL: which of the values were seen */
    uint32_t missing; /* ALL: how many were not */
};

struct filter_values filter_values(const struct filter *filter, const struct filter_args *args,
                                   const struct filter_node *node)
{
    const struct filter_list *list = &filter->lists[node->list];
    if (args)
        return args->lists[node->list];
    return (struct filter_values){filter->values + list->first, list->count};
}

static bool found_one_of_all(struct leaf *leaf, const struct mp_token *token)
{
    int i = filter_value_find(leaf->values.at, leaf->values.count, token);
    if (i < 0)
        return false;
    uint64_t bit = UINT64_C(1) << (i % 64);
    if (!(leaf->found[i / 64] & bit)) {
        leaf->found[i / 64] |= bit;
        leaf->missing--;
    }
    return leaf->missing == 0;
}

/* Whether this value, as it stands, ends the search. */
static bool test_token(struct leaf *leaf, const struct mp_token *token)
{
    if (leaf->kind == FILTER_EXISTS)
        return true;
    if (leaf->values.count == 0 || !filter_value_is_scalar(token))
        return false;
    if (leaf->kind == FILTER_EQ || leaf->kind == FILTER_IN)
        return filter_value_find(leaf->values.at, leaf->values.count, token) >= 0;
    if (leaf->kind == FILTER_ALL)
        return found_one_of_all(leaf, token);
    if (!filter_value_same_kind(token, leaf->values.at))
        return false;
    int order = filter_value_compare(token, leaf->values.at);
    switch (leaf->kind) {
    case FILTER_GT:
        return order > 0;
    case FILTER_GTE:
        return order >= 0;
    case FILTER_LT:
        return order < 0;
    default:
        return order <= 0;
    }
}

static bool test_elements(struct leaf *leaf, struct mp_reader r, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mp_reader element = r;
        struct mp_token token;
        if (!mp_next(&element, &token))
            return false;
        if (token.type == MP_ARRAY || token.type == MP_MAP) {
            if (!mp_skip(&r))
                return false;
            continue; /* equal to no scalar */
        }
        if (test_token(leaf, &token))
            return true;
        r = element;
    }
    return false;
}

static bool walk(struct leaf *leaf, struct mp_reader r, unsigned part);

static bool walk_elements(struct leaf *leaf, struct mp_reader r, uint32_t count, unsigned part);

/* The element at the index that parts[part] is. */
static bool walk_indexed(struct leaf *leaf, struct mp_reader r, unsigned part)
{
    struct mp_token token;
    struct mp_reader inside = r;
    if (!mp_next(&inside, &token))
        return false;
    if (part + 1 == leaf->part_count)
        return test_token(leaf, &token);
    if (token.type == MP_ARRAY)
        return walk_elements(leaf, inside, token.count, part + 1);
    return token.type == MP_MAP && walk(leaf, r, part + 1);
}

static bool walk_elements(struct leaf *leaf, struct mp_reader r, uint32_t count, unsigned part)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mp_reader inside = r;
        struct mp_token token;
        if (!mp_next(&inside, &token))
            return false;
        if (token.type == MP_MAP && walk(leaf, r, part))
            return true;
        if (leaf->parts[part].index == i && walk_indexed(leaf, r, part))
            return true;
        if (!doc_skip(&r))
            return false;
    }
    return false;
}

/* The value at @r, from parts[part] on. Each call goes one level down in a document of bounded depth. */
static bool walk(struct leaf *leaf, struct mp_reader r, unsigned part)
{
    struct mp_token token;
    if (!mp_next(&r, &token))
        return false;
    if (part == leaf->part_count) {
        if (token.type == MP_ARRAY && leaf->kind != FILTER_EXISTS)
            return test_elements(leaf, r, token.count);
        return test_token(leaf, &token);
    }
    if (token.type == MP_MAP) {
        const struct path_part *name = &leaf->parts[part];
        struct mp_reader value;
        return doc_find(r, token.count, name->text, name->len, &value) && walk(leaf, value, part + 1);
    }
    return token.type == MP_ARRAY && walk_elements(leaf, r, token.count, part);
}

static struct mp_token text_token(const char *text)
{
    text = text ? text : "";
    return (struct mp_token){.type = MP_STR, .bytes = text, .len = (uint32_t)strlen(text)};
}

static bool match_pseudo(struct leaf *leaf, enum filter_source source, const struct subject *subject)
{
    struct mp_token token = {.type = MP_UINT, .uint = subject->connected_ms};
    switch (source) {
    case FILTER_AT_CONN:
        token = text_token(subject->conn);
        break;
    case FILTER_AT_REMOTE:
        token = text_token(subject->remote);
        break;
    case FILTER_AT_SUBPROTOCOL:
        token = text_token(subject->subprotocol);
        break;
    case FILTER_AT_PATH:
        token = text_token(subject->path);
        break;
    case FILTER_AT_CONNECTED_MS:
    case FILTER_SESSION:
        break;
    }
    return test_token(leaf, &token);
}

static bool match_leaf(const struct filter *filter, const struct filter_args *args,
                       const struct filter_node *node, const struct subject *subject)
{
    const struct filter_path *path = &filter->paths[node->path];
    struct leaf leaf = {
        .kind = node->kind, .parts = filter->parts + path->first_part, .part_count = path->part_count};
    uint64_t found[FOUND_WORDS];
    if (leaf.kind != FILTER_EXISTS)
        leaf.values = filter_values(filter, args, node);
    if (leaf.kind == FILTER_ALL) {
        memset(found, 0, (leaf.values.count + 63) / 64 * sizeof found[0]);
        leaf.found = found;
        leaf.missing = leaf.values.count;
    }
    if (path->source != FILTER_SESSION)
        return match_pseudo(&leaf, path->source, subject);
    return walk(&leaf, mp_reader(subject->session, subject->session_len), 0);
}

/* As deep as the filter, which compiling has bounded by FILTER_DEPTH. */
static bool match_node(const struct filter *filter, const struct filter_args *args, unsigned n,
                       const struct subject *subject)
{
    const struct filter_node *node = &filter->nodes[n];
    bool result;
    if (node->kind > FILTER_OR) {
        result = match_leaf(filter, args, node, subject);
    } else {
        bool decides = node->kind == FILTER_OR; /* the first child with this result ends it */
        result = !decides;
        for (unsigned child = n + 1; child < node->end && result != decides; child = filter->nodes[child].end)
            result = match_node(filter, args, child, subject);
    }
    return result != node->is_negated;
}

bool filter_matches(const struct filter *filter, const struct filter_args *args,
                    const struct subject *subject)
{
    if (!args && filter->slot_count > 0)
        return false; /* nobody is better than all that are not equal to nothing */
    return match_node(filter, args, 0, subject);
}

bool filter_matches_value(const struct filter *filter, const void *mp, size_t len)
{
    struct subject subject = {.session = mp, .session_len = len};
    return match_node(filter, NULL, 0, &subject);
}
