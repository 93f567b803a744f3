#include "core/announcements.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/event_name.h"

void announcements_init(struct announcements *announcements, size_t max)
{
    *announcements = (struct announcements){.max = max};
}

static void announcement_free(struct announcement *announcement)
{
    free(announcement->client);
    free(announcement);
}

static void announcement_drop(struct announcements *announcements, struct announcement *announcement)
{
    HASH_DEL(announcements->by_client, announcement);
    DL_DELETE(announcements->oldest, announcement);
    announcement_free(announcement);
}

void announcements_deinit(struct announcements *announcements)
{
    while (announcements->oldest)
        announcement_drop(announcements, announcements->oldest);
}

static struct announcement *announcement_new(const char *client, size_t client_len, const char *patterns,
                                             size_t patterns_len)
{
    struct announcement *announcement = calloc(1, sizeof(*announcement));
    char *text = malloc(client_len + patterns_len);
    if (!announcement || !text) {
        free(announcement);
        free(text);
        return NULL;
    }
    memcpy(text, client, client_len);
    memcpy(text + client_len, patterns, patterns_len);
    announcement->client = text;
    announcement->client_len = client_len;
    announcement->patterns = text + client_len;
    announcement->patterns_len = patterns_len;
    return announcement;
}

static int announcement_add(struct announcements *announcements, struct announcement *announcement)
{
    HASH_ADD_KEYPTR(hh, announcements->by_client, announcement->client, announcement->client_len,
                    announcement);
    if (!announcement->hh.tbl)
        return -ENOMEM;
    DL_APPEND(announcements->oldest, announcement);
    return 0;
}

int announcements_set(struct announcements *announcements, const char *client, size_t client_len,
                      uint64_t link, const char *patterns, size_t patterns_len, uint64_t until_ms)
{
    struct announcement *old;
    HASH_FIND(hh, announcements->by_client, client, client_len, old);
    if (old && old->patterns_len == patterns_len && memcmp(old->patterns, patterns, patterns_len) == 0) {
        old->link = link;
        old->until_ms = until_ms;
        DL_DELETE(announcements->oldest, old);
        DL_APPEND(announcements->oldest, old);
        return 0;
    }
    struct announcement *fresh = NULL;
    if (!old && patterns_len && announcements_count(announcements) >= announcements->max)
        return 1;
    if (patterns_len) {
        fresh = announcement_new(client, client_len, patterns, patterns_len);
        if (!fresh)
            return -ENOMEM;
        fresh->link = link;
        fresh->until_ms = until_ms;
    }
    if (old)
        announcement_drop(announcements, old);
    if (fresh && announcement_add(announcements, fresh) < 0) {
        announcement_free(fresh);
        return -ENOMEM;
    }
    return 0;
}

void announcements_link_down(struct announcements *announcements, uint64_t link)
{
    struct announcement *announcement, *next;
    DL_FOREACH_SAFE(announcements->oldest, announcement, next)
    {
        if (announcement->link == link)
            announcement_drop(announcements, announcement);
    }
}

void announcements_expire(struct announcements *announcements, uint64_t now_ms)
{
    while (announcements->oldest && announcements->oldest->until_ms <= now_ms)
        announcement_drop(announcements, announcements->oldest);
}

uint64_t announcements_next(const struct announcements *announcements)
{
    return announcements->oldest ? announcements->oldest->until_ms : UINT64_MAX;
}

size_t announcements_count(const struct announcements *announcements)
{
    return HASH_COUNT(announcements->by_client);
}

static bool announcement_matches(const struct announcement *announcement, const char *name, size_t len)
{
    const char *end = announcement->patterns + announcement->patterns_len;
    for (const char *pattern = announcement->patterns; pattern < end; pattern += strlen(pattern) + 1) {
        if (event_pattern_matches(pattern, strlen(pattern), name, len))
            return true;
    }
    return false;
}

bool announcements_match(const struct announcements *announcements, const char *name, size_t len)
{
    for (const struct announcement *a = announcements->oldest; a; a = a->next) {
        if (announcement_matches(a, name, len))
            return true;
    }
    return false;
}
