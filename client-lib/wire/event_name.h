#ifndef SLUICE_WIRE_EVENT_NAME_H
#define SLUICE_WIRE_EVENT_NAME_H

/* event_name: what may name an event, and what a subscription matches. */

#include <stdbool.h>
#include <stddef.h>

#define EVENT_NAME_MAX 128

/* NULL if @name is an event name: 1 to 128 bytes of A-Z a-z 0-9 _ - . /, in parts separated by `:`, no part
 * empty. Else what is wrong with it, for people. Names of the broker's own ('@...') are none. */
const char *event_name_fault(const char *name, size_t len);

/* NULL if @pattern is an exact name, `name:*`, `*`, `@*` or one of the broker's own (`@connect`). Else what
 * is wrong. */
const char *event_pattern_fault(const char *pattern, size_t len);

/* Whether @pattern (valid) matches @name: exact; `chat:*` any depth below chat, not chat itself; `*` all
 * that do not begin with '@'; `@*` all that do. */
bool event_pattern_matches(const char *pattern, size_t pattern_len, const char *name, size_t len);

#endif
