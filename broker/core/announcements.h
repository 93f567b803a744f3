#ifndef SLUICE_CORE_ANNOUNCEMENTS_H
#define SLUICE_CORE_ANNOUNCEMENTS_H

/* announcements: what subscribers say they listen to, so that the broker knows whether anyone does.
 *
 * nng does not tell a publisher what its peers subscribe to. So subscribers announce it, for 60 s at a time;
 * one whose link to `calls` ends is forgotten at once. While there are more SUB links than announcing
 * clients, somebody listens to who knows what, and nobody is told that no handler listens. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/uthash_nomem.h"

struct announcement {
    char *client; /* key; the patterns, each with its zero byte, follow in the same allocation */
    size_t client_len;
    uint64_t link;
    uint64_t until_ms;
    const char *patterns;
    size_t patterns_len;              /* bytes, zero bytes included */
    struct announcement *prev, *next; /* by until_ms */
    UT_hash_handle hh;
};

struct announcements {
    struct announcement *by_client;
    struct announcement *oldest;
    size_t max;
};

void announcements_init(struct announcements *announcements, size_t max);
void announcements_deinit(struct announcements *announcements);

/* @client listens to @patterns (each ended by a zero byte; valid ones), until @until_ms, which never sinks
 * from call to call. None: it listens to nothing. 0, 1 when there are too many clients already, or -ENOMEM.
 */
int announcements_set(struct announcements *announcements, const char *client, size_t client_len,
                      uint64_t link, const char *patterns, size_t patterns_len, uint64_t until_ms);

void announcements_link_down(struct announcements *announcements, uint64_t link);
void announcements_expire(struct announcements *announcements, uint64_t now_ms);

/* When the next one ends; UINT64_MAX: there are none. */
uint64_t announcements_next(const struct announcements *announcements);

size_t announcements_count(const struct announcements *announcements);

/* Whether one matches the event @name. */
bool announcements_match(const struct announcements *announcements, const char *name, size_t len);

#endif
