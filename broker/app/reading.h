#ifndef SLUICE_APP_READING_H
#define SLUICE_APP_READING_H

/* reading: a config file while its settings are taken out of it: where things stand, and faults that files of
 * all kinds have. */

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "app/config.h"

struct reading {
    struct config *config;
    const char *text; /* valid JSON, comments blanked */
    const cJSON *root;
};

/* "a string", "a list", ... */
const char *json_type_name(const cJSON *item);

struct origin reading_offset_origin(const char *text, size_t offset);

/* Where the value @item stands; where its key does. */
struct origin reading_value_origin(const struct reading *r, const cJSON *item);
struct origin reading_key_origin(const struct reading *r, const cJSON *item);

/* A fault: the key of @item is none of @known (ends with NULL). Always -1. */
int reading_unknown_key(const struct reading *r, const cJSON *item, const char *const *known);

/* Whether a member before @item in @object has its key: a fault, since cJSON finds only the first and
 * somebody may change the second. */
bool reading_is_repeated(const struct reading *r, const cJSON *object, const cJSON *item);

#endif
