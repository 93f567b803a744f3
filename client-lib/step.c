/* Steps without an event, for processes that handle nothing. */
#include "call.h"
#include "client.h"
#include "outbox.h"
#include "reply.h"

sluice_event *sluice_begin(sluice_client *client)
{
    struct sluice_event *step;

    if (!client)
        return NULL;
    step = event_new(client);
    if (!step) {
        error_nomem(&client->fault);
        return NULL;
    }
    step->is_step = true;
    return step;
}

void sluice_cancel(sluice_event *step)
{
    if (step && step->is_step)
        event_free(step);
}

/* The operations of the next request: how many, and their bytes in *@len. */
static unsigned step_part(const struct sluice_event *step, size_t *len)
{
    const uint8_t *start = step->ops.data + step->done_bytes;
    struct mp_reader r = mp_reader(start, step->ops.len - step->done_bytes);
    unsigned left = step->op_count - step->result_count, count = 0;

    *len = 0;
    while (count < left && count < outbox_max_ops(step->client) && mp_skip(&r) &&
           (count == 0 || (size_t)(r.at - start) <= outbox_max_bytes(step->client))) {
        *len = (size_t)(r.at - start);
        count++;
    }
    return count;
}

/* Send one request of it. Returns the first error, with @fault; *@sent is false if there were no results. */
static int step_send(struct sluice_event *step, struct sluice_fault *fault, bool *sent)
{
    struct sluice_fault one;
    struct mp_reader results;
    const uint8_t *raw;
    size_t len, raw_len;
    unsigned count = step_part(step, &len);
    int first = call_begin(step, step->ops.data + step->done_bytes, len, count, &results, fault);

    *sent = first == 0;
    if (!*sent)
        return first;
    for (unsigned i = 0; i < count; i++) {
        int error = reply_result(&results, &raw, &raw_len, &one);
        if (error < 0 && first == 0) {
            fault_renumber(&one, step->result_count + i);
            *fault = one;
            first = error;
        }
    }
    call_end(step);
    step->done_bytes += len;
    step->result_count += count;
    return first;
}

/* All requests of it: what one of them refuses does not keep the others from going out. */
static int step_send_all(struct sluice_event *step)
{
    struct sluice_fault fault;
    bool sent = true;
    int first = call_need_limits(step, step->ops.len, step->op_count, &step->client->fault);

    if (first < 0)
        return first;
    while (sent && step->result_count < step->op_count) {
        int error = step_send(step, &fault, &sent);
        if (error < 0 && first == 0) {
            step->client->fault = fault;
            first = error;
        }
    }
    return first;
}

int sluice_end(sluice_event *step)
{
    int error;

    if (!step)
        return SLUICE_E_ARGUMENT;
    if (!step->is_step)
        return error_set(&step->client->fault, SLUICE_E_STATE, "sluice_end: not a step of sluice_begin()");
    error = event_check(step);
    if (error == 0 && step->op_count > 0)
        error = step_send_all(step);
    event_free(step);
    return error;
}
