#ifndef SLUICE_APP_READING_H
#define SLUICE_APP_READING_H

/* reading: a config file while its settings are taken out of it: where things stand, and faults that files of
 * all kinds have. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* A fault: the value of @item is not @wanted ("a number"). Always -1. */
int reading_wrong_type(const struct reading *r, const cJSON *item, const char *wanted);

/* The whole number that @item is, @min to @max, into @out. 0, or -1 with a fault. */
int reading_number(const struct reading *r, const cJSON *item, uint64_t min, uint64_t max, uint64_t *out);

/* The string that @item is, which lives as long as the config; NULL with a fault if it is none (or when
 * memory is refused). */
const char *reading_text(const struct reading *r, const cJSON *item);

/* Whether @item has one of the keys @known (ends with NULL), and has it for the first time in @object. */
bool reading_is_member(const struct reading *r, const cJSON *object, const cJSON *item,
                       const char *const *known);

/* Whether a member before @item in @object has its key: a fault, since cJSON finds only the first and
 * somebody may change the second. */
bool reading_is_repeated(const struct reading *r, const cJSON *object, const cJSON *item);

#endif
