/* backlog: how events come into groups, and what happens when too many wait there. */

#include <errno.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/group.h"
#include "core/stored_event.h"

#define LAST     "@disconnect"
#define LAST_LEN 11

/* How connections go on when a group is open again: few at a time, since each brings what has piled up
 * meanwhile, and all at once would fill the group and hold up everybody else. */
#define RESUME_EVERY_MS 10
#define RESUME_PART     32    /* one in so many of those that are left, each time ... */
#define RESUME_EVENTS   16    /* ... as long as there is room for so many events of each ... */
#define RESUME_BYTES    16384 /* ... and so many bytes */

/* -- full ---------------------------------------------------------------------------------------------- */

static void conn_pause(struct group *group, struct conn *conn)
{
    const struct core *core = group->core;
    if (conn->paused_by)
        return;
    conn->paused_by = group;
    conn->paused_ms = core->now.mono_ms;
    DL_APPEND2(group->paused, conn, paused_prev, paused_next);
    group->paused_count++;
    group->counters.pauses++;
    core->effects.pause(core->effects.arg, conn->peer);
}

void groups_unpause(struct conn *conn)
{
    struct group *group = conn->paused_by;
    if (!group)
        return;
    DL_DELETE2(group->paused, conn, paused_prev, paused_next);
    group->paused_count--;
    conn->paused_by = NULL;
}

/* The one that has been paused for longest goes on. */
static void resume_first(struct group *group)
{
    struct core *core = group->core;
    struct conn *conn = group->paused;
    groups_unpause(conn);
    core->effects.resume(core->effects.arg, conn->peer);
}

