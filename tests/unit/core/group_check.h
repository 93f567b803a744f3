#ifndef SLUICE_TESTS_GROUP_CHECK_H
#define SLUICE_TESTS_GROUP_CHECK_H

/* group_check: walk over all that groups consist of and see whether it fits together: every list, every
 * count, and whether each lane stands where it should. Slow, which is why the product does not do it. Include
 * it behind cmocka.h. */

#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/stored_event.h"

static inline enum lane_state check_state_of(const struct lane *lane)
{
    const struct job *job = lane->head;
    if (!job)
        return LANE_IDLE;
    if (job->due_ms > lane->group->core->now.mono_ms)
        return LANE_DELAYED;
    if (!lane->held && lane->parked_seq == job->seq)
        return LANE_PARKED;
    if (job->is_suspect)
        return lane->held ? LANE_IDLE : LANE_SUSPECT;
    if (!lane->held)
        return LANE_READY;
    return lane->held < lane->holder->per_conn && !lane->holder->has_suspect ? LANE_MORE : LANE_IDLE;
}

/* What a walk over the jobs of one connection says. */
static inline void check_lane(const struct lane *lane)
{
    unsigned count = 0, held = 0;
    uint64_t seq = 0;
    const struct job *head = NULL;
    for (const struct job *job = lane->jobs; job; job = job->lane_next, count++) {
        assert_ptr_equal(job->lane, lane);
        assert_ptr_equal(job->group, lane->group);
        assert_ptr_equal(job->event->conn, lane->conn);
        assert_true(job->seq > seq);
        seq = job->seq;
        if (job->holder) {
            assert_null(head); /* held ones are the first */
            assert_ptr_equal(job->holder, lane->holder);
            assert_true(job->attempt >= 1);
            held++;
        } else if (!head) {
            head = job;
        }
    }
    assert_true(count > 0);
    assert_int_equal(lane->count, count);
    assert_int_equal(lane->held, held);
    assert_ptr_equal(lane->head, head);
    assert_true(held > 0 || !lane->holder);
    assert_true(!lane->holder || held <= lane->holder->per_conn);
    /* Time goes on between two ticks, so a lane may be delayed a little longer. */
    enum lane_state wanted = check_state_of(lane);
    assert_true(lane->state == wanted || lane->state == LANE_DELAYED);
    assert_int_equal(timer_running(&lane->delay), lane->state == LANE_DELAYED);
    assert_int_equal(lane->counted, lane->state == LANE_READY ? count - held : 0);
}

static inline size_t check_list(const struct lane *lane, enum lane_state state)
{
    size_t count = 0;
    for (; lane; lane = lane->next, count++)
        assert_int_equal(lane->state, state);
    return count;
}

static inline void check_member(const struct member *member)
{
    unsigned held = 0, slots = 0;
    uint64_t lease = 0;
    for (const struct job *job = member->held; job; job = job->held_next, held++) {
        assert_ptr_equal(job->holder, member);
        assert_true(job->lease_end_ms >= lease);
        lease = job->lease_end_ms;
        assert_ptr_equal(member_job(member, job->seq), job);
        assert_true(!job->is_suspect || (member->has_suspect && member->held_count == 1));
    }
    for (unsigned i = 0; i < MEMBER_SLOTS; i++) {
        for (const struct job *job = member->slots[i]; job; job = job->slot_next)
            slots++;
    }
    assert_int_equal(member->held_count, held);
    assert_int_equal(slots, held);
    assert_true(!member->has_suspect || (held == 1 && member->held->is_suspect));
    assert_true(held > 0 || !member->is_draining);
    assert_true(timer_running(&member->timer) || member->group->core->groups.is_unarmed);
    assert_ptr_equal(member_find(member->group->core, member->id, strlen(member->id)), member);
    for (const struct lane *lane = member->more; lane; lane = lane->next) {
        assert_int_equal(lane->state, LANE_MORE);
        assert_ptr_equal(lane->holder, member);
    }
}

static inline void check_full(const struct group *group)
{
    bool is_over = group->backlog >= group->max_backlog || group->bytes >= group->max_backlog_bytes;
    bool is_far = group->backlog >= 2 * group->max_backlog || group->bytes >= 2 * group->max_backlog_bytes;
    bool is_low =
        group->backlog <= group->max_backlog * 3 / 4 && group->bytes <= group->max_backlog_bytes * 3 / 4;
    unsigned paused = 0;
    uint64_t paused_ms = 0;
    for (const struct conn *conn = group->paused; conn; conn = conn->paused_next, paused++) {
        assert_ptr_equal(conn->paused_by, group);
        assert_true(conn->paused_ms >= paused_ms);
        paused_ms = conn->paused_ms;
        assert_false(conn->is_ended);
    }
    assert_int_equal(group->paused_count, paused);
    assert_true(group->full != GROUP_OPEN || !is_over);
    assert_true(group->full == GROUP_OPEN || !is_low);
    assert_true(group->full != GROUP_PAUSING || (!is_far && !group->refuses_when_full));
    assert_true(group->full != GROUP_REFUSING || !paused);
    assert_true(group->backlog || !paused);
}

