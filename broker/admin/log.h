#ifndef SLUICE_ADMIN_LOG_H
#define SLUICE_ADMIN_LOG_H

/* log: one line for each thing worth telling, to standard error:
 *
 *     2026-11-23T13:09:31.123Z info ws "listening" address=127.0.0.1:8080
 *
 * time (UTC), level, area, message, key=value. Values with spaces, quotes, control characters or nothing are
 * quoted as JSON strings. Nothing of a payload is logged at info or above. Any thread may log. */

#include <stdbool.h>

/* An empty format is how a line without pairs is written. */
#pragma GCC diagnostic ignored "-Wformat-zero-length"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines above @level are not written. Default: info. */
void log_set_level(enum log_level level);

/* The level with that name, or -1. */
int log_level_from_text(const char *text);
bool log_enabled(enum log_level level);

/* Write one line. @format makes "key=value" pairs by conversions, "" for none: log_line(LOG_LEVEL_INFO, "ws",
 * "closed", "conn=%s code=%d", ...). Write every string value with %s after its `key=`: log_line() quotes
 * what needs it (it formats pair by pair). */
void log_line(enum log_level level, const char *area, const char *message, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_error(area, message, ...) log_line(LOG_LEVEL_ERROR, area, message, __VA_ARGS__)
#define log_warn(area, message, ...)  log_line(LOG_LEVEL_WARN, area, message, __VA_ARGS__)
#define log_info(area, message, ...)  log_line(LOG_LEVEL_INFO, area, message, __VA_ARGS__)
#define log_debug(area, message, ...) log_line(LOG_LEVEL_DEBUG, area, message, __VA_ARGS__)

#endif
