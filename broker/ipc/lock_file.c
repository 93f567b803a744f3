#include "ipc/lock_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Those before us may remove the file between our open and our lock: then we hold a lock on nothing. */
#define TRIES 100

static bool is_at_path(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

static void tell_owner(int fd, char *error, size_t size)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    if (pid == (long)getpid())
        snprintf(error, size, "the address is used twice by this broker");
    else
        snprintf(error, size, "another broker listens there (process %ld): stop it, or choose another --name",
                 pid);
}

static bool write_owner(int fd)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)n, 0) == n;
}

int lock_file_take(const char *path, char *error, size_t size)
{
    for (int i = 0; i < TRIES; i++) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            snprintf(error, size, "cannot open the lock file %s: %s", path, strerror(errno));
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK)
                tell_owner(fd, error, size);
            else
                snprintf(error, size, "cannot lock %s: %s", path, strerror(errno));
            close(fd);
            return -1;
        }
        if (is_at_path(fd, path)) {
            if (write_owner(fd))
                return fd;
            snprintf(error, size, "cannot write the lock file %s: %s", path, strerror(errno));
            lock_file_release(fd, path);
            return -1;
        }
        close(fd);
    }
    snprintf(error, size, "cannot keep the lock file %s: somebody removes it", path);
    return -1;
}

void lock_file_release(int fd, const char *path)
{
    if (fd < 0)
        return;
    if (is_at_path(fd, path))
        unlink(path);
    close(fd);
}
