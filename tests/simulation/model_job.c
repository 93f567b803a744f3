/* Events in groups: accepted, handed out, given back, done, dead. */

#include <string.h>

#include "fail.h"
#include "model.h"

/* -- coming -------------------------------------------------------------------------------------------- */

static void job_add(struct model *model, struct m_group *group, struct m_event *event)
{
    struct m_job *job = arena_get(&model->arena, sizeof(*job));
    struct m_lane *lane = &event->conn->lanes[group->index];
    job->group = group;
    job->event = event;
    job->seq = ++group->seq;
    *arena_add(&model->arena, group, by_seq) = job;
    job->prev = group->last;
    *(group->last ? &group->last->next : &group->first) = job;
    group->last = job;
    *(lane->last ? &lane->last->lane_next : &lane->first) = job;
    lane->last = job;
    event->jobs++;
    group->job_count++;
    group->received++;
    group->backlog += event->event != EVENT_DISCONNECT;
    if (group->scene->max_age_ms)
        model_due(model, model->now_ms + group->scene->max_age_ms);
    count(model->summary, COUNT_JOB_WAITS);
}

struct m_event *model_accept(struct model *model, struct m_conn *conn, enum word_event name, uint64_t token,
                             const struct m_question *question)
{
    struct m_event *event = arena_get(&model->arena, sizeof(*event));
    event->conn = conn;
    event->event = name;
    event->token = token;
    event->question = question ? question->serial : 0;
    event->i = question ? question->i : 0;
    event->accepted_ms = model->now_ms;
    event->wall_ms = model->wall_ms;
    for (unsigned g = 0; g < model->scene->group_count; g++) {
        struct m_group *group = &model->groups[g];
        if (!group->exists || !model_group_matches(group, name))
            continue;
        job_add(model, group, event);
        if (!model->scene->knows_bytes)
            model_group_filled(model, group, conn);
    }
    conn->events += event->jobs > 0;
    if (name == EVENT_DISCONNECT && conn->events)
        count(model->summary, COUNT_CONN_OUTLIVED);
    return event;
}

void model_group_filled(struct model *model, struct m_group *group, struct m_conn *conn)
{
    model_check_full(model, group);
    if (group->state != GROUP_PAUSING || !conn->is_open)
        return;
    conn->paused_by |= 1u << group->index;
    conn->has_resumed = false;
}

struct m_job *model_job(const struct m_group *group, uint64_t seq)
{
    if (seq <= group->by_seq_base || seq > group->by_seq_base + group->by_seq_count)
        return NULL;
    return group->by_seq[seq - group->by_seq_base - 1];
}

/* -- going --------------------------------------------------------------------------------------------- */

static void unhold(struct model *model, struct m_job *job)
{
    if (job->state != JOB_HELD)
        return;
    job->event->conn->lanes[job->group->index].changed_ms = model->now_ms;
    job->member->held--;
    model_due(model, job->member->heard_ms + MEMBER_SILENT_MS);
    job->member->has_suspect = false;
    job->member = NULL;
    job->group->held--;
    job->is_stale = false;
    job->state = JOB_WAITS;
    if (job->group->scene->max_age_ms)
        model_due(model, job->event->accepted_ms + job->group->scene->max_age_ms);
}

static void clear(struct model *model, struct m_job *job)
{
    if (!job->is_suspect)
        return;
    job->is_suspect = false;
    job->group->suspects--;
    count(model->summary, COUNT_JOB_CLEARED);
}

static void settle(struct model *model, const struct m_event *event)
{
    struct m_conn *conn = event->conn;
    struct m_question *question = event->question ? model_question_by_serial(conn, event->question) : NULL;
    if (!question)
        return;
    if (event->has_failed) {
        model_expect(model, conn,
                     (struct m_expect){.kind = EXPECT_ERROR,
                                       .code = CODE_FAILED,
                                       .event = event->event,
                                       .i = event->i,
                                       .or_timeout = question->deadline_ms <= model->now_ms});
        count_code(model->summary, CODE_FAILED);
        count(model->summary, COUNT_QUESTION_FAILED);
    } else {
        model_expect(model, conn, (struct m_expect){.kind = EXPECT_OK, .event = EVENT_COUNT, .i = event->i});
        count(model->summary, COUNT_QUESTION_OK);
    }
    model_question_close(conn, question);
}

static void lane_remove(struct model *model, struct m_job *job)
{
    struct m_lane *lane = &job->event->conn->lanes[job->group->index];
    lane->changed_ms = model->now_ms;
    struct m_job **link = &lane->first, *before = NULL;
    while (*link != job) {
        before = *link;
        link = &before->lane_next;
    }
    *link = job->lane_next;
    if (lane->last == job)
        lane->last = before;
}

static void job_over(struct model *model, struct m_job *job)
{
    struct m_group *group = job->group;
    struct m_event *event = job->event;
    unhold(model, job);
    if (job->is_suspect)
        clear(model, job);
    lane_remove(model, job);
    *(job->prev ? &job->prev->next : &group->first) = job->next;
    *(job->next ? &job->next->prev : &group->last) = job->prev;
    group->by_seq[job->seq - group->by_seq_base - 1] = NULL;
    group->job_count--;
    group->backlog -= event->event != EVENT_DISCONNECT;
    group->bytes -= job->bytes;
    job->state = JOB_OVER;
    if (--event->jobs == 0) {
        settle(model, event);
        event->conn->events--;
    }
    model_check_full(model, group);
}

