#include "core/stored_event.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/doc.h"
#include "core/event_map.h"
#include "core/expiry.h"
#include "wire/mp.h"
#include "wire/recycler.h"

#define CHANGING_PAIRS 4   /* seq, attempt, session, version */
#define CHANGING_BYTES 64  /* of these, without the session's own */
#define REASON_BYTES   123 /* of a close frame */

_Static_assert(offsetof(struct stored_event, mp) == sizeof(struct stored_event), "`mp` is what is behind");

/* Room for what a `@disconnect` takes. */
static size_t farewell_bytes(void)
{
    const struct ending ending = {.reason_len = REASON_BYTES};
    const struct event event = {.name_len = strlen("@disconnect"), .ending = &ending};
    return sizeof(struct stored_event) + event_map_bytes(&event) + event.name_len + 1;
}

int stored_event_reserve(struct conn *conn)
{
    if (!conn->farewell)
        conn->farewell = recycler_take(farewell_bytes());
    return conn->farewell ? 0 : -ENOMEM;
}

void stored_event_release(struct conn *conn)
{
    recycler_give(conn->farewell, farewell_bytes());
    conn->farewell = NULL;
}

/* Where the event is written to, with room for all of it. */
static struct buf open_buf(const struct event *event)
{
    struct buf out = BUF_INIT;
    if (event->ending && event->conn->farewell) {
        out.data = event->conn->farewell;
        out.cap = farewell_bytes();
        event->conn->farewell = NULL;
        return out;
    }
    out.cap = sizeof(struct stored_event) + event_map_bytes(event) + event->name_len + 1;
    out.data = recycler_take(out.cap);
    if (!out.data) {
        out.cap = 0;
        out.failed = true;
    }
    return out;
}

/* Field by field: to clear `id`, which few have, takes as long as the rest. */
static void begin(struct stored_event *stored, const struct event *event, uint64_t question,
                  struct core_time now)
{
    stored->refs = 1;
    stored->jobs = 0;
    stored->conn = event->conn;
    stored->question = question;
    if (event->id)
        stored->id = *event->id;
    else
        stored->id.kind = QUESTION_NONE;
    stored->time_ms = now.wall_ms;
    stored->accepted_ms = now.mono_ms;
    stored->is_last = event->ending != NULL;
    stored->has_failed = false;
    stored->name_len = (uint8_t)event->name_len;
    stored->pairs = event_map_pairs(event);
    stored->payload_at = stored->payload_len = 0;
}

struct stored_event *stored_event_new(const struct event *event, uint64_t question, struct core_time now)
{
    struct buf out = open_buf(event);
    if (out.failed)
        return NULL;
    struct stored_event *stored = (struct stored_event *)(void *)out.data; /* does not move: there is room */
    begin(stored, event, question, now);
    stored->room = (uint32_t)out.cap;
    buf_grow(&out, sizeof(*stored));
    event_map_put_what(&out, event);
    if (event->payload) {
        stored->payload_at = (uint32_t)(out.len - sizeof(*stored) - event->payload_len);
        stored->payload_len = (uint32_t)event->payload_len;
    }
    event_map_put_when(&out, event, now.wall_ms);
    event_map_put_how(&out, event);
    stored->mp_len = (uint32_t)(out.len - sizeof(*stored));
    buf_put(&out, event->name, event->name_len);
    buf_put_byte(&out, 0);
    assert(out.cap == stored->room);
    stored->name = (const char *)stored->mp + stored->mp_len;
    stored->conn->events++;
    return stored;
}

struct stored_event *stored_event_ref(struct stored_event *event)
{
    event->refs++;
    return event;
}

void conn_event_done(struct core *core, struct conn *conn)
{
    if (--conn->events > 0 || !conn->is_ended)
        return;
    if (conn->hh.tbl)
        HASH_DELETE(hh, core->ended, conn);
    expiry_drop(&core->timers, conn);
    conn_free(conn);
}

void stored_event_unref(struct core *core, struct stored_event *event)
{
    if (!event || --event->refs > 0)
        return;
    conn_event_done(core, event->conn);
    recycler_give(event, event->room);
}

/* The session with only the keys of @list. */
static void put_session(const struct blob *session, const struct key_list *list, struct buf *out)
{
    struct mp_token keys[GROUP_KEYS];
    const char *text = list->text;
    for (unsigned i = 0; i < list->count; i++) {
        size_t len = strlen(text);
        keys[i] = (struct mp_token){.type = MP_STR, .bytes = text, .len = (uint32_t)len};
        text += len + 1;
    }
    doc_project(session->data, session->len, keys, list->count, out);
}

void stored_event_put(const struct stored_event *event, uint64_t seq, unsigned attempt,
                      const struct key_list *keys, struct buf *out)
{
    const struct conn *conn = event->conn;
    mp_put_map(out, event->pairs + CHANGING_PAIRS);
    buf_put(out, event->mp, event->mp_len);
    mp_put_text(out, "seq");
    mp_put_uint(out, seq);
    mp_put_text(out, "attempt");
    mp_put_uint(out, attempt);
    mp_put_text(out, "session");
    if (keys)
        put_session(conn->session, keys, out);
    else
        buf_put(out, conn->session->data, conn->session->len);
    mp_put_text(out, "version");
    mp_put_uint(out, conn->version);
}

size_t stored_event_bytes(const struct stored_event *event)
{
    return sizeof(*event) + event->mp_len + event->name_len + 1;
}

size_t stored_event_put_bytes(const struct stored_event *event)
{
    return event->mp_len + event->conn->session->len + CHANGING_BYTES;
}
