#include "member.h"

#include <string.h>

#include "client.h"
#include "clock.h"
#include "reply.h"
#include "turn.h"

#define REFUSED_MS 5000 /* the pause after a refusal */
#define NOMEM_MS   100
#define LINK_MS    200
#define GOODBYE_MS 1000 /* what a member that is late waits for the reply to `leave` */

/* ---- Talk: to join, to leave, to extend ---- */

static void put_pair(struct buf *out, const char *key, const char *text)
{
    mp_put_text(out, key);
    mp_put_text(out, text);
}

static void put_number(struct buf *out, const char *key, unsigned number)
{
    if (number == 0)
        return;
    mp_put_text(out, key);
    mp_put_uint(out, number);
}

static void put_join(const struct group *group, struct buf *out)
{
    const struct group_options *options = &group->options;

    mp_put_map(out,
               3u + (options->per_conn != 0) + (options->lease_ms != 0) + (options->session_keys.len > 0));
    put_pair(out, "op", "join");
    put_pair(out, "group", options->group);
    mp_put_text(out, "events");
    mp_put_array(out, (uint32_t)group->function_count);
    for (size_t i = 0; i < group->function_count; i++)
        mp_put_text(out, group->functions[i].pattern);
    put_number(out, "per_conn", options->per_conn);
    put_number(out, "lease_ms", options->lease_ms);
    if (options->session_keys.len > 0) {
        mp_put_text(out, "session_keys");
        buf_put(out, options->session_keys.data, options->session_keys.len);
    }
}

/* Send what was written behind client_begin_request(). */
static bool talk_send(struct group *group, int64_t now_ms)
{
    struct sluice_client *client = group->client;

    if (client->request.failed ||
        link_request(client->link, group->talk_slot, client->request.data, client->request.len) < 0) {
        group->retry_ms = now_ms + NOMEM_MS;
        return false;
    }
    group->is_talking = true;
    group->talk_ms = now_ms + client->timeout_ms;
    return true;
}

static void talk_end(struct group *group)
{
    if (group->is_talking)
        link_finish(group->client->link, group->talk_slot);
    group->is_talking = false;
}

/* Whether the talk's reply is there: 1 with *@reply (until talk_end()), 0, or an error with @fault. */
static int talk_receive(struct group *group, struct reply *reply, struct sluice_fault *fault)
{
    struct sluice_client *client = group->client;
    const void *bytes;
    size_t len;
    int got = link_reply(client->link, group->talk_slot, &bytes, &len), error;

    if (got == 0)
        return 0;
    if (got < 0)
        return error_set(fault, SLUICE_E_SYSTEM, "a request could not be sent");
    error = reply_read(reply, bytes, len, group->talk_id, fault);
    if (reply->epoch)
        contact_epoch(client, reply->epoch, reply->epoch_len);
    return error < 0 ? error : 1;
}

/* ---- Joining ---- */

static bool open_slots(struct group *group, int64_t now_ms)
{
    struct sluice_client *client = group->client;
    enum link_slot slots[] = {group->talk_slot, group->turns[0].slot, group->turns[1].slot};

    for (unsigned i = 0; i < 3; i++) {
        if (link_open_slot(client->link, slots[i], &client->fault) == 0)
            continue;
        group->retry_ms = now_ms + (client->fault.error == SLUICE_E_NOMEM ? NOMEM_MS : REFUSED_MS);
        client_fail(client, &client->fault, NULL);
        return false;
    }
    return true;
}

static void join(struct group *group, int64_t now_ms)
{
    struct sluice_client *client = group->client;

    if (!open_slots(group, now_ms))
        return;
    client_begin_request(client, NULL, &group->talk_id);
    mp_put_array(&client->request, 2);
    contact_put_hello(client, &client->request);
    put_join(group, &client->request);
    if (talk_send(group, now_ms)) {
        group->state = MEMBER_JOINING;
        group->is_changed = false;
    }
}

