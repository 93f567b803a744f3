#include "core/greetings.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

void greetings_init(struct greetings *greetings, size_t max)
{
    *greetings = (struct greetings){.max = max};
}

static void introduction_drop(struct greetings *greetings, struct introduction *introduction)
{
    HASH_DEL(greetings->by_client, introduction);
    DL_DELETE(greetings->by_use, introduction);
    free(introduction);
}

void greetings_deinit(struct greetings *greetings)
{
    while (greetings->by_use)
        introduction_drop(greetings, greetings->by_use);
}

static struct introduction *find(const struct greetings *greetings, const char *client, size_t client_len)
{
    struct introduction *introduction;
    HASH_FIND(hh, greetings->by_client, client, client_len, introduction);
    return introduction;
}

const struct introduction *greetings_find(const struct greetings *greetings, const char *client,
                                          size_t client_len)
{
    return find(greetings, client, client_len);
}

void greetings_use(struct greetings *greetings, const char *client, size_t client_len)
{
    struct introduction *introduction = find(greetings, client, client_len);
    if (!introduction || !introduction->next) /* it is the last one already */
        return;
    DL_DELETE(greetings->by_use, introduction);
    DL_APPEND(greetings->by_use, introduction);
}

static struct introduction *introduction_add(struct greetings *greetings, const char *client,
                                             size_t client_len)
{
    struct introduction *introduction = calloc(1, sizeof(*introduction));
    if (!introduction)
        return NULL;
    introduction->client_len = (unsigned char)client_len;
    memcpy(introduction->client, client, client_len);
    HASH_ADD(hh, greetings->by_client, client, client_len, introduction);
    if (!introduction->hh.tbl) {
        free(introduction);
        return NULL;
    }
    DL_APPEND(greetings->by_use, introduction);
    if (HASH_COUNT(greetings->by_client) > greetings->max)
        introduction_drop(greetings, greetings->by_use);
    return introduction;
}

/* Whole characters of @text, as many as fit. A zero byte in it would end it. */
static void copy_text(char out[GREETING_TEXT_MAX + 1], const char *text, size_t len)
{
    size_t n = len < GREETING_TEXT_MAX ? len : GREETING_TEXT_MAX;
    while (n < len && n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    memcpy(out, text, n);
    out[n] = '\0';
}

void greetings_put(struct greetings *greetings, const char *client, size_t client_len,
                   const struct greeting *greeting)
{
    struct introduction *introduction = find(greetings, client, client_len);
    if (introduction)
        greetings_use(greetings, client, client_len);
    else
        introduction = introduction_add(greetings, client, client_len);
    if (!introduction)
        return;
    copy_text(introduction->name, greeting->name, greeting->name_len);
    copy_text(introduction->language, greeting->language, greeting->language_len);
    copy_text(introduction->version, greeting->version, greeting->version_len);
}
