/* Members in the model: who may hold events. */

#include <string.h>

#include "fail.h"
#include "model.h"

static struct m_member *member_of(const struct model *model, const struct m_group *group, const char *client)
{
    for (size_t i = 0; i < model->members_count; i++) {
        struct m_member *member = model->members[i];
        if (member->group == group && strcmp(member->client, client) == 0)
            return member;
    }
    return NULL;
}

struct m_member *model_member(const struct model *model, const char *id)
{
    for (size_t i = 0; i < model->members_count; i++) {
        if (strcmp(model->members[i]->id, id) == 0)
            return model->members[i];
    }
    return NULL;
}

/* -- joining ------------------------------------------------------------------------------------------- */

static void set_terms(struct m_member *member, const struct m_joining *joining)
{
    member->patterns = joining->patterns;
    member->keys = joining->keys;
    member->lease_ms = joining->lease_ms;
    member->per_conn = joining->per_conn;
}

enum code model_join_refused(struct model *model, struct m_group *group, const char *client)
{
    const struct core_options *options = &model->scene->options;
    const struct m_member *old = member_of(model, group, client);
    unsigned groups = 0;
    for (unsigned g = 0; g < model->scene->group_count; g++)
        groups += model->groups[g].exists;
    if (!group->exists && groups >= options->max_groups)
        return CODE_LIMIT;
    model_group_make(model, group);
    if (old && !old->turn)
        return CODE_OK;
    return model->members_count >= options->max_members + (old != NULL) ? CODE_LIMIT : CODE_OK;
}

struct m_member *model_join(struct model *model, struct m_group *group, const struct m_joining *joining,
                            bool *created)
{
    struct m_member *old = member_of(model, group, joining->client);
    model_group_list(model, group, joining->patterns);
    *created = !old || old->turn;
    if (!*created) {
        model_group_unlist(model, group, old->patterns);
        set_terms(old, joining);
        model_heard(model, old, joining->link, joining->is_tcp);
        count(model->summary, COUNT_MEMBER_JOINED_AGAIN);
        return old;
    }
    if (old) {
        count(model->summary, COUNT_MEMBER_REPLACED);
        model_member_end(model, old, RETURN_BLAMED);
    }
    struct m_member *member = arena_get(&model->arena, sizeof(*member));
    *arena_add(&model->arena, model, members) = member;
    strcpy(member->client, joining->client);
    member->group = group;
    member->is_live = true;
    member->result = arena_get(&model->arena, sizeof(*member->result));
    set_terms(member, joining);
    model_heard(model, member, joining->link, joining->is_tcp);
    count(model->summary, COUNT_MEMBER_JOINED);
    return member;
}

/* -- leaving ------------------------------------------------------------------------------------------- */

static void forget(struct model *model, struct m_member *member)
{
    size_t place = 0;
    while (model->members[place] != member)
        place++;
    model->members[place] = model->members[--model->members_count];
    member->is_live = false;
}

unsigned model_member_end(struct model *model, struct m_member *member, enum m_return how)
{
    unsigned held = member->held;
    if (member->is_asking) {
        member->is_asking = false;
        model->on_turn_over(model->arg, member->ticket);
    }
    for (struct m_job *job = member->group->last, *before; job && member->held; job = before) {
        before = job->prev;
        if (job->state != JOB_HELD || job->member != member)
            continue;
        count(model->summary, COUNT_LEASE_ENDED);
        model_job_return(model, job, how, 0);
    }
    forget(model, member);
    model_group_unlist(model, member->group, member->patterns);
    return held;
}

/* -- links --------------------------------------------------------------------------------------------- */

void model_heard(struct model *model, struct m_member *member, uint64_t link, bool is_tcp)
{
    if (member->grace_end_ms) {
        count(model->summary, COUNT_MEMBER_CAME_BACK);
        member->grace_end_ms = 0;
    }
    member->link = link;
    member->is_tcp = is_tcp;
    member->heard_ms = model->now_ms;
    model_due(model, member->heard_ms + MEMBER_SILENT_MS);
}

void model_replied(struct model *model, struct m_member *member)
{
    member->is_asking = false;
    model_due(model, member->heard_ms + MEMBER_SILENT_MS);
}

void model_link_down(struct model *model, uint64_t link)
{
    for (size_t i = model->members_count; i-- > 0;) {
        struct m_member *member = model->members[i];
        if (member->link != link)
            continue;
        count(model->summary, COUNT_MEMBER_LINK_LOST);
        if (member->is_tcp) {
            member->link = 0;
            member->grace_end_ms = model->now_ms + model->scene->options.link_grace_ms;
            model_due(model, member->grace_end_ms);
        } else {
            model_member_end(model, member, RETURN_BLAMED);
        }
    }
}
