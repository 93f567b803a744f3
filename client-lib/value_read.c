/* Reading values by path. Nothing here fails: where a thing is not, the caller's fallback is. */
#include <math.h>
#include <string.h>

#include "event.h"
#include "value.h"

/* The step of a path that is a decimal index; -1 if it is none. */
static int64_t path_index(const char *part, size_t len)
{
    int64_t index = 0;

    if (len == 0 || len > 9 || (len > 1 && part[0] == '0'))
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (part[i] < '0' || part[i] > '9')
            return -1;
        index = index * 10 + (part[i] - '0');
    }
    return index;
}

static bool path_step(struct mp_reader *at, const char *part, size_t len)
{
    struct mp_reader inside = *at;
    struct mp_token token;
    int64_t index;

    if (!mp_next(&inside, &token))
        return false;
    if (token.type == MP_MAP)
        return mp_map_get(*at, part, len, at);
    index = path_index(part, len);
    if (token.type != MP_ARRAY || index < 0 || index >= (int64_t)token.count)
        return false;
    while (index-- > 0)
        if (!mp_skip(&inside))
            return false;
    *at = inside;
    return true;
}

bool value_find(const struct sluice_value *value, const char *path, struct mp_reader *at)
{
    if (!value || !path)
        return false;
    *at = mp_reader(value->bytes, value->len);
    while (*path) {
        size_t len = strcspn(path, ".");
        if (!path_step(at, path, len))
            return false;
        path += len;
        if (*path == '.')
            path++;
    }
    return true;
}

static bool value_token(const struct sluice_value *value, const char *path, struct mp_token *token)
{
    struct mp_reader at;

    return value_find(value, path, &at) && mp_next(&at, token);
}

bool value_is_map(const struct sluice_value *value)
{
    struct mp_token token;

    return value_token(value, "", &token) && token.type == MP_MAP;
}

const char *sluice_get_str(const sluice_value *value, const char *path, const char *fallback)
{
    struct mp_token token;
    const char *text;

    if (!value_token(value, path, &token) || token.type != MP_STR || memchr(token.bytes, '\0', token.len))
        return fallback;
    text = arena_text(&value->event->arena, token.bytes, token.len);
    if (!text) {
        error_nomem(&value->event->fault);
        return fallback;
    }
    return text;
}

const char *sluice_get_strn(const sluice_value *value, const char *path, size_t *len)
{
    struct mp_token token;
    bool found = value_token(value, path, &token) && (token.type == MP_STR || token.type == MP_BIN);

    if (len)
        *len = found ? token.len : 0;
    return found ? token.bytes : NULL;
}

/* Whole numbers that came as floats (a JSON client wrote 5.0) count as integers while every integer nearby
 * has a double of its own. */
#define EXACT_DOUBLE 9007199254740992.0

int64_t sluice_get_int(const sluice_value *value, const char *path, int64_t fallback)
{
    struct mp_token token;

    if (!value_token(value, path, &token))
        return fallback;
    if (token.type == MP_INT)
        return token.sint;
    if (token.type == MP_UINT && token.uint <= INT64_MAX)
        return (int64_t)token.uint;
    if (token.type == MP_FLOAT && fabs(token.real) <= EXACT_DOUBLE && token.real == trunc(token.real))
        return (int64_t)token.real;
    return fallback;
}

uint64_t sluice_get_uint(const sluice_value *value, const char *path, uint64_t fallback)
{
    struct mp_token token;

    if (!value_token(value, path, &token))
        return fallback;
    if (token.type == MP_UINT)
        return token.uint;
    if (token.type == MP_FLOAT && token.real >= 0 && token.real <= EXACT_DOUBLE &&
        token.real == trunc(token.real))
        return (uint64_t)token.real;
    return fallback;
}

double sluice_get_double(const sluice_value *value, const char *path, double fallback)
{
    struct mp_token token;

    if (!value_token(value, path, &token))
        return fallback;
    if (token.type == MP_FLOAT)
        return token.real;
    if (token.type == MP_UINT)
        return (double)token.uint;
    return token.type == MP_INT ? (double)token.sint : fallback;
}

bool sluice_get_bool(const sluice_value *value, const char *path, bool fallback)
{
    struct mp_token token;

    return value_token(value, path, &token) && token.type == MP_BOOL ? token.boolean : fallback;
}

const sluice_value *sluice_get_value(const sluice_value *value, const char *path)
{
    struct mp_reader at;
    const uint8_t *bytes;
    size_t len;

    if (!value_find(value, path, &at) || !mp_raw(&at, &bytes, &len))
        return NULL;
    return value_part(value, bytes, len);
}

enum sluice_type sluice_get_type(const sluice_value *value, const char *path)
{
    static const enum sluice_type types[] = {
        [MP_NIL] = SLUICE_NIL, [MP_BOOL] = SLUICE_BOOL,    [MP_UINT] = SLUICE_INT,
        [MP_INT] = SLUICE_INT, [MP_FLOAT] = SLUICE_DOUBLE, [MP_STR] = SLUICE_STR,
        [MP_BIN] = SLUICE_BIN, [MP_ARRAY] = SLUICE_ARRAY,  [MP_MAP] = SLUICE_MAP,
        [MP_EXT] = SLUICE_EXT,
    };
    struct mp_token token;

    return value_token(value, path, &token) ? types[token.type] : SLUICE_NONE;
}
