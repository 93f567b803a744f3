#include "ws/envelope.h"

#include <string.h>

#include "wire/json.h"
#include "wire/mp.h"

void envelope_room_init(struct envelope_room *room)
{
    buf_init(&room->key);
    buf_init(&room->event);
    buf_init(&room->payload);
    buf_init(&room->trace);
    buf_init(&room->other);
}

void envelope_room_deinit(struct envelope_room *room)
{
    buf_deinit(&room->key);
    buf_deinit(&room->event);
    buf_deinit(&room->payload);
    buf_deinit(&room->trace);
    buf_deinit(&room->other);
}

/* What a message's keys hold, as MessagePack values; NULL where one is absent. */
struct parts {
    const void *event;
    const void *payload;
    const void *trace;
    size_t event_len;
    size_t payload_len;
    size_t trace_len;
    struct question_id *id;
    struct fault id_fault; /* CODE_OK while nothing is wrong with `i` */
};

/* For each message: not all bytes of these are cleared. */
static void begin(struct parts *parts, struct envelope *out, struct fault *fault)
{
    parts->event = parts->payload = parts->trace = NULL;
    parts->event_len = parts->payload_len = parts->trace_len = 0;
    parts->id = &out->id;
    parts->id_fault.code = CODE_OK;
    out->event = NULL;
    out->payload = out->trace = NULL;
    out->event_len = out->payload_len = out->trace_len = 0;
    out->id.kind = QUESTION_NONE;
    fault_clear(fault);
}

static void read_id(struct parts *parts, const void *mp, size_t len)
{
    struct mp_reader reader = mp_reader(mp, len);
    struct mp_token token;
    parts->id->kind = QUESTION_NONE;
    parts->id_fault.code = CODE_OK;
    if (!mp_next(&reader, &token))
        fault_set(&parts->id_fault, CODE_BAD_ID, NULL, "`i` cannot be read");
    else if (token.type == MP_UINT && token.uint > QUESTION_NUMBER_MAX)
        fault_set(&parts->id_fault, CODE_BAD_ID, NULL, "`i` must be below 2^53");
    else if (token.type == MP_STR && (token.len < 1 || token.len > QUESTION_TEXT_MAX))
        fault_set(&parts->id_fault, CODE_BAD_ID, NULL, "`i` must have 1 to %d bytes, not %u",
                  QUESTION_TEXT_MAX, (unsigned)token.len);
    else if (token.type == MP_UINT) {
        parts->id->kind = QUESTION_NUMBER;
        parts->id->number = token.uint;
    } else if (token.type == MP_STR) {
        parts->id->kind = QUESTION_TEXT;
        parts->id->len = (uint8_t)token.len;
        memcpy(parts->id->text, token.bytes, token.len);
    } else
        fault_set(&parts->id_fault, CODE_BAD_ID, NULL,
                  "`i` must be an unsigned integer below 2^53 or a string, not %s", mp_type_name(token.type));
}

static bool is_key(const void *key, size_t len, char letter)
{
    return len == 1 && *(const char *)key == letter;
}

/* Where the value of the member just named goes. */
static struct buf *json_target(struct envelope_room *room)
{
    const struct buf *key = &room->key;
    struct buf *target = &room->other;
    if (is_key(key->data, key->len, 'e'))
        target = &room->event;
    else if (is_key(key->data, key->len, 'p'))
        target = &room->payload;
    else if (is_key(key->data, key->len, 't'))
        target = &room->trace;
    buf_reset(target); /* of two members with one name, the later one counts */
    return target;
}

static const void *given(const struct buf *b)
{
    return b->len > 0 ? b->data : NULL;
}

