/* update_apply: one pass over a document that writes its successor.
 *
 * A value is met with the run of operations whose paths lead to it or below it. No operation means: copy.
 * The recursion is as deep as paths are long. */

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/doc.h"
#include "core/update_tree.h"

enum update_outcome update_fail(struct update_run *run, const struct update_op *op, const char *format, ...)
{
    char message[200];
    const char *name = update_kind_name(op->kind);
    struct place place = place_key(run->at, name, strlen(name));
    struct place path = place_key(&place, op->key, op->key_len);
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fault_set(run->fault, CODE_UPDATE_FAILED, &path, "%s", message);
    return UPDATE_FAILED;
}

bool update_fits(struct update_run *run)
{
    if (run->out->len - run->start <= run->limit_bytes)
        return true;
    fault_set(run->fault, CODE_SESSION_TOO_LARGE, run->at, "a session has at most %zu bytes",
              run->limit_bytes);
    return false;
}

static const struct update_op *op_at(const struct update_run *run, unsigned i)
{
    return &run->update->ops[i];
}

/* Whether the operation makes a path that is missing. */
static bool creates(const struct update_run *run, const struct update_op *op)
{
    switch ((enum update_kind)op->kind) {
    case UPDATE_UNSET:
    case UPDATE_PULL:
    case UPDATE_RENAME_FROM:
        return false;
    case UPDATE_RENAME_TO:
        return run->renamed[op->rename].bytes != NULL;
    default:
        return true;
    }
}

/* Whether a scalar in its way is an error; $unset has nothing to do there, $pull fails as in MongoDB. */
static bool needs_path(const struct update_run *run, const struct update_op *op)
{
    return op->kind == UPDATE_PULL || creates(run, op);
}

/* The neighbours from @from on that share the next part. */
static struct update_span group_at(const struct update_run *run, struct update_span span, unsigned from)
{
    const struct path_part *part = &op_at(run, from)->parts[span.depth];
    unsigned to = from + 1;
    while (to < span.to && path_part_compare(part, &op_at(run, to)->parts[span.depth]) == 0)
        to++;
    return (struct update_span){from, to, span.depth + 1};
}

struct update_span update_group_of(const struct update_run *run, struct update_span span,
                                   const struct mp_token *name)
{
    struct path_part part = {name->bytes, name->len, path_index(name->bytes, name->len)};
    unsigned low = span.from;
    unsigned high = span.to;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (path_part_compare(&op_at(run, middle)->parts[span.depth], &part) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == span.to || path_part_compare(&op_at(run, low)->parts[span.depth], &part) != 0)
        return (struct update_span){low, low, span.depth};
    return group_at(run, span, low);
}

bool update_is_leaf(const struct update_run *run, struct update_span span)
{
    return op_at(run, span.from)->part_count == span.depth;
}

/* Pass over one value. */
static bool take_value(struct mp_reader *r, struct doc_value *value)
{
    value->bytes = r->at;
    bool is_there = doc_skip(r);
    value->len = (size_t)(r->at - value->bytes);
    return is_there;
}

static enum update_outcome apply_value(struct update_run *run, struct doc_value value,
                                       struct update_span span);
static enum update_outcome create_value(struct update_run *run, struct update_span span);

/* A field that is not there: its name and value, or nothing. */
static enum update_outcome create_field(struct update_run *run, struct update_span group)
{
    const struct path_part *name = &op_at(run, group.from)->parts[group.depth - 1];
    size_t before = run->out->len;
    mp_put_str(run->out, name->text, name->len);
    enum update_outcome outcome = create_value(run, group);
    if (outcome == UPDATE_ABSENT)
        run->out->len = before;
    return outcome;
}

static enum update_outcome create_value(struct update_run *run, struct update_span span)
{
    uint32_t count = 0;
    if (update_is_leaf(run, span))
        return update_leaf(run, op_at(run, span.from), (struct doc_value){NULL, 0});
    size_t mark = mp_open(run->out);
    for (unsigned i = span.from; i < span.to;) {
        struct update_span group = group_at(run, span, i);
        enum update_outcome outcome = create_field(run, group);
        if (outcome == UPDATE_FAILED)
            return outcome;
        count += outcome == UPDATE_WRITTEN;
        i = group.to;
    }
    if (count == 0) {
        run->out->len = mark;
        return UPDATE_ABSENT;
    }
    mp_close_map(run->out, mark, count);
    return UPDATE_WRITTEN;
}

