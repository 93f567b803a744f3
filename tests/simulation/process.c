#include "process.h"

#include <stdio.h>
#include <string.h>

#include "script.h"

/* -- life and death ------------------------------------------------------------------------------------ */

static void choose_terms(struct sim *sim, struct process *process)
{
    const struct scene *scene = &sim->scene;
    const struct scene_group *group = &scene->groups[process->group];
    process->patterns = group->patterns;
    if (sim_chance(sim, 300))
        process->patterns &= (uint32_t)random_next(&sim->random);
    if (!process->patterns)
        process->patterns = group->patterns;
    process->keys =
        sim_chance(sim, 600) ? KEYS_ALL : (uint32_t)random_next(&sim->random) & ((1u << KEY_COUNT) - 1);
    process->lease_ms = sim_between(sim, 100, scene->lease_ms * 2);
    process->per_conn = sim_between(sim, 1, scene->per_conn_max);
    process->max = sim_chance(sim, 30) ? 0 : sim_between(sim, 1, sim_chance(sim, 700) ? 8 : 200);
    process->wait_ms = sim_chance(sim, 200) ? 0 : sim_between(sim, 1, sim_chance(sim, 800) ? 300 : 25000);
    process->think_ms = sim_chance(sim, 150) ? scene->think_ms * 10 : scene->think_ms;
}

static void new_life(struct sim *sim, struct process *process)
{
    process->life++;
    snprintf(process->client, sizeof process->client, "process-%04u-life-%04u", process->index,
             process->life);
    process->link = ++sim->last_link;
    process->is_tcp = sim_chance(sim, 500);
    process->is_joined = false;
    process->turn = process->request_id = 0;
    process->plan = NULL;
    process->sending = SENDING_NOTHING;
    process->asleep_ms = process->pause_ms = 0;
    process->tasks_count = 0;
    process->requests = arena_get(&sim->model.arena, sizeof(*process->requests));
    choose_terms(sim, process);
}

void process_start(struct sim *sim, struct process *process, unsigned index)
{
    memset(process, 0, sizeof *process);
    process->index = index;
    process->group = index % sim->scene.group_count;
    new_life(sim, process);
}

/* Its link is gone; now and then nobody notices for a while. */
static void lose_link(struct sim *sim, const struct process *process)
{
    if (sim->is_draining || sim_chance(sim, 700)) {
        input_link_down(sim, process->link);
        return;
    }
    *arena_add(&sim->model.arena, sim, late_links) =
        (struct late_link){.link = process->link, .at_ms = sim->now.mono_ms + sim_between(sim, 1, 5000)};
}

void process_crash(struct sim *sim, struct process *process)
{
    tell(sim, "%s crashes", process->client);
    if (process->plan && process->plan->bytes)
        *(process->plan->is_turn ? &process->old_turn : &process->old_join) = process->plan;
    lose_link(sim, process);
    new_life(sim, process);
}

void process_behave(struct sim *sim, struct process *process)
{
    process_crash(sim, process);
    process->patterns = PATTERN_ALL;
    process->max = 200;
    process->wait_ms = 50;
    process->think_ms = 0;
    process->lease_ms = 5000;
}

/* -- sending ------------------------------------------------------------------------------------------- */

static void hand_over(struct sim *sim, struct process *process)
{
    bool is_lost = !sim->is_draining && sim_chance(sim, sim->scene.lose_reply);
    unsigned patience = process->plan->is_turn ? process->wait_ms : 0;
    process->resend_ms = sim->now.mono_ms + patience + sim_between(sim, 20, 500);
    if (!sim->is_draining && sim_chance(sim, sim->scene.lose_request)) {
        tell(sim, "%s: a request is lost", process->client);
        process->sending = SENDING_LOST;
        return;
    }
    process->sending = SENDING_WAITS;
    process->ticket =
        sim->tickets_count ? sim->tickets_count : 1; /* the next one's; the reply may come at once */
    input_request(sim, process->plan, process, process->link, process->is_tcp, is_lost);
}