static int read_json(struct parts *parts, struct envelope_room *room, const void *bytes, size_t len,
                     struct fault *fault)
{
    struct json_reader reader = json_reader(bytes, len);
    buf_reset(&room->event);
    buf_reset(&room->payload);
    buf_reset(&room->trace);
    buf_reset(&room->other);
    if (json_object(&reader)) {
        /* Stop where memory is refused: the next member would use the room again, and nobody would know. */
        while (json_member(&reader, &room->key) && !room->key.failed) {
            struct buf *target = json_target(room);
            if (!json_value(&reader, target) || target->failed)
                break;
            if (is_key(room->key.data, room->key.len, 'i'))
                read_id(parts, target->data, target->len);
        }
    }
    parts->event = given(&room->event);
    parts->event_len = room->event.len;
    parts->payload = given(&room->payload);
    parts->payload_len = room->payload.len;
    parts->trace = given(&room->trace);
    parts->trace_len = room->trace.len;
    if (room->event.failed || room->payload.failed || room->trace.failed || room->other.failed ||
        room->key.failed)
        return fault_set(fault, CODE_OVERLOADED, NULL, "the broker is short of memory");
    if (reader.error || !json_end(&reader))
        return fault_set(fault, CODE_BAD_MESSAGE, NULL, "byte %zu: %s", json_offset(&reader), reader.error);
    return 0;
}

static int read_msgpack(struct parts *parts, const void *bytes, size_t len, struct fault *fault)
{
    const struct mp_rules rules = {.flags = MP_ALLOW_BIN, .code = CODE_BAD_MESSAGE};
    if (mp_check(bytes, len, &rules, NULL, fault) != 0)
        return -1;
    struct mp_reader reader = mp_reader(bytes, len);
    struct mp_token map = {.type = MP_NIL};
    if (!mp_next(&reader, &map) || map.type != MP_MAP)
        return fault_set(fault, CODE_BAD_MESSAGE, NULL, "a message is a map, not %s", mp_type_name(map.type));
    const char *key;
    size_t key_len;
    const uint8_t *value;
    size_t value_len;
    while (mp_str(&reader, &key, &key_len) && mp_raw(&reader, &value, &value_len)) {
        if (is_key(key, key_len, 'e')) {
            parts->event = value;
            parts->event_len = value_len;
        } else if (is_key(key, key_len, 'p')) {
            parts->payload = value;
            parts->payload_len = value_len;
        } else if (is_key(key, key_len, 't')) {
            parts->trace = value;
            parts->trace_len = value_len;
        } else if (is_key(key, key_len, 'i'))
            read_id(parts, value, value_len);
    }
    return 0;
}

/* Fill @out from what was read; event and id also when that was not the whole. */
static int use_parts(struct envelope *out, const struct parts *parts, bool is_whole, struct fault *fault)
{
    struct mp_reader event = mp_reader(parts->event, parts->event_len);
    bool is_named = parts->event && mp_str(&event, &out->event, &out->event_len);
    if (!is_whole)
        return -1;
    if (!parts->event)
        return fault_set(fault, CODE_BAD_MESSAGE, NULL, "the key `e` is missing");
    if (!is_named)
        return fault_set(fault, CODE_BAD_MESSAGE, NULL, "`e` must be a string");
    if (parts->id_fault.code != CODE_OK) {
        *fault = parts->id_fault;
        return -1;
    }
    out->payload = parts->payload;
    out->payload_len = parts->payload_len;
    out->trace = parts->trace;
    out->trace_len = parts->trace_len;
    return 0;
}

int envelope_read(struct envelope *out, struct envelope_room *room, const void *bytes, size_t len,
                  enum encoding encoding, bool is_binary, struct fault *fault)
{
    struct parts parts;
    begin(&parts, out, fault);
    if (encoding == ENCODING_JSON && is_binary)
        return fault_set(fault, CODE_BAD_MESSAGE, NULL,
                         "a binary message on a JSON connection; MessagePack needs the subprotocol "
                         "sluice.v1.msgpack");
    if (encoding == ENCODING_MSGPACK && !is_binary)
        return fault_set(fault, CODE_BAD_MESSAGE, NULL, "a text message on a MessagePack connection");
    int result = encoding == ENCODING_JSON ? read_json(&parts, room, bytes, len, fault)
                                           : read_msgpack(&parts, bytes, len, fault);
    return use_parts(out, &parts, result == 0, fault);
}
