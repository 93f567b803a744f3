#include "reply.h"

#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

static void take_text(struct mp_reader map, const char *key, char *out, size_t size)
{
    struct mp_reader at;
    const char *text = "";
    size_t len = 0;

    if (mp_map_get(map, key, strlen(key), &at))
        mp_str(&at, &text, &len);
    if (len >= size)
        len = utf8_cut(text, len, size - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

/* {"code", "message", "at"?}. Returns the error. */
static int take_fault(struct mp_reader map, struct sluice_fault *fault)
{
    int error;

    error_clear(fault);
    take_text(map, "code", fault->code, sizeof(fault->code));
    take_text(map, "message", fault->message, sizeof(fault->message));
    take_text(map, "at", fault->at, sizeof(fault->at));
    error = error_from_code(fault->code, strlen(fault->code));
    fault->error = error;
    if (!fault->message[0])
        snprintf(fault->message, sizeof(fault->message), "%s", sluice_strerror(error));
    return error;
}

/* The error that the map says, if it says one: {"ok": false, "code", "message", "at"?}. */
static int map_error(struct mp_reader map, struct sluice_fault *fault)
{
    struct mp_reader at;
    struct mp_token token;

    if (!mp_map_get(map, "ok", 2, &at) || !mp_next(&at, &token) || token.type != MP_BOOL)
        return error_set(fault, SLUICE_E_PROTOCOL, "a result says neither yes nor no");
    return token.boolean ? 0 : take_fault(map, fault);
}

static int not_understood(struct sluice_fault *fault, const char *what)
{
    return error_set(fault, SLUICE_E_PROTOCOL, "the broker's reply cannot be understood: %s", what);
}

/* What all replies begin with. 0 when it is for the request @id and no refusal. */
static int read_head(struct mp_reader map, const char **epoch, size_t *epoch_len, uint64_t id,
                     struct sluice_fault *fault)
{
    struct mp_reader at = map;
    struct mp_token token;

    if (!mp_next(&at, &token) || token.type != MP_MAP)
        return not_understood(fault, "it is no map");
    if (mp_map_get(map, "epoch", 5, &at) && !mp_str(&at, epoch, epoch_len))
        *epoch = NULL;
    if (mp_map_get(map, "ok", 2, &at)) {
        int error = map_error(map, fault);
        return error ? error : not_understood(fault, "it has no results");
    }
    if (!mp_map_get(map, "id", 2, &at) || !mp_next(&at, &token) || token.type != MP_UINT || token.uint != id)
        return not_understood(fault, "it is for another request");
    return 0;
}

static bool read_list(struct mp_reader map, const char *key, struct mp_reader *items, uint32_t *count)
{
    struct mp_token token;

    if (!mp_map_get(map, key, strlen(key), items) || !mp_next(items, &token) || token.type != MP_ARRAY)
        return false;
    *count = token.count;
    return true;
}

int reply_read(struct reply *reply, const void *bytes, size_t len, uint64_t id, struct sluice_fault *fault)
{
    struct mp_reader map = mp_reader(bytes, len);
    int error;

    memset(reply, 0, sizeof(*reply));
    error = read_head(map, &reply->epoch, &reply->epoch_len, id, fault);
    if (error == 0 && !read_list(map, "results", &reply->results, &reply->count))
        error = not_understood(fault, "it has no results");
    return error;
}

int reply_result(struct mp_reader *results, const uint8_t **raw, size_t *len, struct sluice_fault *fault)
{
    struct mp_token token;
    struct mp_reader map;

    if (!mp_raw(results, raw, len))
        return not_understood(fault, "it has too few results");
    map = mp_reader(*raw, *len);
    if (!mp_next(&map, &token) || token.type != MP_MAP)
        return not_understood(fault, "a result is no map");
    return map_error(mp_reader(*raw, *len), fault);
}

void fault_renumber(struct sluice_fault *fault, unsigned index)
{
    char at[sizeof(fault->at)];
    const char *rest;

    if (strncmp(fault->at, "ops[", 4) != 0 || !(rest = strchr(fault->at, ']')))
        return;
    snprintf(at, sizeof(at), "ops[%u%s", index, rest);
    memcpy(fault->at, at, sizeof(at));
}

/* ---- Turns ---- */

static struct mp_token scalar(struct mp_reader map, const char *key)
{
    struct mp_token token = {.type = MP_NIL};
    struct mp_reader at;

    if (mp_map_get(map, key, strlen(key), &at))
        mp_next(&at, &token);
    return token;
}

int turn_reply_read(struct turn_reply *reply, const void *bytes, size_t len, uint64_t id,
                    struct sluice_fault *fault)
{
    struct mp_reader map = mp_reader(bytes, len);
    struct mp_token token;
    int error;

    memset(reply, 0, sizeof(*reply));
    error = read_head(map, &reply->epoch, &reply->epoch_len, id, fault);
    if (error < 0) {
        token = scalar(map, "turn");
        reply->last_turn = token.type == MP_UINT ? token.uint : UINT64_MAX;
        return error;
    }
    if (!read_list(map, "failed", &reply->failed, &reply->failed_count) ||
        !read_list(map, "events", &reply->events, &reply->event_count))
        return not_understood(fault, "it has no events");
    token = scalar(map, "released");
    reply->is_released = token.type == MP_BOOL && token.boolean;
    token = scalar(map, "pause_ms");
    reply->pause_ms = token.type == MP_UINT && token.uint < INT32_MAX ? (int64_t)token.uint : 0;
    return 0;
}

bool turn_reply_failed(struct mp_reader *failed, struct failed_entry *entry)
{
    struct mp_reader map;
    struct mp_token token;
    const uint8_t *raw;
    const char *rest;
    size_t len;

    if (!mp_raw(failed, &raw, &len))
        return false;
    map = mp_reader(raw, len);
    token = scalar(map, "seq");
    if (token.type != MP_UINT)
        return false;
    entry->seq = token.uint;
    take_fault(map, &entry->fault);
    rest = strncmp(entry->fault.at, "done[", 5) == 0 ? strchr(entry->fault.at, ']') : NULL;
    if (rest) { /* the place in the event's own step */
        rest += rest[1] == '.' ? 2 : 1;
        memmove(entry->fault.at, rest, strlen(rest) + 1);
    }
    token = scalar(map, "then");
    entry->is_again = token.type == MP_STR && mp_is(&token, "again");
    return true;
}
