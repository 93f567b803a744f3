#ifndef SLUICE_TESTS_UNIT_APP_TRY_CONFIG_H
#define SLUICE_TESTS_UNIT_APP_TRY_CONFIG_H

/* try_config: a config from a command line and a file in a directory of its own, which is also
 * $XDG_RUNTIME_DIR. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config.h"
#include "app/settings.h"

#define TRY_ARGS 32

static inline int try_enter(void **state)
{
    static char dir[32];
    snprintf(dir, sizeof dir, "/tmp/sluice-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    assert_int_equal(chdir(dir), 0);
    setenv("XDG_RUNTIME_DIR", dir, 1);
    *state = dir;
    return 0;
}

static inline int try_remove(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int try_leave(void **state)
{
    assert_int_equal(chdir("/"), 0);
    return nftw(*state, try_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void try_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* Load "sluiced @line", split at spaces. The caller ends @c with config_deinit(). */
static inline int try_load(struct config *c, const char *line)
{
    static char words[4096];
    static char *argv[TRY_ARGS + 1];
    int argc = 0;
    snprintf(words, sizeof words, "sluiced %s", line);
    for (char *word = strtok(words, " "); word && argc < TRY_ARGS; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    config_init(c);
    return config_load(c, argc, argv);
}

/* All faults, "" for none. */
static inline const char *try_faults(const struct config *c)
{
    static char text[8192];
    snprintf(text, sizeof text, "%.*s", (int)c->faults.len,
             c->faults.len ? (const char *)c->faults.data : "");
    return text;
}

/* The command line is refused with exactly these faults. */
static inline void try_refused(const char *line, int exit_code, const char *faults)
{
    struct config c;
    assert_int_equal(try_load(&c, line), -1);
    assert_string_equal(try_faults(&c), faults);
    assert_int_equal(config_exit_code(&c), exit_code);
    config_deinit(&c);
}

#endif
