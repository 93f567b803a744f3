#ifndef SLUICE_CORE_ARGS_H
#define SLUICE_CORE_ARGS_H

/* args: the keys of a request's or an operation's map, read strictly against a table: an unknown key is
 * refused with the nearest known one, a wrong type with what is wanted. A value that is nil counts as absent.
 */

#include <stdbool.h>
#include <stddef.h>

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

struct arg_spec {
    const char *name;
    enum arg_kind kind;
    bool required;
};

#define ARGS_MAX 12

struct arg {
    bool given;
    struct mp_token token;
    const uint8_t *raw; /* the whole value */
    size_t len;
};

/* Read the map at @raw against @specs (ends with a name of NULL; at most ARGS_MAX) into @args, which has the
 * same order. The values point into @raw. 0, or -1 with CODE_BAD_ARGUMENT, CODE_UNKNOWN_KEY. */
int args_read(struct arg *args, const struct arg_spec *specs, const uint8_t *raw, size_t len,
              const struct place *at, struct fault *fault);

/* Read the next string of a list of strings. False at its end. Start with the reader of args_strings(). */
struct mp_reader args_strings(const struct arg *arg, uint32_t *count);

#endif
