/* group_due: what a group does because time has passed. */

#include <stdlib.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/group.h"
#include "core/stored_event.h"

/* Of one firing, so that it does not stop the broker. */
#define BURIED_MAX 1000  /* jobs that it buries */
#define LOOKED_MAX 10000 /* jobs that it compares with all patterns */

static void fire(struct timer *timer, void *arg);

static void start(struct group *group, uint64_t due_ms)
{
    struct core *core = group->core;
    if (timer_start(&core->timers, &group->timer, due_ms, fire) < 0)
        core->groups.is_unarmed = true;
}

void group_arm(struct group *group, uint64_t due_ms)
{
    if (!timer_running(&group->timer) || due_ms < group->timer.at_ms)
        start(group, due_ms);
}

static uint64_t next_due(const struct group *group)
{
    const struct core *core = group->core;
    uint64_t due = UINT64_MAX;
    if (group->full == GROUP_PAUSING)
        due = group->full_ms + core->options.group_pause_max_ms;
    if (group->full == GROUP_OPEN && group->paused)
        due = group->resume_ms;
    for (unsigned i = 0; i < group->pattern_count; i++) {
        const struct pattern *pattern = &group->patterns[i];
        if (!pattern->listers && !pattern->is_declared)
            due = earlier(due, pattern->until_ms);
    }
    if (group->max_age_ms) {
        const struct job *job = group->jobs;
        while (job && job->holder)
            job = job->next;
        if (job)
            due = earlier(due, job->event->accepted_ms + group->max_age_ms);
    }
    if (group->suspects && group->suspects->suspect_ms + SUSPECT_PATIENCE_MS > core->now.mono_ms)
        due = earlier(due, group->suspects->suspect_ms + SUSPECT_PATIENCE_MS);
    return due;
}

static void end_patterns(struct group *group)
{
    for (unsigned i = group->pattern_count; i-- > 0;) {
        struct pattern *pattern = &group->patterns[i];
        if (pattern->listers || pattern->is_declared || pattern->until_ms > group->core->now.mono_ms)
            continue;
        free(pattern->text);
        *pattern = group->patterns[--group->pattern_count];
        group->is_sweeping = true;
        group->swept_seq = 0;
    }
}

/* Bury what no pattern matches any more. True: something is left to do. */
static bool sweep(struct group *group)
{
    unsigned buried = 0, looked = 0;
    for (struct job *job = group->jobs, *next; job && group->is_sweeping; job = next) {
        next = job->next;
        if (job->seq <= group->swept_seq)
            continue;
        if (looked++ == LOOKED_MAX || buried == BURIED_MAX)
            return true;
        group->swept_seq = job->seq;
        if (job->holder || group_matches(group, job->event->name, job->event->name_len))
            continue;
        buried++;
        job_bury(job, CODE_UNLISTED, "no member lists this event any more");
    }
    group->is_sweeping = false;
    return false;
}

/* Bury what has waited for too long: the oldest come first. True: something is left to do. */
static bool bury_old(struct group *group)
{
    uint64_t now_ms = group->core->now.mono_ms;
    unsigned buried = 0;
    if (!group->max_age_ms)
        return false;
    for (struct job *job = group->jobs, *next; job; job = next) {
        next = job->next;
        if (job->event->accepted_ms + group->max_age_ms > now_ms)
            break;
        if (job->holder)
            continue;
        if (buried++ == BURIED_MAX)
            return true;
        job_bury(job, CODE_TOO_OLD, "the event waited for too long");
    }
    return false;
}

static void fire(struct timer *timer, void *arg)
{
    struct group *group = (struct group *)(void *)((char *)timer - offsetof(struct group, timer));
    const struct core *core = arg;
    uint64_t now_ms = core->now.mono_ms;
    if (group->full == GROUP_PAUSING && group->full_ms + core->options.group_pause_max_ms <= now_ms)
        group_refuse(group);
    if (group->full == GROUP_OPEN && group->paused && group->resume_ms <= now_ms)
        group_resume(group);
    end_patterns(group);
    bool is_left = sweep(group);
    is_left |= bury_old(group);
    group_wake(group); /* suspects may have waited for long enough, or it is over */
    start(group, is_left ? now_ms : next_due(group));
}

void groups_rearm(struct core *core)
{
    core->groups.is_unarmed = false;
    for (struct group *group = core->groups.by_name; group; group = group->hh.next) {
        if (!timer_running(&group->timer))
            start(group, next_due(group));
        for (struct member *member = group->members; member; member = member->next)
            member_arm(member);
    }
}
