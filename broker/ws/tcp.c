#include "ws/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/sockios.h>
#include <linux/tcp.h>

#include "wire/workaround.h"

#define SEND_BUFFER (256 * 1024)

void tcp_tune(int fd)
{
    const int on = 1;
    const int size = SEND_BUFFER / 2; /* the kernel doubles it for its own bookkeeping */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* Left alone, it grows to 4 MB for a client that reads nothing. */
    if (WORKAROUND(send_buffer))
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static struct tcp_info look(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    info.tcpi_last_data_recv = UINT32_MAX;
    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    return info;
}

uint64_t tcp_silence_ms(int fd)
{
    uint32_t ms = look(fd).tcpi_last_data_recv;
    return ms == UINT32_MAX ? UINT64_MAX : ms;
}

uint64_t tcp_acked(int fd)
{
    return look(fd).tcpi_bytes_acked;
}

uint64_t tcp_received(int fd)
{
    return look(fd).tcpi_bytes_received;
}

uint64_t tcp_unsent(int fd)
{
    int bytes = 0;
    return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

bool tcp_is_open(int fd)
{
    char byte;
    ssize_t len = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return len > 0 || (len < 0 && (errno == EAGAIN || errno == EINTR));
}

bool tcp_is_reset(int fd)
{
    struct pollfd look = {.fd = fd, .events = 0};
    return poll(&look, 1, 0) > 0 && (look.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

void tcp_abort(int fd)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    shutdown(fd, SHUT_RDWR);
}

void tcp_discard_input(int fd)
{
    char room[4096];
    for (unsigned i = 0; i < 64; i++)
        if (recv(fd, room, sizeof(room), MSG_DONTWAIT) <= 0)
            return;
}
