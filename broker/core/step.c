#include "core/step.h"

#include <errno.h>
#include <stdlib.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/expiry.h"

/* Memory that is kept from step to step, of each buffer: a broadcast to 170,000. */
#define KEPT_BYTES ((size_t)4 * 1024 * 1024)

/* A delivery needs the peer's memory, which lies anywhere; so many effects ahead it is asked for. */
#define AHEAD 8

enum effect_kind {
    EFFECT_DELIVER, /* to the peer: the message */
    EFFECT_BATCH,   /* those that follow are about this batch */
    EFFECT_ADD,     /* for the connection: the payload */
    EFFECT_PASS,    /* to the connection: what waits, then the message */
    EFFECT_ANSWER,  /* to the question: the message */
    EFFECT_CLOSE,   /* the connection: the reason, or NULL; with its code */
    EFFECT_TERMS    /* the batch: its other terms, those that it does not have at the moment */
};

struct effect {
    enum effect_kind kind;
    unsigned code;
    void *whom;
    void *what;
};

enum undo_kind { UNDO_SESSION, UNDO_EXPIRY };

struct undo {
    enum undo_kind kind;
    struct conn *conn;
    void *before;
    uint64_t version;
};

void step_init(struct step *step)
{
    *step = (struct step){.effects = BUF_INIT, .undos = BUF_INIT};
}

void step_deinit(struct step *step)
{
    buf_deinit(&step->effects);
    buf_deinit(&step->undos);
}

void step_begin(struct core *core)
{
    core->step.batch = NULL;
}

static void keep_memory(struct buf *b)
{
    if (b->cap > KEPT_BYTES)
        buf_deinit(b);
    else
        buf_reset(b);
}

static void step_end(struct step *step)
{
    keep_memory(&step->effects);
    keep_memory(&step->undos);
    step->changes_batches = false;
}

static size_t effects_count(const struct step *step)
{
    return step->effects.len / sizeof(struct effect);
}

static struct effect *effects_at(const struct step *step, size_t index)
{
    return (struct effect *)(void *)step->effects.data + index;
}

static size_t undos_count(const struct step *step)
{
    return step->undos.len / sizeof(struct undo);
}

static struct undo *undos_at(const struct step *step, size_t index)
{
    return (struct undo *)(void *)step->undos.data + index;
}

/* -- noting -------------------------------------------------------------------------------------------- */

static int note(struct core *core, struct effect effect)
{
    buf_put(&core->step.effects, &effect, sizeof(effect));
    return core->step.effects.failed ? -ENOMEM : 0;
}

int step_deliver(struct core *core, struct conn *conn, struct message *message)
{
    if (note(core, (struct effect){.kind = EFFECT_DELIVER, .whom = conn->peer, .what = message}) < 0)
        return -ENOMEM;
    message_ref(message);
    return 0;
}

static int note_batch(struct core *core, struct batch *batch)
{
    if (core->step.batch == batch)
        return 0;
    core->step.batch = batch;
    return note(core, (struct effect){.kind = EFFECT_BATCH, .whom = batch});
}

int step_batch_add(struct core *core, struct batch *batch, struct conn *conn, struct blob *payload)
{
    if (note_batch(core, batch) < 0 ||
        note(core, (struct effect){.kind = EFFECT_ADD, .whom = conn, .what = payload}) < 0)
        return -ENOMEM;
    blob_ref(payload);
    return 0;
}

int step_batch_pass(struct core *core, struct batch *batch, struct conn *conn, struct message *message)
{
    if (note_batch(core, batch) < 0 ||
        note(core, (struct effect){.kind = EFFECT_PASS, .whom = conn, .what = message}) < 0)
        return -ENOMEM;
    message_ref(message);
    return 0;
}

int step_close(struct core *core, struct conn *conn, unsigned code, struct blob *reason)
{
    if (note(core, (struct effect){.kind = EFFECT_CLOSE, .code = code, .whom = conn, .what = reason}) < 0)
        return -ENOMEM;
    blob_ref(reason);
    conn->is_leaving = true;
    core->step.leaving++;
    return 0;
}

int step_answer(struct core *core, struct question *question, struct message *message)
{
    if (note(core, (struct effect){.kind = EFFECT_ANSWER, .whom = question, .what = message}) < 0)
        return -ENOMEM;
    message_ref(message);
    question->is_answered = true;
    return 0;
}

int step_batch_set(struct core *core, const struct batch_rule *rule, struct fault *fault)
{
    struct batch *batch;
    struct batch_terms *terms;
    if (!buf_reserve(&core->step.effects, sizeof(struct effect)))
        return fault_set(fault, CODE_OVERLOADED, NULL, "no memory for the batch");
    if (batches_prepare(&core->batches, rule, &batch, &terms, fault) < 0)
        return -1;
    if (batch) {
        note(core, (struct effect){.kind = EFFECT_TERMS, .whom = batch, .what = batch_swap(batch, terms)});
        core->step.changes_batches = true;
    }
    return 0;
}

/* -- what changes at once ------------------------------------------------------------------------------ */

static int note_undo(struct core *core, struct undo undo)
{
    buf_put(&core->step.undos, &undo, sizeof(undo));
    return core->step.undos.failed ? -ENOMEM : 0;
}

