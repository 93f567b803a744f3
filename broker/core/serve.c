/* serve: which member is handed out what. Done once for each group that has changed, at the end of a turn of
 * the loop, so that members get many events at once when many have come. */

#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/group.h"
#include "core/stored_event.h"
#include "core/turn.h"

#define SHARE_MIN 16
#define LOOK_MAX  4096 /* members asked in vain whether they list an event, in one turn of the loop */

/* One group being served. */
struct serving {
    struct group *group;
    unsigned share; /* jobs that one member is handed out at most */
    unsigned looks; /* so far, in vain */
};

/* Whether it asks, and may be handed out anything but a suspect. */
static bool is_open(const struct member *member)
{
    return member->link && !member->has_suspect && !member->is_draining;
}

static bool has_room(const struct serving *s, const struct member *member)
{
    return is_open(member) && member->held_count < member->max && member->taken < s->share &&
           member->taken_bytes < SERVE_BYTES;
}

static bool lists(const struct member *member, const struct job *job)
{
    return member_lists(member, job->event->name, job->event->name_len);
}

static bool is_listed(const struct group *group, const struct job *job)
{
    return group_lists(group, job->event->name, job->event->name_len);
}

/* False: it does not fit the reply any more, which is full then. */
static bool hand_out(struct member *member, struct job *job)
{
    size_t bytes = stored_event_put_bytes(job->event);
    if (member->taken && member->taken_bytes + bytes > SERVE_BYTES) {
        member->taken_bytes = SERVE_BYTES;
        return false;
    }
    member->taken++;
    member->taken_bytes += bytes;
    job_hold(job, member);
    return true;
}

/* -- suspects ------------------------------------------------------------------------------------------ */

static bool is_free(const struct member *member)
{
    return member->link && !member->held_count && member->max;
}

/* The first that asks, holds nothing and lists @job (NULL: whatever it lists). */
static struct member *find_free(const struct group *group, const struct job *job)
{
    struct member *member = group->asking;
    while (member && !(is_free(member) && (!job || lists(member, job))))
        member = member->ask_next;
    return member;
}

static void end_draining(struct group *group)
{
    for (struct member *member = group->members; member && group->is_draining; member = member->next)
        member->is_draining = false;
    group->is_draining = false;
}

/* The first suspect that anybody could take; those before it are parked. */
static const struct lane *find_suspect(struct group *group)
{
    while (group->suspects && !is_listed(group, group->suspects->head))
        lane_park(group->suspects);
    return group->suspects;
}

/* Members that could take @job, but hold something, get nothing new before they have finished that: one of
 * them, or all. */
static void drain(struct group *group, const struct job *job, bool all)
{
    const struct member *draining = group->members;
    while (draining && !(draining->is_draining && lists(draining, job)))
        draining = draining->next;
    if (draining && !all)
        return;
    for (struct member *member = group->asking; member; member = member->ask_next) {
        if (!member->held_count || member->has_suspect || !lists(member, job))
            continue;
        member->is_draining = true;
        group->is_draining = true;
        if (!all)
            return;
    }
}

static void serve_suspects(struct group *group)
{
    for (struct lane *lane = group->suspects, *next; lane && find_free(group, NULL); lane = next) {
        struct member *member = find_free(group, lane->head);
        next = lane->next;
        if (member)
            hand_out(member, lane->head);
        else if (!is_listed(group, lane->head))
            lane_park(lane);
    }
    const struct lane *left = find_suspect(group);
    if (left)
        drain(group, left->head, left->suspect_ms + SUSPECT_PATIENCE_MS <= group->core->now.mono_ms);
    else
        end_draining(group);
}

/* -- what is ready ------------------------------------------------------------------------------------- */

static struct member *first_with_room(const struct serving *s, struct member *member)
{
    while (member && !has_room(s, member))
        member = member->ask_next;
    return member;
}

