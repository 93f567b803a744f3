/* Operations whose result is needed at once: one request each, waited for. */
#include "call.h"

#include "client.h"
#include "clock.h"
#include "group.h"
#include "op.h"
#include "reply.h"

/* What waits is sent before, so that a function sees what those before it did. */
static int call_prepare(struct sluice_event *event, struct sluice_fault *fault)
{
    struct sluice_client *client = event->client;
    int error = client_need_link(client);

    if (error < 0) {
        *fault = client->fault;
        return error;
    }
    if (client->outbox.is_distributing)
        return error_set(fault, SLUICE_E_STATE, "an error callback cannot call the broker");
    outbox_flush(client, clock_ms() + 2 * (int64_t)client->timeout_ms);
    if (!outbox_idle(&client->outbox))
        return client_no_reply(client, fault);
    return 0;
}

static int call_read(struct sluice_event *event, uint64_t id, unsigned count, struct mp_reader *results,
                     struct sluice_fault *fault)
{
    struct sluice_client *client = event->client;
    struct reply reply;
    const void *bytes;
    size_t len;
    int got = link_reply(client->link, LINK_CALLS, &bytes, &len), error;

    if (got == 0)
        return client_no_reply(client, fault);
    if (got < 0)
        return error_set(fault, SLUICE_E_SYSTEM, "the request could not be sent");
    error = reply_read(&reply, bytes, len, id, fault);
    if (reply.epoch)
        contact_epoch(client, reply.epoch, reply.epoch_len);
    if (error == 0 && reply.count != count)
        error = error_set(fault, SLUICE_E_PROTOCOL, "the broker gave %u results for %u operations",
                          (unsigned)reply.count, count);
    *results = reply.results;
    return error;
}

/* Send the operations and wait. */
static int call_send(struct sluice_event *event, const void *ops, size_t len, unsigned count,
                     struct mp_reader *results, struct sluice_fault *fault)
{
    struct sluice_client *client = event->client;
    uint64_t id;
    int error;

    client_begin_request(client, event->epoch, &id);
    mp_put_array(&client->request, count);
    buf_put(&client->request, ops, len);
    if (client->request.failed ||
        link_request(client->link, LINK_CALLS, client->request.data, client->request.len) < 0)
        return error_nomem(fault);
    link_wait(client->link, LINK_CALLS, clock_ms() + client->timeout_ms);
    error = call_read(event, id, count, results, fault);
    if (error < 0)
        call_end(event);
    return error;
}

/* What every broker takes: the least that its limits can be set to. */
#define SMALL_OPS   1
#define SMALL_BYTES ((size_t)60 * 1024)

int call_need_limits(struct sluice_event *event, size_t len, unsigned count, struct sluice_fault *fault)
{
    struct sluice_client *client = event->client;
    struct buf hello = BUF_INIT;
    struct mp_reader results;
    const uint8_t *raw;
    size_t raw_len;
    int error;

    if (client->contact.limits.is_known || (len <= SMALL_BYTES && count <= SMALL_OPS))
        return 0;
    error = call_prepare(event, fault);
    if (error < 0)
        return error;
    contact_put_hello(client, &hello);
    error = hello.failed ? error_nomem(fault) : call_send(event, hello.data, hello.len, 1, &results, fault);
    buf_deinit(&hello);
    if (error < 0)
        return error;
    error = reply_result(&results, &raw, &raw_len, fault);
    if (error == 0)
        contact_take_limits(&client->contact, mp_reader(raw, raw_len));
    call_end(event);
    return error;
}

int call_begin(struct sluice_event *event, const void *ops, size_t len, unsigned count,
               struct mp_reader *results, struct sluice_fault *fault)
{
    int error = call_need_limits(event, len, count, fault);

    if (error < 0)
        return error;
    if (len > outbox_max_bytes(event->client) || count > outbox_max_ops(event->client))
        return error_set(fault, SLUICE_E_TOO_LARGE, "%u operations with %zu bytes do not fit one request",
                         count, len);
    error = call_prepare(event, fault);
    return error < 0 ? error : call_send(event, ops, len, count, results, fault);
}

