#include "core/filter_build.h"

#include <stdlib.h>
#include <string.h>

#include "core/doc.h"
#include "core/filter_value.h"
#include "wire/nearest.h"

#define COUNT(buf, type) ((buf).len / sizeof(type))

#define FAIL(b, at, ...) fault_set((b)->fault, (b)->dialect->code, at, __VA_ARGS__)

static const struct {
    const char *name;
    enum filter_source source;
} pseudo_fields[] = {
    {"@conn", FILTER_AT_CONN},
    {"@remote", FILTER_AT_REMOTE},
    {"@connected_ms", FILTER_AT_CONNECTED_MS},
    {"@subprotocol", FILTER_AT_SUBPROTOCOL},
    {"@path", FILTER_AT_PATH},
};
static const char *const pseudo_names[] = {"@conn",        "@remote", "@connected_ms",
                                           "@subprotocol", "@path",   NULL};

static int print_len(const struct mp_token *text)
{
    return text->len > 64 ? 64 : (int)text->len;
}

int build_begin(struct filter_build *b, enum filter_kind kind, bool is_negated, const struct place *at)
{
    size_t n = COUNT(b->nodes, struct filter_node);
    if (n == FILTER_NODES)
        return FAIL(b, at, "a filter has at most %d conditions", FILTER_NODES);
    struct filter_node node = {.kind = (uint8_t)kind, .is_negated = is_negated, .end = (uint16_t)(n + 1)};
    buf_put(&b->nodes, &node, sizeof node);
    return (int)n;
}

void build_end(struct filter_build *b, int node)
{
    if (!b->nodes.failed) {
        struct filter_node *nodes = (void *)b->nodes.data;
        nodes[node].end = (uint16_t)COUNT(b->nodes, struct filter_node);
    }
}

static int pseudo_path(struct filter_build *b, const struct mp_token *key, struct filter_path *path,
                       const struct place *at)
{
    for (size_t i = 0; i < sizeof pseudo_fields / sizeof pseudo_fields[0]; i++) {
        if (mp_is(key, pseudo_fields[i].name)) {
            path->source = (uint8_t)pseudo_fields[i].source;
            return 0;
        }
    }
    const char *meant = nearest(key->bytes, key->len, pseudo_names);
    if (meant)
        return FAIL(b, at, "there is no `%.*s`; did you mean `%s`?", print_len(key), key->bytes, meant);
    return FAIL(b, at, "there is no `%.*s`", print_len(key), key->bytes);
}

int build_path(struct filter_build *b, const struct mp_token *key, const struct place *at)
{
    struct filter_path path = {.source = FILTER_SESSION,
                               .first_part = (uint16_t)COUNT(b->parts, struct path_part)};
    if (COUNT(b->paths, struct filter_path) == FILTER_NODES)
        return FAIL(b, at, "a filter has at most %d conditions", FILTER_NODES);
    if (key && key->len > 0 && key->bytes[0] == '@' && b->dialect->is_of_session) {
        if (pseudo_path(b, key, &path, at) < 0)
            return -1;
    } else if (key) {
        struct path_part parts[DOC_PATH_PARTS];
        int count = path_split(key->bytes, key->len, parts, b->dialect->code, at, b->fault);
        if (count < 0)
            return -1;
        path.part_count = (uint8_t)count;
        buf_put(&b->parts, parts, (size_t)count * sizeof parts[0]);
    }
    buf_put(&b->paths, &path, sizeof path);
    return b->paths.failed ? 0 : (int)COUNT(b->paths, struct filter_path) - 1;
}

struct filter_list build_list(const struct filter_build *b)
{
    return (struct filter_list){.first = (uint32_t)COUNT(b->values, struct mp_token),
                                .first_ref = (uint16_t)COUNT(b->refs, uint16_t)};
}

int build_value(struct filter_build *b, struct filter_list *list, const struct mp_token *value,
                const struct place *at)
{
    if (COUNT(b->values, struct mp_token) == FILTER_VALUES)
        return FAIL(b, at, "a filter has at most %d values", FILTER_VALUES);
    buf_put(&b->values, value, sizeof *value);
    list->count++;
    return 0;
}

