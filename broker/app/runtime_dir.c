#include "app/runtime_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int runtime_dir_path(const char *name, char *out, size_t size)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    int n = base && *base == '/' ? snprintf(out, size, "%s/sluice/%s", base, name)
                                 : snprintf(out, size, "/tmp/sluice-%u/%s", (unsigned)geteuid(), name);
    return n < 0 || (size_t)n >= size ? -1 : 0;
}

/* What makes the directory behind @fd unfit, or NULL. */
static const char *unfit(const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return "is a symbolic link";
    if (!S_ISDIR(st->st_mode))
        return "is not a directory";
    if (st->st_uid != geteuid())
        return "belongs to another user";
    if (st->st_mode & 077)
        return "is open to other users (chmod 700 helps)";
    return NULL;
}

/* Looks at what it has opened, not at the name again, and follows no link, so that nobody can swap it
 * meanwhile. */
static int check_one(const char *path, bool create, char *error, size_t size)
{
    struct stat st;
    if (create && mkdir(path, 0700) != 0 && errno != EEXIST) {
        snprintf(error, size, "cannot make the directory %s: %s", path, strerror(errno));
        return -1;
    }
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && !create)
        return 0;
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(error, size, "cannot look at the directory %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    const char *why = unfit(&st);
    if (!why)
        return 0;
    snprintf(error, size, "refusing to put sockets into %s: it %s", path, why);
    return -1;
}

int runtime_dir_check(const char *path, bool create, char *error, size_t size)
{
    char base[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) >= sizeof base) {
        snprintf(error, size, "the path %s is too long", path);
        return -1;
    }
    memcpy(base, path, (size_t)(slash - path));
    base[slash - path] = '\0';
    if (check_one(base, create, error, size) != 0)
        return -1;
    return check_one(path, create, error, size);
}
