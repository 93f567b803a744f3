/* update_rename: what $rename moves is taken from the document before anything changes; conflicts being
 * refused, nothing else in the update can change it. One pass for all of them, as in update_apply. */

#include "core/doc.h"
#include "core/update_tree.h"

static enum update_outcome refuse(struct update_run *run, const struct update_op *op, unsigned part,
                                  enum mp_type type)
{
    const struct path_part *name = &op->parts[part];
    return update_fail(run, op, "`%.*s` cannot be below %s", name->len > 64 ? 64 : (int)name->len, name->text,
                       mp_type_name(type));
}

/* What comes from below an array is not moved, and fails if it is there. */
static int refuse_element(struct update_run *run, const struct update_op *op, unsigned part,
                          struct mp_reader r)
{
    for (; part < op->part_count; part++) {
        const struct path_part *name = &op->parts[part];
        struct mp_token token = {.type = MP_NIL};
        bool is_there;
        mp_next(&r, &token);
        if (token.type == MP_MAP)
            is_there = doc_find(r, token.count, name->text, name->len, &r);
        else if (token.type == MP_ARRAY && name->index != PATH_NO_INDEX)
            is_there = doc_element(r, token.count, name->index, &r);
        else
            return refuse(run, op, part, token.type);
        if (!is_there)
            return 0;
    }
    return update_fail(run, op, "`$rename` does not move elements of arrays");
}

static bool has_source(const struct update_run *run, struct update_span span)
{
    for (unsigned i = span.from; i < span.to; i++)
        if (run->update->ops[i].kind == UPDATE_RENAME_FROM)
            return true;
    return false;
}

static int find_in_map(struct update_run *run, struct mp_reader pairs, uint32_t count,
                       struct update_span span);

static int find_in_value(struct update_run *run, struct doc_value value, struct update_span span)
{
    struct mp_reader whole = mp_reader(value.bytes, value.len);
    struct mp_reader r = whole;
    struct mp_token token = {.type = MP_NIL};
    if (!has_source(run, span))
        return 0;
    if (update_is_leaf(run, span)) {
        run->renamed[run->update->ops[span.from].rename] = value;
        return 0;
    }
    mp_next(&r, &token);
    if (token.type == MP_MAP)
        return find_in_map(run, r, token.count, span);
    for (unsigned i = span.from; i < span.to; i++) {
        const struct update_op *op = &run->update->ops[i];
        if (op->kind == UPDATE_RENAME_FROM && refuse_element(run, op, span.depth, whole) < 0)
            return -1;
    }
    return 0;
}

static int find_in_map(struct update_run *run, struct mp_reader pairs, uint32_t count,
                       struct update_span span)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mp_token name;
        struct doc_value value;
        if (!mp_next(&pairs, &name) || name.type != MP_STR || !mp_raw(&pairs, &value.bytes, &value.len))
            break;
        struct update_span group = update_group_of(run, span, &name);
        if (group.from < group.to && find_in_value(run, value, group) < 0)
            return -1;
    }
    return 0;
}

int update_find_renamed(struct update_run *run, struct mp_reader pairs, uint32_t count)
{
    struct update_span all = {0, run->update->op_count, 0};
    return run->update->rename_count == 0 ? 0 : find_in_map(run, pairs, count, all);
}