int step_session(struct core *core, struct conn *conn, struct blob *session)
{
    const struct undo undo = {
        .kind = UNDO_SESSION, .conn = conn, .before = conn->session, .version = conn->version};
    if (note_undo(core, undo) < 0) {
        blob_unref(session);
        return -ENOMEM;
    }
    blob_ref(conn->session);
    core_session_set(core, conn, session);
    return 0;
}

int step_expiry(struct core *core, struct conn *conn, const struct update *update, uint64_t at_ms)
{
    struct expiry *next;
    int r = expiry_after(&core->timers, conn, update, at_ms, &next);
    if (r || next == conn->expiry)
        return r;
    if (note_undo(core, (struct undo){.kind = UNDO_EXPIRY, .conn = conn, .before = conn->expiry}) < 0) {
        expiry_free(next);
        return -ENOMEM;
    }
    expiry_swap(&core->timers, conn, next);
    return 0;
}

bool step_changed(const struct core *core, const struct conn *conn)
{
    for (size_t i = 0; i < undos_count(&core->step); i++) {
        const struct undo *undo = undos_at(&core->step, i);
        if (undo->kind == UNDO_SESSION && undo->conn == conn)
            return true;
    }
    return false;
}

/* -- the end ------------------------------------------------------------------------------------------- */

static int apply_answer(struct core *core, struct question *question, struct message *message)
{
    int refused = core_deliver(core, question->conn, message, DELIVERY_ANSWER);
    question_close(&core->questions, question);
    core->counters->questions_answered++;
    return refused;
}

static void apply_close(struct core *core, struct conn *conn, unsigned code, const struct blob *reason)
{
    conn->is_leaving = false;
    core->step.leaving--;
    core_conn_close(core, conn, code, reason ? (const char *)reason->data : "", reason ? reason->len : 0);
}

static void apply_terms(struct core *core, struct batch *batch, struct batch_terms *terms)
{
    free(batch_swap(batch, terms));
    batch_obey(batch, core->now.mono_ms);
    batch_settle(batch);
}

/* Do it, and let go of what it refers to. Returns whether a delivery was refused. */
static bool apply(struct core *core, const struct effect *effect)
{
    struct batch *batch = core->step.batch;
    int refused = 0;
    switch (effect->kind) {
    case EFFECT_DELIVER:
        refused = core_deliver_to(core, effect->whom, effect->what, DELIVERY_PUSH);
        message_unref(effect->what);
        break;
    case EFFECT_BATCH:
        core->step.batch = effect->whom;
        break;
    case EFFECT_ADD:
        refused = batch_add(batch, effect->whom, effect->what, core->now.mono_ms);
        blob_unref(effect->what);
        break;
    case EFFECT_PASS:
        refused = batch_flush_conn(batch, effect->whom);
        refused |= core_deliver(core, effect->whom, effect->what, DELIVERY_PUSH);
        message_unref(effect->what);
        break;
    case EFFECT_ANSWER:
        refused = apply_answer(core, effect->whom, effect->what);
        message_unref(effect->what);
        break;
    case EFFECT_CLOSE:
        apply_close(core, effect->whom, effect->code, effect->what);
        blob_unref(effect->what);
        break;
    case EFFECT_TERMS:
        apply_terms(core, effect->whom, effect->what);
        break;
    }
    return refused != 0;
}

/* What was put into a batch goes there under the terms of that moment. So all changes of terms are taken
 * back, to be made again in their turn. */
static void take_back_terms(struct step *step)
{
    for (size_t i = effects_count(step); i-- > 0;) {
        struct effect *effect = effects_at(step, i);
        if (effect->kind == EFFECT_TERMS)
            effect->what = batch_swap(effect->whom, effect->what);
    }
}

uint64_t step_commit(struct core *core)
{
    struct step *step = &core->step;
    size_t count = effects_count(step);
    uint64_t refused = 0;
    if (step->changes_batches)
        take_back_terms(step);
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(effects_at(step, i + AHEAD)->whom);
        refused += apply(core, effects_at(step, i));
    }
    for (size_t i = 0; i < undos_count(step); i++) {
        struct undo *undo = undos_at(step, i);
        if (undo->kind == UNDO_SESSION)
            blob_unref(undo->before);
        else
            expiry_free(undo->before);
    }
    step_end(step);
    return refused;
}

static void take_back(struct core *core, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_DELIVER:
    case EFFECT_PASS:
        message_unref(effect->what);
        break;
    case EFFECT_BATCH:
        break;
    case EFFECT_ADD:
        blob_unref(effect->what);
        break;
    case EFFECT_ANSWER:
        ((struct question *)effect->whom)->is_answered = false;
        message_unref(effect->what);
        break;
    case EFFECT_CLOSE:
        ((struct conn *)effect->whom)->is_leaving = false;
        core->step.leaving--;
        blob_unref(effect->what);
        break;
    case EFFECT_TERMS:
        free(batch_swap(effect->whom, effect->what));
        batch_settle(effect->whom);
        break;
    }
}

static void restore(struct core *core, const struct undo *undo)
{
    if (undo->kind == UNDO_SESSION) {
        core_session_set(core, undo->conn, undo->before);
        undo->conn->version = undo->version;
    } else {
        expiry_free(expiry_swap(&core->timers, undo->conn, undo->before));
    }
}

void step_undo(struct core *core)
{
    struct step *step = &core->step;
    for (size_t i = effects_count(step); i-- > 0;)
        take_back(core, effects_at(step, i));
    for (size_t i = undos_count(step); i-- > 0;)
        restore(core, undos_at(step, i));
    step_end(step);
}
