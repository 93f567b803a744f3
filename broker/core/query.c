#include "core/query.h"

#include <string.h>

#include "core/conn.h"

#define CACHE_LINE  64
#define ASKED_BYTES (2 * CACHE_LINE) /* of a connection, and of a session: what most filters look at */

void query_init_all(struct query *query)
{
    *query = (struct query){.plan = {.kind = PLAN_EVERYBODY}};
}

static struct plan_source source_of(const struct query *query, const struct core *core)
{
    return (struct plan_source){.index = &core->index,
                                .conns = &core->conns,
                                .epoch = core->options.epoch,
                                .filter = query->cached->filter,
                                .args = query->args};
}

static int check_cost(const struct query *query, const struct core *core, const struct place *at,
                      struct fault *fault)
{
    size_t len;
    if (query->plan.kind != PLAN_SCAN || core->conns.count <= core->options.max_scan)
        return 0;
    const char *field = plan_first_field(query->cached->filter, &len);
    if (!len)
        return fault_set(
            fault, CODE_TOO_COSTLY, at,
            "%zu sessions would have to be looked at, at most %u may be: add an indexed field of the "
            "session, compared by equality",
            core->conns.count, core->options.max_scan);
    return fault_set(
        fault, CODE_TOO_COSTLY, at,
        "%zu sessions would have to be looked at, at most %u may be: no indexed field narrows them; "
        "index `%.*s` and compare it by equality",
        core->conns.count, core->options.max_scan, len > 64 ? 64 : (int)len, field);
}

/* `args` are for all filters of an operation; each takes those that it names. */
static int bind(struct query *query, const struct arg *args, const struct place *op, struct fault *fault)
{
    const struct place at = place_key(op, "args", 4);
    bool given = args && args->given;
    return filter_bind(&query->args, query->cached->filter, given ? args->raw : NULL, given ? args->len : 0,
                       &at, fault);
}

static int plan(struct query *query, struct core *core, const struct place *at, struct fault *fault)
{
    const struct plan_source source = source_of(query, core);
    if (plan_make(&query->plan, &source) < 0)
        return fault_set(fault, CODE_OVERLOADED, at, "no memory for the query");
    return check_cost(query, core, at, fault);
}

int query_init(struct query *query, struct core *core, const struct arg *filter, const struct place *at,
               const struct arg *args, const struct place *op, struct fault *fault)
{
    query_init_all(query);
    if (filter_cache_use(&core->filters, filter->raw, filter->len, at, &query->cached, fault) == 0 &&
        bind(query, args, op, fault) == 0 && plan(query, core, at, fault) == 0)
        return 0;
    query_deinit(query, core);
    return -1;
}

void query_deinit(struct query *query, struct core *core)
{
    plan_deinit(&query->plan);
    filter_args_free(query->args);
    filter_cache_release(&core->filters, query->cached);
    query_init_all(query);
}

void query_begin(struct query *query, struct core *core)
{
    query->visit = ++core->visit;
    query->source = 0;
    query->place = 0;
    query->ahead_count = 0;
    query->ahead_asked = 0;
    query->loose = core->index.loose;
    query->candidates = 0;
    query->matches = 0;
}

/* The next candidate out of the plan's sources. */
static struct conn *next_indexed(struct query *query)
{
    const struct plan *plan = &query->plan;
    for (; query->source < plan_posting_count(plan); query->source++, query->place = 0) {
        const struct posting *posting = plan_posting(plan, query->source);
        if (query->place < posting->count)
            return posting->members[query->place++].conn;
    }
    if (query->loose) {
        struct conn *conn = query->loose;
        query->loose = conn->index.next;
        return conn;
    }
    return query->place < plan_conn_count(plan) ? plan_conn(plan, query->place++) : NULL;
}

/* Candidates lie all over the memory, and of 100,000 a walk spends most of its time waiting for them. So it
 * asks for some while it works on those before: first for the connection, later for its session, whose place
 * only the connection knows. That halves the time of a walk. (The loops stand here since gcc takes a function
 * that only prefetches for one without effect and drops its calls.) */
