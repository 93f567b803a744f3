#include "event.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client.h"
#include "wire/mp.h"

#define SPARE_MAX 1024        /* events kept for reuse */
#define SPARE_OPS (64 * 1024) /* bytes of operations that a kept one may hold on to */

void event_unlink(struct sluice_event *event)
{
    struct sluice_client *client = event->client;

    if (event->prev)
        event->prev->next = event->next;
    else if (client->open == event)
        client->open = event->next;
    if (event->next && event->next->prev == event)
        event->next->prev = event->prev;
    event->prev = event->next = NULL;
}

void event_link(struct sluice_event *event)
{
    event->prev = NULL;
    event->next = event->client->open;
    if (event->next)
        event->next->prev = event;
    event->client->open = event;
}

static struct sluice_event *event_take_spare(struct sluice_client *client)
{
    struct sluice_event *event = client->spare;

    if (!event)
        return calloc(1, sizeof(*event));
    client->spare = event->next;
    client->spare_count--;
    return event;
}

struct sluice_event *event_new(struct sluice_client *client)
{
    struct sluice_event *event = event_take_spare(client);

    if (!event)
        return NULL;
    memset(event, 0, offsetof(struct sluice_event, arena));
    buf_reset(&event->ops);
    buf_reset(&event->refusal);
    event->conn[0] = event->epoch[0] = '\0';
    error_clear(&event->fault);
    event->client = client;
    event->name = "";
    event_link(event);
    return event;
}

static void event_destroy(struct sluice_event *event)
{
    arena_deinit(&event->arena);
    buf_deinit(&event->ops);
    buf_deinit(&event->refusal);
    free(event);
}

void event_free(struct sluice_event *event)
{
    struct sluice_client *client = event->client;

    event_unlink(event);
    held_leave(event);
    packet_unref(event->packet);
    event->packet = NULL;
    arena_reset(&event->arena);
    if (client->spare_count >= SPARE_MAX) {
        event_destroy(event);
        return;
    }
    if (event->ops.cap > SPARE_OPS)
        buf_deinit(&event->ops);
    event->next = client->spare;
    client->spare = event;
    client->spare_count++;
}

void event_free_spare(struct sluice_client *client)
{
    while (client->spare) {
        struct sluice_event *next = client->spare->next;
        event_destroy(client->spare);
        client->spare = next;
    }
    client->spare_count = 0;
}

void event_close(struct sluice_event *event)
{
    event_unlink(event);
    event->state = EVENT_DONE;
    event->made_payload = event->made_session = event->made_question = event->made_trace = NULL;
    arena_reset(&event->arena);
}

