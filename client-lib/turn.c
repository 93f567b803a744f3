#include "turn.h"

#include <string.h>

#include "client.h"
#include "clock.h"
#include "reply.h"
#include "verdict.h"

#define WAIT_MS     20000 /* an idle member asks this often */
#define AGAIN_MS    100   /* memory was refused */
#define OVERTOOK_MS 2     /* the turn before had not got there */
#define PAUSE_MS    1000  /* the broker gave nothing and did not wait */
#define HEAD_MAX    512   /* bytes of a turn: all beside its entries and the key */

static struct turn *other_turn(struct group *group, const struct turn *turn)
{
    return &group->turns[turn == &group->turns[0]];
}

static struct turn *turn_with(struct group *group, int is_free)
{
    for (unsigned i = 0; i < 2; i++)
        if ((group->turns[i].state == TURN_FREE) == is_free)
            return &group->turns[i];
    return NULL;
}

bool turn_idle(const struct group *group)
{
    return group->turns[0].state == TURN_FREE && group->turns[1].state == TURN_FREE;
}

static void turn_forget_events(struct turn *turn)
{
    while (turn->events.first)
        event_free(turn->events.first);
}

static void turn_end(struct turn *turn)
{
    turn_forget_events(turn);
    turn->state = TURN_FREE;
}

void turn_reset(struct group *group)
{
    for (unsigned i = 0; i < 2; i++) {
        if (group->turns[i].state == TURN_OUT)
            link_finish(group->client->link, group->turns[i].slot);
        turn_end(&group->turns[i]);
    }
    group->turn_number = 0;
}

/* ---- What we say ---- */

/* Move events that are finished into the turn, as many as one request carries. Returns whether that is all.
 */
static bool turn_collect(struct group *group, struct turn *turn)
{
    const struct sluice_client *client = group->client;
    size_t bytes = 0, max_bytes = outbox_max_bytes(client);
    unsigned ops = 0;
    struct sluice_event *event = held_sendable(&group->finished, NULL), *next;

    max_bytes = max_bytes > HEAD_MAX ? max_bytes - HEAD_MAX : 0;
    for (; event; event = next ? held_sendable(&group->finished, next) : NULL) {
        bytes += verdict_bytes(event);
        ops += verdict_ops(event);
        if (turn->events.count >= client->contact.limits.max_entries ||
            (turn->events.count > 0 && (bytes > max_bytes || ops > outbox_max_ops(client))))
            return false;
        held_unchain(event);
        next = event->held.next;
        held_remove(event);
        event->held.hold = HOLD_SENT;
        held_append(&turn->events, event);
    }
    return true;
}

/* Write the turn in client->request. The same events give the same `done`. */
static void turn_write(struct group *group, struct turn *turn)
{
    struct sluice_client *client = group->client;
    struct buf *out = &client->request;

    client_begin_head(client, group->epoch, 5, &turn->id);
    mp_put_text(out, "member");
    mp_put_text(out, group->member);
    mp_put_text(out, "turn");
    mp_put_uint(out, turn->number);
    mp_put_text(out, "max");
    mp_put_uint(out, turn->max);
    mp_put_text(out, "wait_ms");
    mp_put_uint(out, turn->waits ? WAIT_MS : 0);
    mp_put_text(out, "done"); /* last: what stands there is passed over once less */
    mp_put_array(out, turn->events.count);
    for (const struct sluice_event *event = turn->events.first; event; event = event->held.next)
        verdict_put(event, out);
}

static void turn_go(struct group *group, struct turn *turn, int64_t now_ms)
{
    struct sluice_client *client = group->client;

    turn_write(group, turn);
    if (client->request.failed ||
        link_request(client->link, turn->slot, client->request.data, client->request.len) < 0) {
        turn->state = TURN_AGAIN;
        turn->again_ms = now_ms + AGAIN_MS;
        return;
    }
    turn->overlaps = other_turn(group, turn)->state != TURN_FREE;
    turn->state = TURN_OUT;
    turn->sent_ms = now_ms;
    turn->deadline_ms = now_ms + (turn->waits ? WAIT_MS : 0) + client->timeout_ms;
}

