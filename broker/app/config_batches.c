#include "app/config_batches.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/event_name.h"

/* The members of a batch. An absent number means the default, as in the operation. */
static const char *const keys[] = {"event", "interval_ms", "max_items", "max_bytes",
                                   "keep",  "latest_by",   NULL};

#define INTERVAL_MAX 60000
#define ITEMS_MAX    10000
#define BYTES_MAX    (256 * 1024)
#define FIELD_MAX    128

static void take_event(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *text = reading_text(r, item);
    const char *why = text ? event_name_fault(text, strlen(text)) : NULL;
    rule->event = text ? text : "";
    if (why)
        config_fault(r->config, reading_value_origin(r, item), "event: \"%s\": %s", text, why);
}

static void take_keep(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *text = reading_text(r, item);
    if (text && strcmp(text, "latest") == 0)
        rule->keep = BATCH_KEEP_LATEST;
    else if (text && strcmp(text, "all") != 0)
        config_fault(r->config, reading_value_origin(r, item), "keep: \"%s\" is neither all nor latest",
                     text);
}

static void take_latest_by(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *text = reading_text(r, item);
    if (text && (*text == '\0' || strlen(text) > FIELD_MAX))
        config_fault(r->config, reading_value_origin(r, item), "latest_by: \"%s\" has not 1 to %d bytes",
                     text, FIELD_MAX);
    rule->latest_by = text;
}

static void take_member(const struct reading *r, const cJSON *item, struct batch_rule *rule)
{
    const char *key = item->string;
    uint64_t number = 0;
    if (strcmp(key, "event") == 0) {
        take_event(r, item, rule);
    } else if (strcmp(key, "interval_ms") == 0) {
        reading_number(r, item, 0, INTERVAL_MAX, &number);
        rule->interval_ms = (unsigned)number;
    } else if (strcmp(key, "max_items") == 0) {
        reading_number(r, item, 1, ITEMS_MAX, &number);
        rule->max_items = (unsigned)number;
    } else if (strcmp(key, "max_bytes") == 0) {
        reading_number(r, item, 1, BYTES_MAX, &number);
        rule->max_bytes = (size_t)number;
    } else if (strcmp(key, "keep") == 0) {
        take_keep(r, item, rule);
    } else {
        take_latest_by(r, item, rule);
    }
}

/* What the members of one batch must be together. `latest_by` says by itself that the latest are kept. */
static int check(const struct reading *r, const cJSON *object, struct config_batch *batch)
{
    struct config *c = r->config;
    const char *event = batch->rule.event;
    if (batch->rule.latest_by && !cJSON_GetObjectItemCaseSensitive(object, "keep"))
        batch->rule.keep = BATCH_KEEP_LATEST;
    if (!event)
        return config_fault(c, batch->origin, "batches: an event is missing");
    if (!cJSON_GetObjectItemCaseSensitive(object, "interval_ms"))
        return config_fault(c, batch->origin, "batches: interval_ms is missing for \"%s\"", event);
    if (batch->rule.latest_by && batch->rule.keep != BATCH_KEEP_LATEST)
        return config_fault(c, batch->origin,
                            "batches: latest_by does not go with \"keep\": \"all\" for \"%s\"", event);
    for (size_t i = 0; i < c->batch_count; i++)
        if (strcmp(c->batches[i].rule.event, event) == 0)
            return config_fault(c, batch->origin, "batches: the event \"%s\" is there twice", event);
    return 0;
}

static int take(const struct reading *r, const cJSON *object, struct config_batch *batch)
{
    const cJSON *item;
    unsigned before = r->config->fault_count;
    *batch = (struct config_batch){.origin = reading_value_origin(r, object)};
    cJSON_ArrayForEach(item, object)
    {
        if (reading_is_member(r, object, item, keys))
            take_member(r, item, &batch->rule);
    }
    bool is_whole = r->config->fault_count == before && !r->config->is_short;
    return is_whole ? check(r, object, batch) : -1;
}

int config_batches_apply(const struct reading *r, const struct setting *s, const cJSON *list)
{
    struct config *c = r->config;
    const cJSON *item;
    if (!cJSON_IsArray(list))
        return setting_fault(c, s, reading_value_origin(r, list), "must be a list of objects, not %s",
                             json_type_name(list));
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
            setting_fault(c, s, reading_value_origin(r, item), "must be an object, not %s",
                          json_type_name(item));
        else if (take(r, item, &c->batches[c->batch_count]) == 0)
            c->batch_count++;
    }
    return 0;
}
