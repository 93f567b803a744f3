/* incoming: what clients say: refused, answered at once, or an event for groups and subscribers. */

#include <errno.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"

/* Tell @conn that the broker refuses what it sent. */
static void refuse(struct core *core, struct conn *conn, enum code code, const char *text, const char *event,
                   size_t event_len, const struct question_id *id)
{
    struct message *message = message_error(code, text, event, event_len, id);
    core->counters->messages_refused++;
    if (message)
        core_deliver(core, conn, message, DELIVERY_ONE);
    message_unref(message);
}

void core_conn_unreadable(struct core *core, struct conn *conn, const struct fault *fault,
                          const struct question_id *id, const char *event, size_t event_len)
{
    /* An `i` that is open already gets its one answer from somebody else. */
    bool is_open = id && id->kind != QUESTION_NONE && question_find(conn, id);
    refuse(core, conn, fault->code, fault->message, event, event_len, is_open ? NULL : id);
}

static void answer_ping(struct core *core, struct conn *conn, const struct incoming *in)
{
    struct message *message = message_new("@pong", 5, NULL, 0, &in->id);
    if (message)
        core_deliver(core, conn, message, DELIVERY_ONE);
    message_unref(message);
}

/* Whether nobody at all can be listening to this event (see announcements.h). */
static bool nobody_listens(const struct core *core, const char *event, size_t len)
{
    return core->publisher.subscribers <= announcements_count(&core->announcements) &&
           !announcements_match(&core->announcements, event, len);
}

/* Whether @conn may ask with this `i`; tells it why not. */
static bool may_ask(struct core *core, struct conn *conn, const struct incoming *in)
{
    if (question_find(conn, &in->id)) {
        /* Without the `i`: exactly one message with it belongs to the question that is open. */
        refuse(core, conn, CODE_ID_IN_USE, "a question with this `i` is still open", in->event, in->event_len,
               NULL);
        return false;
    }
    if (question_count(conn) >= core->options.max_questions) {
        refuse(core, conn, CODE_TOO_MANY_QUESTIONS, "too many questions are open on this connection",
               in->event, in->event_len, &in->id);
        return false;
    }
    return true;
}

/* The question in @in, NULL when nobody asks or memory is refused. */
static struct question *ask(struct core *core, struct conn *conn, const struct incoming *in)
{
    if (in->id.kind == QUESTION_NONE)
        return NULL;
    core->counters->questions++;
    return question_open(&core->questions, conn, &in->id, in->event, in->event_len,
                         core->now.mono_ms + core->options.question_ms);
}

static void publish_message(struct core *core, struct conn *conn, const struct incoming *in)
{
    const struct event event = {
        .name = in->event,
        .name_len = in->event_len,
        .conn = conn,
        .payload = in->payload,
        .payload_len = in->payload_len,
        .trace = in->trace,
        .trace_len = in->trace_len,
        .id = &in->id,
    };
    struct question *question = ask(core, conn, in);
    int added = -ENOMEM;
    if (question || in->id.kind == QUESTION_NONE)
        added = groups_take(core, &event, question ? question->serial : 0);
    /* What groups have taken is taken; a subscriber that misses it sees that by its `seq`. */
    if (added < 0 || (publisher_add(&core->publisher, &event, core->now) < 0 && added > 0)) {
        if (question)
            question_close(&core->questions, question);
        refuse(core, conn, CODE_OVERLOADED, "the broker is out of memory", in->event, in->event_len, &in->id);
    }
}

void core_conn_message(struct core *core, struct conn *conn, const struct incoming *in)
{
    bool is_reserved = in->event_len && in->event[0] == '@';
    bool is_ping = in->event_len == 5 && memcmp(in->event, "@ping", 5) == 0;
    const char *wrong = is_reserved ? NULL : event_name_fault(in->event, in->event_len);

    if (is_reserved && !is_ping) {
        refuse(core, conn, CODE_RESERVED_EVENT,
               "events that begin with @ are the broker's own; a client may send @ping", in->event,
               in->event_len, &in->id);
        return;
    }
    if (wrong) {
        refuse(core, conn, CODE_BAD_EVENT, wrong, NULL, 0, &in->id);
        return;
    }
    if (in->id.kind != QUESTION_NONE && !may_ask(core, conn, in))
        return;
    if (is_ping) {
        answer_ping(core, conn, in);
        return;
    }
    if (nobody_listens(core, in->event, in->event_len) && !groups_match(core, in->event, in->event_len)) {
        core->counters->no_handler++;
        refuse(core, conn, CODE_NO_HANDLER, "no handler listens to this event", in->event, in->event_len,
               &in->id);
        return;
    }
    if (groups_refusing(core, in->event, in->event_len)) {
        refuse(core, conn, CODE_OVERLOADED, "too many events wait for the handlers", in->event, in->event_len,
               &in->id);
        return;
    }
    publish_message(core, conn, in);
}
