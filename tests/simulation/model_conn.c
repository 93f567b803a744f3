/* Connections in the model: sessions, questions, what clients must get. */

#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "model.h"

static void expect_remove(struct m_conn *conn, size_t place)
{
    memmove(&conn->expects[place], &conn->expects[place + 1],
            (--conn->expects_count - place) * sizeof(conn->expects[0]));
}

/* -- coming and going ---------------------------------------------------------------------------------- */

/* Not while it is to be refused; nor where so many events wait already that its `@disconnect` is too much. */
bool model_may_open(const struct model *model)
{
    for (unsigned g = 0; g < model->scene->group_count; g++) {
        const struct m_group *group = &model->groups[g];
        if (group->job_count >= group->scene->max_backlog * 2 && model_group_matches(group, EVENT_DISCONNECT))
            return false;
    }
    return !model_group_refuses(model, EVENT_CONNECT);
}

static void conn_enter(struct model *model, struct m_conn *conn)
{
    conn->open_place = model->open_count;
    *arena_add(&model->arena, model, open) = conn;
    conn->is_open = true;
}

static void conn_leave(struct model *model, struct m_conn *conn)
{
    struct m_conn *last = model->open[--model->open_count];
    model->open[conn->open_place] = last;
    last->open_place = conn->open_place;
    conn->is_open = false;
    conn->is_leaving = false;
}

struct m_conn *model_opened(struct model *model, void *peer, const char *id, uint64_t number,
                            bool is_welcomed)
{
    must(model_may_open(model), "a connection was let in while a group that lists @connect refuses");
    must(number >= model->conns_count, "the connection %s has the number of an earlier one", id);
    struct m_conn *conn = arena_get(&model->arena, sizeof(*conn));
    while (model->conns_count < number)
        *arena_add(&model->arena, model, conns) = NULL;
    *arena_add(&model->arena, model, conns) = conn;
    conn->number = number;
    conn->peer = peer;
    conn->session.version = 1;
    conn->session.timed_end_ms = NEVER;
    snprintf(conn->id, sizeof conn->id, "%s", id);
    conn_enter(model, conn);
    if (is_welcomed)
        model_expect(model, conn, (struct m_expect){.kind = EXPECT_WELCOME, .event = EVENT_COUNT});
    model_accept(model, conn, EVENT_CONNECT, 0, NULL);
    count(model->summary, COUNT_CONN_OPENED);
    return conn;
}

void model_closed(struct model *model, struct m_conn *conn, bool by_core)
{
    conn_leave(model, conn);
    conn->questions_count = 0;
    conn->paused_by = 0;
    conn->is_paused &= by_core; /* it may be resumed before it is closed */
    conn->is_closing = by_core;
    model->closing += by_core;
    if (!by_core)
        conn->expects_count = 0; /* nothing but batches waits between inputs */
    model_accept(model, conn, EVENT_DISCONNECT, 0, NULL);
    count(model->summary, COUNT_CONN_CLOSED);
}

void model_close_came(struct model *model, struct m_conn *conn)
{
    must(conn->is_closing, "%s is closed by the core, and nobody asked for that", conn->id);
    must(conn->expects_count == 0, "%s is closed before it got all that was sent to it", conn->id);
    conn->is_closing = conn->is_paused = false;
    model->closing--;
}

bool model_conn_kept(const struct m_conn *conn)
{
    return conn->is_open || conn->events;
}

struct m_conn *model_conn(const struct model *model, uint64_t number)
{
    return number < model->conns_count ? model->conns[number] : NULL;
}

/* -- questions ----------------------------------------------------------------------------------------- */

struct m_question *model_question(struct m_conn *conn, uint64_t i)
{
    for (size_t k = 0; k < conn->questions_count; k++) {
        if (conn->questions[k].i == i && !conn->questions[k].is_answered)
            return &conn->questions[k];
    }
    return NULL;
}

struct m_question *model_question_by_serial(struct m_conn *conn, uint64_t serial)
{
    for (size_t k = 0; k < conn->questions_count; k++) {
        if (conn->questions[k].serial == serial && !conn->questions[k].is_answered)
            return &conn->questions[k];
    }
    return NULL;
}

void model_question_close(struct m_conn *conn, struct m_question *question)
{
    size_t place = (size_t)(question - conn->questions);
    memmove(question, question + 1, (--conn->questions_count - place) * sizeof(*question));
}

static struct m_question *question_open(struct model *model, struct m_conn *conn, enum word_event event,
                                        uint64_t i)
{
    struct m_question *question = arena_add(&model->arena, conn, questions);
    *question = (struct m_question){
        .serial = ++model->question_serial,
        .i = i,
        .event = event,
        .deadline_ms = model->now_ms + model->scene->options.question_ms,
    };
    model_due(model, question->deadline_ms);
    count(model->summary, COUNT_QUESTION_ASKED);
    return question;
}

/* -- messages ------------------------------------------------------------------------------------------ */

static bool may_ask(struct model *model, struct m_conn *conn, enum word_event event, uint64_t i)
{
    if (model_question(conn, i)) {
        model_expect_error(model, conn, CODE_ID_IN_USE, event, 0);
        return false;
    }
    if (conn->questions_count >= model->scene->options.max_questions) {
        model_expect_error(model, conn, CODE_TOO_MANY_QUESTIONS, event, i);
        return false;
    }
    return true;
}

static bool nobody_listens(const struct model *model, enum word_event event)
{
    for (unsigned g = 0; g < model->scene->group_count; g++) {
        if (model_group_matches(&model->groups[g], event))
            return false;
    }
    return model->announced_until_ms > model->now_ms; /* else the subscriber may listen to anything */
}