/* Who gets @job: the first from @member on that has room and lists it. */
static struct member *pick(struct serving *s, struct member *member, const struct job *job)
{
    while (member && !lists(member, job)) {
        s->looks++;
        member = first_with_room(s, member->ask_next);
    }
    return member;
}

/* Hand out the next job of @lane. */
static void serve_lane(struct serving *s, struct member *first, struct lane *lane)
{
    struct member *member = pick(s, first, lane->head);
    while (member && !hand_out(member, lane->head))
        member = pick(s, first_with_room(s, member), lane->head);
    if (!member && !is_listed(s->group, lane->head))
        lane_park(lane);
}

/* @lane becomes the first of the list, those before it the last. */
static void rotate(struct lane **list, struct lane *lane)
{
    if (*list == lane)
        return;
    (*list)->prev->next = *list;
    lane->prev->next = NULL;
    *list = lane;
}

/* One job of each ready lane. False: not all of them were looked at, and somebody has room. */
static bool serve_ready(struct serving *s)
{
    struct group *group = s->group;
    struct member *first = first_with_room(s, group->asking);
    struct lane *lane = group->ready, *next;
    size_t left = group->scan_left < group->ready_count ? group->scan_left : group->ready_count;
    for (; lane && first && left && s->looks < LOOK_MAX; lane = next, left--) {
        next = lane->next;
        serve_lane(s, first, lane);
        first = first_with_room(s, first);
    }
    if (!lane || !first || !left)
        return true;
    rotate(&group->ready, lane);
    group->scan_left = left;
    return false;
}

/* More jobs of the lanes that @member holds, one of each in turn. */
static void serve_more(const struct serving *s, struct member *member)
{
    struct lane *lane = member->more;
    while (lane && has_room(s, member)) {
        struct lane *next = lane->next;
        if (lists(member, lane->head) && hand_out(member, lane->head) && !next && lane->state == LANE_MORE)
            next = lane; /* it was the last and is so again */
        lane = next;
    }
}

/* -- a group ------------------------------------------------------------------------------------------- */

/* What waits, divided by those that ask; but small shares only cost time. */
static unsigned share_of(const struct group *group)
{
    size_t asking = 0, per_conn = 1;
    for (struct member *member = group->asking; member; member = member->ask_next) {
        member->taken = 0;
        member->taken_bytes = 0;
        if (!is_open(member) || member->held_count >= member->max)
            continue;
        asking++;
        if (member->per_conn > per_conn)
            per_conn = member->per_conn;
    }
    size_t waiting = group->ready_count * per_conn;
    if (waiting > group->waiting)
        waiting = group->waiting;
    size_t share = asking ? (waiting + asking - 1) / asking : 0;
    return share > SHARE_MIN ? (unsigned)share : SHARE_MIN;
}

static void reply_all(struct group *group)
{
    struct core *core = group->core;
    for (struct member *member = group->asking, *next; member; member = next) {
        next = member->ask_next;
        if (member->taken || !member->max || member->ask_until_ms <= core->now.mono_ms)
            turn_reply(core, member, false);
    }
}

/* False: it is to be served again soon. */
static bool serve(struct group *group)
{
    struct serving s = {.group = group};
    if (!group->asking)
        return true;
    s.share = share_of(group);
    serve_suspects(group);
    bool is_done = serve_ready(&s);
    for (struct member *member = group->asking; member; member = member->ask_next)
        serve_more(&s, member);
    reply_all(group);
    return is_done;
}

void groups_serve(struct core *core)
{
    struct groups *groups = &core->groups;
    if (groups->is_unarmed)
        groups_rearm(core);
    struct group *group = groups->dirty, *next;
    groups->dirty = NULL;
    for (; group; group = next) {
        next = group->dirty_next;
        group->is_dirty = false;
        if (group_is_over(group)) {
            group_free(group);
        } else if (!serve(group)) {
            size_t left = group->scan_left;
            group_wake(group);
            group->scan_left = left;
        }
    }
    groups->is_unfinished = groups->dirty != NULL;
}
