/* update_rename: what $rename moves is taken from the document before anything changes; conflicts being
 * refused, nothing else in the update can change it. */

#include "core/doc.h"
#include "core/update_tree.h"

enum where { WHERE_FAILED = -1, WHERE_FOUND, WHERE_MISSING };

/* Follow a path. A scalar or a name in the way of an array fails; *@in_array says whether an index was
 * passed. */
static enum where follow(struct update_run *run, const struct update_op *op, struct doc_value doc,
                         struct doc_value *found, bool *in_array)
{
    struct mp_reader r = mp_reader(doc.bytes, doc.len);
    *in_array = false;
    for (unsigned i = 0; i < op->part_count; i++) {
        const struct path_part *part = &op->parts[i];
        struct mp_token token;
        bool is_there = false;
        if (!mp_next(&r, &token)) {
            return WHERE_MISSING;
        }
        if (token.type == MP_MAP) {
            is_there = doc_find(r, token.count, part->text, part->len, &r);
        } else if (token.type == MP_ARRAY && part->index != PATH_NO_INDEX) {
            *in_array = true;
            is_there = doc_element(r, token.count, part->index, &r);
        } else {
            return (enum where)update_fail(run, op, "`%.*s` cannot be below %s",
                                           part->len > 64 ? 64 : (int)part->len, part->text,
                                           mp_type_name(token.type));
        }
        if (!is_there) {
            return WHERE_MISSING;
        }
    }
    return mp_raw(&r, &found->bytes, &found->len) ? WHERE_FOUND : WHERE_MISSING;
}

static int find_source(struct update_run *run, const struct update_op *op, struct doc_value doc)
{
    struct doc_value found;
    bool in_array;
    enum where where = follow(run, op, doc, &found, &in_array);
    if (where != WHERE_FOUND) {
        return where == WHERE_FAILED ? -1 : 0;
    }
    if (in_array) {
        return update_fail(run, op, "`$rename` does not move elements of arrays");
    }
    run->renamed[op->rename] = found;
    return 0;
}

static int check_target(struct update_run *run, const struct update_op *op, struct doc_value doc)
{
    struct doc_value moved = run->renamed[op->rename];
    struct doc_value found;
    bool in_array;
    if (!moved.bytes) {
        return 0;
    }
    if (follow(run, op, doc, &found, &in_array) == WHERE_FAILED) {
        return -1;
    }
    if (in_array) {
        return update_fail(run, op, "`$rename` does not move into arrays");
    }
    if (op->part_count + doc_depth(moved.bytes, moved.len) > DOC_DEPTH) {
        return fault_set(run->fault, CODE_BAD_VALUE, run->at, "a session is at most %d deep", DOC_DEPTH);
    }
    return 0;
}

int update_find_renamed(struct update_run *run, struct doc_value doc)
{
    const struct update *update = run->update;
    if (update->rename_count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < update->op_count; i++) {
        if (update->ops[i].kind == UPDATE_RENAME_FROM && find_source(run, &update->ops[i], doc) < 0) {
            return -1;
        }
    }
    for (unsigned i = 0; i < update->op_count; i++) {
        if (update->ops[i].kind == UPDATE_RENAME_TO && check_target(run, &update->ops[i], doc) < 0) {
            return -1;
        }
    }
    return 0;
}
