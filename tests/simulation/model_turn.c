/* Turns in the model: which are taken, and what becomes of each entry. */

#include <string.h>

#include "fail.h"
#include "model_step.h"

/* -- entries ------------------------------------------------------------------------------------------- */

/* What is wrong with the entry itself. */
static enum code entry_flaw(const struct entry *entry)
{
    switch (entry->kind) {
    case ENTRY_NOTHING:
    case ENTRY_TWO:
    case ENTRY_LONG_RETRY:
    case ENTRY_NO_CODE:
    case ENTRY_OPS_NO_LIST:
        return CODE_BAD_ARGUMENT;
    case ENTRY_UNKNOWN_KEY:
        return CODE_UNKNOWN_KEY;
    default:
        return CODE_OK;
    }
}

static void add_failed(struct model *model, struct m_result *result, uint64_t seq, uint64_t codes,
                       enum then then)
{
    *arena_add(&model->arena, result, failed) = (struct m_failed){.seq = seq, .codes = codes, .then = then};
    for (unsigned code = 0; code < CODE_COUNT; code++) {
        if (codes == UINT64_C(1) << code)
            count_code(model->summary, (enum code)code);
    }
}

/* Whether an earlier event of its connection is still held. */
static bool is_out_of_order(const struct m_job *job)
{
    return job->event->conn->lanes[job->group->index].first != job;
}

/* The entry cannot be applied: again, if that may help. */
static void entry_fails(struct model *model, struct m_result *result, struct m_job *job, enum code code)
{
    uint64_t seq = job->seq;
    enum then then = THEN_DEAD;
    if (!code_temporary(code)) {
        model_job_dead(model, job, code);
    } else if (model_job_return(model, job, RETURN_RETRY, 0)) {
        count(model->summary, COUNT_JOB_AGAIN);
        then = THEN_AGAIN;
    }
    add_failed(model, result, seq, code_bit(code), then);
}

static void refuse_event(struct model *model, struct m_job *job, uint64_t token)
{
    struct m_event *event = job->event;
    struct m_question *question =
        event->question ? model_question_by_serial(event->conn, event->question) : NULL;
    if (question) {
        model_expect(
            model, event->conn,
            (struct m_expect){.kind = EXPECT_ERROR, .event = event->event, .token = token, .i = event->i});
        count(model->summary, COUNT_QUESTION_REFUSED);
        model_question_close(event->conn, question);
    }
    model_job_done(model, job, true);
}

static void apply_ops(struct model *model, struct m_result *result, struct m_job *job,
                      const struct entry *entry)
{
    struct op_result ran;
    step_model_begin(model);
    for (size_t i = 0; i < entry->ops_count; i++) {
        if (model_run(model, &entry->ops[i], job, &ran))
            continue;
        step_model_undo(model);
        for (unsigned code = 0; code < CODE_COUNT; code++) {
            if (ran.codes == UINT64_C(1) << code)
                entry_fails(model, result, job, (enum code)code);
        }
        return;
    }
    bool changed = model_step_changed(model, job->event->conn);
    step_model_commit(model);
    for (struct m_job *later = job->lane_next; changed && later && later->state == JOB_HELD;
         later = later->lane_next)
        later->is_stale = true;
    model_job_done(model, job, false);
}

static void apply_entry(struct model *model, struct m_member *member, struct m_result *result,
                        const struct entry *entry)
{
    struct m_job *job = model_job(member->group, entry->seq);
    if (!job || job->state != JOB_HELD || job->member != member) {
        bool along = job && job->taken_from == member && job->taken_serial == model->turn_serial;
        count(model->summary, COUNT_ENTRY_EXPIRED);
        add_failed(model, result, entry->seq, code_bit(along ? CODE_STALE : CODE_LEASE_EXPIRED),
                   along ? THEN_AGAIN : THEN_NONE);
        if (job)
            job->taken_from = NULL;
        return;
    }
    enum code flaw = entry_flaw(entry);
    if (job->is_stale || is_out_of_order(job)) {
        count(model->summary, COUNT_JOB_STALE);
        bool again = model_job_return(model, job, RETURN_STALE, 0);
        add_failed(model, result, entry->seq, code_bit(CODE_STALE), again ? THEN_AGAIN : THEN_DEAD);
    } else if (flaw != CODE_OK) {
        entry_fails(model, result, job, flaw);
    } else if (entry->kind == ENTRY_ERROR) {
        refuse_event(model, job, entry->token);
    } else if (entry->kind == ENTRY_RETRY) {
        count(model->summary, COUNT_JOB_RETRIED);
        job->group->retried++;
        model_job_return(model, job, RETURN_RETRY, entry->token);
    } else {
        apply_ops(model, result, job, entry);
    }
}

