#include "app/config_file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "app/json_text.h"
#include "app/settings.h"
#include "wire/event_name.h"
#include "wire/json.h"
#include "wire/nearest.h"

#define FILE_BYTES_MAX (1024 * 1024)

/* A file being read. */
struct reading {
    struct config *config;
    const char *text;
    const cJSON *root;
};

static const char *type_name(const cJSON *item)
{
    return cJSON_IsString(item)   ? "a string"
           : cJSON_IsNumber(item) ? "a number"
           : cJSON_IsBool(item)   ? "true or false"
           : cJSON_IsNull(item)   ? "null"
           : cJSON_IsArray(item)  ? "a list"
                                  : "an object";
}

static struct origin origin_at(const char *text, size_t offset)
{
    struct origin origin = {.from = ORIGIN_FILE};
    json_text_position(text, offset, &origin.line, &origin.column);
    return origin;
}

static struct origin value_origin(const struct reading *r, const cJSON *item)
{
    return origin_at(r->text, json_text_find(r->text, r->root, item, NULL));
}

static struct origin key_origin(const struct reading *r, const cJSON *item)
{
    size_t key;
    json_text_find(r->text, r->root, item, &key);
    return origin_at(r->text, key);
}

/* Tell of @item, whose key is unknown; @known ends with NULL. */
static int unknown_key(const struct reading *r, const cJSON *item, const char *const *known)
{
    const char *meant = nearest(item->string, strlen(item->string), known);
    if (meant)
        return config_fault(r->config, key_origin(r, item), "unknown key \"%s\"; did you mean \"%s\"?",
                            item->string, meant);
    return config_fault(r->config, key_origin(r, item), "unknown key \"%s\"", item->string);
}

/* cJSON keeps all members with the same key and finds the first: somebody changed one and wonders. */
static bool is_repeated(const struct reading *r, const cJSON *object, const cJSON *item)
{
    for (const cJSON *before = object->child; before != item; before = before->next) {
        if (strcmp(before->string, item->string) != 0)
            continue;
        config_fault(r->config, key_origin(r, item), "the key \"%s\" is there twice", item->string);
        return true;
    }
    return false;
}

static int wrong_type(const struct reading *r, const struct setting *s, const cJSON *item, const char *wanted)
{
    return setting_fault(r->config, s, value_origin(r, item), "must be %s, not %s", wanted, type_name(item));
}

