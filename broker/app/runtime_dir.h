#ifndef SLUICE_APP_RUNTIME_DIR_H
#define SLUICE_APP_RUNTIME_DIR_H

/* runtime_dir: where the sockets are by default: $XDG_RUNTIME_DIR/sluice/NAME, or /tmp/sluice-UID/NAME where
 * that is not set. Handlers use the same rule. */

#include <stdbool.h>
#include <stddef.h>

/* Write "DIRECTORY/NAME" into @out. 0, or -1 when it is longer than @size. */
int runtime_dir_path(const char *name, char *out, size_t size);

/* See that @path ("BASE/NAME", as above) is safe: both directories are ours, no symbolic links, and closed to
 * others. With @create those that are missing are made (0700), without it they may be missing. 0, or -1 with
 * a message for people in @error. */
int runtime_dir_check(const char *path, bool create, char *error, size_t size);

#endif
