#include "core/target.h"

#include "core/conn.h"

int target_init(struct target *target, struct core *core, const struct arg *conn, const struct arg *filter,
                const struct arg *args, const struct place *op, struct fault *fault)
{
    if (conn->given == filter->given)
        return fault_set(fault, CODE_BAD_ARGUMENT, op,
                         conn->given ? "give `conn` or `filter`, not both"
                                     : "give `conn` or `filter`; everybody is written as `filter: {}`");
    target->is_one = conn->given;
    target->one = NULL;
    if (filter->given) {
        const struct place at = place_key(op, "filter", 6);
        return query_init(&target->query, core, filter, &at, args, op, fault);
    }
    target->one = core_conn_find(core, conn->token.bytes, conn->token.len);
    return 0;
}

void target_deinit(struct target *target, struct core *core)
{
    if (!target->is_one)
        query_deinit(&target->query, core);
}

void target_begin(struct target *target, struct core *core)
{
    if (!target->is_one)
        query_begin(&target->query, core);
}

struct conn *target_next(struct target *target, struct core *core)
{
    if (!target->is_one)
        return query_next(&target->query, core);
    struct conn *conn = target->one;
    target->one = NULL;
    return conn;
}
