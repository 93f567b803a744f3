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

/* Whether the map begins with "ok": true, as nearly all do. */
static bool is_plain_yes(struct mp_reader map)
{
    static const char yes[] = "\xa2ok\xc3";

    return map.end - map.at > (ptrdiff_t)(sizeof(yes) - 1) && (*map.at & 0xf0) == 0x80 &&
           memcmp(map.at + 1, yes, sizeof(yes) - 1) == 0;
}

/* The error that the map says, if it says one: {"ok": false, "code", "message", "at"?}. */
static int map_error(struct mp_reader map, struct sluice_fault *fault)
{
    struct mp_reader at;
    struct mp_token token;

    if (is_plain_yes(map))
        return 0;
    if (!mp_map_get(map, "ok", 2, &at) || !mp_next(&at, &token) || token.type != MP_BOOL)
        return error_set(fault, SLUICE_E_PROTOCOL, "a result says neither yes nor no");
    return token.boolean ? 0 : take_fault(map, fault);
}

static int not_understood(struct sluice_fault *fault, const char *what)
{
    return error_set(fault, SLUICE_E_PROTOCOL, "the broker's reply cannot be understood: %s", what);
}

/* ---- Heads ---- */

/* The first picks of each head; its lists stand last and are not passed over to find them. */
enum { HEAD_EPOCH, HEAD_OK, HEAD_ID, HEAD_OWN };
#define HEAD MP_PICK("epoch"), MP_PICK("ok"), MP_PICK("id")

static struct mp_token scalar(const struct mp_pick *pick)
{
    struct mp_reader at = pick->value;
    struct mp_token token;

    return at.at && mp_next(&at, &token) ? token : (struct mp_token){.type = MP_NIL};
}

static bool take_list(const struct mp_pick *pick, struct mp_reader *items, uint32_t *count)
{
    struct mp_token token;

    *items = pick->value;
    if (!items->at || !mp_next(items, &token) || token.type != MP_ARRAY)
        return false;
    *count = token.count;
    return true;
}

/* 0 when it is for the request @id and no refusal. */
static int read_head(struct mp_reader map, struct mp_pick *picks, unsigned count, const char **epoch,
                     size_t *epoch_len, uint64_t id, struct sluice_fault *fault)
{
    struct mp_token token;

    if (!mp_map_pick(map, picks, count))
        return not_understood(fault, "it is no map");
    token = scalar(&picks[HEAD_EPOCH]);
    if (token.type == MP_STR) {
        *epoch = token.bytes;
        *epoch_len = token.len;
    }
    if (picks[HEAD_OK].value.at) {
        int error = map_error(map, fault);
        return error ? error : not_understood(fault, "it has no results");
    }
    token = scalar(&picks[HEAD_ID]);
    if (token.type != MP_UINT || token.uint != id)
        return not_understood(fault, "it is for another request");
    return 0;
}

/* ---- Replies to requests ---- */

int reply_read(struct reply *reply, const void *bytes, size_t len, uint64_t id, struct sluice_fault *fault)
{
    struct mp_pick picks[] = {HEAD, MP_PICK("results")};
    int error;

    memset(reply, 0, sizeof(*reply));
    error = read_head(mp_reader(bytes, len), picks, sizeof(picks) / sizeof(picks[0]), &reply->epoch,
                      &reply->epoch_len, id, fault);
    if (error == 0 && !take_list(&picks[HEAD_OWN], &reply->results, &reply->count))
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

int turn_reply_read(struct turn_reply *reply, const void *bytes, size_t len, uint64_t id,
                    struct sluice_fault *fault)
{
    enum { TURN = HEAD_OWN, RELEASED, PAUSE, FAILED, EVENTS, COUNT };
    struct mp_pick picks[COUNT] = {HEAD,
                                   MP_PICK("turn"),
                                   MP_PICK("released"),
                                   MP_PICK("pause_ms"),
                                   MP_PICK("failed"),
                                   MP_PICK("events")};
    struct mp_token token;
    int error;

    memset(reply, 0, sizeof(*reply));
    error = read_head(mp_reader(bytes, len), picks, COUNT, &reply->epoch, &reply->epoch_len, id, fault);
    if (error < 0) {
        token = scalar(&picks[TURN]);
        reply->last_turn = token.type == MP_UINT ? token.uint : UINT64_MAX;
        return error;
    }
    if (!take_list(&picks[FAILED], &reply->failed, &reply->failed_count) ||
        !take_list(&picks[EVENTS], &reply->events, &reply->event_count))
        return not_understood(fault, "it has no events");
    token = scalar(&picks[RELEASED]);
    reply->is_released = token.type == MP_BOOL && token.boolean;
    token = scalar(&picks[PAUSE]);
    reply->pause_ms = token.type == MP_UINT && token.uint < INT32_MAX ? (int64_t)token.uint : 0;
    return 0;
}

bool turn_reply_failed(struct mp_reader *failed, struct failed_entry *entry)
{
    struct mp_pick picks[] = {MP_PICK("seq"), MP_PICK("then")};
    struct mp_token token;
    const uint8_t *raw;
    const char *rest;
    size_t len;

    if (!mp_raw(failed, &raw, &len))
        return false;
    mp_map_pick(mp_reader(raw, len), picks, 2);
    token = scalar(&picks[0]);
    if (token.type != MP_UINT)
        return false;
    entry->seq = token.uint;
    take_fault(mp_reader(raw, len), &entry->fault);
    rest = strncmp(entry->fault.at, "done[", 5) == 0 ? strchr(entry->fault.at, ']') : NULL;
    if (rest) { /* the place in the event's own step */
        rest += rest[1] == '.' ? 2 : 1;
        memmove(entry->fault.at, rest, strlen(rest) + 1);
    }
    token = scalar(&picks[1]);
    entry->is_again = token.type == MP_STR && mp_is(&token, "again");
    return true;
}
