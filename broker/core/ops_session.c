/* Operations that read and change sessions: get, update, count, find. */

#include <string.h>

#include "core/conn.h"
#include "core/doc.h"
#include "core/doc_path.h"
#include "core/expiry.h"
#include "core/ops.h"
#include "core/target.h"
#include "core/update.h"
#include "core/value_set.h"

#define MAX_KEYS   64  /* of `keys` */
#define FIND_LIMIT 100 /* connections of a page, unless `limit` says otherwise */
#define FIND_MAX   1000
#define PAGE_BYTES (256 * 1024) /* a page ends when it has as many */

/* -- get ----------------------------------------------------------------------------------------------- */

/* `keys`, read. */
struct keys {
    bool all;
    size_t count;
    struct mp_token list[MAX_KEYS];
};

static int keys_read(struct call *call, const struct arg *arg, struct keys *keys)
{
    uint32_t count;
    struct mp_reader r = args_strings(arg, &count);
    if (count > MAX_KEYS)
        return call_fault(call, CODE_BAD_ARGUMENT, "keys", "at most %d keys", MAX_KEYS);
    keys->all = !arg->given;
    keys->count = count;
    for (uint32_t i = 0; i < count; i++)
        mp_next(&r, &keys->list[i]);
    return 0;
}

static void put_session(struct buf *out, const struct conn *conn, const struct keys *keys)
{
    const struct blob *session = conn->session;
    if (keys->all)
        buf_put(out, session->data, session->len);
    else
        doc_project(session->data, session->len, keys->list, keys->count, out);
}

enum { GET_CONN = 1, GET_KEYS };

const struct arg_spec ARGS_GET[] = {
    OP_ARG,
    [GET_CONN] = {"conn", ARG_STR, true},
    [GET_KEYS] = {"keys", ARG_STRS, false},
    ARGS_END,
};

int op_get(struct call *call)
{
    struct keys keys;
    const struct mp_token *id = &call->args[GET_CONN].token;
    const struct conn *conn = core_conn_find_kept(call->core, id->bytes, id->len);
    if (keys_read(call, &call->args[GET_KEYS], &keys) < 0)
        return -1;
    result_bool(call, "found", conn != NULL);
    if (!conn)
        return 0;
    result_key(call, "session");
    put_session(call->out, conn, &keys);
    result_uint(call, "version", conn->version);
    return 0;
}

/* -- update -------------------------------------------------------------------------------------------- */

enum { UPDATE_CONN = 1, UPDATE_FILTER, UPDATE_ARGS, UPDATE_UPDATE, UPDATE_IF_VERSION, UPDATE_TTL_MS };

const struct arg_spec ARGS_UPDATE[] = {
    OP_ARG,
    [UPDATE_CONN] = {"conn", ARG_STR, false},
    [UPDATE_FILTER] = {"filter", ARG_MAP, false},
    [UPDATE_ARGS] = {"args", ARG_MAP, false},
    [UPDATE_UPDATE] = {"update", ARG_MAP, true},
    [UPDATE_IF_VERSION] = {"if_version", ARG_UINT, false},
    [UPDATE_TTL_MS] = {"ttl_ms", ARG_UINT, false},
    ARGS_END,
};

/* A session that is to be changed when the walk, which no change may disturb, is over. */
struct change {
    struct conn *conn;
    struct blob *session; /* its successor; NULL: it stays as it is */
};

struct changes {
    struct buf list; /* of struct change */
    uint64_t matched, modified;
};

static size_t changes_count(const struct changes *changes)
{
    return changes->list.len / sizeof(struct change);
}

static struct change *changes_at(const struct changes *changes, size_t index)
{
    return (struct change *)(void *)changes->list.data + index;
}

static void changes_free(struct changes *changes)
{
    for (size_t i = 0; i < changes_count(changes); i++)
        blob_unref(changes_at(changes, i)->session);
    buf_deinit(&changes->list);
}

