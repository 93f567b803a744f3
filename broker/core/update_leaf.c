/* update_leaf: what each operator makes of the value at the end of its path. */

#include <math.h>

#include "core/doc.h"
#include "core/update_tree.h"

static struct mp_token token_of(struct doc_value value)
{
    struct mp_token token = {.type = MP_NIL};
    struct mp_reader r = mp_reader(value.bytes, value.len);
    mp_next(&r, &token);
    return token;
}

static double to_real(const struct mp_token *number)
{
    switch (number->type) {
    case MP_UINT:
        return (double)number->uint;
    case MP_INT:
        return (double)number->sint;
    default:
        return number->real;
    }
}

/* A number >= 0 and one < 0. */
static void put_difference(struct buf *out, uint64_t more, int64_t less)
{
    uint64_t taken = (uint64_t)(-(less + 1)) + 1; /* also of INT64_MIN */
    if (more >= taken)
        mp_put_uint(out, more - taken);
    else
        mp_put_int(out, (int64_t)(more - taken));
}

/* Write the sum. False if it is too large for its type. */
static bool put_sum(struct buf *out, const struct mp_token *a, const struct mp_token *b)
{
    if (a->type == MP_FLOAT || b->type == MP_FLOAT) {
        double sum = to_real(a) + to_real(b);
        mp_put_double(out, sum);
        return isfinite(sum);
    }
    if (a->type == MP_UINT && b->type == MP_UINT) {
        mp_put_uint(out, a->uint + b->uint);
        return a->uint <= UINT64_MAX - b->uint;
    }
    if (a->type == MP_INT && b->type == MP_INT) {
        int64_t sum;
        bool overflows = __builtin_add_overflow(a->sint, b->sint, &sum);
        mp_put_int(out, sum);
        return !overflows;
    }
    put_difference(out, a->type == MP_UINT ? a->uint : b->uint, a->type == MP_INT ? a->sint : b->sint);
    return true;
}

static enum update_outcome put_value(struct update_run *run, struct doc_value value)
{
    buf_put(run->out, value.bytes, value.len);
    return update_fits(run) ? UPDATE_WRITTEN : UPDATE_FAILED;
}

static enum update_outcome apply_inc(struct update_run *run, const struct update_op *op, struct doc_value old)
{
    if (!old.bytes)
        return put_value(run, op->value);
    struct mp_token have = token_of(old);
    struct mp_token more = token_of(op->value);
    if (have.type != MP_UINT && have.type != MP_INT && have.type != MP_FLOAT)
        return update_fail(run, op, "`$inc` of %s", mp_type_name(have.type));
    if (!put_sum(run->out, &have, &more))
        return update_fail(run, op, "the sum is too large");
    return UPDATE_WRITTEN;
}

static enum update_outcome apply_rename_to(struct update_run *run, const struct update_op *op,
                                           struct doc_value old)
{
    struct doc_value moved = run->renamed[op->rename];
    if (!moved.bytes)
        return old.bytes ? put_value(run, old) : UPDATE_ABSENT;
    if (op->part_count + doc_depth(moved.bytes, moved.len) > DOC_DEPTH) {
        fault_set(run->fault, CODE_BAD_VALUE, run->at, "a session is at most %d deep", DOC_DEPTH);
        return UPDATE_FAILED;
    }
    return put_value(run, moved);
}

enum update_outcome update_leaf(struct update_run *run, const struct update_op *op, struct doc_value old)
{
    switch ((enum update_kind)op->kind) {
    case UPDATE_SET:
        return put_value(run, op->value);
    case UPDATE_INC:
        return apply_inc(run, op, old);
    case UPDATE_MIN:
        return put_value(run, !old.bytes || doc_compare(op->value, old) < 0 ? op->value : old);
    case UPDATE_MAX:
        return put_value(run, !old.bytes || doc_compare(op->value, old) > 0 ? op->value : old);
    case UPDATE_PUSH:
        return update_push(run, op, old);
    case UPDATE_ADD_TO_SET:
        return update_add_to_set(run, op, old);
    case UPDATE_PULL:
        return update_pull(run, op, old);
    case UPDATE_RENAME_TO:
        return apply_rename_to(run, op, old);
    case UPDATE_UNSET:
    case UPDATE_RENAME_FROM: /* a value is here only if it was found, so it moves */
        break;
    }
    return UPDATE_ABSENT;
}
