#include "core/target.h"

#include <string.h>

#include "core/conn.h"

/* `args` are for all filters of an operation; each takes those that it names. */
static int bind(struct query *query, const struct arg *args, const struct place *op, struct fault *fault)
{
    const struct place at = place_key(op, "args", 4);
    return filter_bind(&query->args, query->filter, args && args->given ? args->raw : NULL,
                       args && args->given ? args->len : 0, &at, fault);
}

static int check_cost(const struct core *core, const struct place *at, struct fault *fault)
{
    if (core->conns.count <= core->options.max_scan)
        return 0;
    return fault_set(fault, CODE_TOO_COSTLY, at, "%zu sessions would have to be looked at, at most %u may be",
                     core->conns.count, core->options.max_scan);
}

int query_init(struct query *query, const struct core *core, const struct arg *filter, const struct place *at,
               const struct arg *args, const struct place *op, struct fault *fault)
{
    *query = (struct query){NULL, NULL};
    if (filter_compile(&query->filter, filter->raw, filter->len, at, fault) < 0)
        return -1;
    if (bind(query, args, op, fault) < 0 || (filter->token.count > 0 && check_cost(core, at, fault) < 0)) {
        query_deinit(query);
        return -1;
    }
    return 0;
}

void query_deinit(struct query *query)
{
    filter_args_free(query->args);
    filter_free(query->filter);
    *query = (struct query){NULL, NULL};
}

bool query_matches(const struct query *query, struct core *core, const struct conn *conn)
{
    if (!query->filter)
        return true;
    struct subject subject = conn_subject(conn);
    core->counters->sessions_scanned++;
    return filter_matches(query->filter, query->args, &subject);
}

uint64_t query_count(const struct query *query, struct core *core)
{
    uint64_t count = 0;
    size_t place = 0;
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &place));)
        count += query_matches(query, core, conn);
    return count;
}

int target_init(struct target *target, const struct core *core, const struct arg *conn,
                const struct arg *filter, const struct arg *args, const struct place *op, struct fault *fault)
{
    *target = (struct target){0};
    if (conn->given == filter->given)
        return fault_set(fault, CODE_BAD_ARGUMENT, op,
                         conn->given ? "give `conn` or `filter`, not both"
                                     : "give `conn` or `filter`; everybody is written as `filter: {}`");
    if (filter->given) {
        const struct place at = place_key(op, "filter", 6);
        return query_init(&target->query, core, filter, &at, args, op, fault);
    }
    target->is_one = true;
    target->one = core_conn_find(core, conn->token.bytes, conn->token.len);
    return 0;
}

void target_deinit(struct target *target)
{
    query_deinit(&target->query);
}

struct conn *target_next(struct target *target, struct core *core)
{
    if (target->is_one) {
        struct conn *conn = target->one;
        target->one = NULL;
        return conn;
    }
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &target->place));) {
        if (query_matches(&target->query, core, conn))
            return conn;
    }
    return NULL;
}
