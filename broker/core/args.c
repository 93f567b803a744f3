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
    for (size_t i = 0; specs[i].name; i++)
        known[i] = specs[i].name;
    const char *meant = nearest(key->bytes, key->len, known);
    return fault_set(fault, CODE_UNKNOWN_KEY, at,
                     meant ? "there is no such key; did you mean `%s`?" : "there is no such key%s",
                     meant ? meant : "");
}

static const struct arg_spec *find_spec(const struct arg_spec *specs, const struct mp_token *key)
{
    for (; key->len > 0 && specs->name; specs++) {
        if (specs->name[0] == key->bytes[0] && mp_is(key, specs->name))
            return specs;
    }
    return NULL;
}

static int read_pair(struct arg *args, const struct arg_spec *specs, struct mp_reader *r,
                     const struct place *at, struct fault *fault)
{
    struct mp_token key;
    if (!mp_next(r, &key) || key.type != MP_STR)
        return fault_set(fault, CODE_BAD_ARGUMENT, at, "a key is no string");
    const struct place place = place_key(at, key.bytes, key.len);
    const struct arg_spec *spec = find_spec(specs, &key);
    if (!spec)
        return refuse_key(&key, specs, &place, fault);
    struct arg *arg = &args[spec - specs];
    if (arg->raw)
        return fault_set(fault, CODE_BAD_ARGUMENT, &place, "the key stands here twice");
    if (!mp_raw(r, &arg->raw, &arg->len))
        return fault_set(fault, CODE_BAD_ARGUMENT, &place, "the value is cut");
    struct mp_reader value = mp_reader(arg->raw, arg->len);
    mp_next(&value, &arg->token);
    arg->given = arg->token.type != MP_NIL;
    if (arg->given && !is_of_kind(arg, spec->kind))
        return fault_set(fault, CODE_BAD_ARGUMENT, &place, "this must be %s, not %s", WANTED[spec->kind],
                         mp_type_name(arg->token.type));
    return 0;
}

int args_read(struct arg *args, const struct arg_spec *specs, const uint8_t *raw, size_t len,
              const struct place *at, struct fault *fault)
{
    struct mp_reader r = mp_reader(raw, len);
    struct mp_token map;
    if (!mp_next(&r, &map) || map.type != MP_MAP)
        return fault_set(fault, CODE_BAD_ARGUMENT, at, "this must be a map");
    for (size_t i = 0; specs[i].name; i++)
        args[i] = (struct arg){0};
    for (uint32_t i = 0; i < map.count; i++) {
        if (read_pair(args, specs, &r, at, fault) < 0)
            return -1;
    }
    for (size_t i = 0; specs[i].name; i++) {
        if (!specs[i].required || args[i].given)
            continue;
        const struct place place = place_key(at, specs[i].name, strlen(specs[i].name));
        return fault_set(fault, CODE_BAD_ARGUMENT, &place, "this key is missing");
    }
    return 0;
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
