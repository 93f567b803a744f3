#ifndef SLUICE_CORE_OPS_H
#define SLUICE_CORE_OPS_H

/* ops: the operations, one function each, listed in the table OPS (request.h). Every table of arguments
 * begins with the operation's own name. */

#include "core/request.h"

#define OP_ARG                                                                                               \
    {                                                                                                        \
        "op", ARG_STR, true                                                                                  \
    }
#define ARGS_END                                                                                             \
    {                                                                                                        \
        "", ARG_ANY, false                                                                                   \
    }

/* Their names, ends with NULL. */
const char *const *ops_names(void);

/* A map of `fill`: each key of @fill names a filter; write @payload (a map, or NULL) with these keys set to
 * the number of connections that match. 0 or -1 with the call's fault. */
int fill_payload(struct call *call, const struct arg *fill, const struct arg *payload, const struct arg *args,
                 struct buf *out);

/* The parts of an `error` that stands in the map at @at, in @parts (ARGS_MAX of them). 0 or -1 with a fault.
 */
int refusal_read(struct arg *parts, const struct arg *error, const struct place *at, struct fault *fault);

extern const struct arg_spec ARGS_HELLO[], ARGS_SUBSCRIBE[], ARGS_STATS[];
extern const struct arg_spec ARGS_GET[], ARGS_UPDATE[], ARGS_COUNT[], ARGS_FIND[];
extern const struct arg_spec ARGS_SEND[], ARGS_ANSWER[], ARGS_CLOSE[], ARGS_BATCH[];
extern const struct arg_spec ARGS_JOIN[], ARGS_LEAVE[], ARGS_EXTEND[], ARGS_INSPECT[], ARGS_DEAD[];

int op_hello(struct call *call);
int op_subscribe(struct call *call);
int op_stats(struct call *call);
int op_get(struct call *call);
int op_update(struct call *call);
int op_count(struct call *call);
int op_find(struct call *call);
int op_send(struct call *call);
int op_answer(struct call *call);
int op_close(struct call *call);
int op_batch(struct call *call);
int op_join(struct call *call);
int op_leave(struct call *call);
int op_extend(struct call *call);
int op_inspect(struct call *call);
int op_dead(struct call *call);

#endif
