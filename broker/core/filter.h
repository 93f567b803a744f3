#ifndef SLUICE_CORE_FILTER_H
#define SLUICE_CORE_FILTER_H

/* filter: a query over sessions, compiled from a MessagePack map, evaluated on a session's bytes.
 *
 * The semantics are MongoDB's query language (MongoDB manual, "Query and Projection Operators"),
 * less what is dangerous in a send: see docs/protocol-handlers.md. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/fault.h"

#define FILTER_DEPTH     16
#define FILTER_NODES     256
#define FILTER_IN_VALUES 4096

struct filter;
struct filter_args;

/* What a filter looks at: one connection. All borrowed. */
struct subject {
    const void *session; /* a checked MessagePack map */
    size_t session_len;
    const char *conn;        /* `@conn` */
    const char *remote;      /* `@remote` */
    const char *subprotocol; /* `@subprotocol`; "" for none */
    const char *path;        /* `@path` */
    uint64_t connected_ms;   /* `@connected_ms` */
};

/* Compile @len bytes (a well-formed MessagePack value, as mp_check() with MP_ALLOW_* all lets pass). Takes a
 * copy of what it needs. Caller owns *@out. 0, or -1 with a fault (CODE_BAD_FILTER, its place below @at;
 * CODE_OVERLOADED when memory is refused). */
int filter_compile(struct filter **out, const void *mp, size_t len, const struct place *at,
                   struct fault *fault);

/* NULL is fine. */
void filter_free(struct filter *filter);

/* Give the filter's `$arg`s their values from @mp, a well-formed MessagePack map (NULL: no arguments). Each
 * `$arg` needs one, those that it does not name are for other filters; a scalar (string, number, boolean),
 * for $in, $nin, $all a list of scalars. Borrows @filter and @mp until the args are freed. Faults are
 * CODE_BAD_ARGUMENT with the place below @at (`ops[0].args.room`). */
int filter_bind(struct filter_args **out, const struct filter *filter, const void *mp, size_t len,
                const struct place *at, struct fault *fault);

void filter_args_free(struct filter_args *args);

/* Whether the subject matches. @args from filter_bind() of the same filter. */
bool filter_matches(const struct filter *filter, const struct filter_args *args,
                    const struct subject *subject);

#endif
