/* Operations about groups: join, leave, extend, inspect, dead. */

#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/ops.h"
#include "core/stored_event.h"
#include "core/turn.h"
#include "wire/event_name.h"

#define LEASE_MIN    100 /* ms */
#define LEASE_MAX    3600000
#define PER_CONN_MAX 256
#define PAGE_LIMIT   100 /* events of a page, unless `limit` says otherwise */
#define PAGE_MAX     1000
#define PAGE_BYTES   (256 * 1024) /* a page ends when it has as many */

/* A number of the operation, within its bounds; @value where it is not given. */
static int read_number(struct call *call, const struct arg *arg, const char *key, uint64_t min, uint64_t max,
                       uint64_t *value)
{
    if (!arg->given)
        return 0;
    *value = arg->token.uint;
    if (*value < min || *value > max)
        return call_fault(call, CODE_BAD_ARGUMENT, key, "this must be from %llu to %llu",
                          (unsigned long long)min, (unsigned long long)max);
    return 0;
}

/* -- join ---------------------------------------------------------------------------------------------- */

enum { JOIN_GROUP = 1, JOIN_EVENTS, JOIN_LEASE_MS, JOIN_SESSION_KEYS, JOIN_PER_CONN };

const struct arg_spec ARGS_JOIN[] = {
    OP_ARG,
    [JOIN_GROUP] = {"group", ARG_STR, true},
    [JOIN_EVENTS] = {"events", ARG_STRS, true},
    [JOIN_LEASE_MS] = {"lease_ms", ARG_UINT, false},
    [JOIN_SESSION_KEYS] = {"session_keys", ARG_STRS, false},
    [JOIN_PER_CONN] = {"per_conn", ARG_UINT, false},
    ARGS_END,
};

/* The strings of a list, each with its zero byte. NULL when memory is refused. */
static struct key_list *read_strings(const struct arg *arg)
{
    struct key_list *list = malloc(sizeof(*list) + arg->len + arg->token.count);
    uint32_t count;
    struct mp_reader r = args_strings(arg, &count);
    if (!list)
        return NULL;
    list->count = count;
    list->len = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        memcpy(list->text + list->len, text, len);
        list->text[list->len + len] = '\0';
        list->len += len + 1;
    }
    return list;
}

static int check_group_name(struct call *call, const struct mp_token *name)
{
    const char *wrong = group_name_fault(name->bytes, name->len);
    return wrong ? call_fault(call, CODE_BAD_ARGUMENT, "group", "%s", wrong) : 0;
}

static int check_events(struct call *call)
{
    uint32_t count;
    struct mp_reader r = args_strings(&call->args[JOIN_EVENTS], &count);
    const struct place events = place_key(call->at, "events", 6);
    if (count < 1 || count > GROUP_PATTERNS)
        return call_fault(call, CODE_BAD_ARGUMENT, "events", "this must have 1 to %d patterns",
                          GROUP_PATTERNS);
    for (uint32_t i = 0; i < count; i++) {
        const struct place at = place_index(&events, i);
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        const char *wrong = event_pattern_fault(text, len);
        if (wrong)
            return fault_set(call->fault, CODE_BAD_EVENT, &at, "%s", wrong);
    }
    return 0;
}

static int check_session_keys(struct call *call)
{
    uint32_t count;
    struct mp_reader r = args_strings(&call->args[JOIN_SESSION_KEYS], &count);
    const struct place keys = place_key(call->at, "session_keys", 12);
    if (count > GROUP_KEYS)
        return call_fault(call, CODE_BAD_ARGUMENT, "session_keys", "at most %d keys", GROUP_KEYS);
    for (uint32_t i = 0; i < count; i++) {
        const struct place at = place_index(&keys, i);
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        if (memchr(text, 0, len))
            return fault_set(call->fault, CODE_BAD_ARGUMENT, &at, "a key has no zero byte");
    }
    return 0;
}

