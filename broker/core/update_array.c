/* update_array: $push, $addToSet and $pull. */

#include "core/doc.h"
#include "core/filter_tree.h"
#include "core/update_tree.h"

#define PRESENT_WORDS (UPDATE_EACH_VALUES / 64)

/* The elements of an array, of none if it is missing. */
struct elements {
    struct mp_reader r;
    uint32_t count;
};

static int read_elements(struct update_run *run, const struct update_op *op, struct doc_value old,
                         struct elements *elements)
{
    struct mp_token token = {.type = MP_NIL};
    *elements = (struct elements){mp_reader(old.bytes, old.len), 0};
    if (!old.bytes)
        return 0;
    if (!mp_next(&elements->r, &token) || token.type != MP_ARRAY) {
        return update_fail(run, op, "`%s` needs an array, not %s", update_kind_name(op->kind),
                           mp_type_name(token.type));
    }
    elements->count = token.count;
    return 0;
}

static const struct update_value *value_at(const struct update_run *run, const struct update_op *op,
                                           unsigned i)
{
    return &run->update->values[op->first_value + i];
}

/* Pass over @count elements. Returns where they begin. */
static const uint8_t *pass(struct mp_reader *r, uint32_t count)
{
    const uint8_t *from = r->at;
    while (count > 0 && mp_skip(r))
        count--;
    return from;
}

/* Which of @total elements $slice leaves: those in [*from, *to). */
static void apply_slice(const struct update_op *op, uint32_t total, uint32_t *from, uint32_t *to)
{
    *from = 0;
    *to = total;
    if (!op->has_slice)
        return;
    uint64_t most = op->slice < 0 ? -(uint64_t)op->slice : (uint64_t)op->slice;
    if (most >= total)
        return;
    if (op->slice < 0)
        *from = total - (uint32_t)most;
    else
        *to = (uint32_t)most;
}

enum update_outcome update_push(struct update_run *run, const struct update_op *op, struct doc_value old)
{
    struct elements have;
    uint32_t from, to;
    if (read_elements(run, op, old, &have) < 0)
        return UPDATE_FAILED;
    apply_slice(op, have.count + op->value_count, &from, &to);
    mp_put_array(run->out, to - from);
    if (from < have.count) {
        pass(&have.r, from);
        const uint8_t *kept = pass(&have.r, (to < have.count ? to : have.count) - from);
        buf_put(run->out, kept, (size_t)(have.r.at - kept));
    }
    for (uint32_t i = from > have.count ? from : have.count; i < to; i++) {
        struct doc_value value = value_at(run, op, i - have.count)->value;
        buf_put(run->out, value.bytes, value.len);
        if (!update_fits(run))
            return UPDATE_FAILED;
    }
    return update_fits(run) ? UPDATE_WRITTEN : UPDATE_FAILED;
}

/* Which of the operation's values equals @element, or -1. */
static int find_value(const struct update_run *run, const struct update_op *op, struct doc_value element)
{
    unsigned low = 0;
    unsigned high = op->value_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        unsigned i = value_at(run, op, middle)->sorted;
        int order = doc_compare(element, value_at(run, op, i)->value);
        if (order == 0)
            return (int)i;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

enum update_outcome update_add_to_set(struct update_run *run, const struct update_op *op,
                                      struct doc_value old)
{
    uint64_t present[PRESENT_WORDS] = {0};
    struct elements have;
    uint32_t missing = op->value_count;
    if (read_elements(run, op, old, &have) < 0)
        return UPDATE_FAILED;
    const uint8_t *begin = have.r.at;
    for (uint32_t i = 0; i < have.count && missing > 0; i++) {
        struct doc_value element;
        mp_raw(&have.r, &element.bytes, &element.len);
        int found = find_value(run, op, element);
        if (found >= 0 && !(present[found / 64] & UINT64_C(1) << found % 64)) {
            present[found / 64] |= UINT64_C(1) << found % 64;
            missing--;
        }
    }
    if (missing == 0 && old.bytes) {
        buf_put(run->out, old.bytes, old.len);
        return update_fits(run) ? UPDATE_WRITTEN : UPDATE_FAILED;
    }
    mp_put_array(run->out, have.count + missing);
    buf_put(run->out, begin, (size_t)(have.r.at - begin));
    for (unsigned i = 0; i < op->value_count; i++) {
        if (!(present[i / 64] & UINT64_C(1) << i % 64)) {
            struct doc_value value = value_at(run, op, i)->value;
            buf_put(run->out, value.bytes, value.len);
        }
        if (!update_fits(run))
            return UPDATE_FAILED;
    }
    return UPDATE_WRITTEN;
}

static bool is_pulled(const struct update_op *op, struct doc_value element)
{
    if (!op->pull)
        return doc_compare(element, op->value) == 0;
    struct mp_token token;
    struct mp_reader r = mp_reader(element.bytes, element.len);
    if (op->pulls_maps && mp_next(&r, &token) && token.type != MP_MAP)
        return false;
    return filter_matches_value(op->pull, element.bytes, element.len);
}

enum update_outcome update_pull(struct update_run *run, const struct update_op *op, struct doc_value old)
{
    struct elements have;
    if (!old.bytes)
        return UPDATE_ABSENT;
    if (read_elements(run, op, old, &have) < 0)
        return UPDATE_FAILED;
    size_t mark = mp_open(run->out);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < have.count; i++) {
        struct doc_value element;
        if (!mp_raw(&have.r, &element.bytes, &element.len))
            break;
        if (!is_pulled(op, element)) {
            buf_put(run->out, element.bytes, element.len);
            kept++;
        }
    }
    mp_close_array(run->out, mark, kept);
    return UPDATE_WRITTEN;
}
