#include "core/args.h"

#include <string.h>

#include "core/message.h"
#include "wire/nearest.h"

static const char *const WANTED[] = {
    [ARG_ANY] = "a value",
    [ARG_STR] = "a string",
    [ARG_UINT] = "an integer from 0 to 2^53 - 1",
    [ARG_BOOL] = "true or false",
    [ARG_MAP] = "a map",
    [ARG_LIST] = "a list",
    [ARG_STRS] = "a list of strings",
    [ARG_STR_LIST] = "a string or a list of strings",
    [ARG_ID] = "an integer from 0 to 2^53 - 1 or a string of 1 to 64 bytes",
};

static bool is_string_list(const struct arg *arg)
{
    if (arg->token.type != MP_ARRAY)
        return false;
    uint32_t count;
    struct mp_reader r = args_strings(arg, &count);
    const char *text;
    size_t len;
    for (uint32_t i = 0; i < count; i++) {
        if (!mp_str(&r, &text, &len))
            return false;
    }
    return true;
}

static bool is_uint(const struct arg *arg)
{
    return arg->token.type == MP_UINT && arg->token.uint <= QUESTION_NUMBER_MAX;
}

static bool is_of_kind(const struct arg *arg, enum arg_kind kind)
{
    enum mp_type type = arg->token.type;
    switch (kind) {
    case ARG_ANY:
        return true;
    case ARG_STR:
        return type == MP_STR;
    case ARG_UINT:
        return is_uint(arg);
    case ARG_BOOL:
        return type == MP_BOOL;
    case ARG_MAP:
        return type == MP_MAP;
    case ARG_LIST:
        return type == MP_ARRAY;
    case ARG_STRS:
        return is_string_list(arg);
    case ARG_STR_LIST:
        return type == MP_STR || is_string_list(arg);
    case ARG_ID:
        return is_uint(arg) || (type == MP_STR && arg->token.len >= 1 && arg->token.len <= QUESTION_TEXT_MAX);
    }
    return false;
}

static int refuse_key(const struct mp_token *key, const struct arg_spec *specs, const struct place *at,
                      struct fault *fault)
{
    const char *known[ARGS_MAX + 1] = {NULL};
    const struct place place = place_key(at, key->bytes, key->len);
    for (size_t i = 0; *specs[i].name; i++)
        known[i] = specs[i].name;
    const char *meant = nearest(key->bytes, key->len, known);
    return fault_set(fault, CODE_UNKNOWN_KEY, &place,
                     meant ? "there is no such key; did you mean `%s`?" : "there is no such key%s",
                     meant ? meant : "");
}

/* A map being read against a table. */
struct reading {
    struct arg *args;
    const struct arg_spec *specs;
    const struct arg_spec *expected; /* the one behind the last key's: most write keys in the table's order */
    uint32_t missing;                /* bits: those that are required and were not there so far */
};

static const struct arg_spec *find_spec(const struct reading *reading, const struct mp_token *key)
{
    for (const struct arg_spec *spec = reading->expected; *spec->name; spec++) {
        if (arg_name_is(spec->name, key))
            return spec;
    }
    for (const struct arg_spec *spec = reading->specs; spec < reading->expected; spec++) {
        if (arg_name_is(spec->name, key))
            return spec;
    }
    return NULL;
}

/* The value of the last pair ends where the map does: then there is no need to look for its end. */
static bool read_value(struct arg *arg, struct mp_reader *r, bool is_last)
{
    arg->raw = r->at;
    if (!(is_last ? mp_next(r, &arg->token) : arg_value(r, &arg->token)))
        return false;
    arg->len = (size_t)((is_last ? r->end : r->at) - arg->raw);
    return true;
}

static int refuse_value(const struct arg *arg, enum arg_kind kind, const struct place *at,
                        const struct mp_token *key, struct fault *fault)
{
    const struct place place = place_key(at, key->bytes, key->len);
    return fault_set(fault, CODE_BAD_ARGUMENT, &place, "this must be %s, not %s", WANTED[kind],
                     mp_type_name(arg->token.type));
}

static int refuse_pair(const struct mp_token *key, const char *why, const struct place *at,
                       struct fault *fault)
{
    const struct place place = place_key(at, key->bytes, key->len);
    return fault_set(fault, CODE_BAD_ARGUMENT, &place, "%s", why);
}

static int read_pair(struct reading *reading, struct mp_reader *r, bool is_last, const struct place *at,
                     struct fault *fault)
{
    struct mp_token key;
    if (!mp_next(r, &key) || key.type != MP_STR)
        return fault_set(fault, CODE_BAD_ARGUMENT, at, "a key is no string");
    const struct arg_spec *spec = find_spec(reading, &key);
    if (!spec)
        return refuse_key(&key, reading->specs, at, fault);
    size_t index = (size_t)(spec - reading->specs);
    struct arg *arg = &reading->args[index];
    if (arg->raw)
        return refuse_pair(&key, "the key stands here twice", at, fault);
    if (!read_value(arg, r, is_last))
        return refuse_pair(&key, "the value is cut", at, fault);
    arg->given = arg->token.type != MP_NIL;
    if (arg->given && !is_of_kind(arg, spec->kind))
        return refuse_value(arg, spec->kind, at, &key, fault);
    if (arg->given)
        reading->missing &= ~(UINT32_C(1) << index);
    reading->expected = spec + 1;
    return 0;
}

static int refuse_missing(const struct reading *reading, const struct place *at, struct fault *fault)
{
    size_t first = 0;
    while (!(reading->missing >> first & 1))
        first++;
    const char *name = reading->specs[first].name;
    const struct place place = place_key(at, name, strlen(name));
    return fault_set(fault, CODE_BAD_ARGUMENT, &place, "this key is missing");
}

int args_read(struct arg *args, const struct arg_spec *specs, const uint8_t *raw, size_t len,
              const struct place *at, struct fault *fault)
{
    struct reading reading = {.args = args, .specs = specs, .expected = specs};
    struct mp_reader r = mp_reader(raw, len);
    struct mp_token map;
    if (!mp_next(&r, &map) || map.type != MP_MAP)
        return fault_set(fault, CODE_BAD_ARGUMENT, at, "this must be a map");
    for (size_t i = 0; *specs[i].name; i++) {
        args[i] = (struct arg){0};
        reading.missing |= (uint32_t)specs[i].required << i;
    }
    for (uint32_t i = 0; i < map.count; i++) {
        if (read_pair(&reading, &r, i + 1 == map.count, at, fault) < 0)
            return -1;
    }
    return reading.missing ? refuse_missing(&reading, at, fault) : 0;
}

struct mp_reader args_strings(const struct arg *arg, uint32_t *count)
{
    struct mp_reader r = mp_reader(arg->raw, arg->len);
    struct mp_token list;
    *count = 0;
    if (arg->given && arg->token.type == MP_STR)
        *count = 1;
    else if (arg->given && mp_next(&r, &list))
        *count = list.count;
    return r;
}