void model_job_done(struct model *model, struct m_job *job, bool is_refusal)
{
    uint64_t *counter = is_refusal ? &job->group->refused : &job->group->handled;
    ++*counter;
    job->member->handled++;
    count(model->summary, is_refusal ? COUNT_JOB_REFUSED : COUNT_JOB_DONE);
    job_over(model, job);
}

void model_job_dead(struct model *model, struct m_job *job, enum code code)
{
    struct m_group *group = job->group;
    *arena_add(&model->arena, group, deads) =
        (struct m_dead){.seq = job->seq, .code = code, .attempts = job->attempt, .event = job->event};
    group->dead++;
    job->event->has_failed = true;
    model->summary->deads[code]++;
    job_over(model, job);
}

/* -- back ---------------------------------------------------------------------------------------------- */

/* Those that are held behind @job can no longer be done in order. */
static void take_along(struct model *model, struct m_job *job, bool is_blamed)
{
    const struct m_member *from = job->member;
    for (struct m_job *later = job->lane_next; later && later->state == JOB_HELD; later = later->lane_next) {
        unhold(model, later);
        later->attempt--;
        later->due_ms = 0;
        later->taken_from = from;
        later->taken_serial = model->turn_serial;
        if (is_blamed)
            model_suspect(model, later);
        count(model->summary, COUNT_JOB_TAKEN_ALONG);
    }
}

void model_suspect(struct model *model, struct m_job *job)
{
    job->suspect_ms = model->now_ms;
    if (job->is_suspect)
        return;
    job->is_suspect = true;
    job->group->suspects++;
    count(model->summary, COUNT_JOB_SUSPECT);
}

bool model_job_return(struct model *model, struct m_job *job, enum m_return how, uint64_t delay_ms)
{
    struct m_group *group = job->group;
    take_along(model, job, how == RETURN_BLAMED);
    unhold(model, job);
    if (how == RETURN_STALE)
        job->attempt--;
    if (how == RETURN_BLAMED)
        model_suspect(model, job);
    else if (how != RETURN_LEFT)
        clear(model, job);
    if (how != RETURN_STALE && job->attempt >= group->scene->max_attempts) {
        model_job_dead(model, job, CODE_FAILED);
        return false;
    }
    if (group->scene->max_age_ms && job->event->accepted_ms + group->scene->max_age_ms <= model->now_ms) {
        model_job_dead(model, job, CODE_TOO_OLD);
        return false;
    }
    job->due_ms = delay_ms ? model->now_ms + delay_ms : 0;
    if (delay_ms)
        count(model->summary, COUNT_JOB_DELAYED);
    return true;
}

/* -- out ----------------------------------------------------------------------------------------------- */

void model_lease(struct model *model, struct m_job *job)
{
    job->lease_serial = ++model->lease_serial;
    job->lease_end_ms = model->now_ms + job->member->lease_ms;
    model_due(model, job->lease_end_ms);
}

struct m_job *model_hand_out(struct model *model, struct m_member *member, uint64_t seq, unsigned attempt)
{
    struct m_group *group = member->group;
    struct m_job *job = model_job(group, seq);
    unsigned beside = 0;
    must(job, "%s is handed %llu, which is over or never was", member->id, (unsigned long long)seq);
    must(job->state == JOB_WAITS, "%s is handed %llu, which %s holds", member->id, (unsigned long long)seq,
         job->member->id);
    must(job->due_ms <= model->now_ms, "%s is handed %llu, which is to wait %llu ms more", member->id,
         (unsigned long long)seq, (unsigned long long)(job->due_ms - model->now_ms));
    must(member->patterns & patterns_of(job->event->event), "%s is handed %llu, which it does not list",
         member->id, (unsigned long long)seq);
    for (const struct m_job *earlier = job->event->conn->lanes[group->index].first; earlier != job;
         earlier = earlier->lane_next) {
        must(earlier->state == JOB_HELD, "%s is handed %llu before %llu of the same connection", member->id,
             (unsigned long long)seq, (unsigned long long)earlier->seq);
        must(earlier->member == member, "%s is handed %llu while %s holds %llu of the same connection",
             member->id, (unsigned long long)seq, earlier->member->id, (unsigned long long)earlier->seq);
        beside++;
    }
    must(beside < member->per_conn, "%s is handed %llu, and holds %u of this connection", member->id,
         (unsigned long long)seq, beside);
    must(!member->has_suspect, "%s is handed %llu beside a suspect", member->id, (unsigned long long)seq);
    must(!job->is_suspect || !member->held, "%s is handed the suspect %llu, and holds %u", member->id,
         (unsigned long long)seq, member->held);
    must(attempt == job->attempt + 1, "%s is handed %llu as attempt %u, and it is attempt %u", member->id,
         (unsigned long long)seq, attempt, job->attempt + 1);
    must(attempt <= group->scene->max_attempts, "%s is handed %llu as attempt %u", member->id,
         (unsigned long long)seq, attempt);
    must(member->held < member->max, "%s is handed %llu, and holds %u already", member->id,
         (unsigned long long)seq, member->held);

    job->state = JOB_HELD;
    job->member = member;
    job->attempt = attempt;
    model_lease(model, job);
    member->held++;
    member->has_suspect = job->is_suspect;
    group->held++;
    group->attempts++;
    *arena_add(&model->arena, member, given) = seq;
    count(model->summary, COUNT_LEASE_GIVEN);
    count(model->summary, attempt > 1 ? COUNT_JOB_HELD_AGAIN : COUNT_JOB_HELD);
    if (beside)
        count(model->summary, COUNT_JOB_HELD_BESIDE);
    if (job->is_suspect)
        count(model->summary, COUNT_JOB_SUSPECT_HELD);
    return job;
}
