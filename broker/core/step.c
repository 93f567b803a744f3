#include "core/step.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/expiry.h"

/* Memory that is kept from step to step, of each buffer: a broadcast to 100,000. */
#define KEPT_BYTES ((size_t)1024 * 1024)

/* A delivery needs the peer's memory, which lies anywhere; so many ahead it is asked for. */
#define AHEAD 16

enum effect_kind {
    EFFECT_DELIVER, /* to peers: a message */
    EFFECT_ADD,     /* for connections, in the batch: a payload */
    EFFECT_PASS,    /* to connections: what waits in the batch, then a message */
    EFFECT_ANSWER,  /* to a question: a message */
    EFFECT_CLOSE,   /* connections: with the code and a reason, or NULL */
    EFFECT_TERMS    /* the batch: its other terms, those that it does not have at the moment */
};

/* One thing that happens to many, one after the other: a broadcast is one effect. */
struct effect {
    enum effect_kind kind;
    unsigned code; /* of a close; of a delivery its kind */
    size_t first;  /* of its targets, which end where those of the next effect begin */
    struct batch *batch;
    void *what; /* shared */
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
    *step = (struct step){.effects = BUF_INIT, .targets = BUF_INIT, .undos = BUF_INIT};
}

void step_deinit(struct step *step)
{
    buf_deinit(&step->effects);
    buf_deinit(&step->targets);
    buf_deinit(&step->undos);
}

void step_begin(struct core *core)
{
    assert(!core->step.is_open);
    core->step.is_open = true;
}

static void keep_memory(struct buf *b)
{
    if (b->cap > KEPT_BYTES)
        buf_deinit(b);
    else if (b->len || b->failed)
        buf_reset(b);
}

static void step_end(struct step *step)
{
    keep_memory(&step->effects);
    keep_memory(&step->targets);
    keep_memory(&step->undos);
    step->changes_batches = false;
    step->last = NULL;
    step->is_open = false;
}

static size_t effects_count(const struct step *step)
{
    return step->effects.len / sizeof(struct effect);
}

static struct effect *effects_at(const struct step *step, size_t index)
{
    return (struct effect *)(void *)step->effects.data + index;
}

/* Those of an effect: *@count of them. */
static void **targets_of(const struct step *step, size_t index, size_t *count)
{
    size_t first = effects_at(step, index)->first, end = step->targets.len / sizeof(void *);
    if (index + 1 < effects_count(step))
        end = effects_at(step, index + 1)->first;
    *count = end - first;
    return *count ? (void **)(void *)step->targets.data + first : NULL;
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

static int begin_effect(struct step *step, struct effect effect)
{
    effect.first = step->targets.len / sizeof(void *);
    buf_put(&step->effects, &effect, sizeof(effect));
    if (step->effects.failed)
        return -ENOMEM;
    step->last = effects_at(step, effects_count(step) - 1);
    return 0;
}

/* As begin_effect(), with a reference of its own. */
static int begin_shared(struct step *step, struct effect effect)
{
    if (begin_effect(step, effect) < 0)
        return -ENOMEM;
    if (effect.kind == EFFECT_ADD || effect.kind == EFFECT_CLOSE)
        blob_ref(effect.what);
    else
        message_ref(effect.what);
    return 0;
}

/* Note that this happens to @target. Mostly it is what happened to the one before, and all that there is to
 * do is to write @target down; a broadcast does so many times. */
static inline int note(struct step *step, struct effect effect, void *target)
{
    const struct effect *last = step->last;
    bool goes_on = last && last->what == effect.what && last->kind == effect.kind &&
                   last->batch == effect.batch && last->code == effect.code;
    if (!goes_on && begin_shared(step, effect) < 0)
        return -ENOMEM;
    if (!buf_reserve(&step->targets, sizeof(target)))
        return -ENOMEM;
    memcpy(step->targets.data + step->targets.len, &target, sizeof(target));
    step->targets.len += sizeof(target);
    return 0;
}

int step_deliver(struct core *core, struct conn *conn, struct message *message, enum delivery kind)
{
    const struct effect effect = {.kind = EFFECT_DELIVER, .code = kind, .what = message};
    return note(&core->step, effect, conn->peer);
}

int step_batch_add(struct core *core, struct batch *batch, struct conn *conn, struct blob *payload)
{
    return note(&core->step, (struct effect){.kind = EFFECT_ADD, .batch = batch, .what = payload}, conn);
}

int step_batch_pass(struct core *core, struct batch *batch, struct conn *conn, struct message *message)
{
    return note(&core->step, (struct effect){.kind = EFFECT_PASS, .batch = batch, .what = message}, conn);
}

int step_close(struct core *core, struct conn *conn, unsigned code, struct blob *reason)
{
    if (note(&core->step, (struct effect){.kind = EFFECT_CLOSE, .code = code, .what = reason}, conn) < 0)
        return -ENOMEM;
    conn->is_leaving = true;
    core->step.leaving++;
    return 0;
}

int step_answer(struct core *core, struct question *question, struct message *message)
{
    if (note(&core->step, (struct effect){.kind = EFFECT_ANSWER, .what = message}, question) < 0)
        return -ENOMEM;
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
        begin_effect(&core->step,
                     (struct effect){.kind = EFFECT_TERMS, .batch = batch, .what = batch_swap(batch, terms)});
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

/* Returns how many were refused, as all of these do. */
static uint64_t deliver_all(struct core *core, void **peers, size_t count, const struct effect *effect)
{
    struct message *message = effect->what;
    enum delivery kind = (enum delivery)effect->code;
    uint64_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(peers[i + AHEAD], 1);
        refused += core->effects.deliver(core->effects.arg, peers[i], message, kind) != 0;
    }
    core->counters->deliveries += count - refused;
    core->counters->deliveries_refused += refused;
    message_unref(message);
    return refused;
}

static uint64_t add_all(struct core *core, void **conns, size_t count, const struct effect *effect)
{
    uint64_t refused = 0;
    for (size_t i = 0; i < count; i++)
        refused += batch_add(effect->batch, conns[i], effect->what, core->now.mono_ms) != 0;
    blob_unref(effect->what);
    return refused;
}

static uint64_t pass_all(struct core *core, void **conns, size_t count, const struct effect *effect)
{
    uint64_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        int is_refused = batch_flush_conn(effect->batch, conns[i]);
        is_refused |= core_deliver(core, conns[i], effect->what, DELIVERY_MANY);
        refused += is_refused != 0;
    }
    message_unref(effect->what);
    return refused;
}

