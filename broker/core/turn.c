#include "core/turn.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/pairs.h"
#include "core/stored_event.h"
#include "core/turn_entry.h"

#define EVENTS_WAIT 20000 /* ms, where a turn says nothing */
#define EVENTS_WANT 64    /* likewise */
#define PAUSE_MS    1000

unsigned turn_max_entries(const struct core_options *options)
{
    /* If all fail, the reply has room for them and for as many bytes of events. */
    size_t fit = options->max_request_bytes / 2 / TURN_FAILED_MIN;
    return fit < TURN_ENTRIES_MAX ? (unsigned)fit : TURN_ENTRIES_MAX;
}

/* A turn, checked. */
struct turn {
    const struct request *request;
    uint64_t number;
    uint64_t fingerprint; /* of its `done` */
    struct entries entries;
    unsigned max;
    uint64_t wait_ms;
};

/* -- the reply ----------------------------------------------------------------------------------------- */

/* What a reply says beside its events. */
struct telling {
    uint64_t ticket;
    uint64_t id;
    bool has_id;
    bool is_released; /* some of the turn's events are no longer held */
    bool is_pausing;
};

/* The jobs handed out to @member in its last turn that it still holds, in @jobs. */
static unsigned collect(const struct member *member, struct job *jobs[TURN_EVENTS_MAX])
{
    unsigned count = 0;
    for (struct job *job = member->held; job && count < TURN_EVENTS_MAX; job = job->held_next) {
        if (job->turn == member->turn)
            jobs[count++] = job;
    }
    return count;
}

static int by_seq(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;
    return ((*x)->seq > (*y)->seq) - ((*x)->seq < (*y)->seq);
}

/* The order in which they came is that of each connection. They are held in the order of their leases, which
 * mostly is the same. */
static void sort(struct job **jobs, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        if (jobs[i]->seq < jobs[i - 1]->seq) {
            qsort(jobs, count, sizeof(jobs[0]), by_seq);
            return;
        }
    }
}

/* All but the values of `events`, of which there are @count. */
static void put_head(struct core *core, const struct member *member, const struct telling *telling,
                     unsigned count)
{
    struct buf *out = &core->reply;
    mp_put_map(out, 5 + telling->has_id + telling->is_released + telling->is_pausing);
    put_number(out, "v", 1);
    if (telling->has_id)
        put_number(out, "id", telling->id);
    mp_put_text(out, "epoch");
    mp_put_text(out, core->options.epoch);
    put_number(out, "turn", member->turn);
    if (telling->is_released) {
        mp_put_text(out, "released");
        mp_put_bool(out, true);
    }
    if (telling->is_pausing)
        put_number(out, "pause_ms", PAUSE_MS);
    mp_put_text(out, "failed");
    if (member->failed)
        buf_put(out, member->failed->data, member->failed->len);
    else
        mp_put_array(out, 0);
    mp_put_text(out, "events");
    mp_put_array(out, count);
}

/* The whole reply. Returns how many of the @count events it has room for: fewer, then it is no reply yet. */
static unsigned put_reply(struct core *core, const struct member *member, const struct telling *telling,
                          struct job *const *jobs, unsigned count)
{
    struct buf *out = &core->reply;
    size_t begin = out->len;
    put_head(core, member, telling, count);
    for (unsigned i = 0; i < count; i++) {
        stored_event_put(jobs[i]->event, jobs[i]->seq, jobs[i]->attempt, member->keys, out);
        if (out->failed || out->len - begin > core->options.max_request_bytes)
            return i;
    }
    return count;
}

/* Jobs that do not fit the reply: the member has not seen them, so this was no attempt. One that fits no
 * reply at all would come for ever. */
