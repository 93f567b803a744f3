/* The client's turn: take what has come, call the functions, send their effects. */
#include <string.h>

#include "client.h"
#include "clock.h"
#include "member.h"
#include "verdict.h"
#include "wire/event_name.h"

/* Operations under way from which on functions are called meanwhile: fewer are answered before many events
 * have come. */
#define AHEAD_OPS 128

/* ---- Functions ---- */

static void tell_gap(struct sluice_client *client, const char *name, size_t len, uint64_t lost)
{
    char copy[EVENT_NAME_MAX + 2];

    if (lost == 0 || !client->on_gap || len >= sizeof(copy))
        return;
    memcpy(copy, name, len);
    copy[len] = '\0';
    client->is_in_function = true;
    client->on_gap(client, copy, lost, client->on_gap_arg);
    client->is_in_function = false;
}

static void call_function(struct sluice_client *client, const struct subscription *subscription,
                          struct sluice_event *event)
{
    int error;

    error_clear(&client->fault);
    client->is_in_function = true;
    error = subscription->fn(event, subscription->arg);
    client->is_in_function = false;
    client->function_calls++;
    if (error > 0)
        error_set(&event->fault, SLUICE_E_STATE,
                  "the function returned %d, which has no meaning without a group", error);
    verdict_take_error(event, error);
    event_close(event);
    if (event->fault.error)
        client_fail(client, &event->fault, event);
    if (event->fault.error || event->op_count == 0)
        event_free(event);
    else
        outbox_add(client, event);
}

/* ---- Messages ---- */

static bool is_subscribed(const struct sluice_client *client, const char *name, size_t len)
{
    for (size_t i = 0; i < client->subscription_count; i++) {
        const char *pattern = client->subscriptions[i].pattern;
        if (event_pattern_matches(pattern, strlen(pattern), name, len))
            return true;
    }
    return false;
}

/* {"payload": {"seq": {name: seq, ...}}}: how far each name has got. */
static void handle_alive(struct sluice_client *client, struct slice map)
{
    struct mp_reader r = mp_reader(map.bytes, map.len);
    struct mp_token token, seq;
    const char *name;
    size_t len;

    contact_alive(client);
    if (!mp_map_get(r, "payload", 7, &r) || !mp_map_get(r, "seq", 3, &r) || !mp_next(&r, &token) ||
        token.type != MP_MAP)
        return;
    for (uint32_t i = 0; i < token.count; i++) {
        if (!mp_str(&r, &name, &len) || !mp_next(&r, &seq) || seq.type != MP_UINT)
            return;
        if (is_subscribed(client, name, len))
            tell_gap(client, name, len, gaps_alive(&client->gaps, name, len, seq.uint));
    }
    gaps_base(&client->gaps);
}

static void handle_event(struct sluice_client *client, const char *name, const struct event_parts *parts)
{
    size_t len = strlen(name);
    bool is_first = true;

    /* A function may subscribe: the list may move and grow meanwhile. */
    for (size_t i = 0; i < client->subscription_count; i++) {
        struct subscription subscription = client->subscriptions[i];
        struct sluice_event *event;
        if (!event_pattern_matches(subscription.pattern, strlen(subscription.pattern), name, len))
            continue;
        event = event_new(client);
        if (!event ||
            !event_fill(event, client->taken, name, client->events_epoch, client->events_epoch_len, parts)) {
            client_log(client, 'w', "an event %s could not be read", name);
            if (event)
                event_free(event);
            return;
        }
        if (is_first)
            tell_gap(client, name, len, gaps_event(&client->gaps, name, len, event->seq));
        is_first = false;
        call_function(client, &subscription, event);
    }
}

/* The first message's map: {"v", "epoch", "events"}. False if it is not one. */
static bool open_packet(struct sluice_client *client)
{
    const struct packet *packet = client->taken;
    const uint8_t *zero = memchr(packet->body, '\0', packet->len);
    struct mp_pick epoch_and_events[] = {MP_PICK("epoch"), MP_PICK("events")};
    struct mp_token token;

    if (!zero || !mp_map_pick(mp_reader(zero + 1, packet->len - (size_t)(zero + 1 - packet->body)),
                              epoch_and_events, 2))
        return false;
    client->events = epoch_and_events[1].value;
    if (!mp_str(&epoch_and_events[0].value, &client->events_epoch, &client->events_epoch_len) ||
        !mp_next(&client->events, &token) || token.type != MP_ARRAY)
        return false;
    client->events_left = token.count;
    contact_epoch(client, client->events_epoch, client->events_epoch_len);
    return true;
}