static inline void check_dead(const struct group *group)
{
    size_t count = 0, bytes = 0;
    for (const struct dead *dead = group->dead; dead; dead = dead->next, count++)
        bytes += sizeof(*dead) + (dead->payload ? dead->payload->len : 0);
    assert_int_equal(group->dead_count, count);
    assert_int_equal(group->dead_bytes, bytes);
    assert_true(count <= group->core->options.group_dead);
}

/* What a walk over all jobs of a group says. */
static inline void check_jobs(const struct group *group)
{
    size_t count = 0, backlog = 0, bytes = 0, held = 0, in_lanes = 0, waiting = 0, ready = 0;
    uint64_t seq = 0;
    for (const struct job *job = group->jobs; job; job = job->next, count++) {
        assert_true(job->seq > seq && job->seq <= group->seq);
        seq = job->seq;
        backlog += !job->event->is_last;
        bytes += job->event->is_last ? 0 : stored_event_bytes(job->event);
        held += job->holder != NULL;
        assert_true(job->event->jobs >= 1 && job->event->refs >= job->event->jobs);
        if (job->lane->jobs != job)
            continue;
        check_lane(job->lane);
        in_lanes += job->lane->count;
        ready += job->lane->state == LANE_READY;
        waiting += job->lane->counted;
    }
    assert_int_equal(group->job_count, count);
    assert_int_equal(group->backlog, backlog);
    assert_int_equal(group->bytes, bytes);
    assert_int_equal(group->held, held);
    assert_int_equal(in_lanes, count);
    assert_int_equal(group->waiting, waiting);
    assert_int_equal(group->ready_count, ready);
    assert_int_equal(check_list(group->ready, LANE_READY), ready);
    check_list(group->suspects, LANE_SUSPECT);
    check_list(group->parked, LANE_PARKED);
}

static inline void group_check(const struct group *group)
{
    unsigned members = 0, asking = 0, held = 0;
    check_jobs(group);
    check_full(group);
    check_dead(group);
    for (const struct member *member = group->members; member; member = member->next, members++) {
        assert_ptr_equal(member->group, group);
        check_member(member);
        held += member->held_count;
    }
    for (const struct member *member = group->asking; member; member = member->ask_next, asking++)
        assert_true(member->is_asking);
    assert_int_equal(group->member_count, members);
    assert_int_equal(group->asking_count, asking);
    assert_int_equal(group->held, held);
    assert_true(timer_running(&group->timer) || group->core->groups.is_unarmed);
    for (unsigned i = 0; i < group->pattern_count; i++) {
        const struct pattern *pattern = &group->patterns[i];
        unsigned listers = 0;
        for (const struct member *member = group->members; member; member = member->next) {
            const char *text = member->patterns->text;
            for (unsigned k = 0; k < member->patterns->count; k++, text += strlen(text) + 1)
                listers += strcmp(text, pattern->text) == 0;
        }
        assert_int_equal(pattern->listers, listers);
    }
}

/* All groups, and what connections have in them. */
static inline void groups_check(const struct core *core)
{
    size_t place = 0, in_lanes = 0, jobs = 0, free_jobs = 0, free_lanes = 0;
    for (const struct group *group = core->groups.by_name; group; group = group->hh.next) {
        group_check(group);
        jobs += group->job_count;
    }
    for (const struct conn *conn; (conn = conn_table_walk(&core->conns, &place));) {
        assert_false(conn->is_ended);
        for (const struct lane *lane = conn->lanes; lane; lane = lane->conn_next) {
            assert_ptr_equal(lane->conn, conn);
            in_lanes += lane->count;
        }
        assert_true(conn->events > 0 || !conn->lanes);
    }
    for (const struct conn *conn = core->ended; conn; conn = conn->hh.next) {
        assert_true(conn->is_ended && conn->events > 0 && !conn->reserved && !conn->paused_by);
        for (const struct lane *lane = conn->lanes; lane; lane = lane->conn_next)
            in_lanes += lane->count;
    }
    assert_true(in_lanes <= jobs); /* fewer: an ended connection that there was no memory to find by id */
    for (const struct job *job = core->groups.free_jobs; job; job = job->slot_next)
        free_jobs++;
    for (const struct lane *lane = core->groups.free_lanes; lane; lane = lane->next)
        free_lanes++;
    assert_int_equal(core->groups.free_job_count, free_jobs);
    assert_int_equal(core->groups.free_lane_count, free_lanes);
}

#endif
