/* What the core did, compared with what the model expects. */

#include <string.h>

#include "process.h"
#include "sim.h"

/* -- sessions and events ------------------------------------------------------------------------------- */

void check_session(const struct m_conn *conn, const struct seen_event *seen, uint32_t keys, uint64_t version)
{
    must(version == conn->session.version,
         "the session of %s is told (with event %llu) to have version %llu, not %llu", conn->id,
         (unsigned long long)seen->seq, (unsigned long long)version,
         (unsigned long long)conn->session.version);
    for (unsigned key = 0; key < KEY_COUNT; key++) {
        bool is_there = (seen->keys & 1u << key) != 0;
        bool is_due = conn->session.has[key] && (keys & 1u << key);
        must(is_there == is_due, "the session of %s is told %s `%s`", conn->id, is_there ? "with" : "without",
             KEYS[key]);
        must(!is_due || seen->values[key] == conn->session.value[key],
             "the session of %s is told with `%s` %lld, not %lld", conn->id, KEYS[key],
             (long long)seen->values[key], (long long)conn->session.value[key]);
    }
}

static void check_event(const struct m_member *member, const struct m_job *job, const struct seen_event *seen)
{
    const struct m_event *event = job->event;
    unsigned long long seq = job->seq;
    must(seen->event == event->event && seen->conn == event->conn->number, "%llu of %s is another event", seq,
         job->group->scene->name);
    must(seen->token == event->token && seen->i == event->i, "%llu of %s has another payload or `i`", seq,
         job->group->scene->name);
    must(seen->time_ms == event->wall_ms, "%llu of %s has another time", seq, job->group->scene->name);
    must(seen->attempt == job->attempt, "%llu of %s is told as attempt %llu, not %u", seq,
         job->group->scene->name, (unsigned long long)seen->attempt, job->attempt);
    check_session(event->conn, seen, member->keys, seen->version);
}

/* -- replies to turns ---------------------------------------------------------------------------------- */

static void check_failed(const struct ticket *ticket, const struct reply_seen *seen)
{
    const struct m_result *result = ticket->result;
    for (size_t i = 0; i < seen->failed_count && i < result->failed_count; i++) {
        const struct seen_failed *got = &seen->failed[i];
        const struct m_failed *due = &result->failed[i];
        must(got->seq == due->seq && due->codes & code_bit(got->code) && got->then == due->then,
             "turn %llu of %s: failed[%zu] is %llu %s %d, not %llu (codes %llx) %d",
             (unsigned long long)ticket->turn, ticket->member->id, i, (unsigned long long)got->seq,
             code_text(got->code), got->then, (unsigned long long)due->seq, (unsigned long long)due->codes,
             due->then);
    }
    must(seen->failed_count == result->failed_count, "turn %llu of %s: %zu entries failed, not %zu",
         (unsigned long long)ticket->turn, ticket->member->id, seen->failed_count, result->failed_count);
}

static size_t share_of(const struct sim *sim, const struct m_group *group)
{
    size_t asking = 0, waiting = group->job_count - group->held;
    for (size_t i = 0; i < sim->model.members_count; i++) {
        const struct m_member *member = sim->model.members[i];
        asking += member->group == group && member->is_asking && member->link && !member->has_suspect &&
                  member->held < member->max;
    }
    if ((group->suspects || group->had_suspects) && asking > 1)
        asking = 1; /* the others may be waiting for a suspect, or have been until now */
    size_t share = asking ? (waiting + asking - 1) / asking : waiting;
    return share < 16 ? 16 : share;
}

static void check_events_size(const struct reply_seen *seen)
{
    size_t bytes = 0;
    for (size_t i = 0; i < seen->events_count; i++)
        bytes += seen->events[i].bytes;
    must(bytes <= 768 * 1024 || seen->events_count == 1, "a reply brings %zu bytes of events", bytes);
}

