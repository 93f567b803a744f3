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
 * more; so within a step things look as they will be after it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "wire/blob.h"
#include "wire/buf.h"

struct batch;
struct batch_rule;
struct conn;
struct question;
struct update;

struct step {
    struct buf effects; /* of struct effect, in order (step.c) */
    struct buf undos;   /* of struct undo, in order */
    bool is_open;
};

void step_init(struct step *step);
void step_deinit(struct core *core);

/* Begin the step of @core. None may be open. */
void step_begin(struct core *core);

/* What the step is to do. Each refers to what it needs by itself. 0, or -ENOMEM: then step_undo() is to
 * follow. */
int step_deliver(struct core *core, struct conn *conn, struct message *message, enum delivery kind);
int step_batch_add(struct core *core, struct batch *batch, struct conn *conn, struct blob *payload);
int step_batch_flush(struct core *core, struct batch *batch, struct conn *conn);
int step_batch_set(struct core *core, const struct batch_rule *rule,
                   struct fault *fault); /* -1 with a fault */
int step_close(struct core *core, struct conn *conn, unsigned code, const char *reason, size_t reason_len);
int step_answer(struct core *core, struct question *question, struct message *message);

/* Give @conn its next session (takes the reference, also on failure). */
int step_session(struct core *core, struct conn *conn, struct blob *session);

/* What the update's $set names ends at @at_ms (UINT64_MAX: never). 1: too many fields expire. */
int step_expiry(struct core *core, struct conn *conn, const struct update *update, uint64_t at_ms);

/* Do it. Returns how many deliveries were refused by full queues (or for lack of memory). */
uint64_t step_commit(struct core *core);

/* Nothing has happened. */
void step_undo(struct core *core);

/* Whether the step has changed the session of @conn. */
bool step_changed(const struct core *core, const struct conn *conn);

#endif
