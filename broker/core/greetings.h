#ifndef SLUICE_CORE_GREETINGS_H
#define SLUICE_CORE_GREETINGS_H

/* greetings: what clients told about themselves with `hello`, so that `stats` can show who the members of a
 * group are. Nothing depends on it. Bounded: the client that was not heard of for longest is forgotten. */

#include <stddef.h>

#include "core/uthash_nomem.h"

#define GREETING_TEXT_MAX   64 /* of each text; longer ones are cut */
#define GREETING_CLIENT_MAX 64

struct greeting;

/* Who a client is. Texts end with a zero byte, "" where it told nothing. */
struct introduction {
    char name[GREETING_TEXT_MAX + 1];
    char language[GREETING_TEXT_MAX + 1];
    char version[GREETING_TEXT_MAX + 1];
    unsigned char client_len;
    char client[GREETING_CLIENT_MAX];
    struct introduction *prev, *next; /* by use, oldest first */
    UT_hash_handle hh;
};

struct greetings {
    struct introduction *by_client;
    struct introduction *by_use;
    size_t max;
};

void greetings_init(struct greetings *greetings, size_t max);
void greetings_deinit(struct greetings *greetings);

/* @client (at most GREETING_CLIENT_MAX bytes) says who it is. Where memory is refused, it stays unknown. */
void greetings_put(struct greetings *greetings, const char *client, size_t client_len,
                   const struct greeting *greeting);

/* It was heard of. */
void greetings_use(struct greetings *greetings, const char *client, size_t client_len);

/* Who it is, or NULL. */
const struct introduction *greetings_find(const struct greetings *greetings, const char *client,
                                          size_t client_len);

#endif
