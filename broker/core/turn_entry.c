#include "core/turn_entry.h"

#include <string.h>

#include "core/conn.h"
#include "core/op_run.h"
#include "core/ops.h"
#include "core/stored_event.h"
#include "core/turn.h"

#define RETRY_MAX  3600000 /* ms */
#define CACHE_LINE 64

/* What an entry needs lies anywhere; so many entries ahead the job is asked for, and half as many ahead what
 * that refers to. */
#define AHEAD 8

enum { ENTRY_SEQ, ENTRY_OPS, ENTRY_ERROR, ENTRY_RETRY_MS };

static const struct arg_spec ENTRY[] = {
    [ENTRY_SEQ] = {"seq", ARG_UINT, true},
    [ENTRY_OPS] = {"ops", ARG_LIST, false},
    [ENTRY_ERROR] = {"error", ARG_MAP, false},
    [ENTRY_RETRY_MS] = {"retry_ms", ARG_UINT, false},
    {"", ARG_ANY, false},
};

/* -- the list as a whole ------------------------------------------------------------------------------- */

/* What an entry says of itself at first sight. Of a key that stands there twice the first one counts, until
 * the entry is applied, and so refused. */
struct sight {
    struct mp_token seq;
    uint32_t ops;
    bool has_seq, has_ops;
};

static void pair_see(struct sight *sight, const struct mp_token *key, const struct mp_token *value)
{
    if (mp_is(key, "seq") && !sight->has_seq) {
        sight->has_seq = true;
        sight->seq = *value;
    } else if (mp_is(key, "ops") && !sight->has_ops) {
        sight->has_ops = true;
        sight->ops = value->type == MP_ARRAY ? value->count : 0;
    }
}

/* Pass over the entry that is next. */
static int entry_find(struct mp_reader *r, struct sight *sight, const struct place *at, struct fault *fault)
{
    struct mp_token map, key, value;
    if (!mp_next(r, &map) || map.type != MP_MAP)
        return fault_set(fault, CODE_BAD_ARGUMENT, at, "each entry is a map with the event's `seq`");
    for (uint32_t i = 0; i < map.count && mp_next(r, &key) && arg_value(r, &value); i++)
        pair_see(sight, &key, &value);
    if (sight->has_seq && sight->seq.type == MP_UINT)
        return 0;
    const struct place at_seq = place_key(at, "seq", 3);
    return fault_set(fault, CODE_BAD_ARGUMENT, &at_seq, "each entry has the event's `seq`, an integer");
}

static int entries_find(const struct core *core, struct mp_reader *r, struct entries *entries, uint32_t count,
                        struct fault *fault)
{
    const struct place at_done = place_key(NULL, "done", 4);
    struct place at = place_index(&at_done, 0);
    uint64_t ops = 0;
    if (count > turn_max_entries(&core->options))
        return fault_set(fault, CODE_REQUEST_TOO_LARGE, &at_done, "a turn has at most %u entries",
                         turn_max_entries(&core->options));
    entries->begin = r->at;
    for (uint32_t i = 0; i < count; i++) {
        struct sight sight = {.ops = 0};
        at.index = i;
        if (entry_find(r, &sight, &at, fault) < 0)
            return -1;
        entries->at[i].seq = sight.seq.uint;
        entries->at[i].end = r->at;
        ops += sight.ops;
    }
    if (ops > core->options.max_ops)
        return fault_set(fault, CODE_REQUEST_TOO_LARGE, &at_done, "a turn has at most %u operations",
                         core->options.max_ops);
    entries->count = count;
    return 0;
}

int entries_check(const struct core *core, const struct arg *done, struct entries *entries,
                  struct fault *fault)
{
    struct mp_reader r = mp_reader(done->raw, done->len);
    struct mp_token list;
    entries->count = 0;
    if (!done->given || !mp_next(&r, &list))
        return 0;
    return entries_find(core, &r, entries, list.count, fault);
}

/* -- one entry ----------------------------------------------------------------------------------------- */

/* The entries of one turn while they are applied. */
struct applying {
    struct core *core;
    const struct request *request;
    struct member *member;
    struct turn_failed *failed;
    bool gave_back;                 /* an entry has taken other events along: see give_back() */
    uint64_t held[TURN_EVENTS_MAX]; /* seqs that it held when the turn began, less those named since */
    unsigned held_count;
};

/* An operation among the effects of @job's entry. What it says as its result nobody reads. */
static int run_effect(struct applying *e, const struct job *job, const uint8_t *raw, size_t len,
                      const struct place *at, struct fault *fault)
{
    struct core *core = e->core;
    struct call call = {.core = core,
                        .request = e->request,
                        .at = at,
                        .event = job->event,
                        .out = &core->reply,
                        .fault = fault};
    core->counters->operations++;
    buf_reset(&core->reply);
    int r = op_run(&call, raw, len);
    if (r < 0)
        core->counters->operations_failed++;
    return r;
}

