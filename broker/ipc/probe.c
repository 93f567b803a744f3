#include "ipc/probe.h"

#include <errno.h>
#include <unistd.h>

/* The SP header with protocol number 0, which is nobody's. */
static const uint8_t sp_header[8] = {0, 'S', 'P', 0, 0, 0, 0, 0};

static enum probe_state state_of_errno(int error)
{
    switch (error) {
    case EAGAIN: /* its queue of connections is full, as when nobody takes them */
    case EINPROGRESS:
        return PROBE_WAITING;
    case ECONNREFUSED:
    case ENOENT:
        return PROBE_NOBODY;
    default:
        return PROBE_FAILED;
    }
}

void probe_begin(struct probe *probe, const struct sockaddr *address, socklen_t len, uint64_t now_ms)
{
    probe_end(probe);
    probe->begun_ms = now_ms;
    probe->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    probe->state = probe->fd < 0 ? PROBE_FAILED : PROBE_WAITING;
    if (probe->fd < 0)
        return;
    if (connect(probe->fd, address, len) != 0)
        probe->state = state_of_errno(errno);
    /* On the loopback the connection is made before connect() returns, also when it says EINPROGRESS. If not,
     * the answer fails to come, and one more probe decides. */
    if (probe->state == PROBE_WAITING)
        (void)!send(probe->fd, sp_header, sizeof sp_header, MSG_NOSIGNAL);
}

enum probe_state probe_check(struct probe *probe)
{
    enum probe_state state = probe->state;
    uint8_t bytes[64];
    ssize_t n = 1;
    while (state == PROBE_WAITING && n > 0) {
        n = recv(probe->fd, bytes, sizeof bytes, 0);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            state = PROBE_ALIVE;
        else if (n < 0 && errno != EAGAIN && errno != ENOTCONN && errno != EINVAL && errno != EINTR)
            state = state_of_errno(errno);
    }
    if (state != PROBE_WAITING)
        probe_end(probe);
    return state;
}

void probe_end(struct probe *probe)
{
    if (probe->fd >= 0)
        close(probe->fd);
    probe->fd = -1;
    probe->state = PROBE_NONE;
}
