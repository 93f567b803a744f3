/* Time in the model: what is due, is looked for, and done in the order in which it is due. */

#include "fail.h"
#include "model.h"

void model_due(struct model *model, uint64_t at_ms)
{
    if (at_ms < model->next_due_ms)
        model->next_due_ms = at_ms;
}

/* What is due next, and of whom. */
struct due {
    uint64_t at_ms;
    enum { DUE_NOTHING, DUE_LEASE, DUE_AGE, DUE_GRACE, DUE_SILENCE, DUE_PAUSE, DUE_PATTERN, DUE_FIELD } what;
    struct m_job *job;
    struct m_member *member;
    struct m_group *group;
    struct m_conn *conn;
    unsigned pattern;
};

static void consider(struct due *due, struct due other)
{
    bool is_earlier = other.at_ms < due->at_ms;
    if (other.what == DUE_LEASE && due->what == DUE_LEASE && other.at_ms == due->at_ms)
        is_earlier = other.job->lease_serial < due->job->lease_serial;
    if (is_earlier)
        *due = other;
}

static void look_at_group(struct due *due, struct m_group *group, const struct core_options *options,
                          uint64_t now_ms)
{
    if (!group->exists)
        return;
    if (group->state == GROUP_PAUSING)
        consider(due, (struct due){.what = DUE_PAUSE,
                                   .at_ms = group->full_ms + options->group_pause_max_ms,
                                   .group = group});
    for (unsigned p = 0; p < PATTERN_COUNT; p++) {
        struct due pattern = {.what = DUE_PATTERN, .at_ms = group->until_ms[p], .group = group, .pattern = p};
        if (pattern.at_ms && pattern.at_ms <= now_ms)
            pattern.at_ms = 0; /* before others kill what nobody lists */
        if (group->until_ms[p])
            consider(due, pattern);
    }
    for (struct m_job *job = group->first; job; job = job->next) {
        if (job->state == JOB_HELD)
            consider(due, (struct due){.what = DUE_LEASE, .at_ms = job->lease_end_ms, .job = job});
        else if (group->scene->max_age_ms)
            consider(due, (struct due){.what = DUE_AGE,
                                       .at_ms = job->event->accepted_ms + group->scene->max_age_ms,
                                       .job = job});
    }
}

static struct due find_due(struct model *model)
{
    struct due due = {.at_ms = NEVER};
    for (unsigned g = 0; g < model->scene->group_count; g++)
        look_at_group(&due, &model->groups[g], &model->scene->options, model->now_ms);
    for (size_t i = 0; i < model->members_count; i++) {
        struct m_member *member = model->members[i];
        struct due grace = {.what = DUE_GRACE, .at_ms = member->grace_end_ms, .member = member};
        if (grace.at_ms < model->now_ms)
            grace.at_ms = model->now_ms; /* after its leases, where all has ended since the last tick */
        if (member->grace_end_ms)
            consider(&due, grace);
        if (!member->held && !member->is_asking)
            consider(&due, (struct due){.what = DUE_SILENCE,
                                        .at_ms = member->heard_ms + MEMBER_SILENT_MS,
                                        .member = member});
    }
    for (size_t i = 1; i < model->conns_count; i++) {
        struct m_conn *conn = model->conns[i];
        if (conn && conn->session.timed_end_ms != NEVER && model_conn_kept(conn))
            consider(&due,
                     (struct due){.what = DUE_FIELD, .at_ms = conn->session.timed_end_ms, .conn = conn});
    }
    return due;
}

static void end_field(struct m_session *session)
{
    session->timed_end_ms = NEVER;
    if (!session->has[KEY_TIMED])
        return;
    session->has[KEY_TIMED] = false;
    session->version++;
}

/* A pattern is over: what nothing matches any more is dead. */
static void end_pattern(struct model *model, struct m_group *group, unsigned pattern)
{
    group->until_ms[pattern] = 0;
    count(model->summary, COUNT_GROUP_DROPPED);
    for (struct m_job *job = group->first, *next; job; job = next) {
        next = job->next;
        if (job->state == JOB_WAITS && !model_group_matches(group, job->event->event))
            model_job_dead(model, job, CODE_UNLISTED);
    }
}

