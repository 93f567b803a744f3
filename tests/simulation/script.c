#include "script.h"

#include "fail.h"

struct ops {
    struct op *ops;
    size_t ops_count, ops_cap;
};

/* A connection's number: one that is open, mostly. */
static uint64_t some_conn(struct sim *sim)
{
    if (!sim->model.open_count || sim_chance(sim, 80))
        return sim_between(sim, 1, (unsigned)sim->last_conn + 2);
    return sim->model.open[sim_between(sim, 0, (unsigned)sim->model.open_count - 1)]->number;
}

static struct op *add(struct sim *sim, struct ops *list, enum op_kind kind)
{
    struct op *op = arena_add(&sim->model.arena, list, ops);
    *op = (struct op){.kind = kind, .target = TARGET_OWN};
    return op;
}

/* The event's own connection, if there is one, or any. */
static void at_one(struct sim *sim, const struct script_about *about, struct op *op, unsigned others)
{
    if (about->own && !sim_chance(sim, others))
        return;
    op->target = TARGET_CONN;
    op->conn = some_conn(sim);
}

static void at_any(struct sim *sim, const struct script_about *about, struct op *op)
{
    unsigned roll = sim_between(sim, 0, 9);
    at_one(sim, about, op, 500);
    if (roll < 4)
        return;
    op->target = roll < 9 ? TARGET_ROOM : TARGET_EVERYBODY;
    op->room = sim_between(sim, 0, ROOMS - 1);
}

static void add_update(struct sim *sim, const struct script_about *about, struct ops *list)
{
    struct op *op = add(sim, list, OP_INC);
    unsigned roll = sim_between(sim, 0, 9);
    at_one(sim, about, op, 100);
    op->key = op->target == TARGET_OWN ? KEY_OWN : KEY_OTHER;
    if (roll < 4)
        return;
    if (roll == 4) {
        op->target = sim_chance(sim, 800) ? TARGET_ROOM : TARGET_EVERYBODY;
        op->room = sim_between(sim, 0, ROOMS - 1);
        op->key = KEY_ALL;
        return;
    }
    if (roll == 5 && about->own && op->target == TARGET_OWN) {
        op->kind = OP_IF_VERSION;
        op->token = about->version;
        return;
    }
    op->kind = OP_SET;
    op->key = roll < 7 ? KEY_LAST : roll < 9 ? KEY_ROOM : KEY_TIMED;
    op->token = op->key == KEY_ROOM ? sim_between(sim, 0, ROOMS - 1) : sim_token(sim);
    if (op->key == KEY_TIMED && sim_chance(sim, 800))
        op->ttl_ms = sim_between(sim, 1, 3000);
}

static void add_send(struct sim *sim, const struct script_about *about, struct ops *list)
{
    struct op *op = add(sim, list, OP_SEND);
    at_any(sim, about, op);
    op->push = (enum word_push)sim_between(sim, 0, PUSH_COUNT - 1);
    op->token = sim_token(sim);
    op->is_unbatched = sim_chance(sim, 150);
    op->except = sim_chance(sim, 150) ? some_conn(sim) : 0;
}

/* A question of somebody, whether it is open or not. */
static void about_other_question(struct sim *sim, struct op *op)
{
    op->target = TARGET_CONN;
    op->conn = some_conn(sim);
    const struct m_conn *conn = model_conn(&sim->model, op->conn);
    op->i = sim_between(sim, 1, 20);
    if (conn && conn->questions_count && sim_chance(sim, 800))
        op->i = conn->questions[sim_between(sim, 0, (unsigned)conn->questions_count - 1)].i;
}

static void add_answer(struct sim *sim, const struct script_about *about, struct ops *list)
{
    struct op *op = add(sim, list, OP_ANSWER);
    op->token = sim_token(sim);
    op->is_error = sim_chance(sim, 200);
    if (!about->i || sim_chance(sim, 100))
        about_other_question(sim, op);
    if (about->i && op->target == TARGET_OWN && sim_chance(sim, 200)) {
        op->target = TARGET_CONN; /* the same question by its name */
        op->conn = about->own;
        op->i = about->i;
    }
}

