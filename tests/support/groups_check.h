#ifndef SLUICE_TESTS_SUPPORT_GROUPS_CHECK_H
#define SLUICE_TESTS_SUPPORT_GROUPS_CHECK_H

/* groups_check: what is always true of the groups, between two inputs: each job, lane and member stands in
 * the lists that its state names, and the sums agree. Ends the program where something is not. */

#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/stored_event.h"
#include "fuzz/expect.h"

/* What is counted along the lanes of a group. */
struct groups_sums {
    size_t jobs, held, waiting, ready, suspects, parked, backlog, bytes;
};

static inline size_t groups_list_length(const struct lane *list)
{
    size_t count = 0;
    for (const struct lane *lane = list; lane; lane = lane->next)
        count++;
    return count;
}

static inline void groups_check_job(const struct job *job, const struct lane *lane, bool is_held)
{
    EXPECT(job->group == lane->group && job->lane == lane && job->event->conn == lane->conn);
    EXPECT(job->holder == (is_held ? lane->holder : NULL));
    EXPECT(!is_held || job->attempt >= 1);
    EXPECT(!is_held || (job->turn && job->turn <= job->holder->turn));
    EXPECT(!job->is_stale || is_held);
    EXPECT(!job->lane_next || job->lane_next->seq > job->seq);
    EXPECT(job->event->refs >= job->event->jobs && job->event->jobs >= 1);
    if (is_held)
        EXPECT(member_job(job->holder, job->seq) == job);
}

static inline void groups_check_lane(const struct lane *lane, struct groups_sums *sums)
{
    unsigned count = 0;
    EXPECT(lane->count > 0 && lane->held <= lane->count);
    EXPECT((lane->held > 0) == (lane->holder != NULL));
    EXPECT(!lane->holder || lane->held <= lane->holder->per_conn);
    for (const struct job *job = lane->jobs; job; job = job->lane_next) {
        EXPECT(count != lane->held || job == lane->head);
        groups_check_job(job, lane, count < lane->held);
        count++;
        if (job->event->name_len != 11 || strcmp(job->event->name, "@disconnect") != 0) {
            sums->backlog++;
            sums->bytes += stored_event_bytes(job->event);
        } else {
            EXPECT(!job->lane_next); /* the last event of its connection */
        }
    }
    EXPECT(count == lane->count);
    EXPECT((lane->head == NULL) == (lane->held == lane->count));
    EXPECT((lane->state == LANE_DELAYED) == timer_running(&lane->delay));
    sums->jobs += count;
    sums->held += lane->held;
    sums->ready += lane->state == LANE_READY;
    sums->suspects += lane->state == LANE_SUSPECT;
    sums->parked += lane->state == LANE_PARKED;
    if (lane->state == LANE_READY)
        sums->waiting += lane->count - lane->held;
}

static inline void groups_check_member(const struct member *member)
{
    unsigned held = 0, more = 0, found = 0;
    for (const struct job *job = member->held; job; job = job->held_next) {
        held++;
        EXPECT(job->holder == member && job->group == member->group);
        EXPECT(!job->held_next || job->held_next->lease_end_ms >= job->lease_end_ms);
        if (job == job->lane->jobs)
            more += job->lane->state == LANE_MORE;
    }
    EXPECT(held == member->held_count && held <= 1024);
    EXPECT(!member->has_suspect || held == 1);
    for (const struct lane *lane = member->more; lane; lane = lane->next) {
        EXPECT(lane->state == LANE_MORE && lane->holder == member);
        found++;
    }
    EXPECT(found == more);
    EXPECT(member->is_asking || !timer_running(&member->wait));
    EXPECT(timer_running(&member->timer) || member->group->core->groups.is_unarmed);
}

static inline void groups_check_members(const struct group *group)
{
    unsigned members = 0, asking = 0;
    for (const struct member *member = group->members; member; member = member->next) {
        groups_check_member(member);
        members++;
        asking += member->is_asking;
    }
    EXPECT(members == group->member_count && asking == group->asking_count);
    for (const struct member *member = group->asking; member; member = member->ask_next) {
        EXPECT(member->is_asking && member->group == group);
        asking--;
    }
    EXPECT(asking == 0);
}

static inline void groups_check_sums(const struct group *group, const struct groups_sums *sums)
{
    size_t jobs = 0, dead = 0;
    for (const struct job *job = group->jobs; job; job = job->next) {
        EXPECT(job->seq <= group->seq && (!job->next || job->next->seq > job->seq));
        jobs++;
    }
    for (const struct dead *d = group->dead; d; d = d->next)
        dead++;
    EXPECT(jobs == group->job_count && jobs == sums->jobs && dead == group->dead_count);
    EXPECT(group->held == sums->held && group->waiting == sums->waiting);
    EXPECT(group->ready_count == sums->ready && groups_list_length(group->ready) == sums->ready);
    EXPECT(groups_list_length(group->suspects) == sums->suspects);
    EXPECT(groups_list_length(group->parked) == sums->parked);
    EXPECT(group->backlog == sums->backlog && group->bytes == sums->bytes);
    EXPECT(group->full == GROUP_PAUSING || !group->paused);
    EXPECT(group->dead_count <= group->core->options.group_dead);
}

static inline void groups_check_lanes_of(const struct group *group, const struct conn *conn,
                                         struct groups_sums *sums)
{
    for (const struct lane *lane = conn->lanes; lane; lane = lane->conn_next) {
        EXPECT(lane->conn == conn);
        if (lane->group == group)
            groups_check_lane(lane, sums);
    }
}

static inline void groups_check(const struct core *core)
{
    for (const struct group *group = core->groups.by_name; group; group = group->hh.next) {
        struct groups_sums sums = {0};
        size_t place = 0;
        for (const struct conn *conn; (conn = conn_table_walk(&core->conns, &place));)
            groups_check_lanes_of(group, conn, &sums);
        for (const struct conn *conn = core->ended; conn; conn = conn->hh.next)
            groups_check_lanes_of(group, conn, &sums);
        groups_check_members(group);
        groups_check_sums(group, &sums);
    }
}

#endif