static void resume_all(struct group *group)
{
    while (group->paused)
        resume_first(group);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool is_paused_long(const struct group *group)
{
    const struct core *core = group->core;
    return group->paused->paused_ms + core->options.group_pause_max_ms <= core->now.mono_ms;
}

void group_resume(struct group *group)
{
    size_t room = least((group->max_backlog - group->backlog) / RESUME_EVENTS,
                        (group->max_backlog_bytes - group->bytes) / RESUME_BYTES);
    size_t count = least(group->paused_count / RESUME_PART, room);
    if (count < 1)
        count = 1;
    for (; group->paused && (count || is_paused_long(group)); count -= count > 0)
        resume_first(group);
    group->resume_ms = group->core->now.mono_ms + RESUME_EVERY_MS;
    if (group->paused)
        group_arm(group, group->resume_ms);
}

void group_refuse(struct group *group)
{
    group->full = GROUP_REFUSING;
    resume_all(group);
}

static bool is_over(const struct group *group, size_t times)
{
    return group->backlog / times >= group->max_backlog || group->bytes / times >= group->max_backlog_bytes;
}

static bool is_low(const struct group *group)
{
    return group->backlog <= group->max_backlog / 4 * 3 + group->max_backlog % 4 * 3 / 4 &&
           group->bytes <= group->max_backlog_bytes / 4 * 3 + group->max_backlog_bytes % 4 * 3 / 4;
}

void group_check_full(struct group *group)
{
    const struct core *core = group->core;
    if (group->full == GROUP_OPEN && is_over(group, 1)) {
        group->full = GROUP_PAUSING;
        group->full_ms = core->now.mono_ms;
        group_arm(group, group->full_ms + core->options.group_pause_max_ms);
        if (group->refuses_when_full)
            group_refuse(group);
    } else if (group->full != GROUP_OPEN && is_low(group)) {
        group->full = GROUP_OPEN;
        group_resume(group);
    }
    if (!group->backlog)
        resume_all(group);
    if (group->full == GROUP_PAUSING && is_over(group, 2))
        group_refuse(group);
}

struct group *groups_refusing(struct core *core, const char *event, size_t len)
{
    for (struct group *group = core->groups.by_name; group; group = group->hh.next) {
        if (group->full == GROUP_REFUSING && group_matches(group, event, len)) {
            group->counters.overloaded++;
            return group;
        }
    }
    return NULL;
}

bool groups_admit(struct core *core)
{
    if (groups_refusing(core, "@connect", 8))
        return false;
    const struct group *group = core->groups.by_name;
    while (group && (group->job_count / 2 < group->max_backlog || !group_matches(group, LAST, LAST_LEN)))
        group = group->hh.next;
    return group == NULL;
}

/* -- coming in ----------------------------------------------------------------------------------------- */

/* Jobs that are not added yet, by lane_next. One whose lane belongs to no connection yet has it to itself. */

static void push(struct job **jobs, struct job *job)
{
    job->lane_next = *jobs;
    *jobs = job;
}

static struct job *pop(struct job **jobs)
{
    struct job *job = *jobs;
    if (job)
        *jobs = job->lane_next;
    return job;
}

static void drop_all(struct groups *groups, struct job **jobs)
{
    for (struct job *job; (job = pop(jobs));) {
        if (!job->lane->conn)
            lane_drop(groups, job->lane);
        job_drop(groups, job);
    }
}

/* A job for an event of @conn in @group, with its lane. NULL when memory is refused. */
static struct job *job_prepare(struct group *group, const struct conn *conn)
{
    struct groups *groups = &group->core->groups;
    struct job *job = job_take(groups);
    if (!job)
        return NULL;
    job->group = group;
    job->lane = lane_find(conn, group);
    if (!job->lane)
        job->lane = lane_take(groups);
    if (job->lane)
        return job;
    job_drop(groups, job);
    return NULL;
}

/* The same from what @conn has reserved: any of it will do for any group. */
static struct job *job_use_reserved(struct group *group, struct conn *conn)
{
    struct job *job = pop(&conn->reserved);
    struct lane *lane = lane_find(conn, group);
    if (!job)
        return job_prepare(group, conn);
    job->group = group;
    if (lane) {
        lane_drop(&group->core->groups, job->lane);
        job->lane = lane;
    }
    return job;
}

/* A job for each group that matches, in the order in which the groups were made. -ENOMEM: some are missing.
 */
static int prepare(struct core *core, const struct stored_event *event, enum backlog_kind kind,
                   struct job **jobs)
{
    struct conn *conn = event->conn;
    int result = 0;
    for (struct group *group = core->groups.by_name; group; group = group->hh.next) {
        if (!group_matches(group, event->name, event->name_len))
            continue;
        struct job *job =
            kind == BACKLOG_DISCONNECT ? job_use_reserved(group, conn) : job_prepare(group, conn);
        if (job)
            push(jobs, job);
        else
            result = -ENOMEM;
    }
    return result;
}

static void add(struct job *job, struct stored_event *event, enum backlog_kind kind)
{
    struct group *group = job->group;
    job->event = event;
    job->lane_next = NULL;
    if (!job->lane->conn)
        lane_attach(job->lane, group, event->conn);
    job_add(job);
    group_check_full(group);
    if (kind == BACKLOG_EVENT && group->full == GROUP_PAUSING)
        conn_pause(group, event->conn);
}

int groups_add(struct core *core, struct stored_event *event, enum backlog_kind kind)
{
    struct job *jobs = NULL;
    int result = prepare(core, event, kind, &jobs);
    if (result < 0 && kind == BACKLOG_EVENT) {
        drop_all(&core->groups, &jobs);
        return result;
    }
    for (struct job *job; (job = pop(&jobs));)
        add(job, event, kind);
    return 0;
}

int groups_take(struct core *core, const struct event *event, uint64_t question)
{
    if (!groups_match(core, event->name, event->name_len))
        return 1;
    struct stored_event *stored = stored_event_new(event, question, core->now);
    int result = stored ? groups_add(core, stored, BACKLOG_EVENT) : -ENOMEM;
    stored_event_unref(core, stored);
    return result;
}

void groups_take_ending(struct core *core, const struct event *event)
{
    bool is_wanted = groups_match(core, event->name, event->name_len);
    struct stored_event *stored = is_wanted ? stored_event_new(event, 0, core->now) : NULL;
    if (stored)
        groups_add(core, stored, BACKLOG_DISCONNECT);
    stored_event_unref(core, stored);
    groups_release(core, event->conn);
}

int groups_reserve(struct core *core, struct conn *conn)
{
    struct groups *groups = &core->groups;
    for (const struct group *group = groups->by_name; group; group = group->hh.next) {
        if (!group_matches(group, LAST, LAST_LEN))
            continue;
        struct job *job = job_take(groups);
        struct lane *lane = job ? lane_take(groups) : NULL;
        if (!lane) {
            if (job)
                job_drop(groups, job);
            return -ENOMEM;
        }
        job->lane = lane;
        push(&conn->reserved, job);
    }
    return conn->reserved ? stored_event_reserve(conn) : 0;
}

void groups_release(struct core *core, struct conn *conn)
{
    drop_all(&core->groups, &conn->reserved);
}