/* The reply to a turn that waits: it hands events out. */
static void check_turn(struct sim *sim, struct ticket *ticket)
{
    const struct reply_seen *seen = &sim->seen;
    struct m_member *member = ticket->member;
    check_failed(ticket, seen);
    must(!seen->is_released, "turn %llu of %s is released at once", (unsigned long long)ticket->turn,
         member->id);
    must(!seen->is_pausing || (ticket->was_asked_to_wait && !ticket->may_wait),
         "turn %llu of %s is told to pause, and might wait", (unsigned long long)ticket->turn, member->id);
    if (ticket->is_over) {
        must(!seen->events_count, "turn %llu of %s is over, and gets events",
             (unsigned long long)ticket->turn, member->id);
        return;
    }
    must(member->is_asking && member->ticket == ticket->number, "%s gets a reply that it does not wait for",
         member->id);
    member->got_more |= seen->events_count && member->held;
    size_t share = share_of(sim, member->group);
    must(seen->events_count <= share, "%s gets %zu events, more than its share of %zu", member->id,
         seen->events_count, share);
    check_events_size(seen);
    for (size_t i = 0; i < seen->events_count; i++) {
        const struct seen_event *event = &seen->events[i];
        const struct m_job *job = model_hand_out(&sim->model, member, event->seq, (unsigned)event->attempt);
        check_event(member, job, event);
        tell(sim, "  %s gets %llu (%s of %llu, attempt %llu%s)", member->id, (unsigned long long)event->seq,
             EVENT_NAMES[event->event], (unsigned long long)event->conn, (unsigned long long)event->attempt,
             job->is_suspect ? ", suspect" : "");
    }
    must(seen->events_count || seen->is_pausing || !member->max || member->ask_until_ms <= sim->now.mono_ms,
         "%s gets nothing before its time", member->id);
    model_replied(&sim->model, member);
    count(sim->summary, seen->is_pausing          ? COUNT_TURN_PAUSED
                        : seen->events_count == 0 ? COUNT_TURN_WAITED
                                                  : COUNT_TURN_GOT);
}

/* The reply to a repeated turn, from store. */
static void check_repeat(struct sim *sim, struct ticket *ticket)
{
    const struct reply_seen *seen = &sim->seen;
    const struct m_member *member = ticket->member;
    check_failed(ticket, seen);
    must(seen->is_released == ticket->is_released, "the repeated turn %llu of %s is told to be %sreleased",
         (unsigned long long)ticket->turn, member->id, seen->is_released ? "" : "not ");
    size_t due = ticket->is_released ? 0 : member->given_count;
    must(seen->events_count == due, "the repeated turn %llu of %s brings %zu events, not %zu",
         (unsigned long long)ticket->turn, member->id, seen->events_count, due);
    for (size_t i = 0; i < due; i++) {
        const struct m_job *job = model_job(member->group, seen->events[i].seq);
        size_t known = 0;
        while (known < member->given_count && member->given[known] != seen->events[i].seq)
            known++;
        must(job && known < member->given_count, "the repeated turn %llu of %s brings another event",
             (unsigned long long)ticket->turn, member->id);
        check_event(member, job, &seen->events[i]);
    }
}

/* -- other replies ------------------------------------------------------------------------------------- */

static void check_result(struct sim *sim, struct ticket *ticket, size_t index, const struct result_seen *seen)
{
    const struct op *op = &ticket->plan->ops[index];
    const struct op_result *due = &ticket->ran[index];
    enum code code = seen->is_ok ? CODE_OK : seen->code;
    must(due->codes & code_bit(code), "operation %zu (kind %d) of ticket %llu: `%s`, not one of %llx", index,
         op->kind, (unsigned long long)ticket->number, code_text(code), (unsigned long long)due->codes);
    if (!seen->is_ok) {
        count_code(sim->summary, code);
        return;
    }
    must(!due->has_matched || (seen->has_matched && seen->matched == due->matched),
         "operation %zu (kind %d) matched %llu, not %llu", index, op->kind, (unsigned long long)seen->matched,
         (unsigned long long)due->matched);
    must(!due->has_version || (seen->has_version && seen->version == due->version),
         "operation %zu (kind %d): version %llu, not %llu", index, op->kind,
         (unsigned long long)seen->version, (unsigned long long)due->version);
    must(!due->has_first || (seen->has_first && seen->first == due->is_first), "an answer was%s the first",
         seen->first ? "" : " not");
    result_checked(sim, ticket, op, due, seen);
}

