#include "model_step.h"

#include <string.h>

#include "fail.h"

struct m_undo {
    enum { UNDO_SESSION, UNDO_RULE } kind;
    struct m_conn *conn;
    struct m_session before;
    bool changed; /* SESSION: its version */
    enum word_push push;
    bool was_on;
};

struct m_effect {
    enum { EFFECT_EXPECT, EFFECT_ANSWER, EFFECT_CLOSE } kind;
    struct m_conn *conn;
    struct m_expect expect;
    uint64_t question;
};

/* -- noting -------------------------------------------------------------------------------------------- */

void step_model_begin(struct model *model)
{
    model->undos_count = model->effects_count = 0;
}

static void note_effect(struct model *model, struct m_effect effect)
{
    *arena_add(&model->arena, model, effects) = effect;
}

static void change(struct model *model, struct m_conn *conn, struct m_session next)
{
    struct m_undo *undo = arena_add(&model->arena, model, undos);
    *undo = (struct m_undo){.kind = UNDO_SESSION, .conn = conn, .before = conn->session};
    undo->changed = next.version != conn->session.version;
    conn->session = next;
    if (next.timed_end_ms != NEVER)
        model_due(model, next.timed_end_ms);
}

bool model_step_changed(const struct model *model, const struct m_conn *conn)
{
    for (size_t i = 0; i < model->undos_count; i++) {
        if (model->undos[i].kind == UNDO_SESSION && model->undos[i].conn == conn && model->undos[i].changed)
            return true;
    }
    return false;
}

bool model_step_has_effects(const struct model *model)
{
    return model->undos_count || model->effects_count;
}

void step_model_commit(struct model *model)
{
    for (size_t i = 0; i < model->effects_count; i++) {
        const struct m_effect *effect = &model->effects[i];
        struct m_conn *conn = effect->conn;
        if (effect->kind == EFFECT_EXPECT) {
            model_expect(model, conn, effect->expect);
        } else if (effect->kind == EFFECT_ANSWER) {
            for (size_t k = 0; k < conn->questions_count; k++) {
                if (conn->questions[k].serial == effect->question)
                    model_question_close(conn, &conn->questions[k]);
            }
            model_expect(model, conn, effect->expect);
            count(model->summary,
                  effect->expect.kind == EXPECT_ERROR ? COUNT_QUESTION_REFUSED : COUNT_QUESTION_ANSWERED);
        } else {
            conn->is_leaving = false;
            model_closed(model, conn, true);
        }
    }
    step_model_begin(model);
}

void step_model_undo(struct model *model)
{
    if (model_step_has_effects(model))
        count(model->summary, COUNT_ENTRY_UNDONE);
    for (size_t i = model->undos_count; i-- > 0;) {
        const struct m_undo *undo = &model->undos[i];
        if (undo->kind == UNDO_SESSION)
            undo->conn->session = undo->before;
        else
            model->rules[undo->push].is_on = undo->was_on;
    }
    for (size_t i = 0; i < model->effects_count; i++) {
        const struct m_effect *effect = &model->effects[i];
        if (effect->kind == EFFECT_CLOSE)
            effect->conn->is_leaving = false;
        for (size_t k = 0; effect->kind == EFFECT_ANSWER && k < effect->conn->questions_count; k++)
            effect->conn->questions[k].is_answered = false;
    }
    step_model_begin(model);
}

/* -- targets ------------------------------------------------------------------------------------------- */

static bool filter_sees(const struct op *op, const struct m_conn *conn)
{
    const struct m_session *session = &conn->session;
    if (!conn->is_open || conn->is_leaving)
        return false;
    return op->target == TARGET_EVERYBODY ||
           (session->has[KEY_ROOM] && session->value[KEY_ROOM] == (int64_t)op->room);
}

static struct m_conn *one(const struct model *model, const struct op *op, const struct m_job *job)
{
    return op->target == TARGET_OWN && job ? job->event->conn : model_conn(model, op->conn);
}