static void add_batch(struct sim *sim, struct ops *list)
{
    struct op *op = add(sim, list, OP_BATCH);
    op->push = sim_chance(sim, 500) ? PUSH_BATCH_A : PUSH_BATCH_B;
    op->is_off = sim_chance(sim, 400);
    op->token = sim_token(sim);
}

static void add_bad(struct sim *sim, const struct script_about *about, struct ops *list)
{
    static const enum op_kind kinds[] = {
        OP_BAD_FILTER, OP_BAD_UPDATE,  OP_BAD_VALUE, OP_INC_TEXT, OP_SET_TEXT, OP_LARGE_MESSAGE, OP_COSTLY,
        OP_UNKNOWN,    OP_UNKNOWN_KEY, OP_MISSING,   OP_I_ALONE,  OP_GET,      OP_IF_VERSION,    OP_BATCH};
    enum op_kind kind = kinds[sim_between(sim, 0, sizeof kinds / sizeof kinds[0] - 1)];
    struct op *op;
    if (kind == OP_INC_TEXT) { /* there is a text first */
        op = add(sim, list, OP_SET_TEXT);
        at_one(sim, about, op, 100);
        op->token = sim_between(sim, 1, 40);
        struct op fails = *op;
        fails.kind = OP_INC_TEXT;
        *add(sim, list, OP_INC_TEXT) = fails;
        return;
    }
    if (kind == OP_GET && !about->own)
        kind = OP_UNKNOWN;
    op = add(sim, list, kind);
    op->token = kind == OP_SET_TEXT ? sim->scene.options.max_session_bytes + 1 : sim_token(sim);
    op->push = kind == OP_BATCH ? PUSH_BATCH_B : PUSH_PLAIN;
    op->key = KEY_OWN;
    op->i = 7;
    if (kind != OP_I_ALONE)
        at_one(sim, about, op, 100);
}

static void add_close(struct sim *sim, const struct script_about *about, struct ops *list)
{
    struct op *op = add(sim, list, OP_CLOSE);
    at_one(sim, about, op, 500);
    if (!sim_chance(sim, 100))
        return;
    op->target = TARGET_ROOM;
    op->room = sim_between(sim, 0, ROOMS - 1);
}

void script_ops_to(struct sim *sim, const struct script_about *about, struct op **ops, size_t *count,
                   size_t *cap)
{
    struct ops list = {*ops, *count, *cap};
    for (unsigned left = sim_between(sim, 0, 3); left; left--) {
        unsigned roll = sim_between(sim, 0, 99);
        if (roll < 45)
            add_update(sim, about, &list);
        else if (roll < 75)
            add_send(sim, about, &list);
        else if (roll < 97)
            add_answer(sim, about, &list);
        else
            add_batch(sim, &list);
    }
    if (about->i && sim_chance(sim, 300))
        add_answer(sim, about, &list);
    if (sim_chance(sim, sim->scene.bad_effect))
        add_bad(sim, about, &list);
    /* Closes come last, but for pushes, which no longer reach anybody then. */
    if (sim_chance(sim, 15))
        add_close(sim, about, &list);
    if (list.ops_count && list.ops[list.ops_count - 1].kind == OP_CLOSE && sim_chance(sim, 500))
        add_send(sim, about, &list);
    *ops = list.ops;
    *count = list.ops_count;
    *cap = list.ops_cap;
}

void script_entry(struct sim *sim, const struct script_about *about, uint64_t seq, struct entry *entry)
{
    *entry = (struct entry){.kind = ENTRY_OPS, .seq = seq, .own = about->own, .token = sim_token(sim)};
    if (sim->is_draining)
        return;
    if (sim_chance(sim, sim->scene.retry)) {
        entry->kind = ENTRY_RETRY;
        entry->token = sim_chance(sim, 300) ? 0 : sim_between(sim, 1, sim_chance(sim, 900) ? 300 : 5000);
    } else if (sim_chance(sim, sim->scene.refuse)) {
        entry->kind = ENTRY_ERROR;
    } else {
        script_ops(sim, about, entry);
        if (sim_chance(sim, sim->scene.malformed))
            entry->kind = (enum entry_kind)sim_between(sim, ENTRY_NOTHING, ENTRY_KIND_COUNT - 1);
    }
}