static void give_back(struct core *core, const struct member *member, struct job *const *jobs, unsigned from,
                      unsigned count)
{
    bool fits_none = from == 0 && !core->reply.failed && !member->failed;
    for (unsigned i = count; i-- > from;) {
        if (i == 0 && fits_none)
            job_bury(jobs[i], CODE_REPLY_TOO_LARGE, "the event with its session does not fit a reply");
        else
            job_return(jobs[i], JOB_STALE, 0, "the reply had no room for it");
    }
}

/* Send the reply with these jobs, or with the first of them that fit. Other requests' results may stand in
 * core->reply already (of one that ends a member): it is written behind them, and cut off again. */
static void send(struct core *core, struct member *member, const struct telling *telling,
                 struct job *const *jobs, unsigned count)
{
    struct buf *out = &core->reply;
    size_t begin = out->len;
    bool had_failed = out->failed;
    out->failed = false;
    for (unsigned fit; (fit = put_reply(core, member, telling, jobs, count)) < count; count = fit) {
        give_back(core, member, jobs, fit, count);
        out->len = begin;
        out->failed = false;
    }
    member->given = count;
    request_reply(core, telling->ticket, begin);
    out->len = begin;
    out->failed = had_failed;
}

void turn_reply(struct core *core, struct member *member, bool pause)
{
    const struct telling telling = {
        .ticket = member->ticket,
        .id = member->request_id,
        .has_id = member->has_request_id,
        .is_pausing = pause,
    };
    struct job *jobs[TURN_EVENTS_MAX];
    unsigned count = collect(member, jobs);
    sort(jobs, count);
    member->is_asking = false;
    DL_DELETE2(member->group->asking, member, ask_prev, ask_next);
    member->group->asking_count--;
    timer_stop(&core->timers, &member->wait);
    send(core, member, &telling, jobs, count);
    member_arm(member);
}

/* -- asking -------------------------------------------------------------------------------------------- */

/* Its time is over: groups_serve() replies, with what there is. */
static void wait_fire(struct timer *timer, void *arg)
{
    struct member *member = (struct member *)(void *)((char *)timer - offsetof(struct member, wait));
    (void)arg;
    group_wake(member->group);
}

/* Reply to @request when there are events, or at @until_ms. */
static void ask(struct core *core, struct member *member, const struct request *request, uint64_t ticket,
                uint64_t until_ms)
{
    struct group *group = member->group;
    if (!member->is_asking) {
        DL_APPEND2(group->asking, member, ask_prev, ask_next);
        group->asking_count++;
    }
    member->is_asking = true;
    member->ticket = ticket;
    member->request_id = request->id;
    member->has_request_id = request->has_id;
    member->ask_until_ms = until_ms;
    group_wake(group);
    if (until_ms <= core->now.mono_ms)
        return;
    bool may_wait = core->effects.may_wait(core->effects.arg, ticket);
    if (may_wait && timer_start(&core->timers, &member->wait, until_ms, wait_fire) == 0) {
        member_arm(member);
        return;
    }
    /* What there is already it gets. */
    groups_serve(core);
    if (member->is_asking)
        turn_reply(core, member, true);
}

/* -- turns --------------------------------------------------------------------------------------------- */

static int out_of_range(struct fault *fault, const char *key, uint64_t min, uint64_t max)
{
    const struct place at = place_key(NULL, key, strlen(key));
    return fault_set(fault, CODE_BAD_ARGUMENT, &at, "this must be from %llu to %llu", (unsigned long long)min,
                     (unsigned long long)max);
}

static int turn_read(const struct core *core, struct turn *turn, const struct request *request,
                     struct fault *fault)
{
    const struct arg *max = request->max, *wait = request->wait_ms;
    const struct place at_turn = place_key(NULL, "turn", 4);
    if (!request->turn->given)
        return fault_set(fault, CODE_BAD_ARGUMENT, &at_turn, "this key is missing");
    if (max->given && max->token.uint > TURN_EVENTS_MAX)
        return out_of_range(fault, "max", 0, TURN_EVENTS_MAX);
    if (wait->given && wait->token.uint > TURN_WAIT_MAX)
        return out_of_range(fault, "wait_ms", 0, TURN_WAIT_MAX);
    turn->request = request;
    turn->number = request->turn->token.uint;
    turn->fingerprint = hash_fingerprint(core->options.seed, request->done->raw, request->done->len);
    turn->max = max->given ? (unsigned)max->token.uint : EVENTS_WANT;
    turn->wait_ms = wait->given ? wait->token.uint : EVENTS_WAIT;
    return entries_check(core, request->done, &turn->entries, fault);
}

