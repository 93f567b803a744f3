/* What functions of members say beside their return value. */
#include <inttypes.h>
#include <stdio.h>

#include "call.h"
#include "client.h"
#include "group.h"

#define RETRY_MAX_MS 3600000

int sluice_retry(sluice_event *event, int retry_ms)
{
    if (!event)
        return SLUICE_E_ARGUMENT;
    event->held.retry_ms = retry_ms < 0 ? 0 : retry_ms > RETRY_MAX_MS ? RETRY_MAX_MS : retry_ms;
    event->held.has_retry_ms = true;
    return SLUICE_RETRY;
}

static int not_held(struct sluice_event *event)
{
    return error_set(&event->client->fault, SLUICE_E_LEASE_EXPIRED,
                     "the event %s is not held any more: it comes again, here or elsewhere", event->name);
}

int sluice_finish(sluice_event *event, int result)
{
    struct sluice_client *client;
    int error;

    if (!event)
        return SLUICE_E_ARGUMENT;
    client = event->client;
    if (result == SLUICE_LATER)
        return error_set(&client->fault, SLUICE_E_ARGUMENT, "sluice_finish: SLUICE_LATER finishes nothing");
    switch (event->held.hold) {
    case HOLD_RUNNING:
        event->held.is_finished_inside = true;
        event->held.result_inside = result;
        return 0;
    case HOLD_LATER:
        held_remove(event);
        group_finish(event, result);
        waker_wake(&client->waker);
        return 0;
    case HOLD_LOST:
        error = not_held(event);
        event_free(event);
        return error;
    default:
        return error_set(&client->fault, SLUICE_E_STATE,
                         "sluice_finish: not an event that a function of a group keeps");
    }
}

int sluice_extend(sluice_event *event)
{
    int error = event_check(event);

    if (error < 0)
        return error;
    if (event->held.hold == HOLD_LOST)
        return not_held(event);
    if (event->held.hold != HOLD_RUNNING && event->held.hold != HOLD_LATER)
        return error_set(&event->client->fault, SLUICE_E_STATE, "sluice_extend: not an event of a group");
    return call_extend(event);
}

/* ---- Accessors ---- */

unsigned sluice_event_attempt(const sluice_event *event)
{
    return event ? event->held.attempt : 0;
}

const char *sluice_event_key(sluice_event *event)
{
    char key[EVENT_EPOCH_MAX + GROUP_NAME_MAX + 24];
    const char *copy;
    int len;

    if (!event || !event->held.group)
        return "";
    len = snprintf(key, sizeof(key), "%s/%s/%" PRIu64, event->epoch, event->held.group->options.group,
                   event->seq);
    copy = arena_text(&event->arena, key, (size_t)len);
    return copy ? copy : "";
}
