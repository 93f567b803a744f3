#ifndef SLUICE_CORE_REQUEST_H
#define SLUICE_CORE_REQUEST_H

/* request: one request of a handler while it is worked on: its head, and the operation under way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/args.h"
#include "core/core_impl.h"

struct stored_event;

struct request {
    struct caller caller;
    const char *client;
    size_t client_len;
    bool has_id;
    uint64_t id;
    const struct arg *ops;                                  /* the list, of a request of operations */
    const struct arg *member, *turn, *done, *max, *wait_ms; /* of a turn */
};

/* One operation: its arguments read, the place where it stands, and where its result goes. */
struct call {
    struct core *core;
    const struct request *request;
    const struct place *at;
    struct stored_event *event; /* the event of the turn's entry; NULL in an ordinary request */
    const struct arg *args;     /* ARGS_MAX of them, while it runs */
    struct buf *out;
    uint32_t pairs;     /* of the result, `ok` included */
    bool tells_refused; /* the result's last byte is the `refused` of a send: see result_refused() */
    struct fault *fault;
};

/* An operation. Its arguments stand in `args` in the order that the file's enum of them has. */
struct op {
    char name[ARG_NAME_SIZE];
    bool changes;   /* a repeat must not run it again */
    bool is_effect; /* may be among the effects of a turn's entry */
    const struct arg_spec *args;
    int (*run)(struct call *call); /* 0, or -1 with the call's fault */
};

/* All of them, ends with an empty name. */
extern const struct op OPS[];

/* How many operations a request may have: `max_ops`, or fewer where small replies have no room for as many
 * errors. */
unsigned request_max_ops(const struct core_options *options);

/* Add to the result. */
void result_uint(struct call *call, const char *key, uint64_t value);
void result_bool(struct call *call, const char *key, bool value);
void result_text(struct call *call, const char *key, const char *text);

/* End the result with `refused`, how many deliveries are refused. That is 0 until the step is committed; who
 * then wants to tell it puts it in the place of the result's last byte. */
void result_refused(struct call *call);

/* Begin a value that the caller writes to call->out. */
void result_key(struct call *call, const char *key);

/* Read the number @arg, the argument @key, into *@value, which stays as it is where the number is not given.
 * 0, or -1 with the call's fault: it must be from @min to @max. */
int call_number(struct call *call, const struct arg *arg, const char *key, uint64_t min, uint64_t max,
                uint64_t *value);

/* A fault at the argument @key (NULL: the operation as a whole). Returns -1. */
int call_fault(struct call *call, enum code code, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Reply to @ticket with what core->reply has from @begin on, or where memory for that was refused, shortly
 * that it was. */
void request_reply(struct core *core, uint64_t ticket, size_t begin);

#endif