/* The member that the turn is of, if the client is its own. */
static struct member *find_member(struct core *core, const struct request *request, struct fault *fault)
{
    const struct mp_token *id = &request->member->token;
    struct member *member = member_find(core, id->bytes, id->len);
    if (member && member->client_len == request->client_len &&
        memcmp(member->client, request->client, request->client_len) == 0)
        return member;
    fault_set(fault, CODE_UNKNOWN_MEMBER, NULL, "this client has no such member, or it has ended: join anew");
    return NULL;
}

/* Nothing is applied any more. */
static void repeat(struct core *core, struct member *member, const struct turn *turn, uint64_t ticket)
{
    uint64_t until_ms = core->now.mono_ms + turn->wait_ms;
    core->counters->requests_repeated++;
    if (member->is_asking) {
        core->effects.abandon(core->effects.arg, member->ticket);
        ask(core, member, turn->request, ticket,
            until_ms < member->ask_until_ms ? until_ms : member->ask_until_ms);
        return;
    }
    struct job *jobs[TURN_EVENTS_MAX];
    unsigned given = member->given, count = collect(member, jobs);
    struct telling telling = {.ticket = ticket,
                              .id = turn->request->id,
                              .has_id = turn->request->has_id,
                              .is_released = count < given};
    sort(jobs, count);
    send(core, member, &telling, jobs, telling.is_released ? 0 : count);
    if (telling.is_released)
        member->given = given; /* and so it stays */
}

static int run_new(struct core *core, struct member *member, const struct turn *turn, uint64_t ticket,
                   struct fault *fault)
{
    struct turn_failed failed;
    if (turn_failed_init(&failed, turn->entries.count, core->options.max_request_bytes / 2) < 0)
        return fault_set(fault, CODE_OVERLOADED, NULL, "the broker is out of memory");
    if (member->is_asking)
        turn_reply(core, member, false);
    blob_unref(member->failed);
    member->failed = NULL;
    member->turn = turn->number;
    member->fingerprint = turn->fingerprint;
    member->given = 0;
    member->max = turn->max;
    entries_apply(core, turn->request, member, &turn->entries, &failed);
    member->failed = turn_failed_take(&failed);
    /* What failed is told at once. */
    ask(core, member, turn->request, ticket, core->now.mono_ms + (member->failed ? 0 : turn->wait_ms));
    return 0;
}

int turn_run(struct core *core, const struct request *request, uint64_t ticket, uint64_t *last,
             struct fault *fault)
{
    struct turn turn;
    if (turn_read(core, &turn, request, fault) < 0)
        return -1;
    struct member *member = find_member(core, request, fault);
    *last = member ? member->turn : 0;
    if (!member)
        return -1;
    bool is_next = turn.number == member->turn + 1;
    bool is_repeat = turn.number && turn.number == member->turn && turn.fingerprint == member->fingerprint;
    if (!is_next && !is_repeat)
        return fault_set(fault, CODE_BAD_TURN, NULL,
                         turn.number == member->turn && turn.number
                             ? "turn %llu had other entries"
                             : "this is neither the next turn nor a repeat; the last one was %llu",
                         (unsigned long long)member->turn);
    member_heard(member, request->caller.link, request->caller.pid, request->caller.is_tcp);
    if (is_next)
        return run_new(core, member, &turn, ticket, fault);
    repeat(core, member, &turn, ticket);
    return 0;
}