static void check_results(struct sim *sim, struct ticket *ticket)
{
    struct reply_seen *seen = &sim->seen;
    struct result_seen result;
    must(!seen->is_refusal && seen->has_results, "ticket %llu: refused as a whole with `%s`",
         (unsigned long long)ticket->number, code_text(seen->code));
    must(seen->results_count == ticket->plan->ops_count, "ticket %llu: %u results of %zu operations",
         (unsigned long long)ticket->number, seen->results_count, ticket->plan->ops_count);
    for (size_t i = 0; i < ticket->plan->ops_count; i++) {
        result_read(&result, &seen->results);
        check_result(sim, ticket, i, &result);
    }
}

static void check_same(const struct sim *sim, const struct ticket *ticket)
{
    const struct ticket *first = sim->tickets[ticket->same_as];
    must(ticket->reply_len == first->reply_len && memcmp(ticket->reply, first->reply, first->reply_len) == 0,
         "the repeated request %llu gets another reply", (unsigned long long)ticket->plan->id);
}

static struct ticket *open_ticket(const struct sim *sim, uint64_t number)
{
    struct ticket *ticket = number && number < sim->tickets_count ? sim->tickets[number] : NULL;
    must(ticket, "the core speaks of ticket %llu, which does not exist", (unsigned long long)number);
    must(ticket->state == TICKET_OPEN, "a second reply to ticket %llu", (unsigned long long)number);
    return ticket;
}

static void check_reply(struct sim *sim, const struct effect *effect)
{
    struct ticket *ticket = open_ticket(sim, effect->ticket);
    struct reply_seen *seen = &sim->seen;
    ticket->state = TICKET_REPLIED;
    ticket->reply = effect->body;
    ticket->reply_len = effect->len;
    if (ticket->is_now)
        sim->now_owed--;
    reply_read(seen, sim->spelling.epoch, effect->body, effect->len);
    must(seen->id == ticket->plan->id || ticket->plan->flaw == FLAW_CUT ||
             ticket->plan->flaw == FLAW_TOO_LONG,
         "a reply has the id %llu", (unsigned long long)seen->id);
    if (ticket->want == WANT_REFUSAL) {
        must(seen->is_refusal && ticket->codes & code_bit(seen->code),
             "ticket %llu is %s `%s`; expected: one of %llx", (unsigned long long)ticket->number,
             seen->is_refusal ? "refused with" : "not refused, but",
             seen->is_refusal ? code_text(seen->code) : "", (unsigned long long)ticket->codes);
        count_code(sim->summary, seen->code);
    } else if (ticket->want == WANT_RESULTS) {
        check_results(sim, ticket);
    } else if (ticket->want == WANT_SAME) {
        check_same(sim, ticket);
    } else {
        must(!seen->is_refusal && seen->has_turn && seen->turn == ticket->turn, "turn %llu of %s is %s `%s`",
             (unsigned long long)ticket->turn, ticket->member->id,
             seen->is_refusal ? "refused with" : "answered as another one",
             seen->is_refusal ? code_text(seen->code) : "");
        if (ticket->want == WANT_TURN)
            check_turn(sim, ticket);
        else
            check_repeat(sim, ticket);
    }
    if (ticket->process && !ticket->is_lost)
        process_replied(sim, ticket);
}

/* -- the dead ------------------------------------------------------------------------------------------ */

struct dead_told {
    char group[16];
    uint64_t seq, attempts;
    enum code code;
};

static void read_dead(struct mp_reader payload, struct dead_told *dead)
{
    const char *key;
    size_t len;
    struct mp_reader value;
    uint32_t left = map_from(&payload);
    while (pair_next(&payload, &left, &key, &len, &value)) {
        if (key_is(key, len, "group"))
            text_from(value, dead->group, sizeof dead->group);
        else if (key_is(key, len, "seq"))
            dead->seq = uint_from(value);
        else if (key_is(key, len, "attempts"))
            dead->attempts = uint_from(value);
        else if (key_is(key, len, "code"))
            dead->code = code_from(value);
    }
}

