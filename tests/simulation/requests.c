/* Ordinary requests: what they do in the model, and what their replies must say. */

#include <string.h>

#include "audit.h"
#include "process.h"
#include "sim.h"

static struct m_group *group_named(struct sim *sim, const char *name)
{
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        if (strcmp(sim->scene.groups[g].name, name) == 0)
            return &sim->model.groups[g];
    }
    return NULL;
}

/* -- what they do -------------------------------------------------------------------------------------- */

static void run_join(struct sim *sim, struct ticket *ticket, const struct op *op, struct op_result *result,
                     bool is_tcp)
{
    struct m_group *group = group_named(sim, op->group);
    const struct m_joining joining = {.client = ticket->plan->client,
                                      .link = ticket->link,
                                      .is_tcp = is_tcp,
                                      .patterns = op->patterns,
                                      .keys = op->keys,
                                      .lease_ms = op->lease_ms,
                                      .per_conn = op->per_conn};
    enum code refused =
        op->is_bad_pattern ? CODE_BAD_EVENT : model_join_refused(&sim->model, group, joining.client);
    result->codes = code_bit(refused);
    if (refused == CODE_OK)
        ticket->member = model_join(&sim->model, group, &joining, &result->is_first);
}

static struct m_member *own_member(const struct sim *sim, const struct ticket *ticket, const struct op *op)
{
    struct m_member *member = model_member(&sim->model, op->member);
    return member && strcmp(member->client, ticket->plan->client) == 0 ? member : NULL;
}

static void run_leave(struct sim *sim, const struct ticket *ticket, const struct op *op,
                      struct op_result *result)
{
    struct m_member *member = own_member(sim, ticket, op);
    result->is_first = member != NULL;
    if (!member)
        return;
    result->matched = model_member_end(&sim->model, member, RETURN_LEFT);
    count(sim->summary, COUNT_MEMBER_LEFT);
}

static void extend(struct sim *sim, struct m_member *member, struct m_job *job, struct op_result *result)
{
    if (!job || job->state != JOB_HELD || job->member != member)
        return;
    model_lease(&sim->model, job);
    result->matched++;
    count(sim->summary, COUNT_LEASE_EXTENDED);
}

static void run_extend(struct sim *sim, const struct ticket *ticket, const struct op *op,
                       struct op_result *result)
{
    struct m_member *member = own_member(sim, ticket, op);
    if (!member) {
        result->codes = code_bit(CODE_UNKNOWN_MEMBER);
        return;
    }
    member->heard_ms = sim->now.mono_ms;
    model_due(&sim->model, member->heard_ms + MEMBER_SILENT_MS);
    if (op->seqs) {
        for (size_t i = 0; i < op->seq_count; i++)
            extend(sim, member, model_job(member->group, op->seqs[i]), result);
        return;
    }
    /* All of them, in the order in which their leases began. */
    for (uint64_t last = sim->model.lease_serial, done = 0; done < last;) {
        struct m_job *oldest = NULL;
        for (struct m_job *job = member->group->first; job; job = job->next) {
            if (job->state == JOB_HELD && job->member == member && job->lease_serial > done &&
                job->lease_serial <= last && (!oldest || job->lease_serial < oldest->lease_serial))
                oldest = job;
        }
        done = oldest ? oldest->lease_serial : last;
        extend(sim, member, oldest, result);
    }
}

static void run_effect(struct sim *sim, const struct op *op, struct op_result *result)
{
    step_model_begin(&sim->model);
    if (model_run(&sim->model, op, NULL, result))
        step_model_commit(&sim->model);
    else
        step_model_undo(&sim->model);
}

static void run_read(struct sim *sim, const struct op *op, struct op_result *result)
{
    const struct m_group *group = op->group ? group_named(sim, op->group) : NULL;
    if (op->kind == OP_SUBSCRIBE) {
        sim->model.announced_until_ms = sim->now.mono_ms + sim->scene.options.announce_ms;
        return;
    }
    if (op->group && !(group && group->exists))
        result->codes = code_bit(CODE_UNKNOWN_GROUP);
    else if (op->kind != OP_GET && sim->scene.options.max_request_bytes < 64 * 1024)
        result->codes |= code_bit(CODE_REPLY_TOO_LARGE);
}

static void run_op(struct sim *sim, struct ticket *ticket, const struct op *op, struct op_result *result,
                   bool is_tcp)
{
    *result = (struct op_result){.codes = code_bit(CODE_OK)};
    if (op->kind == OP_JOIN)
        run_join(sim, ticket, op, result, is_tcp);
    else if (op->kind == OP_LEAVE)
        run_leave(sim, ticket, op, result);
    else if (op->kind == OP_EXTEND)
        run_extend(sim, ticket, op, result);
    else if (op_is_effect(op->kind))
        run_effect(sim, op, result);
    else
        run_read(sim, op, result);
}

/* Whether the reply to the first of its kind is still stored. */
static bool is_stored(const struct sim *sim, const struct plan *plan)
{
    const struct core_options *options = &sim->scene.options;
    return sim->now.mono_ms < plan->first_ms + options->stored_ms && plan->sender_count &&
           *plan->sender_count - plan->sender_number < options->stored_replies;
}

