/* The inputs: each goes to the core, then to the model, then both are compared. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "process.h"
#include "sim.h"
#include "wire/mp.h"

void sim_tell(const struct sim *sim, const char *format, ...)
{
    va_list args;
    printf("%6llu %8llu  ", (unsigned long long)sim->steps, (unsigned long long)sim->now.mono_ms);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

static void begin(struct sim *sim)
{
    sim->steps++;
    sim->effects_count = sim->tokens_count = 0;
    count(sim->summary, COUNT_INPUTS);
}

/* -- what events weigh --------------------------------------------------------------------------------- */

static struct ticket *ticket_new(struct sim *sim, struct plan *plan)
{
    struct ticket *ticket = arena_get(&sim->model.arena, sizeof(*ticket));
    if (!sim->tickets_count)
        *arena_add(&sim->model.arena, sim, tickets) = NULL; /* they count from 1 */
    ticket->number = sim->tickets_count;
    ticket->plan = plan;
    ticket->is_now = true;
    *arena_add(&sim->model.arena, sim, tickets) = ticket;
    sim->now_owed++;
    return ticket;
}

/* The bytes that have come to @group with @conn's last event. */
static void weigh(struct sim *sim, struct m_group *group, uint64_t bytes, struct m_conn *conn)
{
    struct m_job *job = group->last;
    must(bytes >= group->bytes, "the backlog of %s has lost bytes by getting an event", group->scene->name);
    if (bytes == group->bytes)
        return;
    must(job && job->event->conn == conn && !job->bytes, "the backlog of %s has got bytes without an event",
         group->scene->name);
    job->bytes = (size_t)(bytes - group->bytes);
    group->bytes = (size_t)bytes;
    model_group_filled(&sim->model, group, conn);
}

static void weigh_group(struct sim *sim, struct mp_reader map, struct m_conn *conn)
{
    struct mp_reader value;
    char name[16];
    must(mp_map_get(map, "group", 5, &value), "stats without a group's name");
    text_from(value, name, sizeof name);
    must(mp_map_get(map, "backlog_bytes", 13, &value), "stats without bytes");
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        if (strcmp(sim->scene.groups[g].name, name) == 0)
            weigh(sim, &sim->model.groups[g], uint_from(value), conn);
    }
}

/* Bounds in bytes are checked by asking for the bytes: what an event takes is the core's affair. */
static void weigh_events(struct sim *sim, struct m_conn *conn)
{
    if (!sim->scene.knows_bytes)
        return;
    struct plan *plan = arena_get(&sim->model.arena, sizeof(*plan));
    struct op *op = arena_add(&sim->model.arena, plan, ops);
    *op = (struct op){.kind = OP_STATS};
    strcpy(plan->client, "weighs-what-waits");
    plan->id = sim->steps;
    plan_encode(plan, &sim->model.arena, &sim->spelling, &sim->work);
    struct ticket *ticket = ticket_new(sim, plan);
    ticket->want = WANT_RESULTS;
    ticket->ran = arena_get(&sim->model.arena, sizeof(*ticket->ran));
    ticket->ran->codes = code_bit(CODE_OK);
    core_request(sim->core, &(struct caller){.link = 1}, ticket->number, plan->bytes, plan->len);
    const struct effect *effect = &sim->effects[sim->effects_count - 1];
    must(sim->effects_count && effect->kind == EFFECT_REPLY && effect->ticket == ticket->number,
         "stats are not answered at once");
    struct mp_reader list, group;
    reply_read(&sim->seen, sim->spelling.epoch, effect->body, effect->len);
    must(sim->seen.has_results && mp_map_get(sim->seen.results, "groups", 6, &list), "stats without groups");
    for (uint32_t left = list_from(&list); left; left--) {
        group = list;
        weigh_group(sim, group, conn);
        mp_skip(&list);
    }
}

/* -- connections --------------------------------------------------------------------------------------- */