void call_end(struct sluice_event *event)
{
    link_finish(event->client->link, LINK_CALLS);
}

/* ---- One operation ---- */

/* The answer queued last as it is when it stands alone: with the question that it is for. */
static int call_complete_answer(struct sluice_event *event)
{
    struct mp_reader r = mp_reader(event->ops.data + event->last_op, event->ops.len - event->last_op);
    struct buf whole = BUF_INIT;
    struct mp_token map;
    bool failed;

    event->last_is_own_answer = false;
    mp_next(&r, &map);
    mp_put_map(&whole, map.count + 2);
    mp_put_text(&whole, "conn");
    mp_put_text(&whole, event->conn);
    mp_put_text(&whole, "i");
    buf_put(&whole, event->question.bytes, event->question.len);
    buf_put(&whole, r.at, (size_t)(r.end - r.at));
    event->ops.len = event->last_op;
    buf_put(&event->ops, whole.data, whole.len);
    failed = whole.failed || event->ops.failed;
    buf_deinit(&whole);
    return failed ? error_nomem(&event->fault) : 0;
}

/* Take the operation queued last out of the event and run it. *@result is set, also to a refusal. */
static int call_last(struct sluice_event *event, const sluice_value **result)
{
    struct sluice_client *client = event->client;
    struct mp_reader results;
    const uint8_t *raw;
    size_t len;
    int error = event->last_is_own_answer ? call_complete_answer(event) : 0;

    if (error == 0)
        error = call_begin(event, event->ops.data + event->last_op, event->ops.len - event->last_op, 1,
                           &results, &client->fault);
    op_undo(event);
    if (error < 0)
        return error;
    error = reply_result(&results, &raw, &len, &client->fault);
    if (error != SLUICE_E_PROTOCOL) {
        *result = value_copy(event, raw, len, true);
        if (!*result)
            error = SLUICE_E_NOMEM;
    }
    call_end(event);
    return error;
}

/* The same for an operation under construction. */
static int call_op(struct op *op, const sluice_value **result)
{
    int error = op_end(op);

    return error < 0 ? error : call_last(op->event, result);
}

int sluice_now(sluice_event *event, int queued, const sluice_value **result)
{
    const sluice_value *got = NULL;
    int error = event_check(event);

    if (result)
        *result = NULL;
    if (queued < 0 || error < 0)
        return queued < 0 ? queued : error;
    if (!event->has_last_op)
        return error_set(&event->client->fault, SLUICE_E_STATE, "sluice_now: no operation was queued");
    error = call_last(event, &got);
    if (result)
        *result = got;
    return error;
}

int sluice_get(sluice_event *event, const char *conn, const sluice_value *options,
               const sluice_value **session, uint64_t *version)
{
    const sluice_value *result = NULL;
    struct op op;
    int error = op_begin(&op, event, "get");

    if (session)
        *session = NULL;
    if (version)
        *version = 0;
    if (error < 0)
        return error;
    op_text(&op, "conn", conn);
    op_options(&op, options);
    error = call_op(&op, &result);
    if (error < 0)
        return error;
    if (session)
        *session = sluice_get_value(result, "session");
    if (version)
        *version = sluice_get_uint(result, "version", 0);
    return 0;
}

int sluice_count(sluice_event *event, const sluice_value *filter, const sluice_value *options,
                 uint64_t *count)
{
    const sluice_value *result = NULL;
    struct op op;
    int error = op_begin(&op, event, "count");

    if (count)
        *count = 0;
    if (error < 0)
        return error;
    op_filter(&op, "filter", filter);
    op_options(&op, options);
    error = call_op(&op, &result);
    if (error == 0 && count)
        *count = sluice_get_uint(result, "count", 0);
    return error;
}