/* The slot of this name, new or known. */
static int find_or_add_slot(struct filter_build *b, const struct mp_token *name, bool is_list,
                            const struct place *at)
{
    const struct filter_slot *slots = (const void *)b->slots.data;
    size_t count = COUNT(b->slots, struct filter_slot);
    for (size_t i = 0; i < count; i++) {
        if (slots[i].len != name->len || memcmp(slots[i].name, name->bytes, name->len) != 0)
            continue;
        if (slots[i].is_list != is_list) {
            return FAIL(b, at, "argument `%.*s` cannot be both a list and a value", print_len(name),
                        name->bytes);
        }
        return (int)i;
    }
    struct filter_slot slot = {name->bytes, name->len, is_list};
    buf_put(&b->slots, &slot, sizeof slot);
    return (int)count;
}

int build_arg(struct filter_build *b, struct filter_list *list, const struct mp_token *name, bool is_list,
              const struct place *at)
{
    if (COUNT(b->refs, uint16_t) == FILTER_NODES)
        return FAIL(b, at, "a filter uses at most %d arguments", FILTER_NODES);
    int slot = find_or_add_slot(b, name, is_list, at);
    if (slot < 0)
        return -1;
    uint16_t ref = (uint16_t)slot;
    buf_put(&b->refs, &ref, sizeof ref);
    list->ref_count++;
    return 0;
}

/* @list is the newest, so its values are the last. */
static void sort_values(struct filter_build *b, struct filter_list *list)
{
    if (!b->values.failed && list->count > 0) {
        struct mp_token *values = (struct mp_token *)(void *)b->values.data + list->first;
        uint32_t kept = filter_value_sort(values, list->count);
        b->values.len -= (list->count - kept) * sizeof *values;
        list->count = (uint16_t)kept;
    }
}

int build_leaf(struct filter_build *b, enum filter_kind kind, bool is_negated, int path,
               struct filter_list *list, const struct place *at)
{
    int n = build_begin(b, kind, is_negated, at);
    if (n < 0 || b->nodes.failed)
        return n;
    struct filter_node *node = (struct filter_node *)(void *)b->nodes.data + n;
    node->path = (uint16_t)path;
    if (list) {
        sort_values(b, list);
        node->list = (uint16_t)COUNT(b->lists, struct filter_list);
        buf_put(&b->lists, list, sizeof *list);
    }
    return n;
}

/* Move the content of @part into the block. */
static void *carve(uint8_t **block, const struct buf *part)
{
    uint8_t *at = *block;
    if (part->len > 0)
        memcpy(at, part->data, part->len);
    *block += (part->len + 7) & ~(size_t)7;
    return at;
}

struct filter *build_finish(const struct filter_build *b)
{
    const struct buf *all[] = {&b->nodes, &b->paths, &b->parts, &b->lists, &b->refs, &b->slots, &b->values};
    size_t first = (sizeof(struct filter) + 7) & ~(size_t)7;
    size_t size = first;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i]->failed)
            return NULL;
        size += (all[i]->len + 7) & ~(size_t)7;
    }
    struct filter *f = malloc(size);
    if (!f)
        return NULL;
    uint8_t *block = (uint8_t *)f + first;
    f->node_count = (uint16_t)COUNT(b->nodes, struct filter_node);
    f->list_count = (uint16_t)COUNT(b->lists, struct filter_list);
    f->slot_count = (uint16_t)COUNT(b->slots, struct filter_slot);
    f->nodes = carve(&block, &b->nodes);
    f->paths = carve(&block, &b->paths);
    f->parts = carve(&block, &b->parts);
    f->lists = carve(&block, &b->lists);
    f->refs = carve(&block, &b->refs);
    f->slots = carve(&block, &b->slots);
    f->values = carve(&block, &b->values);
    return f;
}

void build_deinit(struct filter_build *b)
{
    buf_deinit(&b->nodes);
    buf_deinit(&b->paths);
    buf_deinit(&b->parts);
    buf_deinit(&b->lists);
    buf_deinit(&b->refs);
    buf_deinit(&b->slots);
    buf_deinit(&b->values);
}