void begin_ops(struct sim *sim, struct ticket *ticket, bool is_tcp)
{
    struct plan *plan = ticket->plan;
    uint64_t flaw = model_flaw(plan);
    if (flaw || plan->is_old || plan->is_reused) {
        ticket->want = WANT_REFUSAL;
        ticket->codes = flaw ? flaw : plan->is_old ? code_bit(CODE_ID_TOO_OLD) : code_bit(CODE_ID_REUSED);
        return;
    }
    if (plan->first_ticket && plan_changes(plan)) {
        ticket->want = is_stored(sim, plan) ? WANT_SAME : WANT_REFUSAL;
        ticket->same_as = plan->first_ticket;
        ticket->codes = code_bit(CODE_ID_TOO_OLD);
        return;
    }
    ticket->want = WANT_RESULTS;
    ticket->ran = arena_get(&sim->model.arena, plan->ops_count * sizeof(*ticket->ran));
    for (size_t i = 0; i < plan->ops_count; i++)
        run_op(sim, ticket, &plan->ops[i], &ticket->ran[i], is_tcp);
    if (plan->sender_count && plan_changes(plan))
        plan->sender_number = ++*plan->sender_count;
    if (plan->sender_count == &sim->operator_count && sim->operator_count && !sim->operator_first)
        sim->operator_first = plan->id;
}

/* -- what they say ------------------------------------------------------------------------------------- */

static void joined(struct ticket *ticket, const struct op *op, const struct op_result *due,
                   const struct result_seen *seen)
{
    struct m_member *member = ticket->member;
    must(seen->created == due->is_first && seen->turn == 0 && seen->lease_ms == op->lease_ms &&
             seen->attempts == member->group->scene->max_attempts,
         "a join says: created %d, turn %llu, lease_ms %llu, attempts %llu", seen->created,
         (unsigned long long)seen->turn, (unsigned long long)seen->lease_ms,
         (unsigned long long)seen->attempts);
    must(due->is_first || strcmp(member->id, seen->member) == 0, "a repeated join makes %s of %s",
         seen->member, member->id);
    must(*seen->member && strlen(seen->member) < sizeof member->id, "a member without an id");
    strcpy(member->id, seen->member);
}

void result_checked(struct sim *sim, struct ticket *ticket, const struct op *op, const struct op_result *due,
                    const struct result_seen *seen)
{
    const struct m_conn *conn;
    switch (op->kind) {
    case OP_JOIN:
        joined(ticket, op, due, seen);
        break;
    case OP_LEAVE:
        must(seen->left == due->is_first && seen->returned == due->matched,
             "leaving: left %d, %llu returned, not %llu", seen->left, (unsigned long long)seen->returned,
             (unsigned long long)due->matched);
        break;
    case OP_EXTEND:
        must(seen->extended == due->matched, "%llu leases extended, not %llu",
             (unsigned long long)seen->extended, (unsigned long long)due->matched);
        break;
    case OP_GET:
        conn = model_conn(&sim->model, op->conn);
        must(seen->found == (conn && model_conn_kept(conn)), "the session of %llu is %sfound",
             (unsigned long long)op->conn, seen->found ? "" : "not ");
        if (seen->found)
            check_session(conn, &seen->session, KEYS_ALL, seen->version);
        break;
    case OP_INSPECT:
        audit_inspect(sim, group_named(sim, op->group), op->token, seen->raw);
        break;
    case OP_DEAD:
        audit_dead(sim, group_named(sim, op->group), op->token, seen->raw);
        break;
    case OP_STATS:
        audit_stats(sim, seen->raw);
        break;
    default:
        break;
    }
}

/* -- told ---------------------------------------------------------------------------------------------- */

static void tell_op(const struct sim *sim, const struct op *op)
{
    static const char *const names[] = {
        "inc",           "set",        "inc if_version", "send",        "answer",       "close",
        "batch",         "bad filter", "bad update",     "bad value",   "inc text",     "set text",
        "large message", "costly",     "unknown",        "unknown key", "send nothing", "answer i alone",
        "get",           "find",       "join",           "leave",       "extend",       "subscribe",
        "inspect",       "dead",       "stats",
    };
    static const char *const targets[] = {"its own", "conn", "room", "everybody"};
    sim_tell(sim, "    %s `%s` %s, %s %llu, token %llu, i %llu, group %s, member %s, patterns %x",
             names[op->kind], KEYS[op->key], PUSHES[op->push], targets[op->target],
             (unsigned long long)(op->target == TARGET_ROOM ? op->room : op->conn),
             (unsigned long long)op->token, (unsigned long long)op->i, op->group ? op->group : "-",
             op->member ? op->member : "-", op->patterns);
}

static void tell_turn(const struct sim *sim, const struct plan *plan)
{
    static const char *const kinds[] = {"ops",        "error",   "retry",       "nothing",    "two",
                                        "long retry", "no code", "unknown key", "ops no list"};
    for (size_t i = 0; i < plan->done_count; i++) {
        const struct entry *entry = &plan->done[i];
        sim_tell(sim, "  done %llu of %llu: %s, %llu", (unsigned long long)entry->seq,
                 (unsigned long long)entry->own, kinds[entry->kind], (unsigned long long)entry->token);
        for (size_t k = 0; k < entry->ops_count; k++)
            tell_op(sim, &entry->ops[k]);
    }
}

void tell_plan(const struct sim *sim, const struct ticket *ticket)
{
    const struct plan *plan = ticket->plan;
    if (plan->is_turn) {
        sim_tell(sim, "ticket %llu: %s of %s, link %llu: turn %llu%s, flaw %d, max %u, wait %u",
                 (unsigned long long)ticket->number, plan->member, plan->client,
                 (unsigned long long)ticket->link, (unsigned long long)plan->turn,
                 plan->first_ticket ? " again" : "", plan->flaw, plan->max, plan->wait_ms);
        tell_turn(sim, plan);
        return;
    }
    sim_tell(sim, "ticket %llu: request %llu of %s%s, flaw %d", (unsigned long long)ticket->number,
             (unsigned long long)plan->id, plan->client, plan->first_ticket ? " again" : "", plan->flaw);
    for (size_t i = 0; i < plan->ops_count; i++)
        tell_op(sim, &plan->ops[i]);
}