struct client *input_open(struct sim *sim)
{
    struct client *client = arena_get(&sim->model.arena, sizeof(*client));
    bool is_welcomed = sim_chance(sim, 950);
    char id[48];
    const struct opening opening = {
        .path = "/ws", .query = "", .remote = "10.0.0.1", .subprotocol = is_welcomed ? "sluice.v1.json" : ""};
    begin(sim);
    int r = core_conn_opened(sim->core, &client->core_conn, &opening, client);
    must(r == 0 || r == -EAGAIN, "opening a connection: %d", r);
    if (r) {
        tell(sim, "a connection is refused");
        must(!model_may_open(&sim->model), "a connection was refused, and no group refuses");
        count(sim->summary, COUNT_CONN_REFUSED);
        check_effects(sim, true);
        return NULL;
    }
    uint64_t number = ++sim->last_conn;
    snprintf(id, sizeof id, "%s.%llu", sim->spelling.epoch, (unsigned long long)number);
    tell(sim, "%s opens", id);
    client->conn = model_opened(&sim->model, client, id, number, is_welcomed);
    *arena_add(&sim->model.arena, sim, clients) = client;
    weigh_events(sim, client->conn);
    check_effects(sim, true);
    return client;
}

void client_forget(struct sim *sim, struct client *client)
{
    size_t place = 0;
    while (sim->clients[place] != client)
        place++;
    sim->clients[place] = sim->clients[--sim->clients_count];
    client->core_conn = NULL;
}

void input_close(struct sim *sim, struct client *client)
{
    begin(sim);
    tell(sim, "%s closes", client->conn->id);
    core_conn_closed(sim->core, client->core_conn, 1000, "bye", 3);
    client_forget(sim, client);
    model_closed(&sim->model, client->conn, false);
    check_effects(sim, true);
}

/* The payload: a number, or a list that begins with it and is long. */
static void put_payload(struct buf *out, uint64_t token, size_t filler)
{
    buf_reset(out);
    if (filler)
        mp_put_array(out, 2);
    mp_put_uint(out, token);
    if (!filler)
        return;
    size_t mark = mp_open(out);
    uint8_t *bytes = buf_grow(out, filler);
    memset(bytes, 'x', filler);
    mp_close_str(out, mark);
}

static struct question_id question_id(uint64_t i)
{
    return (struct question_id){.kind = i ? QUESTION_NUMBER : QUESTION_NONE, .number = i};
}

void input_message(struct sim *sim, struct client *client, enum word_event event, uint64_t i, size_t filler)
{
    uint64_t token = sim_token(sim);
    put_payload(&sim->work, token, filler);
    const struct incoming in = {.event = EVENT_NAMES[event],
                                .event_len = strlen(EVENT_NAMES[event]),
                                .payload = sim->work.data,
                                .payload_len = sim->work.len,
                                .id = question_id(i)};
    begin(sim);
    tell(sim, "%s sends %s, i %llu, token %llu", client->conn->id, EVENT_NAMES[event], (unsigned long long)i,
         (unsigned long long)token);
    core_conn_message(sim->core, client->core_conn, &in);
    model_message(&sim->model, client->conn, event, token, i);
    weigh_events(sim, client->conn);
    check_effects(sim, true);
}

void input_bad_message(struct sim *sim, struct client *client, unsigned which)
{
    static const struct {
        const char *event;
        enum code code;
    } bad[] = {{"@dead", CODE_RESERVED_EVENT}, {"chat::say", CODE_BAD_EVENT}, {"@ping", CODE_OK}};
    const char *event = bad[which].event;
    const struct incoming in = {.event = event, .event_len = strlen(event), .id = question_id(0)};
    begin(sim);
    tell(sim, "%s sends %s", client->conn->id, event);
    core_conn_message(sim->core, client->core_conn, &in);
    if (bad[which].code == CODE_OK)
        model_expect(&sim->model, client->conn, (struct m_expect){.kind = EXPECT_PONG, .event = EVENT_COUNT});
    else
        model_refused_message(&sim->model, client->conn, bad[which].code, EVENT_COUNT, 0);
    check_effects(sim, true);
}