static void drop_packet(struct sluice_client *client)
{
    struct packet *packet = client->taken;

    client->taken = packet->next;
    client->events_left = 0;
    packet_unref(packet);
}

/* Handle the next event of the first message. */
static void take_event(struct sluice_client *client)
{
    const char *name = (const char *)client->taken->body;
    struct event_parts parts;

    client->events_left--;
    if (!event_parse(&client->events, &parts)) {
        client_log(client, 'w', "a message of %s could not be read", name);
        client->events_left = 0;
        return;
    }
    if (strcmp(name, "@alive") == 0)
        handle_alive(client, parts.map);
    handle_event(client, name, &parts);
}

void client_dispatch(struct sluice_client *client)
{
    while (!outbox_full(client) && !atomic_load(&client->is_stopping)) {
        if (client->events_left > 0) {
            take_event(client);
            if (client->events_left == 0)
                drop_packet(client);
            continue;
        }
        if (!client->taken)
            client->taken = link_take(client->link);
        if (!client->taken)
            return;
        if (!open_packet(client)) {
            client_log(client, 'w', "a message could not be read");
            drop_packet(client);
        } else if (client->events_left == 0) {
            drop_packet(client);
        }
    }
}

/* ---- Turns ---- */

static int64_t client_members(struct sluice_client *client)
{
    bool is_stopping = atomic_load(&client->is_stopping);

    if (is_stopping && client->drain_end_ms == 0)
        client->drain_end_ms = clock_ms() + client->drain_ms;
    return member_step_all(client, is_stopping, client->drain_end_ms);
}

/* Functions are called while effects are under way only where those are many: of few, those that come in the
 * meantime had better go together. */
static bool may_dispatch(const struct sluice_client *client)
{
    if (client->is_running && client->outbox.sent >= AHEAD_OPS)
        return !outbox_full(client);
    return outbox_idle(&client->outbox);
}

/* One turn. Returns when the next is due, if nothing comes before. */
static int64_t client_turn(struct sluice_client *client)
{
    int64_t now = clock_ms();
    int64_t link_due = link_tend(client->link, now), contact_due = contact_step(client, now);
    int64_t outbox_due = outbox_step(client, now), member_due = client_members(client);

    if (may_dispatch(client)) {
        client_dispatch(client);
        outbox_due = outbox_step(client, clock_ms());
        if (client->taken && may_dispatch(client))
            return now; /* more is there */
    }
    return earlier(earlier(link_due, member_due), earlier(contact_due, outbox_due));
}

static int client_stopped(struct sluice_client *client)
{
    outbox_flush(client, clock_ms() + client->timeout_ms);
    atomic_store(&client->is_stopping, false);
    client->drain_end_ms = 0;
    member_reset_all(client);
    return error_set(&client->fault, SLUICE_E_STOPPED, "stopped");
}

int sluice_poll(sluice_client *client, int timeout_ms)
{
    int64_t deadline;
    int error;

    if (!client)
        return SLUICE_E_ARGUMENT;
    if (client->is_in_function)
        return error_set(&client->fault, SLUICE_E_STATE, "sluice_poll() inside a function that it called");
    error = client_need_link(client);
    if (error < 0)
        return error;
    deadline = timeout_ms < 0 ? CLOCK_NEVER : clock_ms() + timeout_ms;
    client->function_calls = 0;
    for (;;) {
        int64_t due;
        waker_clear(&client->waker); /* before looking: what comes later wakes again */
        due = client_turn(client);
        waker_arm(&client->waker, due);
        if (atomic_load(&client->is_stopping) && member_all(client, MEMBER_GONE))
            return client_stopped(client);
        if ((client->function_calls > 0 && outbox_idle(&client->outbox)) || clock_ms() >= deadline)
            return (int)client->function_calls;
        waker_wait(&client->waker, deadline);
    }
}

int sluice_run(sluice_client *client)
{
    int result;

    if (client)
        client->is_running = true;
    do
        result = sluice_poll(client, -1);
    while (result >= 0);
    if (client)
        client->is_running = false;
    return result == SLUICE_E_STOPPED ? 0 : result;
}

void sluice_stop(sluice_client *client)
{
    if (!client)
        return;
    atomic_store(&client->is_stopping, true);
    waker_wake(&client->waker);
}

int sluice_fd(sluice_client *client)
{
    int error;

    if (!client)
        return SLUICE_E_ARGUMENT;
    error = client_need_link(client);
    return error < 0 ? error : client->waker.epoll_fd;
}
