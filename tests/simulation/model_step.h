#ifndef SLUICE_TESTS_SIMULATION_MODEL_STEP_H
#define SLUICE_TESTS_SIMULATION_MODEL_STEP_H

/* model_step: what operations do. Those of an entry, or each one of a request, are a step: begin, run, then
 * commit or undo. */

#include "model.h"
#include "plan.h"

/* What an operation tells. */
struct op_result {
    uint64_t codes; /* bits: what it may fail with, CODE_OK for success; more than one bit where the model
                       leaves it open */
    uint64_t matched, version;
    bool has_matched, has_version, has_first, is_first;
};

static inline uint64_t code_bit(enum code code)
{
    return UINT64_C(1) << code;
}

void step_model_begin(struct model *model);
void step_model_commit(struct model *model);
void step_model_undo(struct model *model);

/* Run an effect. @job: the event of the entry, or NULL. False: it failed. */
bool model_run(struct model *model, const struct op *op, const struct m_job *job, struct op_result *result);

/* Whether the step under way has changed the session of @conn. */
bool model_step_changed(const struct model *model, const struct m_conn *conn);

/* Whether it has done anything yet. */
bool model_step_has_effects(const struct model *model);

/* What a request with this flaw is refused with (bits); 0: it has none. */
uint64_t model_flaw(const struct plan *plan);

/* The turn @plan, which came with @ticket over @link. What it is refused with (bits), or 0: then it runs, and
 * its reply comes later. */
enum turn_fate { TURN_IS_REFUSED, TURN_IS_NEW, TURN_IS_REPEAT };
struct turn_outcome {
    enum turn_fate fate;
    uint64_t codes; /* REFUSED */
    struct m_member *member;
    const struct m_result *result;
    bool took_over;   /* REPEAT: of a turn that still waits */
    bool is_released; /* REPEAT */
};
struct turn_outcome model_turn(struct model *model, const struct plan *plan, uint64_t ticket, uint64_t link,
                               bool is_tcp);

#endif