static struct conn *next_ahead(struct query *query, struct core *core)
{
    struct conn *conn;
    while (query->ahead_count < QUERY_AHEAD) {
        conn = query->plan.kind == PLAN_INDEX ? next_indexed(query)
                                              : conn_table_walk(&core->conns, &query->place);
        if (!conn)
            break;
        for (size_t at = 0; at < ASKED_BYTES; at += CACHE_LINE)
            __builtin_prefetch((const char *)conn + at);
        query->ahead[(query->ahead_first + query->ahead_count++) % QUERY_AHEAD] = conn;
    }
    if (!query->ahead_count)
        return NULL;
    while (query->ahead_asked < query->ahead_count && query->ahead_asked < QUERY_AHEAD / 2) {
        conn = query->ahead[(query->ahead_first + query->ahead_asked++) % QUERY_AHEAD];
        for (size_t at = 0; at < ASKED_BYTES; at += CACHE_LINE)
            __builtin_prefetch((const char *)conn->session + at);
    }
    conn = query->ahead[query->ahead_first];
    query->ahead_first = (query->ahead_first + 1) % QUERY_AHEAD;
    query->ahead_count--;
    query->ahead_asked--;
    return conn;
}

static bool is_candidate(struct query *query, struct core *core, struct conn *conn)
{
    if (query->plan.kind == PLAN_INDEX && conn->visit == query->visit)
        return false;
    conn->visit = query->visit;
    query->candidates++;
    core->counters->sessions_scanned += !query->is_silent;
    return true;
}

static bool matches(const struct query *query, const struct conn *conn)
{
    if (query->plan.is_exact && !conn->index.is_loose)
        return true;
    const struct subject subject = conn_subject(conn);
    return filter_matches(query->cached->filter, query->args, &subject);
}

struct conn *query_next(struct query *query, struct core *core)
{
    for (;;) {
        struct conn *conn = next_ahead(query, core);
        if (!conn)
            return NULL;
        if (core->step.leaving && conn->is_leaving)
            continue;
        if (query->plan.kind == PLAN_EVERYBODY || (is_candidate(query, core, conn) && matches(query, conn))) {
            query->matches++;
            return conn;
        }
    }
}

uint64_t query_count(struct query *query, struct core *core)
{
    query_begin(query, core);
    if (query->plan.kind == PLAN_EVERYBODY)
        return query->matches = core->conns.count - core->step.leaving;
    while (query_next(query, core))
        ;
    return query->matches;
}

bool query_is_ordered(const struct query *query)
{
    return query->plan.kind != PLAN_INDEX;
}

void query_skip(struct query *query, struct core *core, uint64_t number)
{
    query->place = conn_table_place(&core->conns, number);
}

static void put_uses(const struct plan *plan, struct buf *out)
{
    size_t count = plan->uses.len / sizeof(struct plan_use);
    mp_put_text(out, "indexes");
    mp_put_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        struct plan_use use;
        memcpy(&use, plan->uses.data + i * sizeof(use), sizeof(use));
        mp_put_map(out, 3);
        mp_put_text(out, "field");
        mp_put_str(out, use.field, use.len);
        mp_put_text(out, "values");
        mp_put_uint(out, use.values);
        mp_put_text(out, "candidates");
        mp_put_uint(out, use.candidates);
    }
}

void query_explain(struct query *query, struct core *core, struct buf *out)
{
    static const char *const kinds[] = {
        [PLAN_EVERYBODY] = "everybody", [PLAN_SCAN] = "scan", [PLAN_INDEX] = "index"};
    uint64_t matched = query_count(query, core);
    size_t other_type = 0;
    if (query->cached) {
        const struct plan_source source = source_of(query, core);
        other_type = plan_other_type(&source);
    }
    mp_put_map(out, 5);
    mp_put_text(out, "kind");
    mp_put_text(out, kinds[query->plan.kind]);
    put_uses(&query->plan, out);
    mp_put_text(out, "candidates");
    mp_put_uint(out, query->plan.kind == PLAN_EVERYBODY ? 0 : query->candidates);
    mp_put_text(out, "matches");
    mp_put_uint(out, matched);
    mp_put_text(out, "other_type");
    mp_put_uint(out, other_type);
}
