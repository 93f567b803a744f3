#ifndef SLUICE_CLIENT_OP_H
#define SLUICE_CLIENT_OP_H

/* op: one operation, written as a map behind those that an event has queued already. The first thing that is
 * wrong fails the event, and the operation is taken back. */

#include <stdbool.h>
#include <stdint.h>

#include "event.h"

struct op {
    struct sluice_event *event;
    const char *name;
    size_t start; /* in event->ops */
    size_t mark;
    uint32_t pairs;
    struct buf args; /* pairs of `args`, from conversions in filters */
    uint32_t arg_count;
    bool is_inner;       /* a map inside an operation: `args` is no key of its own */
    const char *keys[8]; /* written so far: options must not repeat them */
};

/* Begin the operation @name; NULL: its name comes with op_whole(). 0, or an error of event_check(). */
int op_begin(struct op *op, struct sluice_event *event, const char *name);

/* A required text; NULL is an error. */
void op_text(struct op *op, const char *key, const char *text);

/* As it is; NULL: left out. */
void op_value(struct op *op, const char *key, const struct sluice_value *value);

void op_int(struct op *op, const char *key, int64_t value);

/* A required filter, its conversions as arguments. */
void op_filter(struct op *op, const char *key, const struct sluice_value *filter);

/* A required map made by the program itself. */
void op_own_map(struct op *op, const char *key, const struct sluice_value *map);

/* The next value is that of @key; the caller writes it to op->event->ops. */
void op_open(struct op *op, const char *key);

/* Each pair of @options, a map, or NULL. With @args of its own they join those of the filter. */
void op_options(struct op *op, const struct sluice_value *options);

/* Each pair of the operation @whole, made by the program itself: `filter` and `args` as above. */
void op_whole(struct op *op, const struct sluice_value *whole);

/* Finish: the operation counts as queued. 0 or the error. */
int op_end(struct op *op);

/* Take the last operation back. */
void op_undo(struct sluice_event *event);

#endif
