/* job: one event that one group has to handle, from when it comes until it is handled, refused or dead. */

#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/group.h"
#include "core/stored_event.h"

void job_add(struct job *job)
{
    struct group *group = job->group;
    struct lane *lane = job->lane;
    stored_event_ref(job->event);
    job->event->jobs++;
    job->seq = ++group->seq;
    DL_APPEND(group->jobs, job);
    DL_APPEND2(lane->jobs, job, lane_prev, lane_next);
    lane->count++;
    if (!lane->head)
        lane->head = job;
    group->job_count++;
    if (!job->event->is_last) {
        group->backlog++;
        group->bytes += stored_event_bytes(job->event);
    }
    group->counters.received++;
    if (group->max_age_ms)
        group_arm(group, job->event->accepted_ms + group->max_age_ms);
    lane_settle(lane);
}

/* -- held ---------------------------------------------------------------------------------------------- */

void job_hold(struct job *job, struct member *member)
{
    struct lane *lane = job->lane;
    struct group *group = job->group;
    lane_leave(lane);
    job->holder = member;
    job->attempt++;
    lane->holder = member;
    lane->held++;
    lane->head = job->lane_next;
    group->held++;
    group->counters.attempts++;
    if (job->attempt > 1)
        group->counters.redeliveries++;
    member_hold(member, job);
    lane_place(lane, false);
}

/* Its lane is in no list until lane_place(). If it waits again, the lane's head is for the caller to set. */
static void unhold(struct job *job)
{
    struct lane *lane = job->lane;
    lane_leave(lane);
    member_unhold(job->holder, job);
    job->holder = NULL;
    job->is_stale = false;
    job->group->held--;
    if (--lane->held == 0)
        lane->holder = NULL;
}

struct job *member_job(const struct member *member, uint64_t seq)
{
    struct job *job = member->slots[seq % MEMBER_SLOTS];
    while (job && job->seq != seq)
        job = job->slot_next;
    return job;
}

bool job_is_first(const struct job *job)
{
    return job->lane->jobs == job;
}

void job_changed_session(struct job *job)
{
    for (struct job *later = job->lane_next; later && later->holder; later = later->lane_next)
        later->is_stale = true;
}

/* -- the end ------------------------------------------------------------------------------------------- */

/* Out of its group and its lane. The event's reference is the caller's. */
static struct stored_event *take_away(struct job *job)
{
    struct group *group = job->group;
    struct lane *lane = job->lane;
    struct stored_event *event = job->event;
    if (job->holder)
        unhold(job);
    else if (lane->head == job)
        lane->head = job->lane_next;
    DL_DELETE2(lane->jobs, job, lane_prev, lane_next);
    DL_DELETE(group->jobs, job);
    lane->count--;
    group->job_count--;
    if (!event->is_last) {
        group->backlog--;
        group->bytes -= stored_event_bytes(event);
    }
    event->jobs--;
    if (lane->count)
        lane_settle(lane);
    else
        lane_detach(lane);
    job_drop(&group->core->groups, job);
    return event;
}

void job_discard(struct job *job)
{
    struct core *core = job->group->core;
    stored_event_unref(core, take_away(job));
}

/* All groups are done with @event: the client that asked, if it still waits, is told. If there is no memory
 * for that, its time runs out. */
static void settle_question(struct core *core, const struct stored_event *event)
{
    struct conn *conn = event->conn;
    struct question *question = event->question && !conn->is_ended ? question_find(conn, &event->id) : NULL;
    if (!question || question->serial != event->question)
        return; /* answered, timed out, and perhaps asked anew with the same id */
    struct message *message = event->has_failed
                                  ? message_error(CODE_FAILED, "the handlers failed with this event",
                                                  event->name, event->name_len, &event->id)
                                  : message_new("@ok", 3, NULL, 0, &event->id);
    if (!message)
        return;
    core_deliver(core, conn, message, DELIVERY_ONE);
    message_unref(message);
    question_close(&core->questions, question);
    core->counters->questions_settled++;
}

static void finish(struct job *job)
{
    struct group *group = job->group;
    struct core *core = group->core;
    struct stored_event *event = take_away(job);
    if (!event->jobs)
        settle_question(core, event);
    stored_event_unref(core, event);
    group_check_full(group);
    if (group_is_over(group))
        group_wake(group);
}

void job_end(struct job *job, enum job_end how)
{
    if (job->holder)
        job->holder->handled++;
    if (how == JOB_HANDLED)
        job->group->counters.handled++;
    else
        job->group->counters.refused++;
    finish(job);
}

void job_bury(struct job *job, enum code code, const char *message)
{
    job->event->has_failed = true;
    job->group->counters.dead++;
    dead_add(job, code, message);
    finish(job);
}

/* -- back into the queue ------------------------------------------------------------------------------- */

/* @job, the last held one of its lane, waits again. */
static void put_back(struct job *job, bool counts)
{
    struct group *group = job->group;
    unhold(job);
    job->lane->head = job;
    job->due_ms = 0;
    job->attempt -= !counts;
    if (group->max_age_ms)
        group_arm(group, job->event->accepted_ms + group->max_age_ms);
}

static bool is_too_old(const struct job *job)
{
    const struct group *group = job->group;
    return group->max_age_ms && job->event->accepted_ms + group->max_age_ms <= group->core->now.mono_ms;
}

/* Dead rather than waiting again: why, or CODE_OK. */
static enum code death_of(const struct job *job, bool counts)
{
    const struct group *group = job->group;
    if (counts && job->attempt >= group->max_attempts)
        return CODE_FAILED;
    if (is_too_old(job))
        return CODE_TOO_OLD;
    return group_matches(group, job->event->name, job->event->name_len) ? CODE_OK : CODE_UNLISTED;
}

bool job_return(struct job *job, enum job_return how, uint64_t delay_ms, const char *why)
{
    struct group *group = job->group;
    struct lane *lane = job->lane;
    bool counts = how != JOB_STALE;
    for (struct job *later; (later = lane_last_held(lane)) != job;) {
        put_back(later, false);
        later->is_suspect = how == JOB_BLAMED;
    }
    put_back(job, counts);
    if (how == JOB_RETRY || how == JOB_BLAMED) /* otherwise nobody has said anything about it */
        job->is_suspect = how == JOB_BLAMED;
    if (delay_ms)
        job->due_ms = group->core->now.mono_ms + delay_ms;
    group->counters.retried += how == JOB_RETRY;
    group_wake(group); /* also where it dies: its holder may have asked for more */
    enum code death = death_of(job, counts);
    if (death != CODE_OK) {
        job_bury(job, death, death == CODE_FAILED ? why : code_help(death));
        return false;
    }
    lane_place(lane, true);
    return true;
}