static int read_joining(struct call *call, struct joining *joining)
{
    const struct request *request = call->request;
    uint64_t lease = call->core->options.group_lease_ms, per_conn = 1;
    if (check_group_name(call, &call->args[JOIN_GROUP].token) < 0 || check_events(call) < 0 ||
        check_session_keys(call) < 0 ||
        read_number(call, &call->args[JOIN_LEASE_MS], "lease_ms", LEASE_MIN, LEASE_MAX, &lease) < 0 ||
        read_number(call, &call->args[JOIN_PER_CONN], "per_conn", 1, PER_CONN_MAX, &per_conn) < 0)
        return -1;
    *joining = (struct joining){
        .client = request->client,
        .client_len = request->client_len,
        .link = request->caller.link,
        .pid = request->caller.pid,
        .is_tcp = request->caller.is_tcp,
        .lease_ms = (unsigned)lease,
        .per_conn = (unsigned)per_conn,
    };
    return 0;
}

/* The group has another member now; NULL with the call's fault. */
static struct member *join(struct call *call, struct joining *joining, bool *created)
{
    const struct mp_token *name = &call->args[JOIN_GROUP].token;
    struct group *group = group_make(call->core, name->bytes, name->len, call->fault);
    return group ? member_join(group, joining, created, call->fault) : NULL;
}

int op_join(struct call *call)
{
    const struct arg *keys = &call->args[JOIN_SESSION_KEYS];
    struct joining joining;
    bool created = false;
    if (read_joining(call, &joining) < 0)
        return -1;
    joining.patterns = read_strings(&call->args[JOIN_EVENTS]);
    joining.keys = keys->given ? read_strings(keys) : NULL;
    struct member *member = NULL;
    if (joining.patterns && (joining.keys || !keys->given))
        member = join(call, &joining, &created);
    else
        call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    if (!member) {
        free(joining.patterns);
        free(joining.keys);
        return -1;
    }
    greetings_use(&call->core->greetings, joining.client, joining.client_len);
    result_text(call, "member", member->id);
    result_uint(call, "turn", member->turn);
    result_uint(call, "lease_ms", member->lease_ms);
    result_bool(call, "created", created);
    result_uint(call, "attempts", member->group->max_attempts);
    return 0;
}

/* -- leave, extend ------------------------------------------------------------------------------------- */

enum { MEMBER_ID = 1, MEMBER_SEQS };

const struct arg_spec ARGS_LEAVE[] = {
    OP_ARG,
    [MEMBER_ID] = {"member", ARG_STR, true},
    ARGS_END,
};

const struct arg_spec ARGS_EXTEND[] = {
    OP_ARG,
    [MEMBER_ID] = {"member", ARG_STR, true},
    [MEMBER_SEQS] = {"seqs", ARG_LIST, false},
    ARGS_END,
};

/* The member that is meant, if the client is its own, or NULL. */
static struct member *own_member(const struct call *call)
{
    const struct request *request = call->request;
    const struct mp_token *id = &call->args[MEMBER_ID].token;
    struct member *member = member_find(call->core, id->bytes, id->len);
    bool is_own = member && member->client_len == request->client_len &&
                  memcmp(member->client, request->client, request->client_len) == 0;
    return is_own ? member : NULL;
}

int op_leave(struct call *call)
{
    struct member *member = own_member(call);
    unsigned returned = member ? member_end(member, JOB_LEFT) : 0;
    result_bool(call, "left", member != NULL);
    result_uint(call, "returned", returned);
    return 0;
}

static int check_seqs(struct call *call, const struct arg *seqs)
{
    const struct place at_seqs = place_key(call->at, "seqs", 4);
    struct mp_reader r = mp_reader(seqs->raw, seqs->len);
    struct mp_token list, seq;
    if (!seqs->given || !mp_next(&r, &list))
        return 0;
    for (uint32_t i = 0; i < list.count; i++) {
        const struct place at = place_index(&at_seqs, i);
        if (!mp_next(&r, &seq) || seq.type != MP_UINT)
            return fault_set(call->fault, CODE_BAD_ARGUMENT, &at, "this must be an event's `seq`");
    }
    return 0;
}