/* The pair at @pair, whose value some operations concern. */
static enum update_outcome apply_pair(struct update_run *run, const uint8_t *pair, struct doc_value value,
                                      struct update_span group)
{
    size_t before = run->out->len;
    buf_put(run->out, pair, (size_t)(value.bytes - pair));
    enum update_outcome outcome = apply_value(run, value, group);
    if (outcome == UPDATE_ABSENT)
        run->out->len = before;
    return outcome;
}

static int create_fields(struct update_run *run, struct update_span span, const uint64_t *seen,
                         uint32_t *count)
{
    for (unsigned i = span.from; i < span.to;) {
        struct update_span group = group_at(run, span, i);
        if (!(seen[i / 64] & UINT64_C(1) << i % 64)) {
            enum update_outcome outcome = create_field(run, group);
            if (outcome == UPDATE_FAILED)
                return -1;
            *count += outcome == UPDATE_WRITTEN;
        }
        i = group.to;
    }
    return 0;
}

static enum update_outcome apply_map(struct update_run *run, struct mp_reader r, uint32_t count,
                                     struct update_span span)
{
    uint64_t seen[UPDATE_NODES / 64] = {0}; /* groups that met their field, by their first operation */
    size_t mark = mp_open(run->out);
    uint32_t kept = count;
    const uint8_t *untouched = r.at; /* from here on to be copied */
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *pair = r.at;
        struct mp_token name;
        struct doc_value value;
        if (!mp_next(&r, &name) || name.type != MP_STR || !take_value(&r, &value))
            break;
        struct update_span group = update_group_of(run, span, &name);
        if (group.from == group.to)
            continue;
        seen[group.from / 64] |= UINT64_C(1) << group.from % 64;
        buf_put(run->out, untouched, (size_t)(pair - untouched));
        untouched = r.at;
        enum update_outcome outcome = apply_pair(run, pair, value, group);
        if (outcome == UPDATE_FAILED)
            return outcome;
        kept -= outcome == UPDATE_ABSENT;
    }
    buf_put(run->out, untouched, (size_t)(r.at - untouched));
    if (create_fields(run, span, seen, &kept) < 0)
        return UPDATE_FAILED;
    mp_close_map(run->out, mark, kept);
    return update_fits(run) ? UPDATE_WRITTEN : UPDATE_FAILED;
}

/* An element that some operations concern. What is removed leaves nil, so that the others keep their places.
 */
static enum update_outcome apply_element(struct update_run *run, struct doc_value value,
                                         struct update_span group)
{
    enum update_outcome outcome = apply_value(run, value, group);
    if (outcome == UPDATE_ABSENT) {
        mp_put_nil(run->out);
        return UPDATE_WRITTEN;
    }
    return outcome;
}

/* An element behind the last, with nil up to it. */
static enum update_outcome create_element(struct update_run *run, struct update_span group, uint32_t *count)
{
    const struct path_part *part = &op_at(run, group.from)->parts[group.depth - 1];
    bool is_wanted = false;
    for (unsigned i = group.from; i < group.to; i++)
        is_wanted = is_wanted || creates(run, op_at(run, i));
    if (!is_wanted)
        return UPDATE_ABSENT;
    if (part->index >= run->limit_bytes) { /* each element takes a byte */
        fault_set(run->fault, CODE_SESSION_TOO_LARGE, run->at,
                  "an array with an element %.*s is larger than a session's %zu bytes",
                  part->len > 20 ? 20 : (int)part->len, part->text, run->limit_bytes);
        return UPDATE_FAILED;
    }
    for (; *count < part->index; ++*count)
        mp_put_nil(run->out);
    ++*count;
    return update_fits(run) ? create_value(run, group) : UPDATE_FAILED;
}

