/* Groups in the model: what they listen to, and when they are full. */

#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "model.h"

/* -- patterns ------------------------------------------------------------------------------------------ */

static uint32_t active_patterns(const struct m_group *group)
{
    uint32_t active = 0;
    for (unsigned p = 0; p < PATTERN_COUNT; p++) {
        if (group->listers[p] || group->declared[p] || group->until_ms[p])
            active |= 1u << p;
    }
    return active;
}

bool model_group_matches(const struct m_group *group, enum word_event event)
{
    return (active_patterns(group) & patterns_of(event)) != 0;
}

/* It begins to exist: its events count on from the highest number that a group that is gone has had. */
void model_group_make(struct model *model, struct m_group *group)
{
    if (group->exists)
        return;
    group->exists = true;
    group->seq = model->seq_floor;
    group->by_seq_base = group->seq;
    group->by_seq_count = 0;
    group->state = GROUP_OPEN;
    group->deads_first = group->deads_count;
    group->received = group->handled = group->refused = group->retried = group->dead = group->overloaded = 0;
    group->lease_expired = 0;
    count(model->summary, COUNT_GROUP_NEW);
}

void model_declare(struct model *model, struct m_group *group)
{
    model_group_make(model, group);
    for (unsigned p = 0; p < PATTERN_COUNT; p++)
        group->declared[p] = (group->scene->declared_patterns & 1u << p) != 0;
}

void model_group_list(struct model *model, struct m_group *group, uint32_t patterns)
{
    model_group_make(model, group);
    for (unsigned p = 0; p < PATTERN_COUNT; p++) {
        if (!(patterns & 1u << p))
            continue;
        if (group->until_ms[p])
            count(model->summary, COUNT_GROUP_RELISTED);
        group->listers[p]++;
        group->until_ms[p] = 0;
    }
}

void model_group_unlist(struct model *model, struct m_group *group, uint32_t patterns)
{
    for (unsigned p = 0; p < PATTERN_COUNT; p++) {
        if (!(patterns & 1u << p) || --group->listers[p] || group->declared[p])
            continue;
        group->until_ms[p] = model->now_ms + model->scene->options.group_keep_ms;
        model_due(model, group->until_ms[p]);
        count(model->summary, COUNT_GROUP_UNLISTED);
    }
}

/* Without events, members and patterns it is gone. */
static void check_gone(struct model *model, struct m_group *group)
{
    if (!group->exists || group->first || group->scene->is_declared || active_patterns(group))
        return;
    for (size_t i = 0; i < model->members_count; i++) {
        if (model->members[i]->group == group)
            return;
    }
    group->exists = false;
    if (group->seq > model->seq_floor)
        model->seq_floor = group->seq;
    count(model->summary, COUNT_GROUP_GONE);
}

void model_flushed(struct model *model)
{
    for (unsigned g = 0; g < model->scene->group_count; g++) {
        check_gone(model, &model->groups[g]);
        model->groups[g].had_suspects = model->groups[g].suspects > 0;
    }
}

/* -- full or not --------------------------------------------------------------------------------------- */

bool model_group_refuses(const struct model *model, enum word_event event)
{
    for (unsigned g = 0; g < model->scene->group_count; g++) {
        const struct m_group *group = &model->groups[g];
        if (group->state == GROUP_REFUSING && model_group_matches(group, event))
            return true;
    }
    return false;
}

static bool is_full(const struct m_group *group, size_t times)
{
    return group->backlog >= group->scene->max_backlog * times ||
           (group->bytes >= group->scene->max_backlog_bytes * times);
}

static bool is_low(const struct m_group *group)
{
    return group->backlog <= group->scene->max_backlog * 3 / 4 &&
           group->bytes <= group->scene->max_backlog_bytes * 3 / 4;
}

/* Those that it has paused may go on; the core chooses when. */
static void release_paused(struct model *model, const struct m_group *group)
{
    for (size_t i = 0; i < model->open_count; i++) {
        struct m_conn *conn = model->open[i];
        conn->lets_go |= conn->paused_by & 1u << group->index;
        conn->paused_by &= ~(1u << group->index);
    }
}

/* It is full again: those that have not gone on wait with the others. */
static void keep_paused(struct model *model, const struct m_group *group)
{
    for (size_t i = 0; i < model->open_count; i++) {
        struct m_conn *conn = model->open[i];
        if (conn->is_paused)
            conn->paused_by |= conn->lets_go & 1u << group->index;
        conn->lets_go &= ~(1u << group->index);
    }
}

static void change(struct model *model, struct m_group *group, enum group_state state)
{
    static const enum count counts[3][3] = {
        [GROUP_OPEN] = {[GROUP_PAUSING] = COUNT_GROUP_PAUSING, [GROUP_REFUSING] = COUNT_GROUP_REFUSING},
        [GROUP_PAUSING] =
            {[GROUP_OPEN] = COUNT_GROUP_PAUSING_OPEN, [GROUP_REFUSING] = COUNT_GROUP_PAUSING_REFUSING},
        [GROUP_REFUSING] = {[GROUP_OPEN] = COUNT_GROUP_REFUSING_OPEN},
    };
    static const char *const names[] = {"open", "pausing", "refusing"};
    if (model->is_verbose)
        printf("                   %s is %s with %zu events\n", group->scene->name, names[state],
               group->backlog);
    count(model->summary, counts[group->state][state]);
    if (group->state == GROUP_OPEN) {
        group->full_ms = model->now_ms;
        model_due(model, group->full_ms + model->scene->options.group_pause_max_ms);
    }
    if (group->state == GROUP_PAUSING)
        release_paused(model, group);
    if (state == GROUP_PAUSING)
        keep_paused(model, group);
    if (state == GROUP_OPEN)
        group->opened_ms = model->now_ms;
    group->state = state;
}

void model_check_full(struct model *model, struct m_group *group)
{
    unsigned pause_max_ms = model->scene->options.group_pause_max_ms;
    if (group->state == GROUP_OPEN && is_full(group, 1))
        change(model, group, group->scene->refuses_when_full ? GROUP_REFUSING : GROUP_PAUSING);
    if (group->state != GROUP_OPEN && is_low(group))
        change(model, group, GROUP_OPEN);
    if (group->state == GROUP_PAUSING &&
        (is_full(group, 2) || model->now_ms >= group->full_ms + pause_max_ms))
        change(model, group, GROUP_REFUSING);
}