static void do_due(struct model *model, const struct due *due)
{
    switch (due->what) {
    case DUE_LEASE:
        count(model->summary, COUNT_LEASE_EXPIRED);
        due->job->group->lease_expired++;
        model_job_return(model, due->job, RETURN_BLAMED, 0);
        break;
    case DUE_AGE:
        model_job_dead(model, due->job, CODE_TOO_OLD);
        break;
    case DUE_GRACE:
        count(model->summary, COUNT_MEMBER_GRACE_OVER);
        model_member_end(model, due->member, RETURN_BLAMED);
        break;
    case DUE_SILENCE:
        count(model->summary, COUNT_MEMBER_SILENT);
        model_member_end(model, due->member, RETURN_LEFT);
        break;
    case DUE_PAUSE:
        model_check_full(model, due->group);
        break;
    case DUE_PATTERN:
        end_pattern(model, due->group, due->pattern);
        break;
    case DUE_FIELD:
        end_field(&due->conn->session);
        break;
    case DUE_NOTHING:
        break;
    }
}

/* Returns when the next one is due. */
static uint64_t end_questions(struct model *model)
{
    uint64_t next = NEVER;
    for (size_t c = 0; c < model->open_count; c++) {
        struct m_conn *conn = model->open[c];
        for (size_t k = 0; k < conn->questions_count;) {
            struct m_question question = conn->questions[k];
            if (question.deadline_ms > model->now_ms) {
                next = question.deadline_ms < next ? question.deadline_ms : next;
                k++;
                continue;
            }
            model_question_close(conn, &conn->questions[k]);
            model_expect_error(model, conn, CODE_TIMEOUT, question.event, question.i);
            count(model->summary, COUNT_QUESTION_TIMEOUT);
        }
    }
    return next;
}

void model_tick(struct model *model, uint64_t now_ms, uint64_t wall_ms)
{
    struct due due;
    model->now_ms = now_ms;
    model->wall_ms = wall_ms;
    if (now_ms < model->next_due_ms)
        return;
    while ((due = find_due(model)).at_ms <= now_ms)
        do_due(model, &due);
    model->next_due_ms = NEVER;
    model_due(model, end_questions(model));
    model_due(model, due.at_ms);
}

/* -- progress ------------------------------------------------------------------------------------------ */

/* Whether @job could be handed to @member now. */
static bool could_have(const struct model *model, const struct m_member *member, const struct m_job *job)
{
    unsigned beside = 0;
    if (job->state != JOB_WAITS || job->due_ms > model->now_ms || member->held >= member->max ||
        !member->link || member->has_suspect || !(member->patterns & patterns_of(job->event->event)))
        return false;
    if (job->is_suspect && member->held)
        return false;
    for (const struct m_job *earlier = job->event->conn->lanes[job->group->index].first; earlier != job;
         earlier = earlier->lane_next) {
        if (earlier->state != JOB_HELD || earlier->member != member)
            return false;
        beside++;
    }
    return beside < member->per_conn;
}

/* While suspects wait, a member that holds something may have to finish that first. */
static bool may_be_draining(const struct model *model, const struct m_member *member)
{
    if (!member->group->suspects || !member->held)
        return false;
    for (const struct m_job *job = member->group->first; job; job = job->next) {
        if (job->is_suspect && job->state == JOB_WAITS && job->due_ms <= model->now_ms)
            return true;
    }
    return false;
}

/* Whether a suspect of @member's group has waited for so long that @member, which holds something, must
 * finish that before it gets anything new. False also where the model cannot tell. */
static bool must_drain(const struct model *model, const struct m_member *member)
{
    const struct m_job *suspect = NULL;
    for (const struct m_job *job = member->group->first; job; job = job->next) {
        if (!job->is_suspect || job->state != JOB_WAITS)
            continue;
        if (suspect)
            return false; /* it is the first of them that counts */
        suspect = job;
    }
    if (!suspect || !(member->patterns & patterns_of(suspect->event->event)))
        return false;
    const struct m_lane *lane = &suspect->event->conn->lanes[member->group->index];
    uint64_t since_ms = lane->changed_ms > suspect->due_ms ? lane->changed_ms : suspect->due_ms;
    return lane->first == suspect && since_ms + SUSPECT_PATIENCE_MS <= model->now_ms;
}

void model_check_progress(struct model *model)
{
    for (size_t i = 0; i < model->members_count; i++) {
        struct m_member *member = model->members[i];
        must(!member->got_more || !must_drain(model, member),
             "%s held something and got more, and a suspect waits", member->id);
        member->got_more = false;
        if (!member->is_asking)
            continue;
        must(member->ask_until_ms > model->now_ms, "the turn of %s waits for longer than it asked to",
             member->id);
        if (member->group->job_count == member->group->held || may_be_draining(model, member))
            continue;
        for (const struct m_job *job = member->group->first; job; job = job->next)
            must(!could_have(model, member, job), "%s asks, and %llu waits", member->id,
                 (unsigned long long)job->seq);
    }
}
