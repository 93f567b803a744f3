#include "audit.h"

#include <string.h>

#include "process.h"

/* -- inspect ------------------------------------------------------------------------------------------- */

static bool is_delayed(const struct sim *sim, const struct m_job *job)
{
    const struct m_job *first = job->event->conn->lanes[job->group->index].first;
    while (first && first->state == JOB_HELD)
        first = first->lane_next;
    return first == job && job->due_ms > sim->now.mono_ms;
}

static uint64_t number(struct mp_reader map, const char *key)
{
    struct mp_reader value;
    must(mp_map_get(map, key, strlen(key), &value), "`%s` is missing", key);
    return uint_from(value);
}

static void text(struct mp_reader map, const char *key, char *out, size_t size)
{
    struct mp_reader value;
    must(mp_map_get(map, key, strlen(key), &value), "`%s` is missing", key);
    text_from(value, out, size);
}

static void audit_job(const struct sim *sim, const struct m_job *job, struct mp_reader map)
{
    char state[16], conn[48], member[48];
    struct mp_reader suspect;
    unsigned long long seq = job->seq;
    const char *due = job->state == JOB_HELD ? "held" : is_delayed(sim, job) ? "delayed" : "waiting";
    const char *group = job->group->scene->name;
    text(map, "state", state, sizeof state);
    text(map, "conn", conn, sizeof conn);
    must(number(map, "seq") == seq, "inspect of %s: %llu, where %llu is", group,
         (unsigned long long)number(map, "seq"), seq);
    must(strcmp(state, due) == 0, "inspect: %llu of %s is %s, not %s", seq, group, state, due);
    must(strcmp(conn, job->event->conn->id) == 0, "inspect: %llu of %s is of %s", seq, group, conn);
    must(number(map, "attempt") == job->attempt, "inspect: %llu of %s has attempt %llu, not %u", seq, group,
         (unsigned long long)number(map, "attempt"), job->attempt);
    must(mp_map_get(map, "suspect", 7, &suspect) && bool_from(suspect) == job->is_suspect,
         "inspect: %llu of %s is %sa suspect", seq, group, job->is_suspect ? "not " : "");
    must(number(map, "age_ms") == sim->now.mono_ms - job->event->accepted_ms,
         "inspect: the age of %llu of %s", seq, group);
    must(!job->bytes || number(map, "bytes") == job->bytes, "inspect: the bytes of %llu of %s", seq, group);
    if (*due == 'd')
        must(number(map, "due_ms") == job->due_ms - sim->now.mono_ms, "inspect: when %llu of %s is due", seq,
             group);
    if (job->state != JOB_HELD)
        return;
    text(map, "member", member, sizeof member);
    must(strcmp(member, job->member->id) == 0, "inspect: %llu of %s is held by %s, not %s", seq, group,
         member, job->member->id);
    must(number(map, "lease_ms") == job->lease_end_ms - sim->now.mono_ms,
         "inspect: the lease of %llu of %s is %llu ms, not %llu", seq, group,
         (unsigned long long)number(map, "lease_ms"),
         (unsigned long long)(job->lease_end_ms - sim->now.mono_ms));
}

void audit_inspect(struct sim *sim, const struct m_group *group, uint64_t after, struct mp_reader result)
{
    struct mp_reader list;
    const struct m_job *job = group->first;
    while (job && job->seq <= after)
        job = job->next;
    must(mp_map_get(result, "events", 6, &list), "inspect without events");
    for (uint32_t left = list_from(&list); left; left--, job = job->next) {
        must(job, "inspect tells of more events than there are");
        audit_job(sim, job, list);
        mp_skip(&list);
    }
    struct mp_reader next;
    must(!job || mp_map_get(result, "next", 4, &next), "inspect leaves out %llu",
         (unsigned long long)job->seq);
}

/* -- dead ---------------------------------------------------------------------------------------------- */

void audit_dead(struct sim *sim, const struct m_group *group, uint64_t after, struct mp_reader result)
{
    struct mp_reader list, code;
    size_t kept = group->deads_count, max = sim->scene.options.group_dead, at = group->deads_first;
    if (after || group->deads_told != kept)
        return; /* those of this turn of the loop have no order yet */
    at = kept > at + max ? kept - max : at;
    must(mp_map_get(result, "events", 6, &list), "dead without events");
    for (uint32_t left = list_from(&list); left; left--, at++) {
        must(at < kept, "the dead list of %s has more than there are", group->scene->name);
        const struct m_dead *dead = &group->deads[at];
        must(number(list, "seq") == dead->seq && number(list, "attempts") == dead->attempts &&
                 mp_map_get(list, "code", 4, &code) && code_from(code) == dead->code,
             "the dead list of %s tells another story of %llu", group->scene->name,
             (unsigned long long)dead->seq);
        mp_skip(&list);
    }
    must(at == kept || mp_map_get(result, "next", 4, &code), "the dead list of %s lacks %llu",
         group->scene->name, (unsigned long long)group->deads[at].seq);
}

/* -- stats --------------------------------------------------------------------------------------------- */

