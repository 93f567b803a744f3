#include "core/group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/stored_event.h"

void groups_init(struct groups *groups)
{
    *groups = (struct groups){.seq_floor = 0};
}

/* -- one group ----------------------------------------------------------------------------------------- */

const char *group_name_fault(const char *name, size_t len)
{
    if (len < 1 || len > GROUP_NAME_MAX)
        return "a group's name has 1 to 64 bytes";
    if (memchr(name, ':', len) || event_name_fault(name, len))
        return "a group's name has only A-Z a-z 0-9 _ - . /";
    return NULL;
}

struct group *group_find(const struct core *core, const char *name, size_t len)
{
    struct group *group;
    HASH_FIND(hh, core->groups.by_name, name, len, group);
    return group;
}

static struct group *group_new(struct core *core, const char *name, size_t len)
{
    struct group *group = calloc(1, sizeof(*group));
    if (!group)
        return NULL;
    group->core = core;
    memcpy(group->name, name, len);
    group->max_attempts = core->options.group_max_attempts;
    group->max_backlog = core->options.group_backlog;
    group->max_backlog_bytes = core->options.group_backlog_bytes;
    group->seq = core->groups.seq_floor;
    group->rate_ms = core->now.mono_ms;
    HASH_ADD_KEYPTR(hh, core->groups.by_name, group->name, len, group);
    if (!group->hh.tbl) {
        free(group);
        return NULL;
    }
    group_arm(group, UINT64_MAX);
    if (!timer_running(&group->timer)) {
        group_free(group);
        return NULL;
    }
    return group;
}

struct group *group_make(struct core *core, const char *name, size_t len, struct fault *fault)
{
    struct group *group = group_find(core, name, len);
    if (group)
        return group;
    if (HASH_COUNT(core->groups.by_name) >= core->options.max_groups) {
        fault_set(fault, CODE_LIMIT, NULL, "there are %u groups already", core->options.max_groups);
        return NULL;
    }
    group = group_new(core, name, len);
    if (!group) {
        fault_set(fault, CODE_OVERLOADED, NULL, "no memory for the group");
        return NULL;
    }
    group_wake(group);
    return group;
}

bool group_is_over(const struct group *group)
{
    return !group->is_declared && !group->pattern_count && !group->members && !group->jobs;
}

void group_free(struct group *group)
{
    struct groups *groups = &group->core->groups;
    timer_stop(&group->core->timers, &group->timer);
    dead_clear(group);
    for (unsigned i = 0; i < group->pattern_count; i++)
        free(group->patterns[i].text);
    if (group->seq > groups->seq_floor)
        groups->seq_floor = group->seq;
    HASH_DELETE(hh, groups->by_name, group);
    free(group);
}

void group_wake(struct group *group)
{
    struct groups *groups = &group->core->groups;
    group->scan_left = SIZE_MAX;
    if (group->is_dirty)
        return;
    group->is_dirty = true;
    group->dirty_next = groups->dirty;
    groups->dirty = group;
}

/* -- patterns ------------------------------------------------------------------------------------------ */

static struct pattern *pattern_find(struct group *group, const char *text, size_t len)
{
    for (unsigned i = 0; i < group->pattern_count; i++) {
        struct pattern *pattern = &group->patterns[i];
        if (pattern->len == len && memcmp(pattern->text, text, len) == 0)
            return pattern;
    }
    return NULL;
}

static struct pattern *pattern_make(struct group *group, const char *text, size_t len, struct fault *fault)
{
    struct pattern *pattern = pattern_find(group, text, len);
    if (pattern)
        return pattern;
    if (group->pattern_count == GROUP_PATTERNS) {
        fault_set(fault, CODE_LIMIT, NULL, "group `%s` listens to %d patterns already", group->name,
                  GROUP_PATTERNS);
        return NULL;
    }
    char *copy = strndup(text, len);
    if (!copy) {
        fault_set(fault, CODE_OVERLOADED, NULL, "no memory for the pattern");
        return NULL;
    }
    pattern = &group->patterns[group->pattern_count++];
    *pattern = (struct pattern){.text = copy, .len = len};
    return pattern;
}

int group_list(struct group *group, const char *pattern, size_t len, struct fault *fault)
{
    struct pattern *listed = pattern_make(group, pattern, len, fault);
    if (!listed)
        return -1;
    if (listed->listers++ == 0)
        group_unpark(group);
    return 0;
}