static uint64_t answer_all(struct core *core, void **questions, size_t count, const struct effect *effect)
{
    uint64_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        struct question *question = questions[i];
        refused += core_deliver(core, question->conn, effect->what, DELIVERY_ONE) != 0;
        question_close(&core->questions, question);
        core->counters->questions_answered++;
    }
    message_unref(effect->what);
    return refused;
}

static void close_all(struct core *core, void **conns, size_t count, const struct effect *effect)
{
    struct blob *reason = effect->what;
    for (size_t i = 0; i < count; i++) {
        struct conn *conn = conns[i];
        conn->is_leaving = false;
        core->step.leaving--;
        core_conn_close(core, conn, effect->code, reason ? (const char *)reason->data : "",
                        reason ? reason->len : 0);
    }
    blob_unref(reason);
}

static void apply_terms(struct core *core, struct batch *batch, struct batch_terms *terms)
{
    free(batch_swap(batch, terms));
    batch_obey(batch, core->now.mono_ms);
    batch_settle(batch);
}

/* Do it, and let go of what it refers to. */
static uint64_t apply(struct core *core, void **targets, size_t count, const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_DELIVER:
        return deliver_all(core, targets, count, effect);
    case EFFECT_ADD:
        return add_all(core, targets, count, effect);
    case EFFECT_PASS:
        return pass_all(core, targets, count, effect);
    case EFFECT_ANSWER:
        return answer_all(core, targets, count, effect);
    case EFFECT_CLOSE:
        close_all(core, targets, count, effect);
        return 0;
    case EFFECT_TERMS:
        apply_terms(core, effect->batch, effect->what);
        return 0;
    }
    return 0;
}

/* What was put into a batch goes there under the terms of that moment. So all changes of terms are taken
 * back, to be made again in their turn. */
static void take_back_terms(struct step *step)
{
    for (size_t i = effects_count(step); i-- > 0;) {
        struct effect *effect = effects_at(step, i);
        if (effect->kind == EFFECT_TERMS)
            effect->what = batch_swap(effect->batch, effect->what);
    }
}

uint64_t step_commit(struct core *core)
{
    struct step *step = &core->step;
    uint64_t refused = 0;
    if (step->changes_batches)
        take_back_terms(step);
    for (size_t i = 0; i < effects_count(step); i++) {
        size_t count;
        void **targets = targets_of(step, i, &count);
        refused += apply(core, targets, count, effects_at(step, i));
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

static void unmark(struct core *core, void **targets, size_t count, const struct effect *effect)
{
    for (size_t i = 0; effect->kind == EFFECT_ANSWER && i < count; i++)
        ((struct question *)targets[i])->is_answered = false;
    for (size_t i = 0; effect->kind == EFFECT_CLOSE && i < count; i++) {
        ((struct conn *)targets[i])->is_leaving = false;
        core->step.leaving--;
    }
}

static void let_go(const struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_DELIVER:
    case EFFECT_PASS:
    case EFFECT_ANSWER:
        message_unref(effect->what);
        break;
    case EFFECT_ADD:
    case EFFECT_CLOSE:
        blob_unref(effect->what);
        break;
    case EFFECT_TERMS:
        free(batch_swap(effect->batch, effect->what));
        batch_settle(effect->batch);
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
    for (size_t i = effects_count(step); i-- > 0;) {
        size_t count;
        void **targets = targets_of(step, i, &count);
        unmark(core, targets, count, effects_at(step, i));
        let_go(effects_at(step, i));
    }
    for (size_t i = undos_count(step); i-- > 0;)
        restore(core, undos_at(step, i));
    step_end(step);
}
