#include "core/plan.h"

#include <errno.h>
#include <string.h>

#include "core/conn.h"
#include "core/scalar.h"
#include "wire/json.h"

#define NOT_INDEXED SIZE_MAX

/* The top-level field that a leaf compares, or NULL. */
static const struct path_part *field_of(const struct filter *filter, const struct filter_node *node)
{
    const struct filter_path *path = &filter->paths[node->path];
    return path->source == FILTER_SESSION && path->part_count == 1 ? &filter->parts[path->first_part] : NULL;
}

static bool is_of_conn(const struct filter *filter, const struct filter_node *node)
{
    return filter->paths[node->path].source == FILTER_AT_CONN;
}

static struct conn *conn_of(const struct plan_source *source, const struct mp_token *id)
{
    uint64_t number = id->type == MP_STR ? conn_number(source->epoch, id->bytes, id->len) : 0;
    return number ? conn_table_find(source->conns, number) : NULL;
}

/* Candidates that one value of a leaf stands for. NOT_INDEXED: the index does not know. */
static size_t value_cost(const struct plan_source *source, const struct filter_node *node,
                         const struct mp_token *value)
{
    uint8_t form[SCALAR_MAX];
    if (is_of_conn(source->filter, node))
        return conn_of(source, value) != NULL;
    if (!scalar_form(value, form))
        return NOT_INDEXED; /* a string too long for the index */
    const struct path_part *field = field_of(source->filter, node);
    const struct posting *posting = index_find(source->index, field->text, field->len, value);
    return posting ? posting->count : 0;
}

static bool has_postings(const struct plan_source *source, const struct filter_node *node)
{
    const struct path_part *field = field_of(source->filter, node);
    if (node->is_negated || (node->kind != FILTER_EQ && node->kind != FILTER_IN && node->kind != FILTER_ALL))
        return false;
    if (is_of_conn(source->filter, node))
        return true;
    return field && index_covers(source->index, field->text, field->len);
}

/* $all is as cheap as its rarest value, which *@rarest tells; the others need all of theirs. */
static size_t leaf_cost(const struct plan_source *source, const struct filter_node *node, uint32_t *rarest)
{
    size_t sum = 0, least = NOT_INDEXED;
    if (!has_postings(source, node))
        return NOT_INDEXED;
    const struct filter_values values = filter_values(source->filter, source->args, node);
    for (uint32_t i = 0; i < values.count; i++) {
        size_t cost = value_cost(source, node, &values.at[i]);
        if (cost < least) {
            least = cost;
            *rarest = i;
        }
        if (cost == NOT_INDEXED && node->kind != FILTER_ALL)
            return NOT_INDEXED;
        sum += cost;
    }
    return node->kind == FILTER_ALL && values.count > 0 ? least : sum;
}

/* The cheapest child of an AND; 0: none is indexed. */
static unsigned cheapest_child(const struct plan_source *source, unsigned n, size_t *cost);

static size_t node_cost(const struct plan_source *source, unsigned n)
{
    const struct filter_node *nodes = source->filter->nodes, *node = &nodes[n];
    size_t sum = 0;
    uint32_t rarest;
    if (node->kind > FILTER_OR)
        return leaf_cost(source, node, &rarest);
    if (node->is_negated)
        return NOT_INDEXED;
    if (node->kind == FILTER_AND) {
        cheapest_child(source, n, &sum);
        return sum;
    }
    for (unsigned child = n + 1; child < node->end; child = nodes[child].end) {
        size_t cost = node_cost(source, child);
        if (cost == NOT_INDEXED)
            return NOT_INDEXED;
        sum += cost;
    }
    return sum;
}

static unsigned cheapest_child(const struct plan_source *source, unsigned n, size_t *cost)
{
    const struct filter_node *nodes = source->filter->nodes;
    unsigned best = 0;
    *cost = NOT_INDEXED;
    for (unsigned child = n + 1; child < nodes[n].end; child = nodes[child].end) {
        size_t its = node_cost(source, child);
        if (its < *cost) {
            *cost = its;
            best = child;
        }
    }
    return best;
}

static size_t put_value(struct plan *plan, const struct plan_source *source, const struct filter_node *node,
                        const struct mp_token *value)
{
    if (is_of_conn(source->filter, node)) {
        struct conn *conn = conn_of(source, value);
        if (conn)
            buf_put(&plan->conns, &conn, sizeof(conn));
        return conn != NULL;
    }
    const struct path_part *field = field_of(source->filter, node);
    const struct posting *posting = index_find(source->index, field->text, field->len, value);
    if (posting)
        buf_put(&plan->postings, &posting, sizeof(posting));
    return posting ? posting->count : 0;
}

static void put_leaf(struct plan *plan, const struct plan_source *source, const struct filter_node *node)
{
    const struct filter_values values = filter_values(source->filter, source->args, node);
    const struct path_part *field = field_of(source->filter, node);
    struct plan_use use = {.field = field ? field->text : "@conn", .len = field ? field->len : 5};
    uint32_t first = 0, end = values.count;
    if (node->kind == FILTER_ALL && values.count > 0) {
        leaf_cost(source, node, &first);
        end = first + 1;
    }
    for (uint32_t i = first; i < end; i++)
        use.candidates += put_value(plan, source, node, &values.at[i]);
    use.values = end - first;
    buf_put(&plan->uses, &use, sizeof(use));
}

