#include "app/host.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/resource.h>

/* Descriptors that are no WebSockets: handlers' links, files of `static`, listeners, threads of nng. */
#define OTHER_FILES 1100

unsigned host_limit_files(unsigned connections)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections;
    rlim_t wanted = (rlim_t)connections + OTHER_FILES;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > wanted ? wanted : limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections;
    rlim_t fit = limit.rlim_cur > (rlim_t)2 * OTHER_FILES ? limit.rlim_cur - OTHER_FILES : limit.rlim_cur / 2;
    return fit < connections ? (unsigned)fit : connections;
}

int host_random(void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

int host_random_text(char *out, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned count = sizeof letters - 1;
    for (size_t i = 0; i < len;) {
        uint8_t byte;
        if (host_random(&byte, 1) != 0)
            return -1;
        if (byte < 256 / count * count) /* else the first letters would be more frequent */
            out[i++] = letters[byte % count];
    }
    out[len] = '\0';
    return 0;
}
