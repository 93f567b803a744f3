#include "outbox.h"

#include <string.h>

#include "client.h"
#include "clock.h"
#include "reply.h"

#define HEAD_BYTES 256 /* of a request: all beside its operations and the key */

unsigned outbox_max_ops(const struct sluice_client *client)
{
    return client->contact.limits.max_ops;
}

size_t outbox_max_bytes(const struct sluice_client *client)
{
    size_t head = HEAD_BYTES + (client->key ? strlen(client->key) : 0),
           max = client->contact.limits.max_request_bytes;

    return max > head ? max - head : 0;
}

bool outbox_idle(const struct outbox *outbox)
{
    return !outbox->first && !outbox->is_busy;
}

bool outbox_full(const struct sluice_client *client)
{
    const struct outbox *outbox = &client->outbox;
    unsigned sent = outbox->is_busy ? outbox->sent : 0;
    size_t sent_bytes = outbox->is_busy ? outbox->sent_bytes : 0;

    return outbox->ops - sent >= outbox_max_ops(client) ||
           outbox->bytes - sent_bytes >= outbox_max_bytes(client);
}

void outbox_add(struct sluice_client *client, struct sluice_event *event)
{
    struct outbox *outbox = &client->outbox;

    event->next = NULL;
    if (outbox->last)
        outbox->last->next = event;
    else
        outbox->first = event;
    outbox->last = event;
    outbox->ops += event->op_count;
    outbox->bytes += event->ops.len;
}

static struct sluice_event *outbox_pop(struct outbox *outbox)
{
    struct sluice_event *event = outbox->first;

    outbox->first = event->next;
    if (!outbox->first)
        outbox->last = NULL;
    event->next = NULL;
    return event;
}

/* ---- Results ---- */

/* @count of the first event's operations have their result. Frees the event when it was the last. */
static void outbox_advance(struct sluice_client *client, unsigned count)
{
    struct outbox *outbox = &client->outbox;
    struct sluice_event *event = outbox->first;
    size_t before = event->done_bytes;
    struct mp_reader r = mp_reader(event->ops.data + before, event->ops.len - before);

    event->result_count += count;
    outbox->ops -= count;
    if (event->result_count == event->op_count) {
        outbox->bytes -= event->ops.len - before;
        event_free(outbox_pop(outbox));
        return;
    }
    while (count-- > 0)
        mp_skip(&r);
    event->done_bytes = (size_t)(r.at - event->ops.data);
    outbox->bytes -= event->done_bytes - before;
}

/* None of the operations under way has a result: each event hears it once. */
static void outbox_fail(struct sluice_client *client, const struct sluice_fault *fault)
{
    struct outbox *outbox = &client->outbox;

    while (outbox->sent > 0) {
        struct sluice_event *event = outbox->first;
        unsigned left = event->op_count - event->result_count;
        unsigned count = left < outbox->sent ? left : outbox->sent;
        outbox->sent -= count;
        client_fail(client, fault, event);
        outbox_advance(client, count);
    }
}

static void outbox_results(struct sluice_client *client, struct mp_reader results)
{
    struct outbox *outbox = &client->outbox;
    struct sluice_fault fault;
    const uint8_t *raw;
    size_t len;

    while (outbox->sent > 0) {
        struct sluice_event *event = outbox->first;
        unsigned left = event->op_count - event->result_count;
        unsigned count = left < outbox->sent ? left : outbox->sent;
        for (unsigned i = 0; i < count; i++) {
            if (reply_result(&results, &raw, &len, &fault) == 0)
                continue;
            fault_renumber(&fault, event->result_count + i);
            client_fail(client, &fault, event);
        }
        outbox->sent -= count;
        outbox_advance(client, count);
    }
}

static void outbox_reply(struct sluice_client *client, const void *bytes, size_t len)
{
    struct sluice_fault fault;
    struct reply reply;
    int error = reply_read(&reply, bytes, len, client->outbox.id, &fault);

    if (reply.epoch)
        contact_epoch(client, reply.epoch, reply.epoch_len);
    if (error == 0 && reply.count != client->outbox.sent)
        error = error_set(&fault, SLUICE_E_PROTOCOL, "the broker gave %u results for %u operations",
                          (unsigned)reply.count, client->outbox.sent);
    if (error < 0)
        outbox_fail(client, &fault);
    else
        outbox_results(client, reply.results);
}

/* ---- Requests ---- */