static int prepare(struct call *call, struct changes *changes, struct conn *conn, const struct update *update)
{
    struct change change = {.conn = conn};
    struct buf next = BUF_INIT;
    bool changed = false;
    const struct place at = place_key(call->at, "update", 6);
    int r = update_apply(update, conn->session->data, conn->session->len,
                         call->core->options.max_session_bytes, &next, &changed, &at, call->fault);
    if (!r && changed) {
        change.session = blob_new(next.data, next.len);
        changes->modified++;
    }
    buf_deinit(&next);
    if (r < 0)
        return -1;
    buf_put(&changes->list, &change, sizeof(change));
    if (changes->list.failed || (changed && !change.session)) {
        if (changes->list.failed)
            blob_unref(change.session);
        return call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    }
    changes->matched++;
    return 0;
}

static int make_change(struct call *call, struct change *change, const struct update *update)
{
    struct core *core = call->core;
    const struct arg *ttl = &call->args[UPDATE_TTL_MS];
    uint64_t at_ms = ttl->given ? core->now.mono_ms + ttl->token.uint : UINT64_MAX;
    int r = change->session ? step_session(core, change->conn, change->session) : 0;
    change->session = NULL;
    if (!r)
        r = step_expiry(core, change->conn, update, at_ms);
    if (r > 0)
        return call_fault(call, CODE_LIMIT, "ttl_ms", "at most %d fields of a session expire", EXPIRY_FIELDS);
    return r < 0 ? call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory") : 0;
}

static int check_version(struct call *call, const struct target *target)
{
    const struct arg *wanted = &call->args[UPDATE_IF_VERSION];
    if (!wanted->given)
        return 0;
    if (!target->is_one)
        return call_fault(call, CODE_BAD_ARGUMENT, "if_version", "only an update by `conn` takes it");
    if (target->one && target->one->version != wanted->token.uint)
        return call_fault(call, CODE_CONFLICT, "if_version", "the session has version %llu",
                          (unsigned long long)target->one->version);
    return 0;
}

/* By `conn` also one that has ended, while events of it are left to be handled. */
static void find_kept(struct call *call, struct target *target)
{
    const struct mp_token *id = &call->args[UPDATE_CONN].token;
    if (target->is_one)
        target->one = core_conn_find_kept(call->core, id->bytes, id->len);
}

static int update_target(struct call *call, struct target *target, const struct update *update)
{
    struct changes changes = {.list = BUF_INIT};
    const struct conn *one = target->one;
    int r = check_version(call, target);
    target_begin(target, call->core);
    for (struct conn *conn; !r && (conn = target_next(target, call->core));)
        r = prepare(call, &changes, conn, update);
    for (size_t i = 0; !r && i < changes_count(&changes); i++)
        r = make_change(call, changes_at(&changes, i), update);
    if (!r) {
        result_uint(call, "matched", changes.matched);
        result_uint(call, "modified", changes.modified);
        if (one)
            result_uint(call, "version", one->version);
    }
    changes_free(&changes);
    return r;
}

int op_update(struct call *call)
{
    const struct arg *args = call->args;
    const struct place at = place_key(call->at, "update", 6);
    struct update *update;
    struct target target;
    if (args[UPDATE_TTL_MS].given && args[UPDATE_TTL_MS].token.uint == 0)
        return call_fault(call, CODE_BAD_ARGUMENT, "ttl_ms", "this must be at least 1");
    if (update_compile(&update, args[UPDATE_UPDATE].raw, args[UPDATE_UPDATE].len, &at, call->fault) < 0)
        return -1;
    int r = target_init(&target, call->core, &args[UPDATE_CONN], &args[UPDATE_FILTER], &args[UPDATE_ARGS],
                        call->at, call->fault);
    if (!r) {
        find_kept(call, &target);
        r = update_target(call, &target, update);
        target_deinit(&target, call->core);
    }
    update_free(update);
    return r;
}

/* -- count --------------------------------------------------------------------------------------------- */

enum { COUNT_FILTER = 1, COUNT_ARGS, COUNT_DISTINCT, COUNT_EXPLAIN };

const struct arg_spec ARGS_COUNT[] = {
    OP_ARG,
    [COUNT_FILTER] = {"filter", ARG_MAP, false},
    [COUNT_ARGS] = {"args", ARG_MAP, false},
    [COUNT_DISTINCT] = {"distinct", ARG_STR, false},
    [COUNT_EXPLAIN] = {"explain", ARG_BOOL, false},
    ARGS_END,
};

