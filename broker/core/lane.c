/* lane: the events of one connection in one group, and the list of those that could be handed out. */

#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/group.h"

#define FREE_MAX 4096 /* of each kind, that are kept */

/* -- memory -------------------------------------------------------------------------------------------- */

struct job *job_take(struct groups *groups)
{
    struct job *job = groups->free_jobs;
    if (!job)
        return calloc(1, sizeof(*job));
    groups->free_jobs = job->slot_next;
    groups->free_job_count--;
    if (job->slot_next)
        __builtin_prefetch(job->slot_next, 1);
    memset(job, 0, sizeof(*job));
    return job;
}

void job_drop(struct groups *groups, struct job *job)
{
    if (groups->free_job_count == FREE_MAX) {
        free(job);
        return;
    }
    job->slot_next = groups->free_jobs;
    groups->free_jobs = job;
    groups->free_job_count++;
}

struct lane *lane_take(struct groups *groups)
{
    struct lane *lane = groups->free_lanes;
    if (!lane)
        return calloc(1, sizeof(*lane));
    groups->free_lanes = lane->next;
    groups->free_lane_count--;
    if (lane->next)
        __builtin_prefetch(lane->next, 1);
    memset(lane, 0, sizeof(*lane));
    return lane;
}

void lane_drop(struct groups *groups, struct lane *lane)
{
    if (groups->free_lane_count == FREE_MAX) {
        free(lane);
        return;
    }
    lane->next = groups->free_lanes;
    groups->free_lanes = lane;
    groups->free_lane_count++;
}

/* -- of a connection ----------------------------------------------------------------------------------- */

struct lane *lane_find(const struct conn *conn, const struct group *group)
{
    struct lane *lane = conn->lanes;
    while (lane && lane->group != group)
        lane = lane->conn_next;
    return lane;
}

void lane_attach(struct lane *lane, struct group *group, struct conn *conn)
{
    lane->group = group;
    lane->conn = conn;
    DL_APPEND2(conn->lanes, lane, conn_prev, conn_next);
}

void lane_detach(struct lane *lane)
{
    lane_leave(lane);
    DL_DELETE2(lane->conn->lanes, lane, conn_prev, conn_next);
    lane_drop(&lane->group->core->groups, lane);
}

struct job *lane_last_held(const struct lane *lane)
{
    if (!lane->held)
        return NULL;
    return lane->head ? lane->head->lane_prev : lane->jobs->lane_prev;
}

/* -- where it stands ----------------------------------------------------------------------------------- */

static enum lane_state state_of(const struct lane *lane)
{
    const struct job *job = lane->head;
    if (!job)
        return LANE_IDLE;
    if (job->due_ms && job->due_ms > lane->group->core->now.mono_ms)
        return LANE_DELAYED;
    if (!lane->held && lane->parked_seq == job->seq)
        return LANE_PARKED;
    if (job->is_suspect)
        return lane->held ? LANE_IDLE : LANE_SUSPECT;
    if (!lane->held)
        return LANE_READY;
    return lane->held < lane->holder->per_conn && !lane->holder->has_suspect ? LANE_MORE : LANE_IDLE;
}

/* Its jobs in group->waiting: those not held while it is ready. */
static void count_waiting(struct lane *lane)
{
    unsigned waiting = lane->state == LANE_READY ? lane->count - lane->held : 0;
    lane->group->waiting += waiting;
    lane->group->waiting -= lane->counted;
    lane->counted = waiting;
}

void lane_leave(struct lane *lane)
{
    struct group *group = lane->group;
    switch (lane->state) {
    case LANE_READY:
        DL_DELETE(group->ready, lane);
        group->ready_count--;
        break;
    case LANE_SUSPECT:
        DL_DELETE(group->suspects, lane);
        break;
    case LANE_MORE:
        DL_DELETE(lane->holder->more, lane);
        break;
    case LANE_PARKED:
        DL_DELETE(group->parked, lane);
        break;
    case LANE_DELAYED:
        timer_stop(&group->core->timers, &lane->delay);
        break;
    case LANE_IDLE:
        break;
    }
    lane->state = LANE_IDLE;
    count_waiting(lane);
}

static void delay_over(struct timer *timer, void *arg)
{
    struct lane *lane = (struct lane *)(void *)((char *)timer - offsetof(struct lane, delay));
    (void)arg;
    lane_place(lane, true);
    group_wake(lane->group);
}

/* Without a timer nobody would remember it: then it is not delayed. */
static bool delay_begin(struct lane *lane)
{
    struct timers *timers = &lane->group->core->timers;
    if (timer_start(timers, &lane->delay, lane->head->due_ms, delay_over) == 0)
        return true;
    lane->head->due_ms = 0;
    return false;
}

static void lane_enter(struct lane *lane, enum lane_state state, bool goes_first)
{
    struct group *group = lane->group;
    lane->state = state;
    switch (state) {
    case LANE_READY:
        if (goes_first)
            DL_PREPEND(group->ready, lane);
        else
            DL_APPEND(group->ready, lane);
        group->ready_count++;
        break;
    case LANE_SUSPECT:
        DL_APPEND(group->suspects, lane);
        lane->suspect_ms = group->core->now.mono_ms;
        group_arm(group, lane->suspect_ms + SUSPECT_PATIENCE_MS);
        break;
    case LANE_MORE:
        DL_APPEND(lane->holder->more, lane);
        break;
    case LANE_PARKED:
        DL_APPEND(group->parked, lane);
        break;
    case LANE_DELAYED:
    case LANE_IDLE:
        break;
    }
}

void lane_place(struct lane *lane, bool goes_first)
{
    enum lane_state state = state_of(lane);
    if (state == LANE_DELAYED && !delay_begin(lane))
        state = state_of(lane);
    if (state != lane->state) {
        lane_leave(lane);
        lane_enter(lane, state, goes_first);
    }
    count_waiting(lane);
}

void lane_settle(struct lane *lane)
{
    lane_place(lane, false);
    if (lane->state == LANE_READY || lane->state == LANE_SUSPECT ||
        (lane->state == LANE_MORE && lane->holder->is_asking))
        group_wake(lane->group);
}

/* -- what nobody lists --------------------------------------------------------------------------------- */

void lane_park(struct lane *lane)
{
    lane->parked_seq = lane->head->seq;
    lane_place(lane, false);
}

void group_unpark(struct group *group)
{
    while (group->parked) {
        group->parked->parked_seq = 0;
        lane_place(group->parked, false);
    }
    group_wake(group);
}
