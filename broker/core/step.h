#ifndef SLUICE_CORE_STEP_H
#define SLUICE_CORE_STEP_H

/* step: operations that are applied together or not at all.
 *
 * Every operation runs in a step. Sessions, questions, batch rules and expiries change at once, so that the
 * operations after it see them, and the old state is noted to be restored; messages, batch payloads and
 * closes are collected and go out when the step is committed. A request's operations are a step each; the
 * operations of a turn's entry are one step together. A commit cannot fail: what needs memory is done before.
 *
 * A connection that is to be closed, and a question that is answered, are marked, and nobody finds them any
 * more; so within a step things look as they will be after it. Connections must not come or go by themselves
 * while a step is open. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "wire/blob.h"
#include "wire/buf.h"

struct batch;
struct batch_rule;
struct conn;
struct effect;
struct question;
struct update;

struct step {
    struct buf effects;  /* of struct effect, in order (step.c) */
    struct buf targets;  /* of void *: whom they happen to */
    struct effect *last; /* of effects; NULL: none */
    struct buf undos;    /* of struct undo, in order (step.c) */
    unsigned leaving;    /* connections that it closes */
    bool is_open;
    bool changes_batches; /* there are rules among the effects */
};

void step_init(struct step *step);
void step_deinit(struct step *step);

/* Begin the step of @core. The one before must have been committed or undone. */
void step_begin(struct core *core);

/* What the step is to do. Each refers to what it needs by itself. 0, or -ENOMEM: then step_undo() is to
 * follow. */
int step_deliver(struct core *core, struct conn *conn, struct message *message, enum delivery kind);
/* @payload goes into what waits for @conn in @batch. */
int step_batch_add(struct core *core, struct batch *batch, struct conn *conn, struct blob *payload);
/* What waits for @conn in @batch is delivered, then @message. */
int step_batch_pass(struct core *core, struct batch *batch, struct conn *conn, struct message *message);
/* @reason: shared, or NULL. */
int step_close(struct core *core, struct conn *conn, unsigned code, struct blob *reason);
/* @message is the answer to @question. */
int step_answer(struct core *core, struct question *question, struct message *message);

/* Declare, change or (interval 0) end a batch: what waits is flushed then. @rule->event is a valid name. 0,
 * or -1 with a fault: then step_undo() is to follow. */
int step_batch_set(struct core *core, const struct batch_rule *rule, struct fault *fault);

/* Give @conn its next session (takes the reference, also on failure). 0 or -ENOMEM, as above. */
int step_session(struct core *core, struct conn *conn, struct blob *session);

/* @update has been applied to @conn: the fields that its $set names end at @at_ms (UINT64_MAX: never). 0, 1
 * when too many fields would expire, or -ENOMEM; step_undo() is to follow on both. */
int step_expiry(struct core *core, struct conn *conn, const struct update *update, uint64_t at_ms);

/* Do it. Returns how many deliveries were refused by full queues (or for lack of memory). */
uint64_t step_commit(struct core *core);

/* Nothing has happened. */
void step_undo(struct core *core);

/* Whether the step, which is still open, has changed the session of @conn. */
bool step_changed(const struct core *core, const struct conn *conn);

#endif
