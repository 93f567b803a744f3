#ifndef SLUICE_APP_CONFIG_H
#define SLUICE_APP_CONFIG_H

/* config: all that sluiced can be told, from its defaults, the config file and the command line, the later
 * before the earlier. The settings themselves (names, ranges, meaning) are the table in settings.c.
 *
 * What is wrong is collected as lines for people, so that one run tells all faults of a file. */

#include <stdbool.h>
#include <stddef.h>

#include "admin/log.h"
#include "core/core.h"
#include "ipc/ipc.h"
#include "wire/buf.h"
#include "ws/ws.h"

#define CONFIG_SETTINGS_MAX 80
#define CONFIG_LIST_MAX     32 /* addresses, headers */

/* Where a value came from. */
struct origin {
    enum { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_LINE } from;
    size_t line; /* in the config file, from 1 */
    size_t column;
};

/* Texts that a setting holds in order. */
struct text_list {
    const char **items; /* ends with NULL; NULL while empty */
    struct origin *origins;
    size_t count;
};

/* A batch that the file declares. */
struct config_batch {
    struct batch_rule rule;
    struct origin origin;
};

/* A group that the file declares. */
struct config_group {
    struct group_rule rule;
    struct text_list events; /* the rule's */
    struct origin origin;
};

struct config {
    struct core_options core; /* complete after config_load(), but for epoch and seed */
    struct ws_options ws;     /* but for loop and counters */
    struct ipc_options ipc;   /* but for counters and wake */

    const char *file; /* NULL: none */
    const char *listen;
    const char *name;
    const char *key;
    const char *key_file;
    struct text_list calls;
    struct text_list events;
    struct text_list headers;
    struct text_list index;
    struct config_batch *batches;
    size_t batch_count;
    struct config_group *groups;
    size_t group_count;
    enum log_level log_level;
    unsigned drain_ms;
    bool is_insecure;
    bool wants_check;
    bool wants_help;
    bool wants_version;

    struct origin origins[CONFIG_SETTINGS_MAX]; /* by row of the table */
    struct buf faults;                          /* lines */
    unsigned fault_count;
    bool is_line_wrong; /* one of the faults is on the command line */
    bool is_short;      /* memory was refused */
    char **kept;        /* texts that belong to the config */
    size_t kept_count;
};

/* The defaults. */
void config_init(struct config *c);
void config_deinit(struct config *c);

/* Read command line and config file into @c (after config_init()) and check all that can be checked without
 * starting: 0, or -1 with the reasons in c->faults. With `wants_help` or `wants_version` nothing else is
 * looked at. Makes the directories of the default addresses unless `wants_check`. @argv is borrowed while @c
 * lives. */
int config_load(struct config *c, int argc, char **argv);

/* What the process ends with when config_load() failed: 2 for a wrong command line, else 1. */
int config_exit_code(const struct config *c);

/* For the modules that fill a config. */

/* A copy of @text[@len] that lives as long as @c; NULL when memory is refused. */
const char *config_keep(struct config *c, const char *text, size_t len);

/* Append to a list; @text is borrowed. 0 or -1. */
int text_list_add(struct text_list *list, const char *text, struct origin origin);
void text_list_clear(struct text_list *list);

/* Add one line to the faults, "FILE:LINE:COLUMN: " or "sluiced: " before it. Always -1. */
int config_fault(struct config *c, struct origin origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