static struct plan *new_plan(struct sim *sim, struct process *process)
{
    struct plan *plan = arena_get(&sim->model.arena, sizeof(*plan));
    strcpy(plan->client, process->client);
    plan->id = ++process->request_id;
    plan->sender_count = process->requests;
    return plan;
}

static struct op *new_request(struct sim *sim, struct process *process, enum op_kind kind)
{
    struct plan *plan = process->plan = new_plan(sim, process);
    struct op *op = arena_add(&sim->model.arena, plan, ops);
    *op = (struct op){.kind = kind};
    return op;
}

static const char *kept_member(struct sim *sim, const struct process *process)
{
    char *kept = arena_get(&sim->model.arena, sizeof process->member);
    strcpy(kept, *process->member ? process->member : "nobody");
    return kept;
}

static void send_join(struct sim *sim, struct process *process)
{
    struct op *op = new_request(sim, process, OP_JOIN);
    op->group = sim->scene.groups[process->group].name;
    op->patterns = process->patterns;
    op->keys = process->keys;
    op->lease_ms = process->lease_ms;
    op->per_conn = process->per_conn;
    op->is_bad_pattern = !sim->is_draining && sim_chance(sim, 20);
    if (!sim->is_draining && sim_chance(sim, 50)) { /* at once again, with other terms, before any turn */
        hand_over(sim, process);
        choose_terms(sim, process);
        process->is_joined = false;
        return;
    }
    hand_over(sim, process);
}

static void send_leave(struct sim *sim, struct process *process)
{
    new_request(sim, process, OP_LEAVE)->member = kept_member(sim, process);
    process->is_joined = false;
    process->tasks_count = 0;
    hand_over(sim, process);
}

static void send_extend(struct sim *sim, struct process *process)
{
    struct op *op = new_request(sim, process, OP_EXTEND);
    op->member = kept_member(sim, process);
    if (sim_chance(sim, 500)) {
        uint64_t *seqs = arena_get(&sim->model.arena, (process->tasks_count + 1) * sizeof(*seqs));
        for (unsigned i = 0; i < process->tasks_count; i++) {
            if (sim_chance(sim, 600))
                seqs[op->seq_count++] = process->tasks[i].seq;
        }
        op->seqs = seqs;
    }
    hand_over(sim, process);
}

/* -- turns --------------------------------------------------------------------------------------------- */

/* Whether an earlier event of the same connection is still being worked on. */
static bool waits_for_earlier(const struct process *process, unsigned index)
{
    for (unsigned i = 0; i < process->tasks_count; i++) {
        const struct task *task = &process->tasks[i];
        if (task->conn == process->tasks[index].conn && task->seq < process->tasks[index].seq)
            return true;
    }
    return false;
}

static void finish_task(struct sim *sim, struct process *process, unsigned index, struct plan *plan)
{
    const struct task *task = &process->tasks[index];
    const struct script_about about = {.own = task->conn, .i = task->i, .version = task->version};
    struct entry *entry = arena_add(&sim->model.arena, plan, done);
    script_entry(sim, &about, task->seq, entry);
    if (!sim->is_draining && sim_chance(sim, 10)) { /* the same twice */
        struct entry twice = *entry;
        *arena_add(&sim->model.arena, plan, done) = twice;
    }
    process->tasks[index] = process->tasks[--process->tasks_count];
}

/* All of them may not have more operations than a request. */
static bool has_room(const struct sim *sim, const struct plan *plan)
{
    size_t ops = 0;
    for (size_t i = 0; i < plan->done_count; i++)
        ops += plan->done[i].ops_count;
    return ops + 24 < sim->scene.options.max_ops && plan->done_count < 20;
}