/* A filter that may be absent. */
static int optional_query(struct call *call, struct query *query, const struct arg *filter,
                          const struct arg *args)
{
    query_init_all(query);
    const struct place at = place_key(call->at, "filter", 6);
    if (filter->given)
        return query_init(query, call->core, filter, &at, args, call->at, call->fault);
    return args->given ? call_fault(call, CODE_BAD_ARGUMENT, "args", "only a filter has arguments") : 0;
}

/* Put the field's value, or each value of a list, into the set. */
static int add_values(struct value_set *set, const struct conn *conn, const struct mp_token *path)
{
    struct mp_reader r;
    struct mp_token token;
    if (!doc_get(conn->session->data, conn->session->len, path->bytes, path->len, &r))
        return 0;
    struct mp_reader first = r;
    uint32_t count = 1;
    if (mp_next(&first, &token) && token.type == MP_ARRAY) {
        count = token.count;
        r = first;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *raw;
        size_t len;
        if (!mp_raw(&r, &raw, &len) || value_set_add(set, raw, len) < 0)
            return -1;
    }
    return 0;
}

static int check_path(struct call *call, const char *key, const struct mp_token *path)
{
    struct path_part parts[DOC_PATH_PARTS];
    const struct place at = place_key(call->at, key, strlen(key));
    return path_split(path->bytes, path->len, parts, CODE_BAD_ARGUMENT, &at, call->fault) < 0 ? -1 : 0;
}

static int count_distinct(struct call *call, struct query *query, const struct mp_token *path)
{
    struct value_set set;
    int r = 0;
    if (check_path(call, "distinct", path) < 0)
        return -1;
    value_set_init(&set, call->core->options.seed);
    query_begin(query, call->core);
    for (struct conn *conn; !r && (conn = query_next(query, call->core));)
        r = add_values(&set, conn, path);
    if (!r)
        result_uint(call, "count", set.count);
    value_set_deinit(&set);
    return r < 0 ? call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory") : 0;
}

/* If it is wanted, tell the plan, by a walk of its own; the one for the result is not counted again. */
static void explain(struct call *call, const struct arg *wanted, struct query *query)
{
    if (!wanted->given || !wanted->token.boolean)
        return;
    result_key(call, "plan");
    query_explain(query, call->core, call->out);
    query->is_silent = true;
}

int op_count(struct call *call)
{
    const struct arg *args = call->args;
    struct query query;
    int r = 0;
    if (optional_query(call, &query, &args[COUNT_FILTER], &args[COUNT_ARGS]) < 0)
        return -1;
    explain(call, &args[COUNT_EXPLAIN], &query);
    if (args[COUNT_DISTINCT].given)
        r = count_distinct(call, &query, &args[COUNT_DISTINCT].token);
    else
        result_uint(call, "count", query.is_silent ? query.matches : query_count(&query, call->core));
    query_deinit(&query, call->core);
    return r;
}

/* -- find ---------------------------------------------------------------------------------------------- */

enum { FIND_FILTER = 1, FIND_ARGS, FIND_KEYS, FIND_LIMIT_ARG, FIND_AFTER, FIND_EXPLAIN };

const struct arg_spec ARGS_FIND[] = {
    OP_ARG,
    [FIND_FILTER] = {"filter", ARG_MAP, false},
    [FIND_ARGS] = {"args", ARG_MAP, false},
    [FIND_KEYS] = {"keys", ARG_STRS, false},
    [FIND_LIMIT_ARG] = {"limit", ARG_UINT, false},
    [FIND_AFTER] = {"after", ARG_STR, false},
    [FIND_EXPLAIN] = {"explain", ARG_BOOL, false},
    ARGS_END,
};

/* The cursor is the id of the page's last connection: the order is the one in which they opened, so it costs
 * the broker nothing and stays right whoever comes and goes. */
static int find_cursor(struct call *call, uint64_t *after)
{
    const struct arg *arg = &call->args[FIND_AFTER];
    *after = 0;
    if (!arg->given)
        return 0;
    *after = conn_number(call->core->options.epoch, arg->token.bytes, arg->token.len);
    return *after ? 0
                  : call_fault(call, CODE_BAD_ARGUMENT, "after", "this is no cursor that this broker gave");
}

