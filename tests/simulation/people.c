#include "people.h"

#include <string.h>

#include "script.h"

#define OPERATOR_LINK 1
#define PAGE          1000 /* events of `inspect` */

/* -- clients ------------------------------------------------------------------------------------------- */

static uint64_t new_i(struct sim *sim, struct client *client)
{
    const struct m_conn *conn = client->conn;
    if (conn->questions_count && sim_chance(sim, 60)) /* one that is open already */
        return conn->questions[0].i;
    if (client->last_i && sim_chance(sim, 100)) /* one that was used before */
        return sim_between(sim, 1, (unsigned)client->last_i);
    return ++client->last_i;
}

static void client_speaks(struct sim *sim, struct client *client)
{
    static const enum word_event events[] = {EVENT_SAY, EVENT_SAY, EVENT_MOVE, EVENT_ASK,    EVENT_ASK,
                                             EVENT_JOB, EVENT_JOB, EVENT_RARE, EVENT_UNHEARD};
    if (sim_chance(sim, 10)) {
        input_bad_message(sim, client, sim_between(sim, 0, 2));
        return;
    }
    enum word_event event = events[sim_between(sim, 0, sizeof events / sizeof events[0] - 1)];
    bool asks = event == EVENT_ASK ? sim_chance(sim, 900) : sim_chance(sim, 200);
    size_t filler = sim->scene.payload_max ? sim_between(sim, 0, sim->scene.payload_max) : 0;
    input_message(sim, client, event, asks ? new_i(sim, client) : 0, filler);
}

void clients_act(struct sim *sim)
{
    if (sim->clients_count < sim->scene.connections &&
        (!sim->clients_count ||
         sim_chance(sim, sim->clients_count < sim->scene.connections / 2 ? 300 : 60))) {
        input_open(sim);
        return;
    }
    if (!sim->clients_count)
        return;
    struct client *client = sim->clients[sim_between(sim, 0, (unsigned)sim->clients_count - 1)];
    if (sim_chance(sim, sim->scene.close))
        input_close(sim, client);
    else if (!client->conn->is_paused || sim_chance(sim, sim->scene.stray_message))
        client_speaks(sim, client);
}

/* -- the operator -------------------------------------------------------------------------------------- */

static struct plan *new_plan(struct sim *sim)
{
    struct plan *plan = arena_get(&sim->model.arena, sizeof(*plan));
    strcpy(plan->client, "operator-of-the-world");
    plan->id = ++sim->operator_id;
    plan->sender_count = &sim->operator_count;
    return plan;
}

static struct op *add_op(struct sim *sim, struct plan *plan, enum op_kind kind)
{
    struct op *op = arena_add(&sim->model.arena, plan, ops);
    *op = (struct op){.kind = kind, .target = TARGET_CONN};
    return op;
}

static void send(struct sim *sim, struct plan *plan)
{
    input_request(sim, plan, NULL, OPERATOR_LINK, false, false);
}

void operator_announce(struct sim *sim)
{
    if (sim->now.mono_ms < sim->announced_ms + 30000 && sim->announced_ms)
        return;
    struct plan *plan = new_plan(sim);
    add_op(sim, plan, OP_SUBSCRIBE);
    sim->announced_ms = sim->now.mono_ms + (sim_chance(sim, 50) ? 60000 : 0);
    send(sim, plan);
}

static const char *some_group(struct sim *sim)
{
    if (sim_chance(sim, 30))
        return "no-such-group";
    return sim->scene.groups[sim_between(sim, 0, sim->scene.group_count - 1)].name;
}

static void look(struct sim *sim)
{
    struct plan *plan = new_plan(sim);
    unsigned roll = sim_between(sim, 0, 9);
    struct op *op = add_op(sim, plan,
                           roll < 4   ? OP_INSPECT
                           : roll < 6 ? OP_DEAD
                           : roll < 8 ? OP_STATS
                                      : OP_GET);
    if (op->kind == OP_INSPECT || op->kind == OP_DEAD)
        op->group = some_group(sim);
    if (op->kind == OP_INSPECT && sim_chance(sim, 200))
        op->token = sim_between(sim, 1, 200);
    if (op->kind == OP_GET)
        op->conn = sim_between(sim, 1, (unsigned)sim->last_conn + 1);
    send(sim, plan);
}

static void find_all(struct sim *sim)
{
    struct plan *plan = new_plan(sim);
    for (unsigned left = 25; left; left--)
        add_op(sim, plan, OP_FIND);
    send(sim, plan);
}

static void meddle(struct sim *sim)
{
    const struct script_about about = {.own = 0};
    struct plan *plan = new_plan(sim);
    script_ops(sim, &about, plan);
    if (!plan->ops_count)
        add_op(sim, plan, OP_UNKNOWN);
    if (plan_changes(plan))
        sim->operator_plan = plan;
    send(sim, plan);
}

/* The request before once more; or another one with its id; or with the first id of all. */
static void repeat(struct sim *sim)
{
    struct plan *last = sim->operator_plan;
    const struct core_options *options = &sim->scene.options;
    if (!last)
        return;
    bool is_stored = sim->now.mono_ms < last->first_ms + options->stored_ms &&
                     sim->operator_count - last->sender_number < options->stored_replies;
    unsigned roll = sim_between(sim, 0, 2);
    struct plan *plan = new_plan(sim);
    *add_op(sim, plan, OP_SEND) =
        (struct op){.kind = OP_SEND, .target = TARGET_EVERYBODY, .token = sim_token(sim)};
    if (roll == 1 && is_stored) {
        plan->id = last->id;
        plan->is_reused = true;
    } else if (roll == 2 && sim->operator_count > options->stored_replies + 1 && sim->operator_first) {
        plan->id = sim->operator_first;
        plan->is_old = true;
    } else {
        plan = last;
    }
    send(sim, plan);
}

static void mistake(struct sim *sim)
{
    static const enum flaw flaws[] = {FLAW_CUT, FLAW_VERSION, FLAW_EPOCH, FLAW_UNKNOWN, FLAW_TOO_LONG};
    struct plan *plan = new_plan(sim);
    plan->flaw = flaws[sim_between(sim, 0, sizeof flaws / sizeof flaws[0] - 1)];
    add_op(sim, plan, OP_STATS);
    send(sim, plan);
}

void operator_act(struct sim *sim)
{
    unsigned roll = sim_between(sim, 0, 99);
    if (roll < 40)
        look(sim);
    else if (roll < 75)
        meddle(sim);
    else if (roll < 90)
        repeat(sim);
    else if (roll < 96)
        mistake(sim);
    else if (sim->scene.options.max_request_bytes < 64 * 1024)
        find_all(sim);
}
