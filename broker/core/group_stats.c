#include "core/group_stats.h"

#include "core/pairs.h"
#include "core/stored_event.h"

static void put_rate(struct buf *out, const char *key, double value)
{
    mp_put_text(out, key);
    mp_put_double(out, value);
}

static void put_member(const struct core *core, struct buf *out, const struct member *member)
{
    uint64_t now_ms = core->now.mono_ms;
    const struct introduction *who = greetings_find(&core->greetings, member->client, member->client_len);
    mp_put_map(out, 13);
    put_pair(out, "member", member->id);
    put_pair(out, "name", who ? who->name : "");
    put_pair(out, "language", who ? who->language : "");
    put_pair(out, "version", who ? who->version : "");
    put_number(out, "pid", member->pid);
    put_number(out, "link", member->link);
    put_number(out, "held", member->held_count);
    put_number(out, "age_ms", now_ms - member->joined_ms);
    put_number(out, "heard_ms", now_ms - member->heard_ms);
    put_bool(out, "asking", member->is_asking);
    put_number(out, "handled", member->handled);
    put_number(out, "lease_ms", member->lease_ms);
    put_number(out, "per_conn", member->per_conn);
}

static void put_patterns(struct buf *out, const struct group *group)
{
    mp_put_text(out, "events");
    mp_put_array(out, group->pattern_count);
    for (unsigned i = 0; i < group->pattern_count; i++)
        mp_put_str(out, group->patterns[i].text, group->patterns[i].len);
}

static const char *const FULL[] = {
    [GROUP_OPEN] = "no", [GROUP_PAUSING] = "pausing", [GROUP_REFUSING] = "refusing"};

static void put_group(const struct core *core, struct buf *out, const struct group *group)
{
    const struct group_counters *counters = &group->counters;
    uint64_t now_ms = core->now.mono_ms;
    size_t mark = mp_open(out);
    put_pair(out, "group", group->name);
    put_bool(out, "declared", group->is_declared);
    put_patterns(out, group);
    put_number(out, "backlog", group->job_count);
    put_number(out, "backlog_bytes", group->bytes);
    put_number(out, "held", group->held);
    put_number(out, "oldest_ms", group->jobs ? now_ms - group->jobs->event->accepted_ms : 0);
    put_pair(out, "full", FULL[group->full]);
    put_number(out, "paused_connections", group->paused_count);
    put_number(out, "dead_listed", group->dead_count);
    put_rate(out, "received_per_s", group->received_per_s);
    put_rate(out, "handled_per_s", group->handled_per_s);
    uint32_t pairs = 12;
#define X(name, help)                                                                                        \
    put_number(out, #name, counters->name);                                                                  \
    pairs++;
    GROUP_COUNTERS(X)
#undef X
    mp_put_text(out, "members");
    mp_put_array(out, group->member_count);
    for (const struct member *member = group->members; member; member = member->next)
        put_member(core, out, member);
    mp_close_map(out, mark, pairs + 1);
}

void group_stats_put(struct call *call)
{
    const struct core *core = call->core;
    struct buf *out = call->out;
    uint32_t count = 0, left_out = 0;
    result_key(call, "groups");
    size_t begin = out->len, mark = mp_open(out);
    for (const struct group *group = core->groups.by_name; group; group = group->hh.next) {
        size_t before = out->len;
        put_group(core, out, group);
        if (out->len - begin > core->options.max_request_bytes / 2 && !out->failed) {
            out->len = before;
            left_out++;
        } else {
            count++;
        }
    }
    mp_close_array(out, mark, count);
    if (left_out)
        result_uint(call, "groups_left_out", left_out);
}