static void put_found(struct buf *out, const struct conn *conn, const struct keys *keys)
{
    mp_put_map(out, 3);
    mp_put_text(out, "conn");
    mp_put_text(out, conn->id);
    mp_put_text(out, "session");
    put_session(out, conn, keys);
    mp_put_text(out, "version");
    mp_put_uint(out, conn->version);
}

/* The matches with the lowest numbers behind the cursor: a heap with the highest of them on top. */
struct lowest {
    struct conn *heap[FIND_MAX + 1];
    size_t count, max;
};

static void heap_sink(struct conn **heap, size_t count, size_t at)
{
    struct conn *conn = heap[at];
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && heap[child + 1]->number > heap[child]->number)
            child++;
        if (heap[child]->number <= conn->number)
            break;
        heap[at] = heap[child];
    }
    heap[at] = conn;
}

static void lowest_add(struct lowest *lowest, struct conn *conn)
{
    if (lowest->count == lowest->max) {
        if (conn->number < lowest->heap[0]->number) {
            lowest->heap[0] = conn;
            heap_sink(lowest->heap, lowest->count, 0);
        }
        return;
    }
    size_t at = lowest->count++;
    for (; at > 0 && lowest->heap[(at - 1) / 2]->number < conn->number; at = (at - 1) / 2)
        lowest->heap[at] = lowest->heap[(at - 1) / 2];
    lowest->heap[at] = conn;
}

static void lowest_sort(struct lowest *lowest)
{
    for (size_t end = lowest->count; end > 1; end--) {
        struct conn *highest = lowest->heap[0];
        lowest->heap[0] = lowest->heap[end - 1];
        lowest->heap[end - 1] = highest;
        heap_sink(lowest->heap, end - 1, 0);
    }
}

/* One more than the page holds, so that it is known whether there is more. */
static void find_lowest(struct call *call, struct query *query, uint64_t after, uint64_t limit,
                        struct lowest *lowest)
{
    struct core *core = call->core;
    lowest->count = 0;
    lowest->max = (size_t)limit + 1;
    query_begin(query, core);
    if (query_is_ordered(query))
        query_skip(query, core, after);
    for (struct conn *conn; (conn = query_next(query, core));) {
        if (conn->number > after)
            lowest_add(lowest, conn);
        if (query_is_ordered(query) && lowest->count == lowest->max)
            break;
    }
    lowest_sort(lowest);
}

static void put_page(struct call *call, const struct lowest *lowest, uint64_t limit, const struct keys *keys)
{
    uint32_t count = 0;
    result_key(call, "sessions");
    size_t begin = call->out->len, mark = mp_open(call->out);
    for (; count < lowest->count && count < limit; count++) {
        size_t before = call->out->len;
        put_found(call->out, lowest->heap[count], keys);
        if (call->out->len - begin > PAGE_BYTES && count > 0 && !call->out->failed) {
            call->out->len = before; /* it begins the next page */
            break;
        }
    }
    mp_close_array(call->out, mark, count);
    if (count < lowest->count)
        result_text(call, "after", lowest->heap[count - 1]->id);
}

int op_find(struct call *call)
{
    const struct arg *args = call->args;
    uint64_t limit = args[FIND_LIMIT_ARG].given ? args[FIND_LIMIT_ARG].token.uint : FIND_LIMIT, after;
    struct query query;
    struct lowest lowest;
    struct keys keys;
    if (limit < 1 || limit > FIND_MAX)
        return call_fault(call, CODE_BAD_ARGUMENT, "limit", "this must be from 1 to %d", FIND_MAX);
    if (keys_read(call, &args[FIND_KEYS], &keys) < 0 || find_cursor(call, &after) < 0 ||
        optional_query(call, &query, &args[FIND_FILTER], &args[FIND_ARGS]) < 0)
        return -1;
    explain(call, &args[FIND_EXPLAIN], &query);
    find_lowest(call, &query, after, limit, &lowest);
    put_page(call, &lowest, limit, &keys);
    query_deinit(&query, call->core);
    return 0;
}