static unsigned extend_all(struct member *member)
{
    struct job *jobs[TURN_EVENTS_MAX]; /* it holds no more; and extending changes the list */
    unsigned count = 0;
    for (struct job *job = member->held; job && count < TURN_EVENTS_MAX; job = job->held_next)
        jobs[count++] = job;
    for (unsigned i = 0; i < count; i++)
        member_extend(member, jobs[i]);
    return count;
}

static unsigned extend_some(struct member *member, const struct arg *seqs)
{
    struct mp_reader r = mp_reader(seqs->raw, seqs->len);
    struct mp_token list, seq;
    unsigned extended = 0;
    mp_next(&r, &list);
    while (mp_next(&r, &seq)) {
        struct job *job = member_job(member, seq.uint);
        if (job) {
            member_extend(member, job);
            extended++;
        }
    }
    return extended;
}

int op_extend(struct call *call)
{
    const struct arg *seqs = &call->args[MEMBER_SEQS];
    struct member *member = own_member(call);
    if (check_seqs(call, seqs) < 0)
        return -1;
    if (!member)
        return call_fault(call, CODE_UNKNOWN_MEMBER, "member",
                          "this client has no such member, or it has ended: join anew");
    member->heard_ms = call->core->now.mono_ms;
    result_uint(call, "extended", seqs->given ? extend_some(member, seqs) : extend_all(member));
    member_arm(member);
    return 0;
}

/* -- inspect, dead ------------------------------------------------------------------------------------- */

enum { PAGE_GROUP = 1, PAGE_LIMIT_ARG, PAGE_AFTER };

const struct arg_spec ARGS_INSPECT[] = {
    OP_ARG,
    [PAGE_GROUP] = {"group", ARG_STR, true},
    [PAGE_LIMIT_ARG] = {"limit", ARG_UINT, false},
    [PAGE_AFTER] = {"after", ARG_UINT, false},
    ARGS_END,
};

const struct arg_spec ARGS_DEAD[] = {
    OP_ARG,
    [PAGE_GROUP] = {"group", ARG_STR, true},
    [PAGE_LIMIT_ARG] = {"limit", ARG_UINT, false},
    [PAGE_AFTER] = {"after", ARG_UINT, false},
    ARGS_END,
};

/* A page of events under construction. */
struct page {
    struct buf *out;
    uint64_t limit;
    size_t begin, mark, before; /* before: where the last event begins */
    uint32_t count;
    uint64_t last; /* seq of the last one that stays */
};

/* The group that is asked about, and the page begun; NULL with the call's fault. */
static struct group *page_begin(struct call *call, struct page *page)
{
    const struct mp_token *name = &call->args[PAGE_GROUP].token;
    uint64_t limit = PAGE_LIMIT;
    if (read_number(call, &call->args[PAGE_LIMIT_ARG], "limit", 1, PAGE_MAX, &limit) < 0)
        return NULL;
    struct group *group = group_find(call->core, name->bytes, name->len);
    if (!group) {
        call_fault(call, CODE_UNKNOWN_GROUP, "group", "there is no such group");
        return NULL;
    }
    result_text(call, "group", group->name);
    result_key(call, "events");
    *page = (struct page){.out = call->out, .limit = limit, .begin = call->out->len};
    page->mark = mp_open(call->out);
    return group;
}

/* Whether another event has its place; what is written then is taken back if it does not fit. */
static bool page_next(struct page *page)
{
    page->before = page->out->len;
    return page->count < page->limit;
}

/* The event @seq was written. False: it is one too many, and gone again. */
static bool page_keep(struct page *page, uint64_t seq)
{
    if (page->count && page->out->len - page->begin > PAGE_BYTES && !page->out->failed) {
        page->out->len = page->before;
        return false;
    }
    page->count++;
    page->last = seq;
    return true;
}

