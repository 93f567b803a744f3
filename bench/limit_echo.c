/* limit_echo: the fastest WebSocket echo that one thread and epoll give, to measure others against.
 *
 * One recv and at most one send a wake-up. Each frame is turned into its answer where it lies: an answer's
 * header is four bytes shorter (no masking key), so writing never overtakes reading, and the answers
 * of all frames of one recv leave in one send. Nothing is parsed but the frames. */

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/frame.h"
#include "bench/handshake.h"
#include "bench/link.h"

enum { SCRATCH_BYTES = 512 * 1024, FRAME_LIMIT = 256 * 1024, EVENTS_A_TURN = 256 };

struct peer {
    struct link link;
    bool is_open;    /* the handshake is done */
    bool is_closing; /* hang up when all is sent */
    LIST_ENTRY(peer) entry;
};

struct server {
    int epoll_fd, listen_fd, signal_fd;
    LIST_HEAD(peer_list, peer) peers;
    bool is_casting; /* what one sends, all get */
    uint8_t scratch[SCRATCH_BYTES];
};

static void peer_free(struct peer *p)
{
    LIST_REMOVE(p, entry);
    link_close(&p->link);
    free(p);
}

/* Answer the upgrade. Returns the bytes used of @bytes, or a negative errno. */
static ssize_t peer_shake_hands(struct peer *p, const uint8_t *bytes, size_t n)
{
    size_t head = handshake_head_bytes(bytes, n);
    struct buf answer = BUF_INIT;
    int result;

    if (head == 0)
        return n > HANDSHAKE_MAX_BYTES ? -EMSGSIZE : 0;
    p->is_open = true;
    p->is_closing = handshake_put_answer(&answer, bytes, head) < 0;
    result = answer.failed ? -ENOMEM : link_send(&p->link, answer.data, answer.len);
    buf_deinit(&answer);
    return result < 0 ? result : (ssize_t)head;
}

/* One send of one frame to each. Who leaves is noticed when its own socket wakes us. */
static int server_cast(struct server *s, const uint8_t *frame, size_t n)
{
    struct peer *p;
    int result = 0;

    LIST_FOREACH(p, &s->peers, entry)
    {
        if (p->is_open && !p->is_closing && link_send(&p->link, frame, n) == -ENOMEM)
            result = -ENOMEM;
    }
    return result;
}

/* Turn the whole frames at @bytes into their answers, in place. @used: bytes read. Returns the bytes
 * to send, which begin at @bytes too, or a negative errno when a frame is wrong. A casting server sends
 * messages to all here, and nothing of them is left to send. */
static ssize_t peer_turn_frames(struct server *s, struct peer *p, uint8_t *bytes, size_t n, size_t *used)
{
    size_t at = 0, out = 0;
    struct frame f;
    int result = 0;

    while (!p->is_closing && (result = frame_read(&f, bytes + at, n - at, FRAME_LIMIT)) == 0) {
        const uint8_t *payload = bytes + at + f.header_bytes;
        size_t start = out;

        at += f.header_bytes + f.payload_bytes;
        if (!f.is_masked)
            return -EPROTO;
        if (f.opcode == FRAME_PONG)
            continue;
        p->is_closing = f.opcode == FRAME_CLOSE;
        out += frame_write_header(bytes + out, f.opcode == FRAME_PING ? FRAME_PONG : f.opcode, f.is_final,
                                  f.payload_bytes, NULL);
        frame_mask(bytes + out, payload, f.payload_bytes, f.key);
        out += f.payload_bytes;
        if (!s->is_casting || f.opcode >= FRAME_CLOSE)
            continue;
        result = server_cast(s, bytes + start, out - start);
        out = start;
    }
    *used = at;
    return result < 0 ? result : (ssize_t)out;
}

/* Returns 0, or a negative errno when the peer is to be freed. */
static int peer_read(struct server *s, struct peer *p)
{
    ssize_t n = link_receive(&p->link, s->scratch, SCRATCH_BYTES), out = 0, head = 0;
    size_t used = 0;
    uint8_t *frames;

    if (n < 0)
        return n == -EAGAIN ? 0 : (int)n;
    if (!p->is_open && (head = peer_shake_hands(p, s->scratch, (size_t)n)) < 0)
        return (int)head;
    frames = s->scratch + head;
    n -= head;
    if (p->is_open && !p->is_closing && (out = peer_turn_frames(s, p, frames, (size_t)n, &used)) < 0)
        return (int)out;
    if (used < (size_t)n && link_keep(&p->link, frames + used, (size_t)n - used) < 0)
        return -ENOMEM;
    return out > 0 ? link_send(&p->link, frames, (size_t)out) : 0;
}