static bool copy_text(const struct slice *slice, char *out, size_t size)
{
    struct mp_reader r = mp_reader(slice->bytes, slice->len);
    const char *text;
    size_t len;

    if (!slice->bytes || !mp_str(&r, &text, &len) || len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

static uint64_t slice_uint(const struct slice *slice)
{
    struct mp_reader r = mp_reader(slice->bytes, slice->len);
    struct mp_token token;

    return slice->bytes && mp_next(&r, &token) && token.type == MP_UINT ? token.uint : 0;
}

/* The parts, in the order in which brokers write them. */
static const struct {
    const char *name;
    size_t len, offset;
} known_parts[] = {
#define PART(name, field)                                                                                    \
    {                                                                                                        \
        name, sizeof(name) - 1, offsetof(struct event_parts, field)                                          \
    }
    PART("event", name),      PART("conn", conn),       PART("payload", payload), PART("i", question),
    PART("time_ms", time_ms), PART("trace", trace),     PART("seq", seq),         PART("attempt", attempt),
    PART("session", session), PART("version", version),
#undef PART
};
#define PARTS (sizeof(known_parts) / sizeof(known_parts[0]))

/* @next: the one to try first; the one behind what was found after that. */
static struct slice *part_of(struct event_parts *parts, const struct mp_token *key, size_t *next)
{
    for (size_t tried = 0, i = *next; tried < PARTS; tried++, i = i + 1 < PARTS ? i + 1 : 0) {
        if (known_parts[i].len != key->len || memcmp(known_parts[i].name, key->bytes, key->len) != 0)
            continue;
        *next = i + 1 < PARTS ? i + 1 : 0;
        return (struct slice *)(void *)((char *)parts + known_parts[i].offset);
    }
    return NULL;
}

bool event_parse(struct mp_reader *r, struct event_parts *parts)
{
    const uint8_t *start = r->at;
    struct mp_token map, key;
    size_t next = 0;

    memset(parts, 0, sizeof(*parts));
    if (!mp_next(r, &map) || map.type != MP_MAP)
        return false;
    for (uint32_t i = 0; i < map.count; i++) {
        struct slice value, *part;
        if (!mp_next(r, &key) || key.type != MP_STR || !mp_raw(r, &value.bytes, &value.len))
            return false;
        part = part_of(parts, &key, &next);
        if (part)
            *part = value;
    }
    parts->map = (struct slice){start, (size_t)(r->at - start)};
    return true;
}

bool event_fill(struct sluice_event *event, struct packet *packet, const char *name, const char *epoch,
                size_t epoch_len, const struct event_parts *parts)
{
    if (epoch_len >= sizeof(event->epoch) ||
        (parts->conn.bytes && !copy_text(&parts->conn, event->conn, sizeof(event->conn))))
        return false;
    memcpy(event->epoch, epoch, epoch_len);
    event->epoch[epoch_len] = '\0';
    event->packet = packet_ref(packet);
    event->map = parts->map;
    event->payload = parts->payload;
    event->session = parts->session;
    event->question = parts->question;
    event->trace = parts->trace;
    event->name = name;
    event->seq = slice_uint(&parts->seq);
    event->version = slice_uint(&parts->version);
    event->held.attempt = (unsigned)slice_uint(&parts->attempt);
    event->time_ms = (int64_t)slice_uint(&parts->time_ms);
    return true;
}

int event_check(struct sluice_event *event)
{
    if (!event)
        return SLUICE_E_ARGUMENT;
    if (event->state != EVENT_OPEN)
        return SLUICE_E_STATE;
    if (event->fault.error)
        event->client->fault = event->fault;
    return event->fault.error;
}

bool event_owns_value(const struct sluice_client *client, const void *pointer)
{
    for (const struct sluice_event *event = client->open; event; event = event->next)
        if (arena_owns(&event->arena, pointer))
            return true;
    return false;
}

/* ---- Accessors ---- */

sluice_client *sluice_event_client(const sluice_event *event)
{
    return event ? event->client : NULL;
}

const char *sluice_event_name(const sluice_event *event)
{
    return event ? event->name : "";
}

const char *sluice_event_conn(const sluice_event *event)
{
    return event ? event->conn : "";
}

const char *sluice_event_epoch(const sluice_event *event)
{
    return event ? event->epoch : "";
}

uint64_t sluice_event_seq(const sluice_event *event)
{
    return event ? event->seq : 0;
}

uint64_t sluice_event_version(const sluice_event *event)
{
    return event ? event->version : 0;
}

int64_t sluice_event_time_ms(const sluice_event *event)
{
    return event ? event->time_ms : 0;
}

bool sluice_event_is_question(const sluice_event *event)
{
    return event && event->question.bytes;
}

static const struct sluice_value *made(struct sluice_event *event, const struct slice *slice,
                                       const struct sluice_value **value)
{
    if (!*value && slice->bytes)
        *value = value_over(event, slice->bytes, slice->len, true);
    return *value;
}

const sluice_value *sluice_event_payload(sluice_event *event)
{
    return event ? made(event, &event->payload, &event->made_payload) : NULL;
}

const sluice_value *sluice_event_session(sluice_event *event)
{
    return event ? made(event, &event->session, &event->made_session) : NULL;
}

const sluice_value *sluice_event_question(sluice_event *event)
{
    return event ? made(event, &event->question, &event->made_question) : NULL;
}

const sluice_value *sluice_event_trace(sluice_event *event)
{
    return event ? made(event, &event->trace, &event->made_trace) : NULL;
}

static bool find_field(const struct sluice_event *event, const char *key, struct mp_reader *at)
{
    return event && event->map.bytes && key &&
           mp_map_get(mp_reader(event->map.bytes, event->map.len), key, strlen(key), at);
}

const sluice_value *sluice_event_field(sluice_event *event, const char *key)
{
    struct mp_reader at;
    struct slice value;

    if (event && event->map.bytes && !key)
        return value_over(event, event->map.bytes, event->map.len, true);
    if (!find_field(event, key, &at) || !mp_raw(&at, &value.bytes, &value.len))
        return NULL;
    return value_over(event, value.bytes, value.len, true);
}

static const char *text_field(struct sluice_event *event, const char *key)
{
    struct mp_reader at;
    const char *text, *copy;
    size_t len;

    if (!find_field(event, key, &at) || !mp_str(&at, &text, &len) || memchr(text, '\0', len))
        return "";
    copy = arena_text(&event->arena, text, len);
    return copy ? copy : "";
}

static uint64_t uint_field(const struct sluice_event *event, const char *key)
{
    struct mp_reader at;
    struct mp_token token;

    return find_field(event, key, &at) && mp_next(&at, &token) && token.type == MP_UINT ? token.uint : 0;
}

const char *sluice_event_path(sluice_event *event)
{
    return text_field(event, "path");
}

const char *sluice_event_query(sluice_event *event)
{
    return text_field(event, "query");
}

const char *sluice_event_remote(sluice_event *event)
{
    return text_field(event, "remote");
}

const char *sluice_event_subprotocol(sluice_event *event)
{
    return text_field(event, "subprotocol");
}

const char *sluice_event_reason(sluice_event *event)
{
    return text_field(event, "reason");
}

int sluice_event_code(const sluice_event *event)
{
    return (int)uint_field(event, "code");
}

int64_t sluice_event_duration_ms(const sluice_event *event)
{
    return (int64_t)uint_field(event, "duration_ms");
}

const char *sluice_event_header(sluice_event *event, const char *name)
{
    struct mp_reader r;
    struct mp_token map, key;
    const char *text;
    size_t len;

    if (!name || !find_field(event, "headers", &r) || !mp_next(&r, &map) || map.type != MP_MAP)
        return NULL;
    for (uint32_t i = 0; i < map.count && mp_next(&r, &key); i++) {
        bool is_wanted =
            key.type == MP_STR && key.len == strlen(name) && strncasecmp(key.bytes, name, key.len) == 0;
        if (is_wanted && mp_str(&r, &text, &len))
            return memchr(text, '\0', len) ? NULL : arena_text(&event->arena, text, len);
        if (!mp_skip(&r))
            break;
    }
    return NULL;
}
