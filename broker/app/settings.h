#ifndef SLUICE_APP_SETTINGS_H
#define SLUICE_APP_SETTINGS_H

/* settings: one table of all that can be set, for the command line (`--max-ops 10`), the config file
 * (`"max_ops": 10`), --help and docs/configuration.md. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/config.h"

enum setting_kind {
    SETTING_FLAG, /* bool */
    SETTING_UNSIGNED,
    SETTING_SIZE,  /* size_t */
    SETTING_TEXT,  /* const char * */
    SETTING_LIST,  /* struct text_list: the option may be repeated; in the file one text or a list of texts */
    SETTING_LEVEL, /* enum log_level, by its name */
    SETTING_BATCHES,
    SETTING_GROUPS
};

enum setting_place { SETTING_ANYWHERE, SETTING_LINE_ONLY, SETTING_FILE_ONLY };

struct setting {
    const char *group;
    const char *key; /* in the file; the option has '-' for '_' */
    enum setting_kind kind;
    enum setting_place place;
    size_t offset;     /* in struct config */
    const char *value; /* what --help calls the value */
    uint64_t min;      /* of numbers */
    uint64_t max;
    const char *(*check)(const char *text); /* of texts: what is wrong ("has no port"), or NULL */
    const char *default_text;               /* where the default is no constant */
    const char *help;
};

extern const struct setting SETTINGS[];
extern const size_t SETTING_COUNT;

/* The row with that key, or NULL. */
const struct setting *setting_find(const char *key);

/* "max_ops" as "max-ops", cut to @size. */
void setting_option(const struct setting *s, char *out, size_t size);

/* The value of @s in @c for people, "" for none. */
void setting_format(const struct setting *s, const struct config *c, char *out, size_t size);

/* The range of numbers, "" for others. */
void setting_range(const struct setting *s, char *out, size_t size);

/* Give @s a value of the right type. -1 with a fault when it is out of range or refused by the row's check.
 * Texts are borrowed. */
int setting_set_flag(struct config *c, const struct setting *s, struct origin origin, bool value);
int setting_set_number(struct config *c, const struct setting *s, struct origin origin, double value);
int setting_set_text(struct config *c, const struct setting *s, struct origin origin, const char *text);

/* A fault of the value of @s, its name before the rest: "max_ops: " or "--max-ops: ". Always -1. */
int setting_fault(struct config *c, const struct setting *s, struct origin origin, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Where the value of @s came from. */
struct origin setting_origin(const struct config *c, const struct setting *s);

#endif