static int take_member(struct group *group, const struct reply *reply, struct sluice_fault *fault)
{
    struct mp_reader results = reply->results, at, map;
    const uint8_t *raw;
    const char *text;
    size_t len, raw_len;
    struct mp_token token;
    int error = reply_result(&results, &raw, &raw_len, fault);

    if (error < 0)
        return error;
    contact_take_limits(&group->client->contact, mp_reader(raw, raw_len));
    error = reply_result(&results, &raw, &raw_len, fault);
    if (error < 0)
        return error;
    map = mp_reader(raw, raw_len);
    if (!mp_map_get(map, "member", 6, &at) || !mp_str(&at, &text, &len) || len >= sizeof(group->member) ||
        !reply->epoch || reply->epoch_len >= sizeof(group->epoch))
        return error_set(fault, SLUICE_E_PROTOCOL, "the broker does not name the member");
    memcpy(group->member, text, len);
    group->member[len] = '\0';
    memcpy(group->epoch, reply->epoch, reply->epoch_len);
    group->epoch[reply->epoch_len] = '\0';
    group->lease_ms = 30000;
    if (mp_map_get(map, "lease_ms", 8, &at) && mp_next(&at, &token) && token.type == MP_UINT &&
        token.uint <= 3600000)
        group->lease_ms = (int64_t)token.uint;
    return 0;
}

static void joining(struct group *group, int64_t now_ms)
{
    struct sluice_fault fault;
    struct reply reply;
    int got = talk_receive(group, &reply, &fault), error;

    if (got == 0)
        return;
    error = got < 0 ? got : take_member(group, &reply, &fault);
    talk_end(group);
    if (error < 0) {
        client_fail(group->client, &fault, NULL);
        group->state = MEMBER_OUT;
        group->retry_ms = now_ms + REFUSED_MS;
        return;
    }
    client_log(group->client, 'i', "group %s: joined %s as %s", group->options.group, group->client->address,
               group->member);
    group->state = MEMBER_IN;
    group->is_lost = false;
    group->pause_ms = 0;
}

/* Others have what it held. */
static void lose(struct group *group)
{
    talk_end(group);
    group_forget(group);
    turn_reset(group);
    group->is_lost = false;
    group->state = MEMBER_OUT;
}

/* ---- Leases ---- */

static bool is_due(const struct group *group, const struct sluice_event *event, int64_t now_ms)
{
    return now_ms - event->held.lease_ms > group->lease_ms / 3;
}

static uint32_t put_due(const struct group *group, struct held_list *list, struct buf *out, int64_t now_ms)
{
    uint32_t count = 0;

    for (struct sluice_event *event = list->first; event; event = event->held.next) {
        if (!is_due(group, event, now_ms))
            continue;
        mp_put_uint(out, event->seq);
        event->held.lease_ms = now_ms;
        count++;
    }
    return count;
}

/* What waits here, for its function or for those before it, waits through no fault of a function: its lease
 * is renewed. The oldest is first in each list, more or less. */
static void extend(struct group *group, int64_t now_ms)
{
    struct sluice_client *client = group->client;
    struct buf *out = &client->request;
    uint32_t count;
    size_t mark;

    if (!(group->waiting.first && is_due(group, group->waiting.first, now_ms)) &&
        !(group->finished.first && is_due(group, group->finished.first, now_ms)))
        return;
    client_begin_request(client, group->epoch, &group->talk_id);
    mp_put_array(out, 1);
    mp_put_map(out, 3);
    put_pair(out, "op", "extend");
    put_pair(out, "member", group->member);
    mp_put_text(out, "seqs");
    mark = mp_open(out);
    count = put_due(group, &group->waiting, out, now_ms);
    count += put_due(group, &group->finished, out, now_ms);
    mp_close_array(out, mark, count);
    talk_send(group, now_ms);
}

static void extending(struct group *group, int64_t now_ms)
{
    struct sluice_fault fault;
    struct reply reply;

    if (!group->is_talking)
        extend(group, now_ms);
    else if (talk_receive(group, &reply, &fault) != 0 || now_ms >= group->talk_ms)
        talk_end(group); /* what came of it the next turn tells */
}

/* ---- Leaving ---- */

static void leave(struct group *group, int64_t now_ms)
{
    struct sluice_client *client = group->client;
    struct buf *out = &client->request;

    talk_end(group);
    client_begin_request(client, group->epoch, &group->talk_id);
    mp_put_array(out, 1);
    mp_put_map(out, 2);
    put_pair(out, "op", "leave");
    put_pair(out, "member", group->member);
    if (talk_send(group, now_ms))
        group->state = MEMBER_LEAVING;
    else
        lose(group); /* it has left when its link ends */
}

/* The time to finish is over: what is held goes to others. */
static void leave_late(struct group *group, int64_t now_ms)
{
    client_log(group->client, 'w', "group %s: leaves with %u events that are not finished",
               group->options.group, group_held(group));
    group_forget(group);
    turn_reset(group);
    leave(group, now_ms);
    group->talk_ms = now_ms + GOODBYE_MS;
}

