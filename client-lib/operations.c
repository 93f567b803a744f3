/* The operations of the public header, each as the protocol has it. Queued ones stay in the event; those
 * whose result is needed at once go through call.c. */
#include "client.h"
#include "doc.h"
#include "op.h"
#include "wire/mp.h"

int sluice_send(sluice_event *event, const char *conn, const char *name, const sluice_value *payload,
                const sluice_value *options)
{
    struct op op;
    int error = op_begin(&op, event, "send");

    if (error < 0)
        return error;
    op_text(&op, "conn", conn);
    op_text(&op, "event", name);
    op_value(&op, "payload", payload);
    op_options(&op, options);
    return op_end(&op);
}

int sluice_send_where(sluice_event *event, const sluice_value *filter, const char *name,
                      const sluice_value *payload, const sluice_value *options)
{
    struct op op;
    int error = op_begin(&op, event, "send");

    if (error < 0)
        return error;
    op_filter(&op, "filter", filter);
    op_text(&op, "event", name);
    op_value(&op, "payload", payload);
    op_options(&op, options);
    return op_end(&op);
}

int sluice_update(sluice_event *event, const char *conn, const sluice_value *update,
                  const sluice_value *options)
{
    struct op op;
    int error = op_begin(&op, event, "update");

    if (error < 0)
        return error;
    op_text(&op, "conn", conn);
    op_own_map(&op, "update", update);
    op_options(&op, options);
    return op_end(&op);
}

int sluice_update_where(sluice_event *event, const sluice_value *filter, const sluice_value *update,
                        const sluice_value *options)
{
    struct op op;
    int error = op_begin(&op, event, "update");

    if (error < 0)
        return error;
    op_filter(&op, "filter", filter);
    op_own_map(&op, "update", update);
    op_options(&op, options);
    return op_end(&op);
}

static int close_with(struct op *op, int code, const char *reason)
{
    op_int(op, "code", code);
    if (reason)
        op_text(op, "reason", reason);
    return op_end(op);
}

int sluice_close(sluice_event *event, const char *conn, int code, const char *reason)
{
    struct op op;
    int error = op_begin(&op, event, "close");

    if (error < 0)
        return error;
    op_text(&op, "conn", conn);
    return close_with(&op, code, reason);
}

int sluice_close_where(sluice_event *event, const sluice_value *filter, int code, const char *reason)
{
    struct op op;
    int error = op_begin(&op, event, "close");

    if (error < 0)
        return error;
    op_filter(&op, "filter", filter);
    return close_with(&op, code, reason);
}

int sluice_batch(sluice_event *event, const char *name, int interval_ms, const sluice_value *options)
{
    struct op op;
    int error = op_begin(&op, event, "batch");

    if (error < 0)
        return error;
    op_text(&op, "event", name);
    op_int(&op, "interval_ms", interval_ms);
    op_options(&op, options);
    return op_end(&op);
}

/* ---- Answers ---- */

/* What a client is told: {"code", "message"?, "temporary"?, "data"?}. */
static void put_refusal(struct sluice_event *event, const char *code, const char *message,
                        const sluice_value *options)
{
    struct op inner = {.event = event, .name = "refuse", .is_inner = true};
    size_t mark = mp_open(&event->ops);

    op_text(&inner, "code", code);
    if (message)
        op_text(&inner, "message", message);
    op_options(&inner, options);
    mp_close_map(&event->ops, mark, inner.pairs);
}

/* Nobody asked, so there is nobody to answer; but the member's event ends as refused. */
static int refuse_event(struct sluice_event *event, const char *code, const char *message,
                        const sluice_value *options)
{
    size_t start = event->ops.len;

    put_refusal(event, code, message, options);
    if (event->ops.failed)
        error_nomem(&event->fault);
    if (!event->fault.error && event->refusal.len == 0) {
        buf_put(&event->refusal, event->ops.data + start, event->ops.len - start);
        if (event->refusal.failed)
            error_nomem(&event->fault);
    }
    event->ops.len = start;
    event->ops.failed = false;
    if (event->fault.error)
        event->client->fault = event->fault;
    return event->fault.error;
}

/* Begin an answer to the event's own question. 1: go on; 0: nobody asked; else an error. */
static int answer_begin(struct op *op, struct sluice_event *event)
{
    int error = event_check(event);

    if (error < 0)
        return error;
    if (event->is_step)
        return error_set(&event->fault, SLUICE_E_STATE,
                         "answer: this step has no event: use sluice_answer_to()");
    event->has_last_op = false; /* nothing for sluice_now() */
    if (!event->question.bytes)
        return 0;
    error = op_begin(op, event, "answer");
    if (error < 0)
        return error;
    if (!event->held.group) { /* an entry's answer is for the event that the entry is for */
        op_text(op, "conn", event->conn);
        op_value(op, "i", sluice_event_question(event));
    }
    return 1;
}

static int answer_end(struct op *op)
{
    int error = op_end(op);

    op->event->last_is_own_answer = error == 0 && op->event->held.group;
    return error;
}

int sluice_answer(sluice_event *event, const sluice_value *payload, const sluice_value *options)
{
    struct op op;
    int go_on = answer_begin(&op, event);

    if (go_on <= 0)
        return go_on;
    op_value(&op, "payload", payload);
    op_options(&op, options);
    return answer_end(&op);
}

int sluice_answer_to(sluice_event *event, const char *conn, const sluice_value *question,
                     const sluice_value *payload, const sluice_value *options)
{
    struct op op;
    int error = op_begin(&op, event, "answer");

    if (error < 0)
        return error;
    op_text(&op, "conn", conn);
    if (question)
        op_value(&op, "i", question);
    else
        op_text(&op, "i", NULL);
    op_value(&op, "payload", payload);
    op_options(&op, options);
    return op_end(&op);
}

int sluice_refuse(sluice_event *event, const char *code, const char *message, const sluice_value *options)
{
    struct op op;
    int go_on = answer_begin(&op, event);

    if (go_on == 0 && event->held.group)
        return refuse_event(event, code, message, options);
    if (go_on <= 0)
        return go_on;
    op_open(&op, "error");
    put_refusal(event, code, message, options);
    return answer_end(&op);
}

/* ---- Any ---- */

int sluice_queue(sluice_event *event, const sluice_value *whole)
{
    struct op op;
    int error = op_begin(&op, event, NULL);

    if (error < 0)
        return error;
    op_whole(&op, whole);
    return op_end(&op);
}
