#ifndef SLUICE_CLIENT_GROUP_OPTIONS_H
#define SLUICE_CLIENT_GROUP_OPTIONS_H

/* group_options: what sluice_subscribe() may be told: {group, per_conn, lease_ms, session_keys, max}. */

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "wire/buf.h"

#define GROUP_NAME_MAX 64
#define GROUP_MAX_HELD 1024 /* unless `max` says otherwise */

struct sluice_value;

/* A number that was given, or 0: none may be 0. */
struct group_options {
    char group[GROUP_NAME_MAX + 1]; /* "": none, the subscription watches */
    unsigned per_conn;
    unsigned lease_ms;
    unsigned max;
    struct buf session_keys; /* a MessagePack list; empty: not given */
};

/* Read @map, made by the program. 0, or SLUICE_E_ARGUMENT or SLUICE_E_NOMEM with @fault. Caller ends it with
 * group_options_deinit(), also then. */
int group_options_read(struct group_options *options, const struct sluice_value *map,
                       struct sluice_fault *fault);

/* Add to @options what @more gives beside it, and say whether that is anything. 0, or SLUICE_E_ARGUMENT with
 * @fault where they contradict each other (then nothing has changed), or SLUICE_E_NOMEM. */
int group_options_merge(struct group_options *options, const struct group_options *more, bool *changed,
                        struct sluice_fault *fault);

void group_options_deinit(struct group_options *options);

#endif
