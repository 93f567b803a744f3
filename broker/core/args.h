#ifndef SLUICE_CORE_ARGS_H
#define SLUICE_CORE_ARGS_H

/* args: the keys of a request's or an operation's map, read strictly against a table: an unknown key is
 * refused with the nearest known one, a wrong type with what is wanted. A value that is nil counts as absent.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "wire/fault.h"
#include "wire/mp.h"

enum arg_kind {
    ARG_ANY,
    ARG_STR,
    ARG_UINT, /* at most 2^53 - 1, as every language can hold it */
    ARG_BOOL,
    ARG_MAP,
    ARG_LIST,
    ARG_STRS,     /* a list of strings */
    ARG_STR_LIST, /* a string, or a list of strings */
    ARG_ID        /* the `i` of a question */
};

#define ARG_NAME_SIZE 16 /* with at least one zero byte behind the name */
#define ARGS_MAX      12

/* (The name stands in the table itself, so that its length is known without reading all of it.) */
struct arg_spec {
    char name[ARG_NAME_SIZE];
    enum arg_kind kind;
    bool required;
};

struct arg {
    bool given;
    struct mp_token token;
    const uint8_t *raw; /* the whole value */
    size_t len;
};

/* Whether the string @token is @name. */
static inline bool arg_name_is(const char name[ARG_NAME_SIZE], const struct mp_token *token)
{
    uint32_t len = token->len;
    return len > 0 && len < ARG_NAME_SIZE && name[0] == token->bytes[0] && name[len - 1] && !name[len] &&
           memcmp(name, token->bytes, len) == 0;
}

/* Read the next value: what it is, or how it begins, into @token; and pass over the whole of it. False (with
 * the reader anywhere) at the end and on bad bytes. */
static inline bool arg_value(struct mp_reader *r, struct mp_token *token)
{
    const uint8_t *begin = r->at;
    if (!mp_next(r, token))
        return false;
    if (token->type != MP_ARRAY && token->type != MP_MAP)
        return true;
    r->at = begin;
    return mp_skip(r);
}

/* Read the map at @raw, which is one checked value of @len bytes, against @specs (ends with an empty name; at
 * most ARGS_MAX) into @args, which has the same order. The values point into @raw. 0, or -1 with
 * CODE_BAD_ARGUMENT, CODE_UNKNOWN_KEY. */
int args_read(struct arg *args, const struct arg_spec *specs, const uint8_t *raw, size_t len,
              const struct place *at, struct fault *fault);

/* Read the next string of a list of strings. False at its end. Start with the reader of args_strings(). */
struct mp_reader args_strings(const struct arg *arg, uint32_t *count);

#endif