static bool is_one(const struct op *op)
{
    return op->target == TARGET_OWN || op->target == TARGET_CONN;
}

/* Those that the operation is about. By filter, or where they are sent something: only open ones. @kept: also
 * one that lives on for its events. */
static size_t find_targets(struct model *model, const struct op *op, const struct m_job *job, bool kept)
{
    model->found_count = 0;
    if (is_one(op)) {
        struct m_conn *conn = one(model, op, job);
        if (conn && (kept ? model_conn_kept(conn) : conn->is_open && !conn->is_leaving))
            *arena_add(&model->arena, model, found) = conn;
        return model->found_count;
    }
    for (size_t i = 0; i < model->open_count; i++) {
        if (filter_sees(op, model->open[i]))
            *arena_add(&model->arena, model, found) = model->open[i];
    }
    return model->found_count;
}

/* -- update -------------------------------------------------------------------------------------------- */

static bool fail(struct op_result *result, enum code code)
{
    result->codes = code_bit(code);
    return false;
}

static struct m_session updated(const struct model *model, const struct op *op,
                                const struct m_session *session)
{
    struct m_session next = *session;
    enum word_key key = op->kind == OP_SET_TEXT ? KEY_TEXT : op->key;
    int64_t value = (int64_t)op->token;
    if (op->kind == OP_INC || op->kind == OP_IF_VERSION)
        value = (next.has[key] ? next.value[key] : 0) + 1;
    next.version += !next.has[key] || next.value[key] != value;
    next.has[key] = true;
    next.value[key] = value;
    if (key == KEY_TIMED)
        next.timed_end_ms = op->ttl_ms ? model->now_ms + op->ttl_ms : NEVER;
    return next;
}

static bool run_update(struct model *model, const struct op *op, const struct m_job *job,
                       struct op_result *result)
{
    size_t matched = find_targets(model, op, job, true);
    if (op->kind == OP_IF_VERSION && matched && model->found[0]->session.version != op->token)
        return fail(result, CODE_CONFLICT);
    if (op->kind == OP_SET_TEXT && matched && op->token > model->scene->options.max_session_bytes)
        return fail(result, CODE_SESSION_TOO_LARGE);
    if (op->kind == OP_INC_TEXT && matched)
        return fail(result, CODE_UPDATE_FAILED);
    for (size_t i = 0; i < matched; i++)
        change(model, model->found[i], updated(model, op, &model->found[i]->session));
    result->has_matched = true;
    result->matched = matched;
    result->has_version = is_one(op) && matched;
    result->version = result->has_version ? model->found[0]->session.version : 0;
    return true;
}

/* -- send, answer, close, batch ------------------------------------------------------------------------ */

static bool run_send(struct model *model, const struct op *op, const struct m_job *job,
                     struct op_result *result)
{
    size_t found = find_targets(model, op, job, false);
    struct m_effect effect = {.kind = EFFECT_EXPECT};
    effect.expect = (struct m_expect){.kind = EXPECT_PUSH,
                                      .push = op->push,
                                      .event = EVENT_COUNT,
                                      .token = op->token,
                                      .is_batched = model->rules[op->push].is_on && !op->is_unbatched};
    result->has_matched = true;
    for (size_t i = 0; i < found; i++) {
        effect.conn = model->found[i];
        if (op->except && effect.conn->number == op->except)
            continue;
        result->matched++;
        note_effect(model, effect);
    }
    return true;
}

