/* member: one handler of a group, from its join until it leaves, dies or falls silent. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core_impl.h"
#include "core/group.h"
#include "core/turn.h"

#define SILENCE_MS 60000 /* without a request, asking for nothing and holding nothing */

/* -- what it lists ------------------------------------------------------------------------------------- */

typedef void unlist_fn(struct group *group, const char *pattern, size_t len);

/* The first @count of @patterns. */
static void unlist(struct group *group, const struct key_list *patterns, unsigned count, unlist_fn *how)
{
    const char *text = patterns->text;
    for (unsigned i = 0; i < count; i++) {
        size_t len = strlen(text);
        how(group, text, len);
        text += len + 1;
    }
}

static int list(struct group *group, const struct key_list *patterns, struct fault *fault)
{
    const char *text = patterns->text;
    for (unsigned i = 0; i < patterns->count; i++) {
        size_t len = strlen(text);
        if (group_list(group, text, len, fault) < 0) {
            unlist(group, patterns, i, group_unlist_new);
            return -1;
        }
        text += len + 1;
    }
    return 0;
}

bool member_lists(const struct member *member, const char *event, size_t len)
{
    const char *text = member->patterns->text;
    for (unsigned i = 0; i < member->patterns->count; i++) {
        size_t text_len = strlen(text);
        if (event_pattern_matches(text, text_len, event, len))
            return true;
        text += text_len + 1;
    }
    return false;
}

/* -- time ---------------------------------------------------------------------------------------------- */

static void fire(struct timer *timer, void *arg);

static void start(struct member *member, uint64_t due_ms)
{
    struct core *core = member->group->core;
    if (timer_start(&core->timers, &member->timer, due_ms, fire) < 0)
        core->groups.is_unarmed = true;
}

static uint64_t next_due(const struct member *member)
{
    uint64_t due = UINT64_MAX;
    if (member->held)
        due = member->held->lease_end_ms;
    if (!member->link)
        due = earlier(due, member->gone_ms + member->group->core->options.link_grace_ms);
    if (!member->held && !member->is_asking)
        due = earlier(due, member->heard_ms + SILENCE_MS);
    return due;
}

/* If less is due than its timer thinks, that will be seen when it fires: so a turn seldom costs a move in the
 * heap. */
void member_arm(struct member *member)
{
    uint64_t due = next_due(member);
    if (!timer_running(&member->timer) || due < member->timer.at_ms)
        start(member, due);
}

static void fire(struct timer *timer, void *arg)
{
    struct member *member = (struct member *)(void *)((char *)timer - offsetof(struct member, timer));
    const struct core *core = arg;
    uint64_t now_ms = core->now.mono_ms;
    while (member->held && member->held->lease_end_ms <= now_ms) {
        member->group->counters.lease_expired++;
        job_return(member->held, JOB_BLAMED, 0, "the lease of the last attempt ran out");
    }
    if (!member->link && member->gone_ms + core->options.link_grace_ms <= now_ms) {
        member_end(member, JOB_BLAMED);
        return;
    }
    if (!member->held && !member->is_asking && member->heard_ms + SILENCE_MS <= now_ms) {
        member_end(member, JOB_LEFT);
        return;
    }
    start(member, next_due(member));
}

/* -- joining ------------------------------------------------------------------------------------------- */

struct member *member_find(const struct core *core, const char *id, size_t len)
{
    struct member *member;
    HASH_FIND(hh, core->groups.members, id, len, member);
    return member;
}

static struct member *find_client(const struct group *group, const struct joining *joining)
{
    struct member *member = group->members;
    while (member && (member->client_len != joining->client_len ||
                      memcmp(member->client, joining->client, joining->client_len) != 0))
        member = member->next;
    return member;
}

void member_discard(struct member *member)
{
    struct group *group = member->group;
    struct core *core = group->core;
    timer_stop(&core->timers, &member->timer);
    timer_stop(&core->timers, &member->wait);
    if (member->hh.tbl)
        HASH_DELETE(hh, core->groups.members, member);
    DL_DELETE(group->members, member);
    group->member_count--;
    if (member->is_asking) {
        DL_DELETE2(group->asking, member, ask_prev, ask_next);
        group->asking_count--;
    }
    blob_unref(member->failed);
    free(member->patterns);
    free(member->keys);
    free(member->client);
    free(member);
}

/* What a `join` may change of a member. Takes the lists. */
static void set_terms(struct member *member, const struct joining *joining)
{
    member->patterns = joining->patterns;
    member->keys = joining->keys;
    member->lease_ms = joining->lease_ms;
    member->per_conn = joining->per_conn;
}

