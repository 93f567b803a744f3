/* Making values from bytes and text, and giving their bytes and text back. */
#include "value.h"

#include <string.h>

#include "event.h"
#include "wire/json.h"

struct sluice_value *value_over(struct sluice_event *event, const void *bytes, size_t len, bool is_foreign)
{
    struct sluice_value *value = arena_alloc(&event->arena, sizeof(*value));

    if (!value) {
        error_nomem(&event->fault);
        return NULL;
    }
    *value = (struct sluice_value){.event = event, .bytes = bytes, .len = len, .is_foreign = is_foreign};
    return value;
}

struct sluice_value *value_copy(struct sluice_event *event, const void *bytes, size_t len, bool is_foreign)
{
    void *copy = arena_alloc(&event->arena, len);

    if (!copy) {
        error_nomem(&event->fault);
        return NULL;
    }
    memcpy(copy, bytes, len);
    return value_over(event, copy, len, is_foreign);
}

/* The conversions inside of the part, counted from its begin. */
static bool part_holes(const struct sluice_value *value, struct sluice_value *part, size_t begin)
{
    struct hole *holes;

    if (value->hole_count == 0)
        return true;
    holes = arena_alloc(&value->event->arena, value->hole_count * sizeof(*holes));
    part->holes = holes;
    for (size_t i = 0; holes && i < value->hole_count; i++) {
        struct hole hole = value->holes[i];
        if (hole.offset <= begin && begin + part->len <= hole.offset + hole.len)
            part->is_foreign |= hole.is_foreign;
        if (hole.offset < begin || hole.offset >= begin + part->len)
            continue;
        hole.offset -= begin;
        holes[part->hole_count++] = hole;
    }
    return holes != NULL;
}

struct sluice_value *value_part(const struct sluice_value *value, const uint8_t *bytes, size_t len)
{
    struct sluice_value *part = value_over(value->event, bytes, len, value->is_foreign);

    if (part && !part_holes(value, part, (size_t)(bytes - value->bytes))) {
        error_nomem(&value->event->fault);
        return NULL;
    }
    return part;
}

const sluice_value *sluice_json(sluice_event *event, const char *text)
{
    const struct sluice_value *value = NULL;
    struct buf out = BUF_INIT;
    const char *wrong;
    size_t offset;

    if (event_check(event) < 0)
        return NULL;
    if (!text) {
        error_set(&event->fault, SLUICE_E_ARGUMENT, "sluice_json: there is no text");
        return NULL;
    }
    wrong = json_to_mp(text, strlen(text), &out, &offset);
    if (out.failed)
        error_nomem(&event->fault);
    else if (wrong)
        error_set(&event->fault, SLUICE_E_DOC, "JSON \"%.100s\", column %zu: %s", text, offset + 1, wrong);
    else
        value = value_copy(event, out.data, out.len, false);
    buf_deinit(&out);
    return value;
}

const sluice_value *sluice_raw(sluice_event *event, const void *bytes, size_t len)
{
    const struct mp_rules any = {
        .flags = MP_ALLOW_BIN | MP_ALLOW_EXT | MP_ALLOW_NONFINITE | MP_ALLOW_ANY_KEYS,
        .code = CODE_BAD_VALUE,
    };
    struct fault fault;

    if (event_check(event) < 0)
        return NULL;
    if (!bytes) {
        error_set(&event->fault, SLUICE_E_ARGUMENT, "sluice_raw: there are no bytes");
        return NULL;
    }
    if (mp_check(bytes, len, &any, NULL, &fault) < 0) {
        error_set(&event->fault, SLUICE_E_DOC, "MessagePack: %s", fault.message);
        return NULL;
    }
    return value_copy(event, bytes, len, false);
}

const void *sluice_bytes(const sluice_value *value, size_t *len)
{
    if (len)
        *len = value ? value->len : 0;
    return value ? value->bytes : NULL;
}

const char *sluice_to_json(const sluice_value *value)
{
    struct buf out = BUF_INIT;
    char *text = NULL;

    if (!value)
        return NULL;
    if (mp_to_json(value->bytes, value->len, &out) && !out.failed)
        text = arena_text(&value->event->arena, out.data, out.len);
    if (!text)
        error_nomem(&value->event->fault);
    buf_deinit(&out);
    return text;
}