/* The operations of @ops, in the step that is open. */
static int run_effects(struct applying *e, const struct job *job, const struct arg *ops,
                       const struct place *at, struct fault *fault)
{
    struct mp_reader r = mp_reader(ops->raw, ops->len);
    struct mp_token list;
    const struct place at_ops = place_key(at, "ops", 3);
    struct place at_op = place_index(&at_ops, 0);
    mp_next(&r, &list);
    for (uint32_t i = 0; i < list.count; i++) {
        const uint8_t *raw = r.at;
        if (i + 1 == list.count)
            r.at = r.end;
        else
            mp_skip(&r);
        at_op.index = i;
        if (run_effect(e, job, raw, (size_t)(r.at - raw), &at_op, fault) < 0)
            return -1;
    }
    return 0;
}

/* The member refuses the event: the client that asked, if it did, gets @error. Done by the operation that a
 * handler would use. */
static int run_refusal(struct applying *e, const struct job *job, const struct arg *error,
                       const struct place *at, struct fault *fault)
{
    struct arg parts[ARGS_MAX];
    struct buf op = BUF_INIT;
    if (!job->event->question) /* nobody is told; but a wrong error is wrong also then */
        return refusal_read(parts, error, at, fault);
    mp_put_map(&op, 2);
    mp_put_text(&op, "op");
    mp_put_text(&op, "answer");
    mp_put_text(&op, "error");
    buf_put(&op, error->raw, error->len);
    int r = op.failed ? fault_set(fault, CODE_OVERLOADED, at, "the broker is out of memory")
                      : run_effect(e, job, op.data, op.len, at, fault);
    buf_deinit(&op);
    return r;
}

/* Apply what @args (of the entry) say, as one step, and end @job. -1 with a fault: nothing has happened. */
static int finish(struct applying *e, struct job *job, const struct arg *args, const struct place *at,
                  struct fault *fault)
{
    struct core *core = e->core;
    bool is_refusal = args[ENTRY_ERROR].given;
    step_begin(core);
    int r = is_refusal ? run_refusal(e, job, &args[ENTRY_ERROR], at, fault)
                       : run_effects(e, job, &args[ENTRY_OPS], at, fault);
    if (r < 0) {
        step_undo(core);
        return -1;
    }
    bool changed = step_changed(core, job->event->conn);
    step_commit(core);
    if (changed)
        job_changed_session(job);
    job_end(job, is_refusal ? JOB_REFUSED : JOB_HANDLED);
    return 0;
}

/* 0 when exactly one of the three ways to finish is there. */
static int check_kind(const struct arg *args, const struct place *at, struct fault *fault)
{
    int kinds = args[ENTRY_OPS].given + args[ENTRY_ERROR].given + args[ENTRY_RETRY_MS].given;
    if (kinds != 1)
        return fault_set(fault, CODE_BAD_ARGUMENT, at, "an entry has one of `ops`, `error` and `retry_ms`");
    if (!args[ENTRY_RETRY_MS].given || args[ENTRY_RETRY_MS].token.uint <= RETRY_MAX)
        return 0;
    const struct place at_retry = place_key(at, "retry_ms", 8);
    return fault_set(fault, CODE_BAD_ARGUMENT, &at_retry, "this must be from 0 to %d", RETRY_MAX);
}

/* @job goes back into the queue, and the later ones of its connection that the member holds with it: about
 * these there may be entries to come. Until the first time, what the member held when the turn began is what
 * it holds, and what entries have named; so nothing need be noted in a turn where all goes well. */
static bool give_back(struct applying *e, struct job *job, enum job_return how, uint64_t delay_ms,
                      const char *why)
{
    const struct job *held = e->gave_back ? NULL : e->member->held;
    for (; held && e->held_count < TURN_EVENTS_MAX; held = held->held_next) {
        if (held != job)
            e->held[e->held_count++] = held->seq;
    }
    e->gave_back = true;
    return job_return(job, how, delay_ms, why);
}

/* The entry of @job as the member wants it. -1 with a fault: nothing has happened. */
static int apply(struct applying *e, struct job *job, const uint8_t *raw, size_t len, const struct place *at,
                 struct fault *fault)
{
    struct arg args[ARGS_MAX];
    if (args_read(args, ENTRY, raw, len, at, fault) < 0 || check_kind(args, at, fault) < 0)
        return -1;
    if (!args[ENTRY_RETRY_MS].given)
        return finish(e, job, args, at, fault);
    give_back(e, job, JOB_RETRY, args[ENTRY_RETRY_MS].token.uint, "its member gave it back");
    return 0;
}