int sluice_find(sluice_event *event, const sluice_value *filter, const sluice_value *options,
                const sluice_value **page)
{
    const sluice_value *result = NULL;
    struct op op;
    int error = op_begin(&op, event, "find");

    if (page)
        *page = NULL;
    if (error < 0)
        return error;
    op_filter(&op, "filter", filter);
    op_options(&op, options);
    error = call_op(&op, &result);
    if (error == 0 && page)
        *page = result;
    return error;
}

/* ---- Many ---- */

/* Queue each operation of the list @ops behind what is queued. Returns how many, or an error. */
static int call_queue_list(struct sluice_event *event, const sluice_value *ops)
{
    size_t count = sluice_size(ops);

    for (size_t i = 0; i < count; i++) {
        int error = sluice_queue(event, sluice_item(ops, i));
        if (error < 0)
            return error;
    }
    return (int)count;
}

/* The first refusal among the results; *@all is set to the bytes of all. */
static int call_results(struct mp_reader results, unsigned count, struct buf *all, struct sluice_fault *last)
{
    struct sluice_fault fault;
    const uint8_t *raw;
    size_t len;
    int first = 0;

    mp_put_array(all, count);
    for (unsigned i = 0; i < count; i++) {
        int error = reply_result(&results, &raw, &len, &fault);
        if (error == SLUICE_E_PROTOCOL) {
            *last = fault;
            return error;
        }
        if (error < 0 && first == 0) {
            *last = fault;
            first = error;
        }
        buf_put(all, raw, len);
    }
    return first;
}

static int call_list(struct sluice_event *event, const sluice_value *ops, const sluice_value **result)
{
    struct sluice_fault *fault = &event->client->fault;
    size_t start = event->ops.len;
    unsigned before = event->op_count;
    struct buf all = BUF_INIT;
    struct mp_reader results;
    int count = call_queue_list(event, ops), error = count;

    if (count > 0)
        error = call_begin(event, event->ops.data + start, event->ops.len - start, (unsigned)count, &results,
                           fault);
    event->ops.len = start;
    event->op_count = before;
    event->has_last_op = false;
    if (error < 0)
        return error;
    if (count > 0) {
        error = call_results(results, (unsigned)count, &all, fault);
        call_end(event);
    } else {
        mp_put_array(&all, 0);
    }
    if (all.failed)
        error = error_nomem(fault);
    else if (error != SLUICE_E_PROTOCOL)
        *result = value_copy(event, all.data, all.len, true);
    buf_deinit(&all);
    return error;
}

int sluice_call(sluice_event *event, const sluice_value *op, const sluice_value **result)
{
    const sluice_value *got = NULL;
    int error = event_check(event);

    if (result)
        *result = NULL;
    if (error < 0)
        return error;
    if (sluice_get_type(op, "") == SLUICE_ARRAY) {
        error = call_list(event, op, &got);
    } else {
        error = sluice_queue(event, op);
        if (error == 0)
            error = call_last(event, &got);
    }
    if (result)
        *result = got;
    return error;
}

/* ---- Leases ---- */

int call_extend(struct sluice_event *event)
{
    struct sluice_client *client = event->client;
    const sluice_value *result = NULL;
    struct op op;
    int error = op_begin(&op, event, "extend");

    if (error < 0)
        return error;
    op_text(&op, "member", event->held.group->member);
    op_open(&op, "seqs");
    mp_put_array(&event->ops, 1);
    mp_put_uint(&event->ops, event->seq);
    error = call_op(&op, &result);
    if (error == SLUICE_E_UNKNOWN_MEMBER || error == SLUICE_E_NEW_EPOCH)
        event->held.group->is_lost = true;
    if (error < 0)
        return error;
    if (sluice_get_uint(result, "extended", 0) == 0)
        return error_set(&client->fault, SLUICE_E_LEASE_EXPIRED, "the lease of the event %s was over",
                         event->name);
    event->held.lease_ms = clock_ms();
    return 0;
}