static bool run_answer(struct model *model, const struct op *op, const struct m_job *job,
                       struct op_result *result)
{
    bool is_own = op->target == TARGET_OWN;
    if (is_own && (!job || !job->event->question))
        return fail(result, CODE_BAD_ARGUMENT);
    struct m_conn *conn = one(model, op, job);
    struct m_question *question = NULL;
    if (conn && conn->is_open && !conn->is_leaving)
        question =
            is_own ? model_question_by_serial(conn, job->event->question) : model_question(conn, op->i);
    /* Named by `conn` and `i`, it is the event's own question that is meant, if that had this `i`. */
    if (question && job && job->event->question && conn == job->event->conn && question->i == job->event->i &&
        question->serial != job->event->question)
        question = NULL;
    result->has_first = true;
    result->is_first = question != NULL;
    if (!question)
        return true;
    struct m_expect expect = {.kind = op->is_error ? EXPECT_ERROR : EXPECT_ANSWER,
                              .event = question->event,
                              .token = op->token,
                              .i = question->i};
    question->is_answered = true;
    note_effect(model,
                (struct m_effect){
                    .kind = EFFECT_ANSWER, .conn = conn, .expect = expect, .question = question->serial});
    return true;
}

static bool run_close(struct model *model, const struct op *op, const struct m_job *job,
                      struct op_result *result)
{
    result->matched = find_targets(model, op, job, false);
    result->has_matched = true;
    for (size_t i = 1; i < result->matched; i++) {
        struct m_conn *conn = model->found[i];
        size_t at = i;
        for (; at && model->found[at - 1]->close_place > conn->close_place; at--)
            model->found[at] = model->found[at - 1];
        model->found[at] = conn;
    }
    for (size_t i = 0; i < result->matched; i++) {
        model->found[i]->is_leaving = true;
        note_effect(model, (struct m_effect){.kind = EFFECT_CLOSE, .conn = model->found[i]});
    }
    return true;
}

static bool run_batch(struct model *model, const struct op *op, struct op_result *result)
{
    struct m_rule *rule = &model->rules[op->push];
    unsigned on = 0;
    for (unsigned p = 0; p < PUSH_COUNT; p++)
        on += model->rules[p].is_on;
    if (!op->is_off && !rule->is_on && on >= model->scene->options.max_batches)
        return fail(result, CODE_LIMIT);
    *arena_add(&model->arena, model, undos) =
        (struct m_undo){.kind = UNDO_RULE, .push = op->push, .was_on = rule->is_on};
    rule->is_on = !op->is_off;
    return true;
}

/* -- all ----------------------------------------------------------------------------------------------- */

/* What it fails with whatever the state is, or CODE_OK. */
static enum code always_fails(enum op_kind kind)
{
    switch (kind) {
    case OP_BAD_FILTER:
        return CODE_BAD_FILTER;
    case OP_BAD_UPDATE:
        return CODE_BAD_UPDATE;
    case OP_BAD_VALUE:
        return CODE_BAD_VALUE;
    case OP_LARGE_MESSAGE:
        return CODE_MESSAGE_TOO_LARGE;
    case OP_UNKNOWN:
        return CODE_UNKNOWN_OP;
    case OP_UNKNOWN_KEY:
        return CODE_UNKNOWN_KEY;
    case OP_MISSING:
    case OP_I_ALONE:
        return CODE_BAD_ARGUMENT;
    default:
        return CODE_OK;
    }
}

bool model_run(struct model *model, const struct op *op, const struct m_job *job, struct op_result *result)
{
    enum code code = job && !op_is_effect(op->kind) ? CODE_BAD_ARGUMENT : always_fails(op->kind);
    *result = (struct op_result){.codes = code_bit(CODE_OK)};
    if (code != CODE_OK)
        return fail(result, code);
    switch (op->kind) {
    case OP_INC:
    case OP_SET:
    case OP_IF_VERSION:
    case OP_SET_TEXT:
    case OP_INC_TEXT:
        return run_update(model, op, job, result);
    case OP_SEND:
        return run_send(model, op, job, result);
    case OP_ANSWER:
        return run_answer(model, op, job, result);
    case OP_CLOSE:
        return run_close(model, op, job, result);
    case OP_BATCH:
        return run_batch(model, op, result);
    case OP_COSTLY:
        if (model->open_count > model->scene->options.max_scan)
            return fail(result, CODE_TOO_COSTLY);
        result->has_matched = true;
        return true;
    default:
        return true;
    }
}