/* -- turns --------------------------------------------------------------------------------------------- */

uint64_t model_flaw(const struct plan *plan)
{
    static const enum code codes[FLAW_COUNT] = {
        [FLAW_NONE] = CODE_OK,
        [FLAW_CUT] = CODE_BAD_REQUEST,
        [FLAW_VERSION] = CODE_BAD_VERSION,
        [FLAW_KEY] = CODE_UNAUTHORIZED,
        [FLAW_EPOCH] = CODE_NEW_EPOCH,
        [FLAW_UNKNOWN] = CODE_UNKNOWN_KEY,
        [FLAW_DONE] = CODE_BAD_ARGUMENT,
        [FLAW_NO_SEQ] = CODE_BAD_ARGUMENT,
        [FLAW_MAX] = CODE_BAD_ARGUMENT,
        [FLAW_WAIT] = CODE_BAD_ARGUMENT,
        [FLAW_TOO_MANY] = CODE_REQUEST_TOO_LARGE,
        [FLAW_TOO_LONG] = CODE_REQUEST_TOO_LARGE,
        [FLAW_MEMBER] = CODE_UNKNOWN_MEMBER,
        [FLAW_CLIENT] = CODE_UNKNOWN_MEMBER,
    };
    return plan->flaw == FLAW_NONE ? 0 : code_bit(codes[plan->flaw]);
}

static bool holds_all_given(const struct m_member *member)
{
    for (size_t i = 0; i < member->given_count; i++) {
        const struct m_job *job = model_job(member->group, member->given[i]);
        if (!job || job->state != JOB_HELD || job->member != member)
            return false;
    }
    return true;
}

static void ask(struct model *model, struct m_member *member, uint64_t ticket, uint64_t until_ms)
{
    member->is_asking = true;
    member->ticket = ticket;
    member->ask_until_ms = until_ms;
    model_due(model, until_ms);
}

static struct turn_outcome take_repeat(struct model *model, struct m_member *member, const struct plan *plan,
                                       uint64_t ticket)
{
    struct turn_outcome outcome = {
        .fate = TURN_IS_REPEAT, .member = member, .result = member->result, .took_over = member->is_asking};
    uint64_t until_ms = model->now_ms + plan->wait_ms;
    if (member->is_asking) {
        count(model->summary, COUNT_TURN_TAKEN_OVER);
        ask(model, member, ticket, until_ms < member->ask_until_ms ? until_ms : member->ask_until_ms);
        return outcome;
    }
    outcome.is_released = !holds_all_given(member);
    count(model->summary, outcome.is_released ? COUNT_TURN_RELEASED : COUNT_TURN_REPEATED);
    return outcome;
}

static struct turn_outcome take_new(struct model *model, struct m_member *member, const struct plan *plan,
                                    uint64_t ticket)
{
    struct m_result *result = arena_get(&model->arena, sizeof(*result));
    if (member->is_asking) {
        count(model->summary, COUNT_TURN_ENDED_WAIT);
        member->is_asking = false;
        model->on_turn_over(model->arg, member->ticket);
    }
    member->turn = plan->turn;
    member->done_hash = plan->done_hash;
    member->result = result;
    member->given_count = 0;
    model->turn_serial++;
    member->max = plan->max;
    for (size_t i = 0; i < plan->done_count; i++)
        apply_entry(model, member, result, &plan->done[i]);
    count(model->summary, COUNT_TURN_NEW);
    /* What failed is told at once. */
    ask(model, member, ticket, model->now_ms + (result->failed_count ? 0 : plan->wait_ms));
    return (struct turn_outcome){.fate = TURN_IS_NEW, .member = member, .result = result};
}

struct turn_outcome model_turn(struct model *model, const struct plan *plan, uint64_t ticket, uint64_t link,
                               bool is_tcp)
{
    struct m_member *member = model_member(model, plan->member);
    uint64_t flaw = model_flaw(plan), codes = flaw;
    if (!member || strcmp(member->client, plan->client) != 0)
        codes |= code_bit(CODE_UNKNOWN_MEMBER);
    bool is_next = member && plan->turn == member->turn + 1;
    bool is_repeat =
        member && plan->turn && plan->turn == member->turn && plan->done_hash == member->done_hash;
    if (!codes && !is_next && !is_repeat)
        codes |= code_bit(CODE_BAD_TURN);
    if (codes)
        return (struct turn_outcome){.fate = TURN_IS_REFUSED, .codes = flaw ? flaw : codes};
    model_heard(model, member, link, is_tcp);
    return is_next ? take_new(model, member, plan, ticket) : take_repeat(model, member, plan, ticket);
}