/* -- what fails ---------------------------------------------------------------------------------------- */

/* An entry is about @seq. Whether the member held it when events first were given back, and this is the first
 * entry about it since: if it holds that no more, an earlier event of the connection has taken it along. */
static bool is_first_about(struct applying *e, uint64_t seq)
{
    for (unsigned i = 0; i < e->held_count; i++) {
        if (e->held[i] == seq) {
            e->held[i] = e->held[--e->held_count];
            return true;
        }
    }
    return false;
}

static const char OUT_OF_ORDER[] = "an earlier event of the connection is not done";
static const char CHANGED[] = "an earlier event of the connection has changed the session";

/* An entry about something that the member does not hold. */
static void fail_unheld(struct applying *e, uint64_t seq, bool was_taken_along)
{
    struct fault fault;
    if (was_taken_along) {
        e->member->group->counters.stale++;
        fault_set(&fault, CODE_STALE, NULL, "%s", OUT_OF_ORDER);
        turn_failed_add(e->failed, seq, &fault, THEN_AGAIN);
    } else {
        fault_set(&fault, CODE_LEASE_EXPIRED, NULL, "the member does not hold this event any more");
        turn_failed_add(e->failed, seq, &fault, THEN_NONE);
    }
}

/* Nothing of @job's entry was applied: what becomes of the event. */
static void fail_job(struct applying *e, struct job *job, const struct fault *fault)
{
    uint64_t seq = job->seq;
    enum turn_then then = THEN_DEAD;
    job->group->counters.failed++;
    if (!code_temporary(fault->code))
        job_bury(job, fault->code, fault->message);
    else if (give_back(e, job, JOB_RETRY, 0, fault->message))
        then = THEN_AGAIN;
    turn_failed_add(e->failed, seq, fault, then);
}

static void fail_stale(struct applying *e, struct job *job)
{
    struct fault fault;
    uint64_t seq = job->seq;
    job->group->counters.stale++;
    fault_set(&fault, CODE_STALE, NULL, "%s", job->is_stale ? CHANGED : OUT_OF_ORDER);
    bool again = give_back(e, job, JOB_STALE, 0, fault.message);
    turn_failed_add(e->failed, seq, &fault, again ? THEN_AGAIN : THEN_DEAD);
}

/* -- all of them --------------------------------------------------------------------------------------- */

static void entry_apply(struct applying *e, uint64_t seq, const uint8_t *raw, size_t len,
                        const struct place *at)
{
    struct fault fault;
    bool is_first = is_first_about(e, seq);
    struct job *job = member_job(e->member, seq);
    if (!job)
        fail_unheld(e, seq, is_first);
    else if (job->is_stale || !job_is_first(job))
        fail_stale(e, job);
    else if (apply(e, job, raw, len, at, &fault) < 0)
        fail_job(e, job, &fault);
    else
        turn_failed_skip(e->failed);
}

/* Ask for what the entries behind that at @i need. (Inlined in any case, since gcc takes a function that only
 * prefetches for one without effect and drops its calls.) */
static inline __attribute__((always_inline)) void ask_ahead(const struct member *member,
                                                            const struct entries *entries, uint32_t i)
{
    if (i + AHEAD < entries->count) {
        const struct job *job = member->slots[entries->at[i + AHEAD].seq % MEMBER_SLOTS];
        for (size_t at = 0; job && at < sizeof(*job); at += CACHE_LINE)
            __builtin_prefetch((const char *)job + at, 1);
    }
    if (i + AHEAD / 2 < entries->count) {
        const struct job *job = member->slots[entries->at[i + AHEAD / 2].seq % MEMBER_SLOTS];
        if (!job)
            return;
        __builtin_prefetch(job->event, 1);
        __builtin_prefetch(job->lane, 1);
        __builtin_prefetch((const char *)job->lane + CACHE_LINE, 1);
    }
}

void entries_apply(struct core *core, const struct request *request, struct member *member,
                   const struct entries *entries, struct turn_failed *failed)
{
    struct applying e;
    const uint8_t *begin = entries->begin;
    const struct place at_done = place_key(NULL, "done", 4);
    struct place at = place_index(&at_done, 0);
    e.core = core;
    e.request = request;
    e.member = member;
    e.failed = failed;
    e.gave_back = false;
    e.held_count = 0;
    for (uint32_t i = 0; i < entries->count; i++) {
        const uint8_t *end = entries->at[i].end;
        at.index = i;
        ask_ahead(member, entries, i);
        entry_apply(&e, entries->at[i].seq, begin, (size_t)(end - begin), &at);
        begin = end;
    }
}
