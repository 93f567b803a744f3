#include "core/replies.h"

#include <stdlib.h>
#include <string.h>

void replies_init(struct replies *replies, const struct core_options *options, struct counters *counters)
{
    *replies = (struct replies){.options = options, .counters = counters};
}

/* Forget a reply; from now on its id and all below it are too old. */
static void stored_drop(struct replies *replies, struct stored *stored)
{
    struct client *client = stored->client;
    size_t bytes = stored->reply ? stored->reply->len : 0;
    if (stored->id > client->floor)
        client->floor = stored->id;
    client->bytes -= bytes;
    replies->bytes -= bytes;
    HASH_DEL(client->stored, stored);
    DL_DELETE(replies->oldest, stored);
    blob_unref(stored->reply);
    free(stored);
}

static void client_drop(struct replies *replies, struct client *client)
{
    while (client->stored)
        stored_drop(replies, client->stored);
    HASH_DEL(replies->clients, client);
    DL_DELETE(replies->by_use, client);
    free(client->key);
    free(client);
}

void replies_deinit(struct replies *replies)
{
    while (replies->by_use)
        client_drop(replies, replies->by_use);
}

static struct client *client_find(const struct replies *replies, const char *key, size_t key_len)
{
    struct client *client;
    HASH_FIND(hh, replies->clients, key, key_len, client);
    return client;
}

static struct client *client_add(struct replies *replies, const char *key, size_t key_len)
{
    struct client *client = calloc(1, sizeof(*client));
    char *copy = malloc(key_len);
    if (!client || !copy)
        goto refused;
    memcpy(copy, key, key_len);
    client->key = copy;
    client->key_len = key_len;
    HASH_ADD_KEYPTR(hh, replies->clients, client->key, key_len, client);
    if (!client->hh.tbl)
        goto refused;
    DL_APPEND(replies->by_use, client);
    if (HASH_COUNT(replies->clients) > replies->options->max_clients) {
        replies->counters->replies_evicted += HASH_COUNT(replies->by_use->stored);
        client_drop(replies, replies->by_use);
    }
    return client;

refused:
    free(copy);
    free(client);
    return NULL;
}

static struct client *client_use(struct replies *replies, const char *key, size_t key_len, uint64_t now_ms)
{
    struct client *client = client_find(replies, key, key_len);
    if (!client)
        client = client_add(replies, key, key_len);
    if (!client)
        return NULL;
    client->used_ms = now_ms;
    DL_DELETE(replies->by_use, client);
    DL_APPEND(replies->by_use, client);
    return client;
}

static struct stored *stored_find(const struct client *client, uint64_t id)
{
    struct stored *stored;
    HASH_FIND(hh, client->stored, &id, sizeof(id), stored);
    return stored;
}

static struct stored *stored_add(struct replies *replies, struct client *client, uint64_t id,
                                 uint64_t fingerprint, uint64_t now_ms)
{
    struct stored *stored = calloc(1, sizeof(*stored));
    if (!stored)
        return NULL;
    stored->id = id;
    stored->fingerprint = fingerprint;
    stored->at_ms = now_ms;
    stored->client = client;
    HASH_ADD(hh, client->stored, id, sizeof(id), stored);
    if (!stored->hh.tbl) {
        free(stored);
        return NULL;
    }
    DL_APPEND(replies->oldest, stored);
    return stored;
}

/* Give up the oldest replies until all bounds hold, but never @keep. */
static void keep_bounds(struct replies *replies, struct client *client, const struct stored *keep)
{
    const struct core_options *options = replies->options;
    while (client->stored != keep &&
           (HASH_COUNT(client->stored) > options->stored_replies || client->bytes > options->stored_bytes))
        stored_drop(replies, client->stored);
    while (replies->oldest != keep && replies->bytes > options->stored_bytes_total) {
        stored_drop(replies, replies->oldest);
        replies->counters->replies_evicted++;
    }
}

enum replies_result replies_begin(struct replies *replies, const char *client_key, size_t client_len,
                                  uint64_t id, uint64_t fingerprint, uint64_t now_ms, struct stored **slot)
{
    struct client *client = client_use(replies, client_key, client_len, now_ms);
    if (!client)
        return REPLIES_NO_MEMORY;
    *slot = stored_find(client, id);
    if (*slot)
        return (*slot)->fingerprint == fingerprint ? REPLIES_STORED : REPLIES_REUSED;
    if (id <= client->floor)
        return REPLIES_TOO_OLD;
    *slot = stored_add(replies, client, id, fingerprint, now_ms);
    return *slot ? REPLIES_NEW : REPLIES_NO_MEMORY;
}

void replies_finish(struct replies *replies, struct stored *slot, const void *reply, size_t len)
{
    slot->reply = reply ? blob_new(reply, len) : NULL;
    if (!slot->reply) {
        stored_drop(replies, slot);
        return;
    }
    slot->client->bytes += len;
    replies->bytes += len;
    keep_bounds(replies, slot->client, slot);
}

bool replies_reused(const struct replies *replies, const char *client_key, size_t client_len, uint64_t id,
                    uint64_t fingerprint)
{
    const struct client *client = client_find(replies, client_key, client_len);
    const struct stored *stored = client ? stored_find(client, id) : NULL;
    return stored && stored->fingerprint != fingerprint;
}

void replies_expire(struct replies *replies, uint64_t now_ms)
{
    while (replies_next(replies) <= now_ms)
        stored_drop(replies, replies->oldest);
}

uint64_t replies_next(const struct replies *replies)
{
    return replies->oldest ? replies->oldest->at_ms + replies->options->stored_ms : UINT64_MAX;
}
