#include "bench/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int link_watch(struct link *l, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = l->owner};

    if (events == l->watched)
        return 0;
    if (epoll_ctl(l->epoll_fd, l->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, l->fd, &e) < 0)
        return -errno;
    l->watched = events;
    return 0;
}

int link_open(struct link *l, int epoll_fd, int fd, void *owner, bool reads_when_blocked)
{
    int on = 1, result;

    memset(l, 0, sizeof(*l));
    l->fd = fd;
    l->epoll_fd = epoll_fd;
    l->owner = owner;
    l->reads_when_blocked = reads_when_blocked;
    l->most_bytes = SIZE_MAX;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0)
        return -errno;
    result = link_watch(l, EPOLLIN);
    if (result < 0)
        l->fd = -1;
    return result;
}

void link_close(struct link *l)
{
    if (l->fd < 0)
        return;
    close(l->fd); /* leaves the epoll set by itself */
    l->fd = -1;
    buf_deinit(&l->rest);
    buf_deinit(&l->out);
}

ssize_t link_receive(struct link *l, uint8_t *scratch, size_t size)
{
    size_t kept = l->rest.len, room = size - kept;
    ssize_t n = recv(l->fd, scratch + kept, room < l->most_bytes ? room : l->most_bytes, 0);

    if (n < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    if (n == 0)
        return -ECONNRESET;
    if (kept > 0) {
        memcpy(scratch, l->rest.data, kept);
        buf_reset(&l->rest);
    }
    return (ssize_t)kept + n;
}

int link_keep(struct link *l, const uint8_t *bytes, size_t n)
{
    buf_put(&l->rest, bytes, n);
    return l->rest.failed ? -ENOMEM : 0;
}

/* One send(). Returns the bytes taken, 0 if none, or a negative errno. */
static ssize_t send_once(struct link *l, const uint8_t *bytes, size_t n)
{
    ssize_t taken = send(l->fd, bytes, n < l->most_bytes ? n : l->most_bytes, MSG_NOSIGNAL);

    if (taken < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    return taken;
}

int link_send(struct link *l, const uint8_t *bytes, size_t n)
{
    ssize_t taken = link_is_blocked(l) ? 0 : send_once(l, bytes, n);

    if (taken < 0)
        return (int)taken;
    if ((size_t)taken == n)
        return 0;
    buf_put(&l->out, bytes + taken, n - (size_t)taken);
    if (l->out.failed)
        return -ENOMEM;
    return link_watch(l, EPOLLOUT | (l->reads_when_blocked ? EPOLLIN : 0));
}

int link_flush(struct link *l)
{
    ssize_t taken;

    if (!link_is_blocked(l))
        return 0;
    taken = send_once(l, l->out.data + l->out_sent, l->out.len - l->out_sent);
    if (taken < 0)
        return (int)taken;
    l->out_sent += (size_t)taken;
    if (l->out_sent < l->out.len)
        return 0;
    buf_reset(&l->out);
    l->out_sent = 0;
    return link_watch(l, EPOLLIN);
}