/* Whether there is a reason for a turn, with @out on its way (may be NULL). */
static bool turn_is_due(const struct group *group, const struct turn *out, bool is_ending, int64_t now_ms)
{
    if (out && (out->state == TURN_AGAIN || !out->waits))
        return false; /* its reply comes soon */
    if (held_sendable(&group->finished, NULL))
        return true;
    if (is_ending) /* to end its wait, if none behind it has */
        return out && out->number == group->turn_number;
    return !out && now_ms >= group->pause_ms && group_wants(group) > group_held(group);
}

static void turn_begin(struct group *group, struct turn *turn, bool is_ending, int64_t now_ms)
{
    bool is_all = turn_collect(group, turn);

    turn->number = ++group->turn_number;
    turn->waits = is_all && !is_ending && now_ms >= group->pause_ms;
    turn->max = turn->waits ? group_wants(group) : 0;
    turn_go(group, turn, now_ms);
}

int64_t turn_send(struct group *group, bool is_ending, int64_t now_ms)
{
    struct turn *free_one, *out = turn_with(group, false);
    int64_t due = CLOCK_NEVER;

    for (unsigned i = 0; i < 2; i++)
        if (group->turns[i].state == TURN_AGAIN && now_ms >= group->turns[i].again_ms)
            turn_go(group, &group->turns[i], now_ms);
    free_one = turn_with(group, true);
    if (free_one && turn_is_due(group, out, is_ending, now_ms))
        turn_begin(group, free_one, is_ending, now_ms);
    for (unsigned i = 0; i < 2; i++) {
        const struct turn *turn = &group->turns[i];
        if (turn->state != TURN_FREE)
            due = earlier(due, turn->state == TURN_OUT ? turn->deadline_ms : turn->again_ms);
    }
    if (now_ms < group->pause_ms && turn_idle(group))
        due = earlier(due, group->pause_ms);
    return due;
}

/* ---- What we hear ---- */

/* An entry was refused: the event is not done, or dead. */
static void heard_failed(struct group *group, struct turn *turn, const struct failed_entry *failed)
{
    struct sluice_client *client = group->client;
    struct sluice_event *event = held_find(&turn->events, failed->seq);

    if (!event)
        return;
    if (failed->is_again && group->options.per_conn > 1)
        group_forget_conn(group, event->conn);
    if (failed->fault.error == SLUICE_E_STALE || failed->fault.error == SLUICE_E_LEASE_EXPIRED)
        client_log(client, 'i', "group %s: an event %s was not finished: %s", group->options.group,
                   event->name, failed->fault.message);
    else
        client_fail(client, &failed->fault, event);
}

static void turn_heard(struct group *group, struct turn *turn, struct packet *packet,
                       struct turn_reply *reply, int64_t now_ms)
{
    bool is_last = turn->number == group->turn_number;
    struct failed_entry failed;

    for (uint32_t i = 0; i < reply->failed_count && turn_reply_failed(&reply->failed, &failed); i++)
        heard_failed(group, turn, &failed);
    if (reply->is_released) {
        client_log(group->client, 'i', "group %s: what it held was given to others", group->options.group);
        group->is_lost = true;
    } else {
        group_take(group, packet, reply->events, reply->event_count);
    }
    if (reply->pause_ms > 0)
        group->pause_ms = now_ms + reply->pause_ms;
    else if (is_last && turn->waits && reply->event_count == 0 && reply->failed_count == 0 &&
             now_ms - turn->sent_ms < WAIT_MS / 2)
        group->pause_ms = now_ms + PAUSE_MS;
    turn_end(turn);
}

/* Nothing of the turn was applied. The broker may know of a newer one, when a repeat of this one came behind
 * that: then it was, and the events that it was given nobody has seen. */
