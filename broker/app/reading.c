#include "app/reading.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "app/json_text.h"
#include "wire/nearest.h"

const char *json_type_name(const cJSON *item)
{
    return cJSON_IsString(item)   ? "a string"
           : cJSON_IsNumber(item) ? "a number"
           : cJSON_IsBool(item)   ? "true or false"
           : cJSON_IsNull(item)   ? "null"
           : cJSON_IsArray(item)  ? "a list"
                                  : "an object";
}

struct origin reading_offset_origin(const char *text, size_t offset)
{
    struct origin origin = {.from = ORIGIN_FILE};
    json_text_position(text, offset, &origin.line, &origin.column);
    return origin;
}

struct origin reading_value_origin(const struct reading *r, const cJSON *item)
{
    return reading_offset_origin(r->text, json_text_find(r->text, r->root, item, NULL));
}

struct origin reading_key_origin(const struct reading *r, const cJSON *item)
{
    size_t key;
    json_text_find(r->text, r->root, item, &key);
    return reading_offset_origin(r->text, key);
}

int reading_unknown_key(const struct reading *r, const cJSON *item, const char *const *known)
{
    const char *meant = nearest(item->string, strlen(item->string), known);
    if (meant)
        return config_fault(r->config, reading_key_origin(r, item),
                            "unknown key \"%s\"; did you mean \"%s\"?", item->string, meant);
    return config_fault(r->config, reading_key_origin(r, item), "unknown key \"%s\"", item->string);
}

int reading_wrong_type(const struct reading *r, const cJSON *item, const char *wanted)
{
    return config_fault(r->config, reading_value_origin(r, item), "%s: must be %s, not %s", item->string,
                        wanted, json_type_name(item));
}

int reading_number(const struct reading *r, const cJSON *item, uint64_t min, uint64_t max, uint64_t *out)
{
    double number = item->valuedouble;
    struct origin origin = reading_value_origin(r, item);
    if (!cJSON_IsNumber(item))
        return reading_wrong_type(r, item, "a number");
    if (!(number >= (double)min && number <= (double)max))
        return config_fault(r->config, origin, "%s: %.15g is not %" PRIu64 " to %" PRIu64, item->string,
                            number, min, max);
    if (number != floor(number))
        return config_fault(r->config, origin, "%s: %.15g is not a whole number", item->string, number);
    *out = (uint64_t)number;
    return 0;
}

const char *reading_text(const struct reading *r, const cJSON *item)
{
    if (cJSON_IsString(item))
        return config_keep(r->config, item->valuestring, strlen(item->valuestring));
    reading_wrong_type(r, item, "a string");
    return NULL;
}

bool reading_is_member(const struct reading *r, const cJSON *object, const cJSON *item,
                       const char *const *known)
{
    for (const char *const *key = known; *key; key++)
        if (strcmp(item->string, *key) == 0)
            return !reading_is_repeated(r, object, item);
    reading_unknown_key(r, item, known);
    return false;
}

bool reading_is_repeated(const struct reading *r, const cJSON *object, const cJSON *item)
{
    for (const cJSON *before = object->child; before != item; before = before->next) {
        if (strcmp(before->string, item->string) != 0)
            continue;
        config_fault(r->config, reading_key_origin(r, item), "the key \"%s\" is there twice", item->string);
        return true;
    }
    return false;
}