void group_unlist(struct group *group, const char *pattern, size_t len)
{
    struct core *core = group->core;
    struct pattern *listed = pattern_find(group, pattern, len);
    if (!listed || --listed->listers > 0 || listed->is_declared)
        return;
    listed->until_ms = core->now.mono_ms + core->options.group_keep_ms;
    group_arm(group, listed->until_ms);
}

void group_unlist_new(struct group *group, const char *pattern, size_t len)
{
    struct pattern *listed = pattern_find(group, pattern, len);
    if (!listed || --listed->listers > 0 || listed->is_declared || listed->until_ms)
        return;
    free(listed->text);
    *listed = group->patterns[--group->pattern_count];
}

static int group_declare(struct group *group, const char *text, struct fault *fault)
{
    const char *wrong = event_pattern_fault(text, strlen(text));
    if (wrong)
        return fault_set(fault, CODE_BAD_EVENT, NULL, "%s", wrong);
    struct pattern *pattern = pattern_make(group, text, strlen(text), fault);
    if (!pattern)
        return -1;
    pattern->is_declared = true;
    return 0;
}

bool group_matches(const struct group *group, const char *event, size_t len)
{
    for (unsigned i = 0; i < group->pattern_count; i++) {
        const struct pattern *pattern = &group->patterns[i];
        if (event_pattern_matches(pattern->text, pattern->len, event, len))
            return true;
    }
    return false;
}

bool group_lists(const struct group *group, const char *event, size_t len)
{
    for (unsigned i = 0; i < group->pattern_count; i++) {
        const struct pattern *pattern = &group->patterns[i];
        if (pattern->listers && event_pattern_matches(pattern->text, pattern->len, event, len))
            return true;
    }
    return false;
}

/* -- all of them --------------------------------------------------------------------------------------- */

bool groups_match(const struct core *core, const char *event, size_t len)
{
    const struct group *group = core->groups.by_name;
    while (group && !group_matches(group, event, len))
        group = group->hh.next;
    return group != NULL;
}

int core_group(struct core *core, const struct group_rule *rule, struct fault *fault)
{
    const char *wrong = group_name_fault(rule->name, strlen(rule->name));
    if (wrong)
        return fault_set(fault, CODE_BAD_ARGUMENT, NULL, "%s", wrong);
    struct group *group = group_make(core, rule->name, strlen(rule->name), fault);
    if (!group)
        return -1;
    for (const char *const *event = rule->events; event && *event; event++) {
        if (group_declare(group, *event, fault) < 0)
            return -1;
    }
    group->is_declared = true;
    group->refuses_when_full = rule->refuses_when_full;
    group->max_age_ms = rule->max_age_ms;
    if (rule->max_attempts)
        group->max_attempts = rule->max_attempts;
    if (rule->backlog)
        group->max_backlog = rule->backlog;
    if (rule->backlog_bytes)
        group->max_backlog_bytes = rule->backlog_bytes;
    return 0;
}

void groups_sample(struct core *core)
{
    uint64_t now_ms = core->now.mono_ms;
    for (struct group *group = core->groups.by_name; group; group = group->hh.next) {
        if (now_ms <= group->rate_ms)
            continue;
        double seconds = (double)(now_ms - group->rate_ms) / 1000;
        group->received_per_s = (double)(group->counters.received - group->rate_received) / seconds;
        group->handled_per_s = (double)(group->counters.handled - group->rate_handled) / seconds;
        group->rate_ms = now_ms;
        group->rate_received = group->counters.received;
        group->rate_handled = group->counters.handled;
    }
}

void groups_deinit(struct core *core)
{
    struct groups *groups = &core->groups;
    struct group *group, *next;
    HASH_ITER (hh, groups->by_name, group, next) {
        while (group->jobs)
            job_discard(group->jobs);
        while (group->members)
            member_discard(group->members);
        group_free(group);
    }
    for (struct job *job; (job = groups->free_jobs);) {
        groups->free_jobs = job->slot_next;
        free(job);
    }
    for (struct lane *lane; (lane = groups->free_lanes);) {
        groups->free_lanes = lane->next;
        free(lane);
    }
    groups_init(groups);
}