static void turn_refused(struct group *group, struct turn *turn, uint64_t last_turn,
                         const struct sluice_fault *fault, int64_t now_ms)
{
    const struct turn *other = other_turn(group, turn);

    turn->state = TURN_AGAIN;
    turn->again_ms = now_ms + AGAIN_MS;
    if (fault->error == SLUICE_E_BAD_TURN && turn->overlaps && last_turn < turn->number) {
        turn->again_ms = now_ms + (other->state == TURN_FREE ? 0 : OVERTOOK_MS);
        client_log(group->client, 'd', "group %s: turn %llu was faster than the one before",
                   group->options.group, (unsigned long long)turn->number);
    } else if (error_is_temporary(fault->error) && fault->error != SLUICE_E_NEW_EPOCH &&
               fault->error != SLUICE_E_UNKNOWN_MEMBER) {
        turn->again_ms = now_ms + PAUSE_MS;
    } else {
        if (fault->error != SLUICE_E_NEW_EPOCH && fault->error != SLUICE_E_UNKNOWN_MEMBER) {
            client_fail(group->client, fault, NULL);
            group->retry_ms = now_ms + 5 * PAUSE_MS;
        }
        client_log(group->client, 'i', "group %s: not a member any more: %s", group->options.group,
                   fault->message);
        group->is_lost = true;
    }
}

static void turn_take_packet(struct group *group, struct turn *turn, struct packet *packet, int64_t now_ms)
{
    struct turn_reply reply;
    struct sluice_fault fault;
    int error = turn_reply_read(&reply, packet->body, packet->len, turn->id, &fault);

    if (reply.epoch)
        contact_epoch(group->client, reply.epoch, reply.epoch_len);
    if (error < 0)
        turn_refused(group, turn, reply.last_turn, &fault, now_ms);
    else
        turn_heard(group, turn, packet, &reply, now_ms);
}

/* A link that says nothing is dead. nng repeats the turn over the next one. */
static void turn_late(struct group *group, struct turn *turn, int64_t now_ms)
{
    struct sluice_client *client = group->client;

    if (link_state(client->link).calls_up) {
        client_log(client, 'w', "group %s: no reply to a turn: connecting anew", group->options.group);
        link_drop(client->link);
    }
    turn->deadline_ms = now_ms + client->timeout_ms;
}

static void turn_receive_one(struct group *group, struct turn *turn, int64_t now_ms)
{
    struct packet *packet;
    int got = link_take_reply(group->client->link, turn->slot, &packet);

    if (got > 0) {
        turn_take_packet(group, turn, packet, now_ms);
        packet_unref(packet);
    } else if (got == SLUICE_E_SYSTEM) {
        link_finish(group->client->link, turn->slot);
        turn->state = TURN_AGAIN;
        turn->again_ms = now_ms + PAUSE_MS;
    } else if (got == 0 && now_ms >= turn->deadline_ms) {
        turn_late(group, turn, now_ms);
    } else if (got < 0) {
        turn->deadline_ms = now_ms + AGAIN_MS;
    }
}

/* Whether the broker has accepted the turn: it has the ones before, too. */
static bool is_accepted(const struct group *group, const struct turn *turn)
{
    struct sluice_fault fault;
    struct turn_reply reply;
    const void *bytes;
    size_t len;

    return link_reply(group->client->link, turn->slot, &bytes, &len) > 0 &&
           turn_reply_read(&reply, bytes, len, turn->id, &fault) == 0;
}

void turn_receive(struct group *group, int64_t now_ms)
{
    struct turn *newer = &group->turns[group->turns[0].number < group->turns[1].number];
    struct turn *older = other_turn(group, newer);

    if (older->state == TURN_OUT)
        turn_receive_one(group, older, now_ms);
    /* Replies can overtake each other. The newer one's events come after the older one's, and when that says
     * that events come again, it does not mean those: so it waits. */
    if (newer->state == TURN_OUT && (older->state != TURN_OUT || !is_accepted(group, newer)))
        turn_receive_one(group, newer, now_ms);
}