/* In its group, and found by its id. NULL when memory is refused. */
static struct member *member_new(struct group *group, const struct joining *joining)
{
    struct core *core = group->core;
    struct member *member = calloc(1, sizeof(*member));
    char *client = member ? malloc(joining->client_len) : NULL;
    if (!client) {
        free(member);
        return NULL;
    }
    memcpy(client, joining->client, joining->client_len); /* any bytes, zero among them */
    member->group = group;
    member->client = client;
    member->client_len = joining->client_len;
    member->joined_ms = core->now.mono_ms;
    snprintf(member->id, sizeof(member->id), "%s.m%" PRIu64, core->options.epoch,
             ++core->groups.member_serial);
    DL_APPEND(group->members, member);
    group->member_count++;
    HASH_ADD_KEYPTR(hh, core->groups.members, member->id, strlen(member->id), member);
    member_heard(member, joining->link, joining->pid, joining->is_tcp);
    if (member->hh.tbl && timer_running(&member->timer))
        return member;
    member_discard(member);
    return NULL;
}

static struct member *join_new(struct group *group, const struct joining *joining, bool replaces,
                               struct fault *fault)
{
    struct core *core = group->core;
    if (HASH_COUNT(core->groups.members) >= core->options.max_members + replaces) {
        fault_set(fault, CODE_LIMIT, NULL, "there are %u members already", core->options.max_members);
        return NULL;
    }
    if (list(group, joining->patterns, fault) < 0)
        return NULL;
    struct member *member = member_new(group, joining);
    if (!member) {
        unlist(group, joining->patterns, joining->patterns->count, group_unlist_new);
        fault_set(fault, CODE_OVERLOADED, NULL, "no memory for the member");
        return NULL;
    }
    set_terms(member, joining);
    return member;
}

/* The same member, which has done nothing so far, joins again. */
static int join_again(struct member *member, const struct joining *joining, struct fault *fault)
{
    struct group *group = member->group;
    if (list(group, joining->patterns, fault) < 0)
        return -1;
    unlist(group, member->patterns, member->patterns->count, group_unlist);
    free(member->patterns);
    free(member->keys);
    set_terms(member, joining);
    member_heard(member, joining->link, joining->pid, joining->is_tcp);
    return 0;
}

struct member *member_join(struct group *group, const struct joining *joining, bool *created,
                           struct fault *fault)
{
    struct member *before = find_client(group, joining);
    *created = !before || before->turn;
    if (!*created)
        return join_again(before, joining, fault) < 0 ? NULL : before;
    struct member *member = join_new(group, joining, before != NULL, fault);
    if (member && before)
        member_end(before, JOB_BLAMED);
    return member;
}

/* -- links --------------------------------------------------------------------------------------------- */

void member_heard(struct member *member, uint64_t link, uint64_t pid, bool is_tcp)
{
    member->link = link;
    member->pid = pid;
    member->is_tcp = is_tcp;
    member->heard_ms = member->group->core->now.mono_ms;
    member_arm(member);
}

static void link_down(struct core *core, struct member *member)
{
    if (!member->is_tcp) {
        member_end(member, JOB_BLAMED);
        return;
    }
    member->link = 0;
    member->gone_ms = core->now.mono_ms;
    member_arm(member);
}

void groups_link_down(struct core *core, uint64_t link)
{
    struct member *member, *next;
    HASH_ITER (hh, core->groups.members, member, next) {
        if (member->link == link)
            link_down(core, member);
    }
}

unsigned member_end(struct member *member, enum job_return how)
{
    struct group *group = member->group;
    unsigned held = member->held_count;
    if (member->is_asking)
        turn_reply(group->core, member, false);
    while (member->held)
        job_return(lane_last_held(member->held->lane), how, 0,
                   how == JOB_BLAMED ? "the member of the last attempt ended with it"
                                     : "the member of the last attempt left");
    unlist(group, member->patterns, member->patterns->count, group_unlist);
    member_discard(member);
    group_wake(group);
    return held;
}

/* -- held jobs ----------------------------------------------------------------------------------------- */

static void begin_lease(struct member *member, struct job *job)
{
    job->lease_end_ms = member->group->core->now.mono_ms + member->lease_ms;
    DL_APPEND2(member->held, job, held_prev, held_next);
}

void member_hold(struct member *member, struct job *job)
{
    struct job **slot = &member->slots[job->seq % MEMBER_SLOTS];
    job->turn = member->turn;
    job->slot_next = *slot;
    *slot = job;
    member->held_count++;
    member->has_suspect = job->is_suspect;
    begin_lease(member, job);
    member_arm(member);
}

void member_unhold(struct member *member, struct job *job)
{
    struct job **slot = &member->slots[job->seq % MEMBER_SLOTS];
    while (*slot != job)
        slot = &(*slot)->slot_next;
    *slot = job->slot_next;
    DL_DELETE2(member->held, job, held_prev, held_next);
    if (--member->held_count == 0) {
        member->has_suspect = false;
        member->is_draining = false;
    }
}

void member_extend(struct member *member, struct job *job)
{
    DL_DELETE2(member->held, job, held_prev, held_next);
    begin_lease(member, job);
}