/* @more: events are left for the next page. */
static void page_end(struct call *call, struct page *page, bool more)
{
    mp_close_array(page->out, page->mark, page->count);
    if (more)
        result_uint(call, "next", page->last);
}

static void put_text(struct buf *out, const char *key, const char *text)
{
    mp_put_text(out, key);
    mp_put_text(out, text);
}

static void put_number(struct buf *out, const char *key, uint64_t value)
{
    mp_put_text(out, key);
    mp_put_uint(out, value);
}

static void put_bool(struct buf *out, const char *key, bool value)
{
    mp_put_text(out, key);
    mp_put_bool(out, value);
}

static uint64_t left(uint64_t end_ms, uint64_t now_ms)
{
    return end_ms > now_ms ? end_ms - now_ms : 0;
}

/* Whether @job waits for its time, and not only for its turn. */
static bool is_delayed(const struct job *job)
{
    return job->lane->state == LANE_DELAYED && job == job->lane->head;
}

static void put_job(struct buf *out, const struct job *job, uint64_t now_ms)
{
    const struct stored_event *event = job->event;
    bool delayed = is_delayed(job);
    mp_put_map(out, 8 + 2 * (job->holder != NULL) + delayed);
    put_number(out, "seq", job->seq);
    mp_put_text(out, "event");
    mp_put_str(out, event->name, event->name_len);
    put_text(out, "conn", event->conn->id);
    put_number(out, "attempt", job->attempt);
    put_text(out, "state", job->holder ? "held" : delayed ? "delayed" : "waiting");
    put_bool(out, "suspect", job->is_suspect);
    if (job->holder) {
        put_text(out, "member", job->holder->id);
        put_number(out, "lease_ms", left(job->lease_end_ms, now_ms));
    }
    if (delayed)
        put_number(out, "due_ms", left(job->due_ms, now_ms));
    put_number(out, "age_ms", now_ms - event->accepted_ms);
    put_number(out, "bytes", stored_event_bytes(event));
}

int op_inspect(struct call *call)
{
    struct page page;
    const struct group *group = page_begin(call, &page);
    if (!group)
        return -1;
    const struct arg *after = &call->args[PAGE_AFTER];
    const struct job *job = group->jobs;
    while (job && after->given && job->seq <= after->token.uint)
        job = job->next;
    for (; job && page_next(&page); job = job->next) {
        put_job(call->out, job, call->core->now.mono_ms);
        if (!page_keep(&page, job->seq))
            break;
    }
    page_end(call, &page, job != NULL);
    return 0;
}

static void put_dead(struct buf *out, const struct dead *dead)
{
    mp_put_map(out, 8 + (dead->payload != NULL));
    put_number(out, "seq", dead->seq);
    put_text(out, "event", dead->event);
    put_text(out, "conn", dead->conn);
    put_text(out, "code", code_text(dead->code));
    put_text(out, "message", dead->message);
    put_number(out, "attempts", dead->attempts);
    put_number(out, "time_ms", dead->time_ms);
    put_number(out, "dead_ms", dead->dead_ms);
    if (dead->payload) {
        mp_put_text(out, "payload");
        buf_put(out, dead->payload->data, dead->payload->len);
    }
}

/* They stand in the order of their deaths. If the one where the last page ended has gone out, so have all
 * before it. */
static const struct dead *dead_after(const struct group *group, const struct arg *after)
{
    const struct dead *dead = after->given ? group->dead : NULL;
    while (dead && dead->seq != after->token.uint)
        dead = dead->next;
    return dead ? dead->next : group->dead;
}

int op_dead(struct call *call)
{
    struct page page;
    const struct group *group = page_begin(call, &page);
    if (!group)
        return -1;
    const struct dead *dead = dead_after(group, &call->args[PAGE_AFTER]);
    for (; dead && page_next(&page); dead = dead->next) {
        put_dead(call->out, dead);
        if (!page_keep(&page, dead->seq))
            break;
    }
    page_end(call, &page, dead != NULL);
    return 0;
}