static void leaving(struct group *group, bool is_stopping, int64_t now_ms)
{
    struct sluice_fault fault;
    struct reply reply;

    if (talk_receive(group, &reply, &fault) == 0 && now_ms < group->talk_ms)
        return;
    lose(group);
    if (is_stopping)
        client_log(group->client, 'i', "group %s: left", group->options.group);
}

/* ---- All of it ---- */

/* A broker that cannot be reached has given to others what was held, or has ended. nng may tell of a link
 * only after the first replies have come over it, so it is given the time for that. */
static int64_t unreachable_from(const struct group *group)
{
    const struct sluice_client *client = group->client;

    return link_state(client->link).calls_up ? CLOCK_NEVER
                                             : client->drain_end_ms - client->drain_ms + LINK_MS;
}

/* When a member that stops gives up at the latest, as far as can be seen now. */
static int64_t stopping_until(const struct group *group, int64_t drain_ms)
{
    return earlier(drain_ms, unreachable_from(group));
}

static int64_t step_in(struct group *group, bool is_stopping, int64_t drain_ms, int64_t now_ms)
{
    bool is_ending;
    int64_t due;

    turn_receive(group, now_ms);
    if (group->is_lost) {
        lose(group);
        return now_ms;
    }
    if (is_stopping && now_ms >= drain_ms) {
        leave_late(group, now_ms);
        return now_ms;
    }
    group_work(group);
    is_ending =
        group->is_changed || atomic_load(&group->client->is_stopping); /* perhaps a function has said so */
    now_ms = clock_ms();
    due = turn_send(group, is_ending, now_ms);
    extending(group, now_ms);
    if (is_ending && turn_idle(group) && group_held(group) == 0) {
        leave(group, now_ms);
        return now_ms;
    }
    if (group->waiting.first)
        return now_ms;
    if (group->finished.first) /* behind what a function keeps */
        due = earlier(due, now_ms + group->lease_ms / 3);
    return is_stopping ? earlier(due, stopping_until(group, drain_ms)) : due;
}

/* When a member that has not joined wants to be looked at. */
static int64_t waiting_until(const struct group *group, bool is_stopping, int64_t drain_ms, int64_t now_ms)
{
    switch (group->state) {
    case MEMBER_OUT:
        return group->retry_ms > now_ms ? group->retry_ms : now_ms;
    case MEMBER_LEAVING:
        return is_stopping ? earlier(group->talk_ms, stopping_until(group, drain_ms)) : group->talk_ms;
    case MEMBER_JOINING:
        return is_stopping ? stopping_until(group, drain_ms) : CLOCK_NEVER;
    default:
        return CLOCK_NEVER;
    }
}

static int64_t step(struct group *group, bool is_stopping, int64_t drain_ms, int64_t now_ms)
{
    if (is_stopping && group->state != MEMBER_GONE &&
        (now_ms >= unreachable_from(group) || (group->state == MEMBER_JOINING && now_ms >= drain_ms)))
        lose(group);
    if (is_stopping && group->state == MEMBER_OUT)
        group->state = MEMBER_GONE;
    if (group->state == MEMBER_OUT) {
        if (now_ms < group->retry_ms)
            return group->retry_ms;
        join(group, now_ms);
    }
    if (group->state == MEMBER_JOINING)
        joining(group, now_ms);
    if (group->state == MEMBER_LEAVING)
        leaving(group, is_stopping, now_ms);
    if (group->state == MEMBER_IN)
        return step_in(group, is_stopping, drain_ms, now_ms);
    return waiting_until(group, is_stopping, drain_ms, now_ms);
}

int64_t member_step_all(struct sluice_client *client, bool is_stopping, int64_t drain_ms)
{
    int64_t due = CLOCK_NEVER;

    for (struct group *group = client->groups; group; group = group->next)
        due = earlier(due, step(group, is_stopping, drain_ms, clock_ms()));
    return due;
}

bool member_all(const struct sluice_client *client, enum member_state state)
{
    const struct group *group = client->groups;

    while (group && group->state == state)
        group = group->next;
    return !group;
}

void member_reset_all(struct sluice_client *client)
{
    for (struct group *group = client->groups; group; group = group->next)
        if (group->state == MEMBER_GONE)
            group->state = MEMBER_OUT;
}