static bool same_epoch(const struct sluice_event *a, const struct sluice_event *b)
{
    return strcmp(a->epoch, b->epoch) == 0;
}

/* Append what of @event's operations fits into @fits bytes. Returns how many. */
static unsigned outbox_put(struct buf *request, const struct sluice_event *event, unsigned room, size_t fits)
{
    const uint8_t *start = event->ops.data + event->done_bytes;
    struct mp_reader r = mp_reader(start, event->ops.len - event->done_bytes);
    unsigned left = event->op_count - event->result_count, count = 0;
    const uint8_t *end = start;

    if (left <= room && event->ops.len - event->done_bytes <= fits) {
        buf_put(request, start, event->ops.len - event->done_bytes);
        return left;
    }
    while (count < left && count < room && mp_skip(&r) && (size_t)(r.at - start) <= fits) {
        end = r.at;
        count++;
    }
    buf_put(request, start, (size_t)(end - start));
    return count;
}

/* Put as many operations into one request as fit, of events of one epoch. */
static void outbox_build(struct sluice_client *client)
{
    struct outbox *outbox = &client->outbox;
    struct buf *request = &client->request;
    size_t mark, start, max = outbox_max_bytes(client);

    client_begin_request(client, outbox->first->epoch, &outbox->id);
    mark = mp_open(request);
    start = request->len;
    outbox->sent = 0;
    for (struct sluice_event *event = outbox->first; event; event = event->next) {
        unsigned left = event->op_count - event->result_count, count;
        if (!same_epoch(event, outbox->first))
            break;
        count =
            outbox_put(request, event, outbox_max_ops(client) - outbox->sent, max - (request->len - start));
        outbox->sent += count;
        if (count < left)
            break;
    }
    outbox->sent_bytes = request->len - start;
    mp_close_array(request, mark, outbox->sent);
}

static void outbox_send(struct sluice_client *client, int64_t now_ms)
{
    struct outbox *outbox = &client->outbox;
    struct sluice_fault fault;

    outbox_build(client);
    if (outbox->sent == 0) {
        error_set(&fault, SLUICE_E_TOO_LARGE,
                  "an operation does not fit the broker's %zu bytes for a request",
                  client->contact.limits.max_request_bytes);
        outbox->sent = 1;
        outbox_fail(client, &fault);
        return;
    }
    if (client->request.failed ||
        link_request(client->link, LINK_CALLS, client->request.data, client->request.len) < 0) {
        error_nomem(&fault);
        outbox_fail(client, &fault);
        return;
    }
    outbox->is_busy = true;
    outbox->deadline_ms = now_ms + client->timeout_ms;
}

/* Take the reply, or give up. Returns whether the slot is free. */
static bool outbox_receive(struct sluice_client *client, int64_t now_ms)
{
    struct outbox *outbox = &client->outbox;
    struct sluice_fault fault;
    const void *bytes;
    size_t len;
    int got = link_reply(client->link, LINK_CALLS, &bytes, &len);

    if (got == 0 && now_ms < outbox->deadline_ms)
        return false;
    if (got == 0)
        client_no_reply(client, &fault);
    else if (got < 0)
        error_set(&fault, SLUICE_E_SYSTEM, "the request could not be sent");
    outbox->is_distributing = true;
    if (got > 0)
        outbox_reply(client, bytes, len);
    else
        outbox_fail(client, &fault);
    outbox->is_distributing = false;
    link_finish(client->link, LINK_CALLS);
    outbox->is_busy = false;
    return true;
}

int64_t outbox_step(struct sluice_client *client, int64_t now_ms)
{
    struct outbox *outbox = &client->outbox;

    if (outbox->is_busy && !outbox_receive(client, now_ms))
        return outbox->deadline_ms;
    while (outbox->first && !outbox->is_busy)
        outbox_send(client, now_ms);
    return outbox->is_busy ? outbox->deadline_ms : CLOCK_NEVER;
}

void outbox_flush(struct sluice_client *client, int64_t deadline_ms)
{
    for (;;) {
        int64_t until = outbox_step(client, clock_ms());
        if (outbox_idle(&client->outbox) || clock_ms() >= deadline_ms)
            return;
        link_wait(client->link, LINK_CALLS, until < deadline_ms ? until : deadline_ms);
    }
}

void outbox_deinit(struct sluice_client *client)
{
    while (client->outbox.first)
        event_free(outbox_pop(&client->outbox));
}
