#include "app/config_groups.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/group.h"
#include "wire/event_name.h"

/* The members of a group. An absent number means the setting of all groups. */
static const char *const keys[] = {"events",  "on_full",       "max_age_ms", "max_attempts",
                                   "backlog", "backlog_bytes", NULL};

#define AGE_MS_MAX (7 * UINT64_C(86400000))

static void take_pattern(const struct reading *r, const cJSON *item, struct text_list *events)
{
    struct config *c = r->config;
    struct origin origin = reading_value_origin(r, item);
    if (!cJSON_IsString(item)) {
        config_fault(c, origin, "events: must be a string, not %s", json_type_name(item));
        return;
    }
    const char *text = config_keep(c, item->valuestring, strlen(item->valuestring));
    const char *why = text ? event_pattern_fault(text, strlen(text)) : NULL;
    if (why) {
        config_fault(c, origin, "events: \"%s\": %s", text, why);
        return;
    }
    for (size_t i = 0; text && i < events->count; i++) {
        if (strcmp(events->items[i], text) == 0) {
            config_fault(c, origin, "events: \"%s\" is there twice", text);
            return;
        }
    }
    if (text && text_list_add(events, text, origin) != 0)
        c->is_short = true;
}

static void take_events(const struct reading *r, const cJSON *list, struct text_list *events)
{
    const cJSON *item;
    if (!cJSON_IsArray(list)) {
        reading_wrong_type(r, list, "a list of strings");
        return;
    }
    if (cJSON_GetArraySize(list) > GROUP_PATTERNS) {
        config_fault(r->config, reading_value_origin(r, list), "events: has more than %d patterns",
                     GROUP_PATTERNS);
        return;
    }
    cJSON_ArrayForEach(item, list)
    {
        take_pattern(r, item, events);
    }
}

static void take_on_full(const struct reading *r, const cJSON *item, struct group_rule *rule)
{
    const char *text = reading_text(r, item);
    rule->refuses_when_full = text && strcmp(text, "refuse") == 0;
    if (text && !rule->refuses_when_full && strcmp(text, "pause") != 0)
        config_fault(r->config, reading_value_origin(r, item), "on_full: \"%s\" is neither pause nor refuse",
                     text);
}

/* A number with the range of the setting @key. */
static uint64_t take_limit(const struct reading *r, const cJSON *item, const char *key)
{
    const struct setting *s = setting_find(key);
    uint64_t number = 0;
    reading_number(r, item, s->min, s->max, &number);
    return number;
}

static void take_member(const struct reading *r, const cJSON *item, struct config_group *group)
{
    const char *key = item->string;
    struct group_rule *rule = &group->rule;
    if (strcmp(key, "events") == 0)
        take_events(r, item, &group->events);
    else if (strcmp(key, "on_full") == 0)
        take_on_full(r, item, rule);
    else if (strcmp(key, "max_age_ms") == 0)
        reading_number(r, item, 1, AGE_MS_MAX, &rule->max_age_ms);
    else if (strcmp(key, "max_attempts") == 0)
        rule->max_attempts = (unsigned)take_limit(r, item, "group_max_attempts");
    else if (strcmp(key, "backlog") == 0)
        rule->backlog = (unsigned)take_limit(r, item, "group_backlog");
    else
        rule->backlog_bytes = (size_t)take_limit(r, item, "group_backlog_bytes");
}

static void take(const struct reading *r, const cJSON *object, struct config_group *group)
{
    struct config *c = r->config;
    const char *why = group_name_fault(object->string, strlen(object->string));
    const cJSON *item;
    group->origin = reading_key_origin(r, object);
    group->rule.name = config_keep(c, object->string, strlen(object->string));
    if (why)
        config_fault(c, group->origin, "groups: \"%s\": %s", object->string, why);
    if (!cJSON_IsObject(object)) {
        config_fault(c, reading_value_origin(r, object), "groups: \"%s\" must be an object, not %s",
                     object->string, json_type_name(object));
        return;
    }
    cJSON_ArrayForEach(item, object)
    {
        if (reading_is_member(r, object, item, keys))
            take_member(r, item, group);
    }
    group->rule.events = group->events.items;
}

int config_groups_apply(const struct reading *r, const struct setting *s, const cJSON *object)
{
    struct config *c = r->config;
    const cJSON *item;
    if (!cJSON_IsObject(object))
        return setting_fault(c, s, reading_value_origin(r, object),
                             "must be an object of groups by name, not %s", json_type_name(object));
    if (!object->child)
        return 0;
    c->groups = calloc((size_t)cJSON_GetArraySize(object), sizeof(*c->groups));
    if (!c->groups) {
        c->is_short = true;
        return -1;
    }
    cJSON_ArrayForEach(item, object)
    {
        if (!reading_is_repeated(r, object, item))
            take(r, item, &c->groups[c->group_count++]);
    }
    return 0;
}