void model_message(struct model *model, struct m_conn *conn, enum word_event event, uint64_t token,
                   uint64_t i)
{
    if (i && !may_ask(model, conn, event, i))
        return;
    if (nobody_listens(model, event)) {
        model_expect_error(model, conn, CODE_NO_HANDLER, event, i);
        return;
    }
    if (model_group_refuses(model, event)) {
        model_expect_error(model, conn, CODE_OVERLOADED, event, i);
        return;
    }
    struct m_question *question = i ? question_open(model, conn, event, i) : NULL;
    model_accept(model, conn, event, token, question);
}

void model_refused_message(struct model *model, struct m_conn *conn, enum code code, enum word_event event,
                           uint64_t i)
{
    model_expect_error(model, conn, code, event, i);
}

/* -- deliveries ---------------------------------------------------------------------------------------- */

void model_expect(struct model *model, struct m_conn *conn, struct m_expect expect)
{
    *arena_add(&model->arena, conn, expects) = expect;
    model->expected += !expect.is_batched;
}

void model_expect_error(struct model *model, struct m_conn *conn, enum code code, enum word_event event,
                        uint64_t i)
{
    const struct m_expect expect = {.kind = EXPECT_ERROR, .code = code, .event = event, .i = i};
    model_expect(model, conn, expect);
    count_code(model->summary, code);
}

static bool is_due(const struct m_expect *due, const struct m_expect *got)
{
    return due->kind == got->kind && due->push == got->push && due->event == got->event &&
           due->token == got->token && due->i == got->i &&
           (due->code == got->code || (due->or_timeout && got->code == CODE_TIMEOUT));
}

static const char *describe(const struct m_expect *e, char *out, size_t size)
{
    static const char *const kinds[] = {"@welcome", "@pong", "push", "answer", "@ok", "@error"};
    snprintf(out, size, "%s push %s event %s token %llu code %s i %llu", kinds[e->kind], PUSHES[e->push],
             e->event < EVENT_COUNT ? EVENT_NAMES[e->event] : "-", (unsigned long long)e->token,
             code_text(e->code), (unsigned long long)e->i);
    return out;
}

void model_delivered(struct model *model, struct m_conn *conn, const struct m_expect *got, bool in_order)
{
    char text[160], wanted[160] = "nothing";
    size_t place = 0;
    for (; place < conn->expects_count; place++) {
        const struct m_expect *next = &conn->expects[place];
        if (next->is_batched) {
            must(got->kind != EXPECT_PUSH || next->push != got->push || !in_order,
                 "%s gets %s before the batch of that event that waits", conn->id,
                 describe(got, text, sizeof text));
            continue;
        }
        if (is_due(next, got))
            break;
        describe(next, wanted, sizeof wanted);
        if (in_order)
            place = conn->expects_count;
    }
    if (place >= conn->expects_count)
        wrong("%s gets %s; expected: %s", conn->id, describe(got, text, sizeof text), wanted);
    expect_remove(conn, place);
    model->expected--;
}

void model_delivered_batch(struct model *model, struct m_conn *conn, enum word_push push,
                           const uint64_t *tokens, size_t tokens_count)
{
    size_t place = 0;
    (void)model;
    for (size_t i = 0; i < tokens_count; i++) {
        while (place < conn->expects_count &&
               (!conn->expects[place].is_batched || conn->expects[place].push != push))
            place++;
        must(place < conn->expects_count, "%s gets a batch of %s that has %zu payloads too many", conn->id,
             PUSHES[push], tokens_count - i);
        must(conn->expects[place].token == tokens[i], "%s gets %llu in a batch of %s where %llu is next",
             conn->id, (unsigned long long)tokens[i], PUSHES[push],
             (unsigned long long)conn->expects[place].token);
        expect_remove(conn, place);
    }
}

size_t model_batched(const struct m_conn *conn, enum word_push push)
{
    size_t found = 0;
    for (size_t i = 0; i < conn->expects_count; i++)
        found += conn->expects[i].is_batched && conn->expects[i].push == push;
    return found;
}

/* -- reading ------------------------------------------------------------------------------------------- */

void model_paused(struct model *model, struct m_conn *conn)
{
    must(!conn->is_paused, "%s is paused twice", conn->id);
    must(conn->paused_by, "%s is paused, and fills no group", conn->id);
    conn->is_paused = true;
    conn->lets_go = 0;
    count(model->summary, COUNT_CONN_PAUSED);
}

void model_resumed(struct model *model, struct m_conn *conn)
{
    must(conn->is_paused, "%s is resumed, and was not paused", conn->id);
    must(!conn->paused_by || conn->lets_go, "%s is resumed while the group that it fills is full", conn->id);
    conn->is_paused = false;
    conn->lets_go = 0;
    conn->has_resumed = conn->paused_by != 0;
    count(model->summary, COUNT_CONN_RESUMED);
}

/* Whether a group that is open again may leave it paused for a little longer. */
static bool may_wait(const struct model *model, const struct m_conn *conn)
{
    bool may = false;
    for (unsigned g = 0; g < model->scene->group_count; g++) {
        const struct m_group *group = &model->groups[g];
        may |= conn->lets_go & 1u << g && group->state == GROUP_OPEN && group->backlog &&
               model->now_ms < group->opened_ms + model->scene->options.group_pause_max_ms + RESUME_EVERY_MS;
    }
    return may;
}

void model_check_paused(const struct model *model)
{
    for (size_t i = 0; i < model->open_count; i++) {
        const struct m_conn *conn = model->open[i];
        must(!conn->is_paused || conn->paused_by || may_wait(model, conn),
             "%s is paused, and no group that it filled is full any more", conn->id);
        must(conn->is_paused || !conn->paused_by || conn->has_resumed,
             "%s is not paused, and has filled a group", conn->id);
    }
}