/* Groups from @from on that have no element: behind the last, or no index at all. */
static int create_elements(struct update_run *run, struct update_span span, unsigned from, uint32_t *count)
{
    for (unsigned i = from; i < span.to;) {
        struct update_span group = group_at(run, span, i);
        const struct path_part *part = &op_at(run, i)->parts[span.depth];
        for (; part->index == PATH_NO_INDEX && i < group.to; i++) {
            if (needs_path(run, op_at(run, i))) {
                return update_fail(run, op_at(run, i), "`%.*s` is no index of an array",
                                   part->len > 64 ? 64 : (int)part->len, part->text);
            }
        }
        if (part->index != PATH_NO_INDEX && create_element(run, group, count) == UPDATE_FAILED)
            return -1;
        i = group.to;
    }
    return 0;
}

static enum update_outcome apply_array(struct update_run *run, struct mp_reader r, uint32_t count,
                                       struct update_span span)
{
    for (unsigned i = span.from; i < span.to; i++)
        if (op_at(run, i)->kind == UPDATE_RENAME_TO && creates(run, op_at(run, i)))
            return update_fail(run, op_at(run, i), "`$rename` does not move into arrays");
    size_t mark = mp_open(run->out);
    const uint8_t *untouched = r.at;
    unsigned next = span.from; /* indexes come first and in order */
    for (uint32_t i = 0; i < count; i++) {
        struct doc_value value;
        const uint8_t *element = r.at;
        if (!take_value(&r, &value))
            break;
        if (next == span.to || op_at(run, next)->parts[span.depth].index != i)
            continue;
        struct update_span group = group_at(run, span, next);
        next = group.to;
        buf_put(run->out, untouched, (size_t)(element - untouched));
        untouched = r.at;
        if (apply_element(run, value, group) == UPDATE_FAILED)
            return UPDATE_FAILED;
    }
    buf_put(run->out, untouched, (size_t)(r.at - untouched));
    if (create_elements(run, span, next, &count) < 0)
        return UPDATE_FAILED;
    mp_close_array(run->out, mark, count);
    return update_fits(run) ? UPDATE_WRITTEN : UPDATE_FAILED;
}

/* A scalar where the paths of @span go on. */
static enum update_outcome pass_scalar(struct update_run *run, struct doc_value value, enum mp_type type,
                                       struct update_span span)
{
    for (unsigned i = span.from; i < span.to; i++) {
        const struct update_op *op = op_at(run, i);
        if (needs_path(run, op)) {
            const struct path_part *part = &op->parts[span.depth];
            return update_fail(run, op, "`%.*s` cannot be below %s", part->len > 64 ? 64 : (int)part->len,
                               part->text, mp_type_name(type));
        }
    }
    buf_put(run->out, value.bytes, value.len);
    return UPDATE_WRITTEN;
}

static enum update_outcome apply_value(struct update_run *run, struct doc_value value,
                                       struct update_span span)
{
    struct mp_reader r = mp_reader(value.bytes, value.len);
    struct mp_token token = {.type = MP_NIL};
    if (update_is_leaf(run, span))
        return update_leaf(run, op_at(run, span.from), value);
    mp_next(&r, &token);
    if (token.type == MP_MAP)
        return apply_map(run, r, token.count, span);
    if (token.type == MP_ARRAY)
        return apply_array(run, r, token.count, span);
    return pass_scalar(run, value, token.type, span);
}

int update_apply(const struct update *update, const void *doc, size_t len, size_t limit_bytes,
                 struct buf *out, bool *changed, const struct place *at, struct fault *fault)
{
    struct update_run run = {.update = update,
                             .out = out,
                             .start = out->len,
                             .limit_bytes = limit_bytes,
                             .at = at,
                             .fault = fault};
    struct doc_value old = {doc, len};
    struct mp_reader r = mp_reader(doc, len);
    struct mp_token map = {.type = MP_NIL};
    if (!mp_next(&r, &map) || map.type != MP_MAP)
        return fault_set(fault, CODE_UPDATE_FAILED, at, "a session is a map, not %s", mp_type_name(map.type));
    if (update_find_renamed(&run, r, map.count) < 0)
        return -1;
    if (apply_map(&run, r, map.count, (struct update_span){0, update->op_count, 0}) == UPDATE_FAILED)
        return -1;
    if (out->failed)
        return fault_set(fault, CODE_OVERLOADED, at, "no memory for the session");
    struct doc_value result = {out->data + run.start, out->len - run.start};
    *changed = !doc_identical(old, result);
    return 0;
}
