/* Operations that look into groups: inspect, dead. */

#include "core/conn.h"
#include "core/ops.h"
#include "core/pairs.h"
#include "core/stored_event.h"

#define PAGE_LIMIT 100 /* events of a page, unless `limit` says otherwise */
#define PAGE_MAX   1000
#define PAGE_BYTES (256 * 1024) /* a page ends when it has as many */

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
    if (call_number(call, &call->args[PAGE_LIMIT_ARG], "limit", 1, PAGE_MAX, &limit) < 0)
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
    put_pair(out, "conn", event->conn->id);
    put_number(out, "attempt", job->attempt);
    put_pair(out, "state", job->holder ? "held" : delayed ? "delayed" : "waiting");
    put_bool(out, "suspect", job->is_suspect);
    if (job->holder) {
        put_pair(out, "member", job->holder->id);
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
    put_pair(out, "event", dead->event);
    put_pair(out, "conn", dead->conn);
    put_pair(out, "code", code_text(dead->code));
    put_pair(out, "message", dead->message);
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