static int apply_text(const struct reading *r, const struct setting *s, const cJSON *item)
{
    const char *text = config_keep(r->config, item->valuestring, strlen(item->valuestring));
    return text ? setting_set_text(r->config, s, value_origin(r, item), text) : -1;
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

/* The members of a batch, as in the operation. */
static const char *const batch_keys[] = {"event", "interval_ms", "max_items", "max_bytes",
                                         "keep",  "latest_by",   NULL};

static bool batch_number(const struct reading *r, const cJSON *item, double max, double *out)
{
    if (!cJSON_IsNumber(item))
        config_fault(r->config, value_origin(r, item), "%s: must be a number, not %s", item->string,
                     type_name(item));
    else if (!(item->valuedouble >= 0 && item->valuedouble <= max))
        config_fault(r->config, value_origin(r, item), "%s: %.15g is not 0 to %.15g", item->string,
                     item->valuedouble, max);
    else if (item->valuedouble != floor(item->valuedouble))
        config_fault(r->config, value_origin(r, item), "%s: %.15g is not a whole number", item->string,
                     item->valuedouble);
    else {
        *out = item->valuedouble;
        return true;
    }
    return false;
}

static const char *batch_text(const struct reading *r, const cJSON *item)
{
    if (cJSON_IsString(item))
        return config_keep(r->config, item->valuestring, strlen(item->valuestring));
    config_fault(r->config, value_origin(r, item), "%s: must be a string, not %s", item->string,
                 type_name(item));
    return NULL;
}

static void batch_event(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *text = batch_text(r, item);
    const char *why = text ? event_name_fault(text, strlen(text)) : NULL;
    rule->event = text ? text : "";
    if (why)
        config_fault(r->config, value_origin(r, item), "event: \"%s\" is no event name: %s", text, why);
}

static void batch_keep(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *text = batch_text(r, item);
    if (text && strcmp(text, "latest") == 0)
        rule->keep = BATCH_KEEP_LATEST;
    else if (text && strcmp(text, "all") != 0)
        config_fault(r->config, value_origin(r, item), "keep: \"%s\" is neither all nor latest", text);
}

static void batch_member(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *key = item->string;
    double number = 0;
    if (strcmp(key, "event") == 0)
        batch_event(r, item, rule);
    else if (strcmp(key, "interval_ms") == 0 && batch_number(r, item, UINT32_MAX, &number))
        rule->interval_ms = (unsigned)number;
    else if (strcmp(key, "max_items") == 0 && batch_number(r, item, UINT32_MAX, &number))
        rule->max_items = (unsigned)number;
    else if (strcmp(key, "max_bytes") == 0 && batch_number(r, item, UINT32_MAX, &number))
        rule->max_bytes = (size_t)number;
    else if (strcmp(key, "keep") == 0)
        batch_keep(r, item, rule);
    else if (strcmp(key, "latest_by") == 0)
        rule->latest_by = batch_text(r, item);
}

static bool is_known(const char *key, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

static int apply_batch(const struct reading *r, const cJSON *object, struct config_batch *batch)
{
    struct config *c = r->config;
    const cJSON *item;
    bool has_interval = false;
    unsigned before = c->fault_count;
    *batch = (struct config_batch){.origin = value_origin(r, object)};
    cJSON_ArrayForEach(item, object)
    {
        if (!is_known(item->string, batch_keys))
            unknown_key(r, item, batch_keys);
        else if (!is_repeated(r, object, item))
            batch_member(r, item, &batch->rule);
        has_interval |= strcmp(item->string, "interval_ms") == 0;
    }
    if (!batch->rule.event)
        return config_fault(c, batch->origin, "batches: an event is missing");
    if (!has_interval)
        return config_fault(c, batch->origin, "batches: interval_ms is missing for \"%s\"",
                            batch->rule.event);
    if (c->fault_count > before)
        return -1;
    for (size_t i = 0; i < c->batch_count; i++)
        if (strcmp(c->batches[i].rule.event, batch->rule.event) == 0)
            return config_fault(c, batch->origin, "batches: the event \"%s\" is there twice",
                                batch->rule.event);
    return 0;
}

static int apply_batches(const struct reading *r, const struct setting *s, const cJSON *list)
{
    struct config *c = r->config;
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return wrong_type(r, s, list, "a list of objects");
    if (!list->child)
        return 0;
    c->batches = calloc((size_t)cJSON_GetArraySize(list), sizeof(*c->batches));
    if (!c->batches) {
        c->is_short = true;
        return -1;
    }
    cJSON_ArrayForEach(item, list)
    {
        if (!cJSON_IsObject(item))
            wrong_type(r, s, item, "an object");
        else if (apply_batch(r, item, &c->batches[c->batch_count]) == 0)
            c->batch_count++;
    }
    return 0;
}

static int apply(const struct reading *r, const struct setting *s, const cJSON *item)
{
    switch (s->kind) {
    case SETTING_FLAG:
        return cJSON_IsBool(item) ? setting_set_flag(r->config, s, value_origin(r, item), cJSON_IsTrue(item))
                                  : wrong_type(r, s, item, "true or false");
    case SETTING_UNSIGNED:
    case SETTING_SIZE:
        return cJSON_IsNumber(item)
                   ? setting_set_number(r->config, s, value_origin(r, item), item->valuedouble)
                   : wrong_type(r, s, item, "a number");
    case SETTING_TEXT:
    case SETTING_LEVEL:
        return cJSON_IsString(item) ? apply_text(r, s, item) : wrong_type(r, s, item, "a string");
    case SETTING_LIST:
        return apply_list(r, s, item);
    case SETTING_BATCHES:
        return apply_batches(r, s, item);
    }
    return -1;
}

static int apply_member(const struct reading *r, const cJSON *item)
{
    const struct setting *s = setting_find(item->string);
    const char *known[CONFIG_SETTINGS_MAX + 1];
    size_t count = 0;
    if (s && s->place == SETTING_LINE_ONLY)
        return config_fault(r->config, key_origin(r, item), "\"%s\" is for the command line only",
                            item->string);
    if (s)
        return is_repeated(r, r->root, item) ? -1 : apply(r, s, item);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (SETTINGS[i].place != SETTING_LINE_ONLY)
            known[count++] = SETTINGS[i].key;
    known[count] = NULL;
    return unknown_key(r, item, known);
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
        why = "not a character"; /* half a surrogate pair is all that only cJSON refuses */
        offset = end ? (size_t)(end - text) : 0;
    }
    if (why)
        config_fault(c, origin_at(text, offset), "%s", why);
    else if (!cJSON_IsObject(root))
        config_fault(c, origin_at(text, strspn(text, " \t\r\n")),
                     "the file must be an object, { ... }, not %s", type_name(root));
    return root;
}

int config_file_read(struct config *c)
{
    struct buf text = BUF_INIT;
    unsigned before = c->fault_count;
    const cJSON *item;
    if (slurp(c, &text) == 0) {
        struct reading r = {.config = c, .text = (const char *)text.data};
        cJSON *root = parse(c, (char *)text.data, text.len - 1);
        r.root = root;
        if (cJSON_IsObject(root))
            cJSON_ArrayForEach(item, root) apply_member(&r, item);
        cJSON_Delete(root);
    }
    buf_deinit(&text);
    return c->fault_count > before || c->is_short ? -1 : 0;
}