static void audit_bounds(const struct sim *sim, const struct m_group *group)
{
    const struct scene_group *scene = group->scene;
    must(group->backlog <= scene->max_backlog * 2, "%zu events wait in %s, the bound is %zu", group->backlog,
         scene->name, scene->max_backlog);
    /* An event more than the bound, as large as they come. */
    must(!sim->scene.knows_bytes ||
             group->bytes <= scene->max_backlog_bytes * 2 + sim->scene.options.max_message_bytes + 1024,
         "%zu bytes wait in %s", group->bytes, scene->name);
    /* Ends of connections come on top; but none opens while there are twice as many events as the bound. */
    must(group->job_count <= scene->max_backlog * 4 + sim->scene.connections * 2 + 1, "%zu events wait in %s",
         group->job_count, scene->name);
}

static void audit_member(const struct sim *sim, struct mp_reader map)
{
    char id[48];
    struct mp_reader asking;
    text(map, "member", id, sizeof id);
    const struct m_member *member = model_member(&sim->model, id);
    must(member, "stats tell of %s, who is gone", id);
    must(number(map, "held") == member->held, "stats: %s holds %llu, not %u", id,
         (unsigned long long)number(map, "held"), member->held);
    must(mp_map_get(map, "asking", 6, &asking) && bool_from(asking) == member->is_asking,
         "stats: %s is %sasking", id, member->is_asking ? "not " : "");
    must(number(map, "handled") == member->handled, "stats: %s has handled %llu, not %llu", id,
         (unsigned long long)number(map, "handled"), (unsigned long long)member->handled);
    must(number(map, "heard_ms") == sim->now.mono_ms - member->heard_ms, "stats: %s was heard %llu ms ago",
         id, (unsigned long long)number(map, "heard_ms"));
    must(number(map, "link") == member->link, "stats: the link of %s", id);
    must(number(map, "per_conn") == member->per_conn && number(map, "lease_ms") == member->lease_ms,
         "stats: the terms of %s", id);
}

static void audit_group(struct sim *sim, const struct m_group *group, struct mp_reader map)
{
    static const char *const states[] = {"no", "pausing", "refusing"};
    const struct {
        const char *key;
        uint64_t due;
    } numbers[] = {
        {"backlog", group->job_count},
        {"held", group->held},
        {"received", group->received},
        {"handled", group->handled},
        {"refused", group->refused},
        {"dead", group->dead},
        {"lease_expired", group->lease_expired},
    };
    char full[16];
    struct mp_reader list;
    size_t paused = 0, members = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        must(number(map, numbers[i].key) == numbers[i].due, "stats of %s: %s is %llu, not %llu",
             group->scene->name, numbers[i].key, (unsigned long long)number(map, numbers[i].key),
             (unsigned long long)numbers[i].due);
    text(map, "full", full, sizeof full);
    must(strcmp(full, states[group->state]) == 0, "stats of %s: full is %s, not %s", group->scene->name, full,
         states[group->state]);
    must(!sim->scene.knows_bytes || number(map, "backlog_bytes") == group->bytes,
         "stats of %s: %llu bytes, not %zu", group->scene->name,
         (unsigned long long)number(map, "backlog_bytes"), group->bytes);
    for (size_t i = 0; i < sim->model.open_count; i++)
        paused += ((sim->model.open[i]->paused_by | sim->model.open[i]->lets_go) & 1u << group->index) != 0;
    must(number(map, "paused_connections") <= paused, "stats of %s: %llu paused, not %zu", group->scene->name,
         (unsigned long long)number(map, "paused_connections"), paused);
    for (size_t i = 0; i < sim->model.members_count; i++)
        members += sim->model.members[i]->group == group;
    must(mp_map_get(map, "members", 7, &list), "stats without members");
    uint32_t left = list_from(&list);
    must(left == members, "stats of %s: %u members, not %zu", group->scene->name, left, members);
    for (; left; left--) {
        audit_member(sim, list);
        mp_skip(&list);
    }
    audit_bounds(sim, group);
}

void audit_stats(struct sim *sim, struct mp_reader result)
{
    struct mp_reader list, name;
    char text[16];
    size_t exist = 0;
    must(mp_map_get(result, "groups", 6, &list), "stats without groups");
    uint32_t left = list_from(&list);
    for (unsigned g = 0; g < sim->scene.group_count; g++)
        exist += sim->model.groups[g].exists;
    for (uint32_t i = 0; i < left; i++) {
        must(mp_map_get(list, "group", 5, &name), "stats without a group's name");
        text_from(name, text, sizeof text);
        for (unsigned g = 0; g < sim->scene.group_count; g++) {
            if (strcmp(sim->scene.groups[g].name, text) == 0 && sim->model.groups[g].exists)
                audit_group(sim, &sim->model.groups[g], list);
        }
        mp_skip(&list);
    }
    must(left >= exist || mp_map_get(result, "groups_left_out", 15, &name),
         "stats tell of %u groups, not %zu", left, exist);
}

/* -- the end ------------------------------------------------------------------------------------------- */

void audit_empty(struct sim *sim)
{
    must(core_conn_count(sim->core) == 0, "%zu connections are left", core_conn_count(sim->core));
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        const struct m_group *group = &sim->model.groups[g];
        must(!group->job_count, "%zu events are left in %s", group->job_count, group->scene->name);
    }
    for (size_t i = 1; i < sim->model.conns_count; i++) {
        const struct m_conn *conn = sim->model.conns[i];
        must(!conn || !model_conn_kept(conn), "the model keeps %s", conn->id);
    }
}