static void peer_wake(struct server *s, struct peer *p, uint32_t events)
{
    int result = 0;

    if (events & EPOLLOUT)
        result = link_flush(&p->link);
    else
        result = peer_read(s, p);
    if (result < 0 || (p->is_closing && !link_is_blocked(&p->link)))
        peer_free(p);
}

/* Take all connections that wait. Returns 0, or a negative errno when there is no descriptor or memory left:
 * a limit that cannot take what it is asked to is no limit. */
static int server_accept(struct server *s)
{
    int fd;

    while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct peer *p = calloc(1, sizeof(*p));
        int result = p ? link_open(&p->link, s->epoll_fd, fd, p, false) : -ENOMEM;

        if (result < 0) {
            close(fd);
            free(p);
            return result;
        }
        LIST_INSERT_HEAD(&s->peers, p, entry);
    }
    return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR ? 0 : -errno;
}

static int server_run(struct server *s)
{
    struct epoll_event events[EVENTS_A_TURN];

    for (;;) {
        int n = epoll_wait(s->epoll_fd, events, EVENTS_A_TURN, -1), result = 0;

        for (int i = 0; i < n && result == 0; i++) {
            if (events[i].data.ptr == &s->signal_fd)
                return 0;
            if (events[i].data.ptr == &s->listen_fd)
                result = server_accept(s);
            else
                peer_wake(s, events[i].data.ptr, events[i].events);
        }
        if (result < 0) {
            fprintf(stderr, "limit_echo: cannot take a connection: %s\n", strerror(-result));
            return -1;
        }
    }
}

static int watch(const struct server *s, int fd, void *owner)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = owner};

    return fd < 0 ? -1 : epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e);
}

/* Listen on loopback only and say where. */
static int server_start(struct server *s, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(a);
    sigset_t signals;
    int on = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);
    s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (watch(s, s->signal_fd, &s->signal_fd) < 0 || s->listen_fd < 0 ||
        setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(s->listen_fd, (struct sockaddr *)&a, len) < 0 || listen(s->listen_fd, SOMAXCONN) < 0 ||
        watch(s, s->listen_fd, &s->listen_fd) < 0 ||
        getsockname(s->listen_fd, (struct sockaddr *)&a, &len) < 0) {
        fprintf(stderr, "limit_echo: cannot listen on 127.0.0.1:%u: %s\n", port, strerror(errno));
        return -1;
    }
    printf("limit_echo listens on 127.0.0.1:%u\n", ntohs(a.sin_port));
    return fflush(stdout);
}

static void server_stop(struct server *s)
{
    struct peer *next;

    for (struct peer *p = LIST_FIRST(&s->peers); p; p = next) {
        next = LIST_NEXT(p, entry);
        peer_free(p);
    }
    close(s->listen_fd);
    close(s->signal_fd);
    close(s->epoll_fd);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static const char help[] =
    "Usage: limit_echo [--port PORT] [--cast]\n"
    "A WebSocket echo on 127.0.0.1 with nothing but epoll: the limit that others are\n"
    "measured against. Ends on SIGTERM or SIGINT.\n"
    "  -p, --port PORT  listen there (0: any free port, printed at the start; default 0)\n"
    "      --cast       send each message to all connections, by one send for each\n"
    "  -h, --help       this text\n";

int main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"cast", no_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct server server;
    unsigned long port = 0;
    char *end = NULL;
    int option, result;

    while ((option = getopt_long(argc, argv, "p:h", options, NULL)) != -1) {
        switch (option) {
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'c':
            server.is_casting = true;
            break;
        case 'p':
            port = strtoul(optarg, &end, 10);
            if (*optarg >= '0' && *optarg <= '9' && *end == '\0' && port <= UINT16_MAX)
                break;
            fprintf(stderr, "limit_echo: --port takes a number from 0 to 65535, not '%s'\n", optarg);
            return 2;
        default:
            fputs(help, stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "limit_echo: nothing to do with '%s'\n", argv[optind]);
        return 2;
    }
    raise_descriptor_limit();
    if (server_start(&server, (uint16_t)port) < 0)
        return 1;
    result = server_run(&server);
    server_stop(&server);
    return result < 0 ? 1 : 0;
}