static void add_done(struct sim *sim, struct process *process, struct plan *plan)
{
    unsigned skew = process->tasks_count ? sim_between(sim, 0, process->tasks_count - 1) : 0;
    for (unsigned left = process->tasks_count, i = skew; left && has_room(sim, plan); left--) {
        if (i >= process->tasks_count)
            i = 0;
        if (process->tasks[i].done_ms > sim->now.mono_ms) {
            i++;
        } else if (waits_for_earlier(process, i) &&
                   !(!sim->is_draining && sim_chance(sim, sim->scene.out_of_order))) {
            i++;
        } else {
            finish_task(sim, process, i, plan);
        }
    }
    if (!sim->is_draining && sim_chance(sim, 5)) { /* one that it never got */
        struct entry *entry = arena_add(&sim->model.arena, plan, done);
        *entry = (struct entry){.kind = ENTRY_OPS, .seq = sim_between(sim, 1, 1000)};
    }
}

static struct plan *new_turn(struct sim *sim, struct process *process)
{
    struct plan *plan = new_plan(sim, process);
    plan->is_turn = true;
    strcpy(plan->member, process->member);
    plan->turn = process->turn + 1;
    plan->max = process->max;
    plan->wait_ms = process->wait_ms;
    return plan;
}

static void send_turn(struct sim *sim, struct process *process)
{
    process->plan = new_turn(sim, process);
    add_done(sim, process, process->plan);
    process->turn++;
    hand_over(sim, process);
}

/* -- misbehaving --------------------------------------------------------------------------------------- */

static bool flaw_fits(const struct sim *sim, const struct process *process, enum flaw flaw)
{
    return flaw != FLAW_KEY || (sim->spelling.key && process->is_tcp);
}

/* A turn that is refused as a whole; nobody waits for the reply. */
static void send_flawed(struct sim *sim, struct process *process)
{
    struct plan *plan = new_turn(sim, process);
    do
        plan->flaw = (enum flaw)sim_between(sim, FLAW_CUT, FLAW_COUNT - 1);
    while (!flaw_fits(sim, process, plan->flaw));
    input_request(sim, plan, NULL, process->link, process->is_tcp, true);
}

/* Neither the next turn nor a repeat. */
static void send_wrong_turn(struct sim *sim, struct process *process)
{
    struct plan *plan = new_turn(sim, process);
    unsigned roll = sim_between(sim, 0, 3);
    plan->turn = roll == 0 ? 0 : roll == 1 ? process->turn : process->turn + 1 + roll;
    if (roll == 1) { /* the number of the last one, but other entries */
        struct entry *entry = arena_add(&sim->model.arena, plan, done);
        *entry = (struct entry){.kind = ENTRY_RETRY, .seq = 1, .token = sim_token(sim)};
    }
    input_request(sim, plan, NULL, process->link, process->is_tcp, true);
}

/* What somebody sent who is dead, or has joined anew since. */
static void send_old(struct sim *sim, struct process *process)
{
    struct plan *plan = sim_chance(sim, 700) ? process->old_turn : process->old_join;
    if (!plan || plan->flaw)
        return;
    input_request(sim, plan, NULL, process->link, process->is_tcp, true);
}

static void reconnect(struct sim *sim, struct process *process)
{
    tell(sim, "%s connects anew", process->client);
    lose_link(sim, process);
    process->link = ++sim->last_link;
    if (process->sending == SENDING_WAITS) { /* nng sends it again at once */
        process->sending = SENDING_LOST;
        process->resend_ms = sim->now.mono_ms;
    }
}

/* True: it did, and that is all for now. */
static bool misbehave(struct sim *sim, struct process *process)
{
    const struct scene *scene = &sim->scene;
    if (sim_chance(sim, scene->crash)) {
        process_crash(sim, process);
    } else if (sim_chance(sim, scene->hang)) {
        tell(sim, "%s hangs", process->client);
        process->asleep_ms =
            sim->now.mono_ms + sim_between(sim, 1, process->lease_ms > 5000 ? 15000 : process->lease_ms * 3);
    } else if (sim_chance(sim, scene->reconnect)) {
        reconnect(sim, process);
    } else if (sim_chance(sim, scene->former_life)) {
        send_old(sim, process);
    } else if (process->is_joined && sim_chance(sim, scene->wrong_turn)) {
        send_wrong_turn(sim, process);
    } else if (process->is_joined && sim_chance(sim, scene->malformed)) {
        send_flawed(sim, process);
    } else {
        return false;
    }
    return true;
}

