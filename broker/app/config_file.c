#include "app/config_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app/config_batches.h"
#include "app/config_groups.h"
#include "app/json_text.h"
#include "app/reading.h"
#include "app/settings.h"
#include "wire/json.h"

#define FILE_BYTES_MAX ((size_t)1024 * 1024)

static int wrong_type(const struct reading *r, const struct setting *s, const cJSON *item, const char *wanted)
{
    return setting_fault(r->config, s, reading_value_origin(r, item), "must be %s, not %s", wanted,
                         json_type_name(item));
}

static int apply_text(const struct reading *r, const struct setting *s, const cJSON *item)
{
    const char *text = config_keep(r->config, item->valuestring, strlen(item->valuestring));
    return text ? setting_set_text(r->config, s, reading_value_origin(r, item), text) : -1;
}

static int apply_list(const struct reading *r, const struct setting *s, const cJSON *list)
{
    const cJSON *item;
    if (cJSON_IsString(list))
        return apply_text(r, s, list);
    if (!cJSON_IsArray(list))
        return wrong_type(r, s, list, "a string or a list of strings");
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsString(item))
            wrong_type(r, s, item, "a string");
        else
            apply_text(r, s, item);
    }
    return 0;
}

static int apply(const struct reading *r, const struct setting *s, const cJSON *item)
{
    switch (s->kind) {
    case SETTING_FLAG:
        return cJSON_IsBool(item)
                   ? setting_set_flag(r->config, s, reading_value_origin(r, item), cJSON_IsTrue(item))
                   : wrong_type(r, s, item, "true or false");
    case SETTING_UNSIGNED:
    case SETTING_SIZE:
        return cJSON_IsNumber(item)
                   ? setting_set_number(r->config, s, reading_value_origin(r, item), item->valuedouble)
                   : wrong_type(r, s, item, "a number");
    case SETTING_TEXT:
    case SETTING_LEVEL:
        return cJSON_IsString(item) ? apply_text(r, s, item) : wrong_type(r, s, item, "a string");
    case SETTING_LIST:
        return apply_list(r, s, item);
    case SETTING_BATCHES:
        return config_batches_apply(r, s, item);
    case SETTING_GROUPS:
        return config_groups_apply(r, s, item);
    }
    return -1;
}

static int apply_member(const struct reading *r, const cJSON *item)
{
    const struct setting *s = setting_find(item->string);
    const char *known[CONFIG_SETTINGS_MAX + 1];
    size_t count = 0;
    if (s && s->place == SETTING_LINE_ONLY)
        return config_fault(r->config, reading_key_origin(r, item), "\"%s\" is for the command line only",
                            item->string);
    if (s)
        return reading_is_repeated(r, r->root, item) ? -1 : apply(r, s, item);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (SETTINGS[i].place != SETTING_LINE_ONLY)
            known[count++] = SETTINGS[i].key;
    known[count] = NULL;
    return reading_unknown_key(r, item, known);
}

/* The whole file and a zero byte after it into @out. */
static int slurp(struct config *c, struct buf *out)
{
    struct origin line = setting_origin(c, setting_find("config"));
    FILE *file = fopen(c->file, "re");
    size_t n = 1;
    errno = file ? 0 : errno;
    while (file && n > 0 && out->len <= FILE_BYTES_MAX && buf_reserve(out, 65536)) {
        n = fread(out->data + out->len, 1, 65535, file);
        out->len += n;
    }
    int error = !file || ferror(file) ? errno : 0;
    if (file)
        fclose(file);
    if (error)
        return config_fault(c, line, "--config: cannot read \"%s\": %s", c->file, strerror(error));
    if (out->len > FILE_BYTES_MAX)
        return config_fault(c, line, "--config: \"%s\" has more than 1 MiB", c->file);
    buf_put_byte(out, 0);
    c->is_short |= out->failed;
    return out->failed ? -1 : 0;
}

/* cJSON takes what is no JSON, so the text has to pass the strict reader first. */
static cJSON *parse(struct config *c, char *text, size_t len)
{
    struct buf mp = BUF_INIT;
    size_t offset = 0;
    const char *end = NULL;
    const char *why = json_text_blank(text, len, &offset);
    if (!why)
        why = json_to_mp(text, len, &mp, &offset);
    buf_deinit(&mp);
    cJSON *root = why ? NULL : cJSON_ParseWithLengthOpts(text, len + 1, &end, true);
    if (!why && !root) {
        why = "half of a surrogate pair, or out of memory"; /* all else the strict reader has refused */
        offset = end ? (size_t)(end - text) : 0;
    }
    if (why)
        config_fault(c, reading_offset_origin(text, offset), "%s", why);
    else if (!cJSON_IsObject(root))
        config_fault(c, reading_offset_origin(text, strspn(text, " \t\r\n")),
                     "the file must be an object, { ... }, not %s", json_type_name(root));
    return root;
}

int config_file_read(struct config *c)
{
    struct buf text = BUF_INIT;
    unsigned before = c->fault_count;
    if (slurp(c, &text) == 0 && text.data) {
        struct reading r = {.config = c, .text = (const char *)text.data};
        cJSON *root = parse(c, (char *)text.data, text.len - 1);
        r.root = root;
        const cJSON *first = cJSON_IsObject(root) ? root->child : NULL;
        for (const cJSON *item = first; item; item = item->next)
            apply_member(&r, item);
        cJSON_Delete(root);
    }
    buf_deinit(&text);
    return c->fault_count > before || c->is_short ? -1 : 0;
}
