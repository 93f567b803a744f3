#include "reply.h"

#include <stdbool.h>
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

/* The error that the map says, if it says one: {"ok": false, "code", "message", "at"?}. */
static int map_error(struct mp_reader map, struct sluice_fault *fault)
{
    struct mp_reader at;
    struct mp_token token;
    int error;

    if (!mp_map_get(map, "ok", 2, &at) || !mp_next(&at, &token) || token.type != MP_BOOL)
        return error_set(fault, SLUICE_E_PROTOCOL, "a result says neither yes nor no");
    if (token.boolean)
        return 0;
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

static int not_understood(struct sluice_fault *fault, const char *what)
{
    return error_set(fault, SLUICE_E_PROTOCOL, "the broker's reply cannot be understood: %s", what);
}

int reply_read(struct reply *reply, const void *bytes, size_t len, uint64_t id, struct sluice_fault *fault)
{
    struct mp_reader map = mp_reader(bytes, len), at;
    struct mp_token token;

    memset(reply, 0, sizeof(*reply));
    at = map;
    if (!mp_next(&at, &token) || token.type != MP_MAP)
        return not_understood(fault, "it is no map");
    if (mp_map_get(map, "epoch", 5, &at) && !mp_str(&at, &reply->epoch, &reply->epoch_len))
        reply->epoch = NULL;
    if (mp_map_get(map, "ok", 2, &at)) {
        int error = map_error(map, fault);
        return error ? error : not_understood(fault, "it has no results");
    }
    if (!mp_map_get(map, "id", 2, &at) || !mp_next(&at, &token) || token.type != MP_UINT || token.uint != id)
        return not_understood(fault, "it is for another request");
    if (!mp_map_get(map, "results", 7, &reply->results) || !mp_next(&reply->results, &token) ||
        token.type != MP_ARRAY)
        return not_understood(fault, "it has no results");
    reply->count = token.count;
    return 0;
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