/* -- doing --------------------------------------------------------------------------------------------- */

/* A reply is awaited. */
static void wait_on(struct sim *sim, struct process *process)
{
    bool is_late = process->resend_ms <= sim->now.mono_ms;
    if (process->sending == SENDING_LOST && !is_late)
        return;
    if (is_late || (!sim->is_draining && sim_chance(sim, sim->scene.repeat))) {
        hand_over(sim, process);
        return;
    }
    /* Something is done meanwhile: a newer turn ends the wait. */
    bool is_done = false;
    for (unsigned i = 0; i < process->tasks_count; i++)
        is_done |= process->tasks[i].done_ms <= sim->now.mono_ms;
    if (is_done && process->plan->is_turn && process->is_joined)
        send_turn(sim, process);
}

void process_act(struct sim *sim, struct process *process)
{
    if (process->asleep_ms > sim->now.mono_ms)
        return;
    if (!sim->is_draining && misbehave(sim, process))
        return;
    if (process->sending != SENDING_NOTHING) {
        wait_on(sim, process);
        return;
    }
    if (process->pause_ms > sim->now.mono_ms)
        return;
    if (!process->is_joined)
        send_join(sim, process);
    else if (!sim->is_draining && sim_chance(sim, sim->scene.leave))
        send_leave(sim, process);
    else if (!sim->is_draining && sim_chance(sim, sim->scene.rejoin))
        process->is_joined = false;
    else if (!sim->is_draining && sim_chance(sim, sim->scene.extend))
        send_extend(sim, process);
    else
        send_turn(sim, process);
}

/* -- replies ------------------------------------------------------------------------------------------- */

static void start_anew(struct process *process)
{
    if (process->plan->is_turn)
        process->old_turn = process->plan;
    process->is_joined = false;
    process->tasks_count = 0;
}

static void take_events(struct sim *sim, struct process *process)
{
    const struct reply_seen *seen = &sim->seen;
    for (size_t i = 0; i < seen->events_count && process->tasks_count < TASKS_MAX; i++) {
        const struct seen_event *event = &seen->events[i];
        unsigned think_ms = process->think_ms ? sim_between(sim, 0, process->think_ms * 2) : 0;
        if (!sim->is_draining && sim_chance(sim, sim->scene.late))
            think_ms += sim_between(sim, 0, process->lease_ms * 2);
        process->tasks[process->tasks_count++] = (struct task){.seq = event->seq,
                                                               .conn = event->conn,
                                                               .i = event->i,
                                                               .version = event->version,
                                                               .event = event->event,
                                                               .done_ms = sim->now.mono_ms + think_ms};
    }
}

static void joined(struct sim *sim, struct process *process, struct mp_reader results)
{
    struct result_seen result;
    result_read(&result, &results);
    if (!result.is_ok) {
        process->pause_ms = sim->now.mono_ms + sim_between(sim, 1, 300);
        return;
    }
    strcpy(process->member, result.member);
    process->turn = 0;
    process->is_joined = true;
    process->tasks_count = 0;
}

void process_replied(struct sim *sim, struct ticket *ticket)
{
    struct process *process = ticket->process;
    const struct reply_seen *seen = &sim->seen;
    if (ticket->life != process->life || ticket->number != process->ticket ||
        process->sending != SENDING_WAITS || process->asleep_ms > sim->now.mono_ms)
        return;
    process->sending = SENDING_NOTHING;
    if (seen->is_refusal || seen->is_released) {
        start_anew(process);
    } else if (seen->has_turn) {
        take_events(sim, process);
        if (seen->is_pausing)
            process->pause_ms = sim->now.mono_ms + 1000;
    } else if (process->plan->ops[0].kind == OP_JOIN) {
        process->old_join = process->plan;
        joined(sim, process, seen->all);
    } else if (process->plan->ops[0].kind == OP_EXTEND) {
        struct mp_reader results = seen->all;
        struct result_seen result;
        result_read(&result, &results);
        if (!result.is_ok)
            start_anew(process);
    }
}
