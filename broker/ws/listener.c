#include "ws/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/log.h"
#include "wire/workaround.h"
#include "ws/conn.h"
#include "ws/handshake.h"
#include "ws/lobby.h"
#include "ws/tcp.h"

#define SOCKETS_MAX    4
#define BACKLOG        1024
#define ACCEPTS_A_TURN 64
#define PAUSE_MS       100

struct listener {
    struct ws *ws;
    uv_poll_t polls[SOCKETS_MAX];
    int fds[SOCKETS_MAX];
    unsigned count;
    unsigned port;
    int reserve; /* a descriptor to give up when there are no others */
    struct timer pause;
};

/* Accepting. */

static void refuse(struct ws *ws, int fd, const char *status, const char *text)
{
    ws->counters->connections_refused++;
    lobby_refuse(ws, fd, status, text);
}

static void take(struct ws *ws, int fd, const struct sockaddr *address)
{
    struct peer *peer;
    if (ws->count >= ws->options.max_connections) {
        refuse(ws, fd, "503 Service Unavailable", "too many connections");
        return;
    }
    int result = peers_enter(ws->peers, address, ws->options.max_per_address, &peer);
    if (result != 0) {
        if (result > 0)
            refuse(ws, fd, "429 Too Many Requests", "too many connections from this address");
        else
            refuse(ws, fd, "503 Service Unavailable", "short of memory");
        return;
    }
    struct ws_conn *conn = ws_conn_new(ws, peer);
    if (!conn) {
        peers_leave(ws->peers, peer);
        refuse(ws, fd, "503 Service Unavailable", "short of memory");
        return;
    }
    tcp_tune(fd);
    lobby_enter(conn, fd);
}

static void on_acceptable(uv_poll_t *poll, int status, int events);

static void set_polling(struct listener *listener, bool is_on)
{
    for (unsigned i = 0; i < listener->count; i++) {
        if (is_on)
            uv_poll_start(&listener->polls[i], UV_READABLE, on_acceptable);
        else
            uv_poll_stop(&listener->polls[i]);
    }
}

static void on_pause_over(struct timer *timer, void *arg)
{
    (void)arg;
    set_polling((struct listener *)((char *)timer - offsetof(struct listener, pause)), true);
}

/* Descriptors have run out. A waiting connection would keep the loop spinning, so it is taken with the
 * reserve and closed; and if that does not work either, the loop sleeps for a moment. */
static void shed(struct listener *listener, int listening)
{
    struct ws *ws = listener->ws;
    int fd = -1;
    if (!WORKAROUND(reserve_descriptor))
        return;
    if (listener->reserve >= 0) {
        close(listener->reserve);
        fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            ws->counters->connections_refused++;
            handshake_respond(fd, "503 Service Unavailable", "Retry-After: 10\r\n", "out of descriptors");
            close(fd);
        }
        listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (fd >= 0)
        return;
    set_polling(listener, false);
    if (timer_start(&ws->timers, &listener->pause, ws_now(ws) + PAUSE_MS, on_pause_over) != 0)
        set_polling(listener, true);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    int listening = listener->fds[poll - listener->polls];
    (void)status;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof(address);
        int fd = accept4(listening, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            take(listener->ws, fd, (const struct sockaddr *)&address);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log_warn("ws", "cannot accept", "error=%s connections=%u", strerror(errno), listener->ws->count);
            shed(listener, listening);
            return;
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* Listening. */

static int listen_on(const struct addrinfo *info, unsigned port)
{
    const int on = 1;
    struct sockaddr_storage address;
    memcpy(&address, info->ai_addr, info->ai_addrlen);
    if (info->ai_family == AF_INET6)
        ((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
    else
        ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, info->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static unsigned port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    memset(&address, 0, sizeof(address));
    getsockname(fd, (struct sockaddr *)&address, &len);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* Open the sockets; later ones take the port that the first got. */
static int open_all(struct listener *listener, char *error, size_t size)
{
    const struct ws_options *options = &listener->ws->options;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(options->host, NULL, &hints, &found);
    if (result != 0) {
        snprintf(error, size, "cannot listen on %s:%u: %s", options->host, options->port,
                 gai_strerror(result));
        return -1;
    }
    listener->port = options->port;
    errno = 0;
    for (const struct addrinfo *info = found; info && listener->count < SOCKETS_MAX; info = info->ai_next) {
        int fd = listen_on(info, listener->port);
        if (fd < 0 && errno == EADDRINUSE)
            break; /* half a service would be worse than none */
        if (fd < 0)
            continue; /* a family that this machine does not have */
        listener->fds[listener->count++] = fd;
        listener->port = port_of(fd);
        errno = 0;
    }
    freeaddrinfo(found);
    if (errno != EADDRINUSE && listener->count > 0)
        return 0;
    snprintf(error, size, "cannot listen on %s:%u: %s", options->host, options->port, strerror(errno));
    return -1;
}

int listener_new(struct listener **out, struct ws *ws, char *error, size_t size)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    if (!listener) {
        snprintf(error, size, "out of memory");
        return -1;
    }
    listener->ws = ws;
    listener->reserve = -1;
    if (open_all(listener, error, size) != 0) {
        while (listener->count > 0)
            close(listener->fds[--listener->count]);
        free(listener);
        return -1;
    }
    listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (unsigned i = 0; i < listener->count; i++) {
        uv_poll_init(ws->options.loop, &listener->polls[i], listener->fds[i]);
        listener->polls[i].data = listener;
        ws->open_handles++;
    }
    set_polling(listener, true);
    *out = listener;
    return 0;
}

unsigned listener_port(const struct listener *listener)
{
    return listener->port;
}

static void on_closed(uv_handle_t *handle)
{
    ((struct listener *)handle->data)->ws->open_handles--;
}

void listener_stop(struct listener *listener)
{
    set_polling(listener, false);
    timer_stop(&listener->ws->timers, &listener->pause);
    while (listener->count > 0) {
        listener->count--;
        uv_close((uv_handle_t *)&listener->polls[listener->count], on_closed);
        close(listener->fds[listener->count]);
    }
    if (listener->reserve >= 0)
        close(listener->reserve);
    listener->reserve = -1;
}

void listener_free(struct listener *listener)
{
    free(listener);
}