static void check_dead(struct sim *sim, const struct dead_told *told)
{
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        struct m_group *group = &sim->model.groups[g];
        if (strcmp(group->scene->name, told->group) != 0)
            continue;
        for (size_t i = group->deads_told; i < group->deads_count; i++) {
            struct m_dead *dead = &group->deads[i], swap;
            if (dead->seq != told->seq)
                continue;
            must(dead->code == told->code && dead->attempts == told->attempts,
                 "%llu of %s is told to be dead by `%s` after %llu attempts, not by `%s` after %u",
                 (unsigned long long)told->seq, told->group, code_text(told->code),
                 (unsigned long long)told->attempts, code_text(dead->code), dead->attempts);
            swap = group->deads[group->deads_told];
            group->deads[group->deads_told] = *dead;
            *dead = swap;
            group->deads_told++;
            tell(sim, "  %llu of %s is dead: %s", (unsigned long long)told->seq, told->group,
                 code_text(told->code));
            return;
        }
    }
    wrong("%llu of %s is told to be dead (%s), and is not", (unsigned long long)told->seq, told->group,
          code_text(told->code));
}

static void check_deads(struct sim *sim, const struct effect *effect)
{
    struct mp_reader events, payload, r = mp_reader(effect->body, effect->len);
    must(mp_map_get(r, "events", 6, &events), "a publication without events");
    for (uint32_t left = list_from(&events); left; left--) {
        struct dead_told told = {.seq = 0};
        must(mp_map_get(events, "payload", 7, &payload), "a @dead without payload");
        read_dead(payload, &told);
        check_dead(sim, &told);
        mp_skip(&events);
    }
}

/* -- all of them --------------------------------------------------------------------------------------- */

static void check_effect(struct sim *sim, const struct effect *effect, bool in_order)
{
    struct m_conn *conn = effect->client ? effect->client->conn : NULL;
    if (effect->client && !conn) { /* a connection that was refused, or has just been opened */
        must(effect->kind == EFFECT_PAUSE, "something is sent to a connection that does not exist");
        return;
    }
    switch (effect->kind) {
    case EFFECT_DELIVER:
        model_delivered(&sim->model, conn, &effect->got, in_order);
        must(effect->got.kind != EXPECT_WELCOME || effect->welcomed == conn->number, "%s is welcomed as %llu",
             conn->id, (unsigned long long)effect->welcomed);
        break;
    case EFFECT_DELIVER_BATCH:
        model_delivered_batch(&sim->model, conn, effect->push, sim->tokens + effect->tokens,
                              effect->tokens_count);
        break;
    case EFFECT_CLOSED:
        if (sim->is_stopping && !conn->is_closing)
            model_closed(&sim->model, conn, true);
        model_close_came(&sim->model, conn);
        client_forget(sim, effect->client);
        break;
    case EFFECT_REPLY:
        check_reply(sim, effect);
        break;
    case EFFECT_ABANDON:
        must(open_ticket(sim, effect->ticket)->want == WANT_TURN,
             "the core abandons a ticket that is no turn's");
        must(sim->tickets[effect->ticket]->is_abandoned,
             "the core abandons ticket %llu, and nothing took its place", (unsigned long long)effect->ticket);
        sim->tickets[effect->ticket]->state = TICKET_ABANDONED;
        sim->abandoned_owed--;
        break;
    case EFFECT_PAUSE:
        model_paused(&sim->model, conn);
        break;
    case EFFECT_RESUME:
        model_resumed(&sim->model, conn);
        break;
    case EFFECT_DEAD:
        check_deads(sim, effect);
        break;
    case EFFECT_WRONG:
        wrong("%s", effect->text);
    }
}

void check_effects(struct sim *sim, bool in_order)
{
    for (size_t i = 0; i < sim->effects_count; i++)
        check_effect(sim, &sim->effects[i], in_order);
    sim->effects_count = sim->tokens_count = 0;
    if (sim->model.expected) {
        for (size_t i = 0; i < sim->model.open_count; i++) {
            const struct m_conn *conn = sim->model.open[i];
            for (size_t k = 0; k < conn->expects_count; k++)
                must(conn->expects[k].is_batched, "%s did not get what it should: kind %d, i %llu, code %s",
                     conn->id, conn->expects[k].kind, (unsigned long long)conn->expects[k].i,
                     code_text(conn->expects[k].code));
        }
    }
    must(!sim->model.expected, "%zu deliveries did not come", sim->model.expected);
    must(!sim->model.closing, "%zu connections were not closed", sim->model.closing);
    must(!sim->now_owed, "%zu replies did not come", sim->now_owed);
    must(!sim->abandoned_owed, "nobody is told that a request is abandoned");
    model_check_paused(&sim->model);
}
