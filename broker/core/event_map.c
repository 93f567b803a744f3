#include "core/event_map.h"

#include <string.h>

#include "core/conn.h"
#include "core/pairs.h"

#define OPENING_PAIRS 5
#define ENDING_PAIRS  3
#define KEYS_BYTES    192 /* of all keys and numbers */
#define STR_BYTES     5   /* what goes before a string, at most */

static bool is_asked(const struct event *event)
{
    return event->id && event->id->kind != QUESTION_NONE;
}

uint32_t event_map_pairs(const struct event *event)
{
    uint32_t pairs = 3U + is_asked(event) + (event->payload != NULL) + (event->trace != NULL);
    return pairs + (event->opening ? OPENING_PAIRS : 0) + (event->ending ? ENDING_PAIRS : 0);
}

static size_t opening_bytes(const struct opening *opening)
{
    size_t bytes = strlen(opening->path) + strlen(opening->query) + strlen(opening->remote) +
                   strlen(opening->subprotocol) + 5 * STR_BYTES;
    for (size_t i = 0; i < opening->header_count; i++)
        bytes += strlen(opening->headers[i].name) + strlen(opening->headers[i].value) + 2 * STR_BYTES;
    return bytes;
}

size_t event_map_bytes(const struct event *event)
{
    size_t bytes = KEYS_BYTES + event->name_len + CONN_ID_MAX + event->payload_len + event->trace_len;
    if (is_asked(event))
        bytes += QUESTION_TEXT_MAX;
    if (event->opening)
        bytes += opening_bytes(event->opening);
    if (event->ending)
        bytes += event->ending->reason_len;
    return bytes;
}

static void put_raw(struct buf *out, const char *key, const void *mp, size_t len)
{
    if (!mp)
        return;
    mp_put_text(out, key);
    buf_put(out, mp, len);
}

void event_map_put_what(struct buf *out, const struct event *event)
{
    mp_put_text(out, "event");
    mp_put_str(out, event->name, event->name_len);
    put_pair(out, "conn", event->conn->id);
    put_raw(out, "payload", event->payload, event->payload_len);
}

void event_map_put_when(struct buf *out, const struct event *event, uint64_t wall_ms)
{
    if (is_asked(event)) {
        mp_put_text(out, "i");
        question_id_put(out, event->id);
    }
    put_number(out, "time_ms", wall_ms);
}

static void put_opening(struct buf *out, const struct opening *opening)
{
    put_pair(out, "path", opening->path);
    put_pair(out, "query", opening->query);
    put_pair(out, "remote", opening->remote);
    put_pair(out, "subprotocol", opening->subprotocol);
    mp_put_text(out, "headers");
    mp_put_map(out, (uint32_t)opening->header_count);
    for (size_t i = 0; i < opening->header_count; i++)
        put_pair(out, opening->headers[i].name, opening->headers[i].value);
}

static void put_ending(struct buf *out, const struct ending *ending)
{
    put_number(out, "code", ending->code);
    mp_put_text(out, "reason");
    mp_put_str(out, ending->reason, ending->reason_len);
    put_number(out, "duration_ms", ending->duration_ms);
}

void event_map_put_how(struct buf *out, const struct event *event)
{
    put_raw(out, "trace", event->trace, event->trace_len);
    if (event->opening)
        put_opening(out, event->opening);
    if (event->ending)
        put_ending(out, event->ending);
}