/* -- requests ------------------------------------------------------------------------------------------ */

/* A turn of a member, which is no reply to anything yet. */
static void begin_turn(struct sim *sim, struct ticket *ticket, bool is_tcp)
{
    const struct m_member *member = model_member(&sim->model, ticket->plan->member);
    struct ticket *waiting = member && member->is_asking ? sim->tickets[member->ticket] : NULL;
    struct turn_outcome outcome = model_turn(&sim->model, ticket->plan, ticket->number, ticket->link, is_tcp);
    ticket->member = outcome.member;
    ticket->result = outcome.result;
    ticket->turn = ticket->plan->turn;
    ticket->codes = outcome.codes;
    if (outcome.fate == TURN_IS_REFUSED) {
        ticket->want = WANT_REFUSAL;
        return;
    }
    ticket->want = outcome.fate == TURN_IS_NEW || outcome.took_over ? WANT_TURN : WANT_REPEAT;
    ticket->is_released = outcome.is_released;
    if (outcome.took_over) {
        waiting->is_abandoned = true;
        sim->abandoned_owed++;
    }
    bool may_come_later = ticket->want == WANT_TURN;
    if (may_come_later && ticket->was_asked_to_wait && !ticket->may_wait) {
        may_come_later = false; /* the core ends the turn of the loop for that */
        model_flushed(&sim->model);
    }
    if (may_come_later) {
        ticket->is_now = false;
        sim->now_owed--;
    }
}

/* The wait of a turn is over in this input. */
static void on_turn_over(void *arg, uint64_t number)
{
    struct sim *sim = arg;
    struct ticket *ticket = sim->tickets[number];
    ticket->is_over = true;
    if (!ticket->is_now)
        sim->now_owed++;
    ticket->is_now = true;
}

struct ticket *input_request(struct sim *sim, struct plan *plan, struct process *process, uint64_t link,
                             bool is_tcp, bool is_lost)
{
    begin(sim);
    if (!plan->bytes)
        plan_encode(plan, &sim->model.arena, &sim->spelling, &sim->work);
    struct ticket *ticket = ticket_new(sim, plan);
    ticket->process = process;
    ticket->life = process ? process->life : 0;
    ticket->link = link;
    ticket->is_lost = is_lost;
    if (sim->is_verbose)
        tell_plan(sim, ticket);
    const struct caller caller = {.link = link, .pid = 1000 + link, .is_tcp = is_tcp};
    core_request(sim->core, &caller, ticket->number, plan->bytes, plan->len);
    for (size_t i = 0; i < sim->effects_count; i++) {
        if (sim->effects[i].kind == EFFECT_CLOSED)
            sim->effects[i].client->conn->close_place = i + 1;
    }
    if (plan->is_turn)
        begin_turn(sim, ticket, is_tcp);
    else
        begin_ops(sim, ticket, is_tcp);
    if (!plan->first_ticket)
        plan->first_ticket = ticket->number;
    plan->first_ms = plan->first_ticket == ticket->number ? sim->now.mono_ms : plan->first_ms;
    check_effects(sim, true);
    return ticket;
}

void input_link_down(struct sim *sim, uint64_t link)
{
    begin(sim);
    tell(sim, "link %llu is down", (unsigned long long)link);
    core_link_down(sim->core, link);
    model_link_down(&sim->model, link);
    check_effects(sim, true);
}

/* -- time ---------------------------------------------------------------------------------------------- */