/* As deep as the filter, which compiling has bounded. */
static void put_node(struct plan *plan, const struct plan_source *source, unsigned n)
{
    const struct filter_node *nodes = source->filter->nodes;
    size_t cost;
    if (nodes[n].kind > FILTER_OR) {
        put_leaf(plan, source, &nodes[n]);
    } else if (nodes[n].kind == FILTER_AND) {
        put_node(plan, source, cheapest_child(source, n, &cost));
    } else {
        for (unsigned child = n + 1; child < nodes[n].end; child = nodes[child].end)
            put_node(plan, source, child);
    }
}

/* Whether the candidates of this node, which come from the index, all match it: an $and of several conditions
 * takes those of one, $all those of one value. As deep as the filter. */
static bool node_is_exact(const struct filter_node *nodes, unsigned n)
{
    const struct filter_node *node = &nodes[n];
    if (node->kind == FILTER_AND && nodes[n + 1].end != node->end)
        return false;
    if (node->kind > FILTER_OR)
        return node->kind == FILTER_EQ || node->kind == FILTER_IN;
    for (unsigned child = n + 1; child < node->end; child = nodes[child].end) {
        if (!node_is_exact(nodes, child))
            return false;
    }
    return true;
}

int plan_make(struct plan *plan, const struct plan_source *source)
{
    const struct filter_node *root = source->filter->nodes;
    *plan = (struct plan){.kind = PLAN_SCAN, .postings = BUF_INIT, .conns = BUF_INIT, .uses = BUF_INIT};
    if (root->kind == FILTER_AND && root->end == 1 && !root->is_negated) {
        plan->kind = PLAN_EVERYBODY;
        return 0;
    }
    if (node_cost(source, 0) == NOT_INDEXED)
        return 0;
    plan->kind = PLAN_INDEX;
    plan->is_exact = node_is_exact(root, 0);
    put_node(plan, source, 0);
    return plan->postings.failed || plan->conns.failed || plan->uses.failed ? -ENOMEM : 0;
}

void plan_deinit(struct plan *plan)
{
    buf_deinit(&plan->postings);
    buf_deinit(&plan->conns);
    buf_deinit(&plan->uses);
}

size_t plan_posting_count(const struct plan *plan)
{
    return plan->postings.len / sizeof(struct posting *);
}

const struct posting *plan_posting(const struct plan *plan, size_t index)
{
    const struct posting *posting;
    memcpy(&posting, plan->postings.data + index * sizeof(posting), sizeof(posting));
    return posting;
}

size_t plan_conn_count(const struct plan *plan)
{
    return plan->conns.len / sizeof(struct conn *);
}

struct conn *plan_conn(const struct plan *plan, size_t index)
{
    struct conn *conn;
    memcpy(&conn, plan->conns.data + index * sizeof(conn), sizeof(conn));
    return conn;
}

/* -- for people ---------------------------------------------------------------------------------------- */

static bool is_text(const struct buf *text, const char *word)
{
    return text->len == strlen(word) && memcmp(text->data, word, text->len) == 0;
}

/* The value of another type that looks the same. @text holds what it points to. */
static bool lookalike(const struct mp_token *value, struct buf *text, struct mp_token *out)
{
    size_t offset;
    struct buf as_written = BUF_INIT;
    buf_reset(text);
    if (value->type == MP_STR) {
        bool reads = !json_to_mp(value->bytes, value->len, text, &offset);
        struct mp_reader r = mp_reader(text->data, text->len);
        return reads && !text->failed && mp_next(&r, out) && out->type != MP_STR;
    }
    if (value->type == MP_BOOL)
        mp_put_bool(&as_written, value->boolean);
    else if (value->type == MP_UINT)
        mp_put_uint(&as_written, value->uint);
    else if (value->type == MP_INT)
        mp_put_int(&as_written, value->sint);
    else
        mp_put_double(&as_written, value->real);
    mp_to_json(as_written.data, as_written.len, text);
    buf_deinit(&as_written);
    if (text->len > 2 && !is_text(text, "true") && memcmp(text->data + text->len - 2, ".0", 2) == 0)
        text->len -= 2; /* 7.0 looks like "7" */
    *out = (struct mp_token){.type = MP_STR, .bytes = (const char *)text->data, .len = (uint32_t)text->len};
    return !text->failed;
}

static size_t leaf_other_type(const struct plan_source *source, const struct filter_node *node)
{
    const struct path_part *field = field_of(source->filter, node);
    struct buf text = BUF_INIT;
    size_t count = 0;
    if (!has_postings(source, node) || !field)
        return 0;
    const struct filter_values values = filter_values(source->filter, source->args, node);
    for (uint32_t i = 0; i < values.count; i++) {
        struct mp_token other;
        const struct posting *posting = lookalike(&values.at[i], &text, &other)
                                            ? index_find(source->index, field->text, field->len, &other)
                                            : NULL;
        count += posting ? posting->count : 0;
    }
    buf_deinit(&text);
    return count;
}

size_t plan_other_type(const struct plan_source *source)
{
    size_t count = 0;
    for (unsigned n = 0; n < source->filter->node_count; n++) {
        if (source->filter->nodes[n].kind > FILTER_OR)
            count += leaf_other_type(source, &source->filter->nodes[n]);
    }
    return count;
}

const char *plan_first_field(const struct filter *filter, size_t *len)
{
    *len = 0;
    for (unsigned n = 0; n < filter->node_count; n++) {
        if (filter->nodes[n].kind <= FILTER_OR)
            continue;
        const struct filter_path *path = &filter->paths[filter->nodes[n].path];
        if (path->source != FILTER_SESSION || !path->part_count)
            continue;
        *len = filter->parts[path->first_part].len;
        return filter->parts[path->first_part].text;
    }
    return "";
}
