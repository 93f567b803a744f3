#include "verdict.h"

#include "client.h"
#include "wire/mp.h"

#define RETRY_MS    1000
#define TURN_BYTES  1024 /* of a turn: all beside what its entries say, and the key */
#define ENTRY_BYTES 64   /* of an entry: all beside its operations or its error */

void verdict_take_error(struct sluice_event *event, int result)
{
    const struct sluice_fault *last = &event->client->fault;

    if (event->fault.error || result >= 0)
        return;
    if (last->error == result)
        event->fault = *last;
    else
        error_set(&event->fault, result, "the function returned \"%s\"", sluice_strerror(result));
}

size_t verdict_bytes(const struct sluice_event *event)
{
    switch (event->held.verdict) {
    case VERDICT_DONE:
        return ENTRY_BYTES + event->ops.len;
    case VERDICT_REFUSED:
        return ENTRY_BYTES + event->refusal.len;
    default:
        return ENTRY_BYTES;
    }
}

unsigned verdict_ops(const struct sluice_event *event)
{
    return event->held.verdict == VERDICT_DONE ? event->op_count : 0;
}

static void check_result(struct sluice_event *event, int result)
{
    const struct sluice_client *client = event->client;

    if (event->fault.error || result < 0)
        verdict_take_error(event, result);
    else if (result > SLUICE_LATER)
        error_set(&event->fault, SLUICE_E_ARGUMENT, "the function returned %d, which has no meaning", result);
    else if (result == SLUICE_DONE && (TURN_BYTES + event->ops.len > outbox_max_bytes(client) ||
                                       TURN_BYTES + event->refusal.len > outbox_max_bytes(client) ||
                                       event->op_count > outbox_max_ops(client)))
        error_set(&event->fault, SLUICE_E_TOO_LARGE,
                  "%u operations with %zu bytes do not fit one request, and an event's effects are one step",
                  event->op_count, event->ops.len);
}

static void settle_retry(struct sluice_event *event, int pause_ms)
{
    event->held.verdict = VERDICT_RETRY;
    event->held.retry_ms = pause_ms;
}

static void settle_failed(struct sluice_event *event)
{
    struct buf *out = &event->refusal;

    buf_reset(out);
    mp_put_map(out, 2);
    mp_put_text(out, "code");
    mp_put_text(out, "failed");
    mp_put_text(out, "message");
    mp_put_text(out, event->fault.message);
    if (out->failed)
        settle_retry(event, RETRY_MS);
    else
        event->held.verdict = VERDICT_REFUSED;
    client_fail(event->client, &event->fault, event);
}

void verdict_settle(struct sluice_event *event, int result)
{
    check_result(event, result);
    event_close(event);
    if (error_is_temporary(event->fault.error)) {
        client_log(event->client, 'w', "an event %s comes again in %d ms: %s", event->name, RETRY_MS,
                   event->fault.message);
        settle_retry(event, RETRY_MS);
    } else if (event->fault.error) {
        settle_failed(event);
    } else if (result == SLUICE_RETRY) {
        settle_retry(event, event->held.has_retry_ms ? event->held.retry_ms : RETRY_MS);
    } else {
        event->held.verdict = event->op_count == 0 && event->refusal.len > 0 ? VERDICT_REFUSED : VERDICT_DONE;
    }
}

void verdict_put(const struct sluice_event *event, struct buf *out)
{
    mp_put_map(out, 2);
    mp_put_text(out, "seq");
    mp_put_uint(out, event->seq);
    switch (event->held.verdict) {
    case VERDICT_DONE:
        mp_put_text(out, "ops");
        mp_put_array(out, event->op_count);
        buf_put(out, event->ops.data, event->ops.len);
        return;
    case VERDICT_REFUSED:
        mp_put_text(out, "error");
        buf_put(out, event->refusal.data, event->refusal.len);
        return;
    case VERDICT_RETRY:
        mp_put_text(out, "retry_ms");
        mp_put_uint(out, (uint64_t)event->held.retry_ms);
    }
}