void input_tick(struct sim *sim, uint64_t ms)
{
    begin(sim);
    sim->now.mono_ms += ms;
    sim->now.wall_ms += ms;
    tell(sim, "%llu ms pass", (unsigned long long)ms);
    core_tick(sim->core, sim->now);
    /* What became due by what was due. */
    for (unsigned i = 0; i < 8 && core_next(sim->core) <= sim->now.mono_ms; i++)
        core_tick(sim->core, sim->now);
    model_tick(&sim->model, sim->now.mono_ms, sim->now.wall_ms);
    check_effects(sim, false);
}

void input_flush(struct sim *sim)
{
    sim->effects_count = sim->tokens_count = 0;
    core_flush(sim->core);
    check_effects(sim, true);
    /* It wants to go on at once: what did not fit a reply is for others. */
    for (unsigned i = 0; i < 8 && core_next(sim->core) <= sim->now.mono_ms; i++) {
        core_flush(sim->core);
        check_effects(sim, true);
    }
    model_flushed(&sim->model);
    model_check_progress(&sim->model);
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        const struct m_group *group = &sim->model.groups[g];
        must(group->deads_told == group->deads_count, "%llu of %s is dead (%s), and nobody is told",
             (unsigned long long)group->deads[group->deads_told].seq, group->scene->name,
             code_text(group->deads[group->deads_told].code));
    }
}

void input_stop(struct sim *sim)
{
    begin(sim);
    tell(sim, "the broker stops");
    sim->is_stopping = true;
    core_stop(sim->core, 0);
    check_effects(sim, true);
}

/* -- the whole ----------------------------------------------------------------------------------------- */

static void declare_groups(struct sim *sim)
{
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        const struct scene_group *group = &sim->scene.groups[g];
        const char *events[PATTERN_COUNT + 1];
        unsigned events_count = 0;
        struct fault fault = {.code = CODE_OK};
        for (unsigned p = 0; p < PATTERN_COUNT; p++) {
            if (group->declared_patterns & 1u << p)
                events[events_count++] = PATTERNS[p];
        }
        events[events_count] = NULL;
        const struct group_rule rule = {.name = group->name,
                                        .events = events,
                                        .refuses_when_full = group->refuses_when_full,
                                        .max_age_ms = group->max_age_ms,
                                        .max_attempts = group->max_attempts,
                                        .backlog = (unsigned)group->max_backlog,
                                        .backlog_bytes = group->max_backlog_bytes};
        if (group->is_declared)
            must(core_group(sim->core, &rule, &fault) == 0, "a group cannot be declared: %s", fault.message);
    }
}

void sim_init(struct sim *sim, uint64_t seed, unsigned inputs, struct summary *summary, bool is_verbose)
{
    memset(sim, 0, sizeof *sim);
    scene_make(&sim->scene, seed, inputs);
    sim->random.state = seed * 2654435761u + 17;
    sim->summary = summary;
    sim->is_verbose = is_verbose;
    sim->now = (struct core_time){.mono_ms = 5000, .wall_ms = 1000000};
    sim->last_link = 100;
    sim->spelling = (struct spelling){.epoch = sim->scene.options.epoch,
                                      .key = sim->scene.options.key,
                                      .max_ops = sim->scene.options.max_ops,
                                      .max_request_bytes = sim->scene.options.max_request_bytes,
                                      .max_message_bytes = sim->scene.options.max_message_bytes};
    model_init(&sim->model, &sim->scene, summary);
    sim->model.now_ms = sim->now.mono_ms;
    sim->model.wall_ms = sim->now.wall_ms;
    sim->model.on_turn_over = on_turn_over;
    sim->model.arg = sim;
}

void sim_start(struct sim *sim)
{
    const struct core_effects effects = effects_for(sim);
    must(core_new(&sim->core, &sim->scene.options, &effects, &sim->counters, sim->now) == 0, "no core");
    declare_groups(sim);
    core_subscribers(sim->core, 1); /* it hears of the dead */
}

void sim_deinit(struct sim *sim)
{
    core_free(sim->core);
    model_deinit(&sim->model);
    buf_deinit(&sim->work);
}
