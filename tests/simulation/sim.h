#ifndef SLUICE_TESTS_SIMULATION_SIM_H
#define SLUICE_TESTS_SIMULATION_SIM_H

/* sim: one seed's world: the core and the model side by side. Each input goes to the core first; what the
 * core did is written down (effects.c), then the model is told the input, and then both are compared. */

#include "core/core.h"
#include "fail.h"
#include "model.h"
#include "model_step.h"
#include "plan.h"
#include "reply.h"

struct process;

/* The far end of a connection. */
struct client {
    struct conn *core_conn; /* NULL: it has ended */
    struct m_conn *conn;
    uint64_t last_i;
};

/* A request on its way through the core. */
struct ticket {
    uint64_t number; /* from 1; the core's */
    struct plan *plan;
    struct process *process; /* NULL: the operator's */
    unsigned life;           /* of the process */
    uint64_t link;
    enum { TICKET_OPEN, TICKET_REPLIED, TICKET_ABANDONED } state;
    enum { WANT_REFUSAL, WANT_SAME, WANT_RESULTS, WANT_TURN, WANT_REPEAT } want;
    uint64_t codes;          /* REFUSAL */
    uint64_t same_as;        /* SAME: the ticket whose reply was stored */
    struct op_result *ran;   /* RESULTS */
    struct m_member *member; /* TURN, REPEAT; RESULTS of a join */
    const struct m_result *result;
    uint64_t turn;
    bool is_over; /* TURN: it must be replied to at once, with no events */
    bool is_now;  /* the reply must come in this input */
    bool may_wait;
    bool was_asked_to_wait; /* may_wait was asked */
    bool is_released;       /* REPEAT */
    bool is_abandoned;      /* a repeat took its place */
    bool is_lost;           /* the sender does not see the reply */
    const uint8_t *reply;
    size_t reply_len;
};

/* Something that the core did. */
struct effect {
    enum {
        EFFECT_DELIVER,
        EFFECT_DELIVER_BATCH,
        EFFECT_CLOSED,
        EFFECT_REPLY,
        EFFECT_ABANDON,
        EFFECT_PAUSE,
        EFFECT_RESUME,
        EFFECT_DEAD,
        EFFECT_WRONG
    } kind;
    struct client *client;
    struct m_expect got; /* DELIVER */
    enum word_push push; /* DELIVER_BATCH */
    size_t tokens, tokens_count;
    uint64_t welcomed;   /* DELIVER of a @welcome: the connection's number */
    uint64_t ticket;     /* REPLY, ABANDON */
    const uint8_t *body; /* REPLY, DEAD */
    size_t len;
    const char *text; /* WRONG: what */
};

struct sim {
    struct scene scene;
    struct random random;
    struct summary *summary;
    struct model model;
    struct core *core;
    struct counters counters;
    struct core_time now;
    struct spelling spelling;
    struct buf work;
    bool is_verbose;
    uint64_t steps; /* inputs */
    struct effect *effects;
    size_t effects_count, effects_cap;
    uint64_t *tokens;
    size_t tokens_count, tokens_cap;
    struct ticket **tickets; /* by number, from 1 */
    size_t tickets_count, tickets_cap;
    size_t now_owed;       /* replies that must come in this input */
    size_t abandoned_owed; /* waiting requests whose place a repeat has taken: the edge must be told so */
    uint64_t last_token, last_link, last_conn;
    struct client **clients; /* that are connected */
    size_t clients_count, clients_cap;
    struct late_link { /* the core is told later that it is gone */
        uint64_t link, at_ms;
    } * late_links;
    size_t late_links_count, late_links_cap;
    struct process *processes;
    unsigned process_count;
    uint64_t operator_id;
    uint64_t operator_count;    /* changing requests that the core has run for the operator */
    uint64_t operator_first;    /* id of the first of them */
    struct plan *operator_plan; /* the last one */
    uint64_t announced_ms;
    bool is_draining;       /* the end: nobody misbehaves any more */
    bool is_stopping;       /* and the core closes all connections */
    struct reply_seen seen; /* of the reply under inspection */
};

void sim_init(struct sim *sim, uint64_t seed, unsigned inputs, struct summary *summary, bool is_verbose);
void sim_start(struct sim *sim); /* makes the core: may fail, see fail.h */
void sim_deinit(struct sim *sim);

static inline uint64_t sim_token(struct sim *sim)
{
    return ++sim->last_token;
}

static inline bool sim_chance(struct sim *sim, unsigned thousandths)
{
    return chance(&sim->random, thousandths);
}

static inline unsigned sim_between(struct sim *sim, unsigned from, unsigned to)
{
    return between(&sim->random, from, to);
}

/* Tell what is done, where somebody wants to know. */
#define tell(sim, ...)                                                                                       \
    do {                                                                                                     \
        if ((sim)->is_verbose)                                                                               \
            sim_tell((sim), __VA_ARGS__);                                                                    \
    } while (0)
void sim_tell(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* -- inputs (input.c) ---------------------------------------------------------------------------------- */

struct client *input_open(struct sim *sim);
void input_close(struct sim *sim, struct client *client);
void input_message(struct sim *sim, struct client *client, enum word_event event, uint64_t i, size_t filler);

/* A message that is refused whatever the state is. */
void input_bad_message(struct sim *sim, struct client *client, unsigned which);

/* Send @plan, encoded before or not. @is_lost: the reply does not reach the sender. */
struct ticket *input_request(struct sim *sim, struct plan *plan, struct process *process, uint64_t link,
                             bool is_tcp, bool is_lost);
void input_link_down(struct sim *sim, uint64_t link);
void input_tick(struct sim *sim, uint64_t ms);
void input_flush(struct sim *sim);
void input_stop(struct sim *sim); /* closes all connections at once */

/* Ordinary requests in the model (requests.c): what the reply must say, and what it has said. */
void begin_ops(struct sim *sim, struct ticket *ticket, bool is_tcp);
void result_checked(struct sim *sim, struct ticket *ticket, const struct op *op, const struct op_result *due,
                    const struct result_seen *seen);
void tell_plan(const struct sim *sim, const struct ticket *ticket);

/* -- effects (effects.c, check.c) ---------------------------------------------------------------------- */

struct core_effects effects_for(struct sim *sim);

/* Compare what the core did with what the model expects. @in_order: deliveries of a connection must come in
 * the order in which they are expected. */
void check_effects(struct sim *sim, bool in_order);

void check_session(const struct m_conn *conn, const struct seen_event *seen, uint32_t keys, uint64_t version);

/* @client's connection was closed by the core. */
void client_forget(struct sim *sim, struct client *client);

#endif
