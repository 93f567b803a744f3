#include "ipc/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <nng/transport/ipc/ipc.h>

#include "admin/log.h"
#include "ipc/lock_file.h"
#include "ipc/orphans.h"
#include "wire/workaround.h"

/* A listener that does not answer a probe for so long is dead. Starting a TCP one again costs its links, so
 * that one gets more time. */
#define IPC_PATIENCE_MS 900
#define TCP_PATIENCE_MS 2900

/* How often a retired listener is searched for orphans: those in its queue come in after it was replaced. */
#define SWEEPS 3

/* After nng was told to close a listener, what is still open is forgotten by it. */
#define CLOSED_GRACE_MS 3000

/* ".123", the name that a socket file is given first */
#define SUFFIX_MAX 4

static bool is_ipc(const struct listener *l)
{
    return l->path[0] != '\0';
}

/* Options that nng would leave open. */
static int set_limits(const struct listener *l, nng_listener listener)
{
    int result =
        WORKAROUND(receive_limit) ? nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, l->max_bytes) : 0;
    if (result == 0 && is_ipc(l) && WORKAROUND(ipc_permissions))
        result = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    if (result == 0 && !is_ipc(l)) /* else a peer whose machine is gone is never missed */
        result = nng_listener_set_bool(listener, NNG_OPT_TCP_KEEPALIVE, true);
    return result;
}

/* Make an nng listener and start it on @url. 0, or an nng error. */
static int start_on(const struct listener *l, nng_listener *out, const char *url)
{
    nng_listener listener;
    int result = nng_listener_create(&listener, l->socket, url);
    if (result != 0)
        return result;
    result = set_limits(l, listener);
    if (result == 0)
        result = nng_listener_start(listener, 0);
    if (result != 0) {
        nng_listener_close(listener);
        return result;
    }
    *out = listener;
    return 0;
}

/* Bound to a name of its own first: its permissions are set before anybody finds it, and taking the path over
 * is one step. */
static int start_ipc(struct listener *l, struct listening *new, char *error, size_t size)
{
    char url[sizeof "ipc://" + LISTENER_PATH_MAX];
    snprintf(new->bound_path, sizeof new->bound_path, "%.*s.%u", LISTENER_PATH_MAX - 1 - SUFFIX_MAX, l->path,
             ++l->generation % 1000);
    snprintf(url, sizeof url, "ipc://%s", new->bound_path);
    unlink(new->bound_path);
    int result = start_on(l, &new->listener, url);
    if (result != 0) {
        snprintf(error, size, "%s", nng_strerror(result));
        return -1;
    }
    if (rename(new->bound_path, l->path) != 0) {
        snprintf(error, size, "cannot put the socket there: %s", strerror(errno));
        nng_listener_close(new->listener); /* removes the file too */
        return -1;
    }
    return 0;
}

/* The address to dial, with the port that the kernel chose. */
static void learn_port(struct listener *l, nng_listener listener)
{
    int port = 0;
    char *colon = strrchr(l->address, ':');
    if (!colon || nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &port) != 0)
        return;
    snprintf(colon, sizeof l->address - (size_t)(colon - l->address), ":%d", port);
}

static void learn_tcp_probe(struct listener *l, nng_listener listener)
{
    nng_sockaddr address;
    l->probe_address_len = 0;
    if (nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address) != 0)
        return;
    if (address.s_family == NNG_AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&l->probe_address;
        *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = address.s_in.sa_port};
        in->sin_addr.s_addr = address.s_in.sa_addr ? address.s_in.sa_addr : htonl(INADDR_LOOPBACK);
        l->probe_address_len = sizeof *in;
    } else if (address.s_family == NNG_AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&l->probe_address;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = address.s_in6.sa_port};
        memcpy(&in6->sin6_addr, address.s_in6.sa_addr, sizeof in6->sin6_addr);
        if (memcmp(&in6->sin6_addr, &in6addr_any, sizeof in6addr_any) == 0)
            in6->sin6_addr = in6addr_loopback;
        l->probe_address_len = sizeof *in6;
    }
}

static int start_tcp(struct listener *l, struct listening *new, char *error, size_t size)
{
    int result = start_on(l, &new->listener, l->address);
    if (result != 0) {
        snprintf(error, size, "%s", nng_strerror(result));
        return -1;
    }
    learn_port(l, new->listener);
    learn_tcp_probe(l, new->listener);
    return 0;
}

static int start(struct listener *l, char *error, size_t size)
{
    struct listening *new = calloc(1, sizeof *new);
    if (!new) {
        snprintf(error, size, "out of memory");
        return -1;
    }
    if ((is_ipc(l) ? start_ipc : start_tcp)(l, new, error, size) != 0) {
        free(new);
        return -1;
    }
    l->current = new;
    return 0;
}

static void unix_address(struct listener *l)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&l->probe_address;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, l->path, sizeof address->sun_path);
    l->probe_address_len = sizeof *address;
}

/* Whether a program without our lock listens at the path. It may be one that uses nng, so wait for its
 * greeting before hanging up. */
static bool somebody_answers(const struct listener *l)
{
    struct probe probe = PROBE_INIT;
    probe_begin(&probe, (const struct sockaddr *)&l->probe_address, l->probe_address_len, 0);
    bool is_there = probe.state == PROBE_WAITING;
    if (is_there)
        poll(&(struct pollfd){.fd = probe.fd, .events = POLLIN}, 1, 100);
    probe_end(&probe);
    return is_there;
}

/* What a broker that ended without cleaning up left behind may go; nothing else. */
static int check_path(const struct listener *l, char *error, size_t size)
{
    struct stat there;
    if (lstat(l->path, &there) != 0) {
        if (errno == ENOENT)
            return 0;
        snprintf(error, size, "%s", strerror(errno));
        return -1;
    }
    if (!S_ISSOCK(there.st_mode)) {
        snprintf(error, size, "there is a file that is no socket: remove it, or choose another path");
        return -1;
    }
    if (somebody_answers(l)) {
        snprintf(error, size, "another program listens there: stop it, or choose another path");
        return -1;
    }
    return 0;
}

static int take_path(struct listener *l, char *error, size_t size)
{
    snprintf(l->lock_path, sizeof l->lock_path, "%s.lock", l->path);
    unix_address(l);
    if (WORKAROUND(lock_file)) {
        l->lock_fd = lock_file_take(l->lock_path, error, size);
        if (l->lock_fd < 0)
            return -1;
    }
    if (check_path(l, error, size) != 0) {
        lock_file_release(l->lock_fd, l->lock_path);
        return -1;
    }
    return 0;
}

static int read_address(struct listener *l, const char *address, char *error, size_t size)
{
    static const char ipc[] = "ipc://", tcp[] = "tcp://";
    size_t len = strlen(address);
    if (strncmp(address, ipc, sizeof ipc - 1) == 0 && address[sizeof ipc - 1] == '/') {
        const size_t most = sizeof l->path - 1 - SUFFIX_MAX;
        if (len - (sizeof ipc - 1) > most) {
            snprintf(error, size, "the path is too long: at most %zu bytes", most);
            return -1;
        }
        memcpy(l->path, address + sizeof ipc - 1, len + 1 - (sizeof ipc - 1));
    } else if (strncmp(address, tcp, sizeof tcp - 1) != 0) {
        snprintf(error, size, "an address begins with ipc:/// or tcp://");
        return -1;
    }
    if (len >= sizeof l->address - sizeof ":65535") {
        snprintf(error, size, "the address is too long");
        return -1;
    }
    memcpy(l->address, address, len + 1);
    return 0;
}

int listener_open(struct listener *l, nng_socket socket, struct links *links, const char *address,
                  size_t max_bytes, char *error, size_t size)
{
    char why[256];
    *l = (struct listener){
        .socket = socket, .links = links, .max_bytes = max_bytes, .lock_fd = -1, .probe = PROBE_INIT};
    if (read_address(l, address, why, sizeof why) != 0 || (is_ipc(l) && take_path(l, why, sizeof why) != 0))
        goto fail;
    if (start(l, why, sizeof why) != 0) {
        lock_file_release(l->lock_fd, l->lock_path);
        goto fail;
    }
    return 0;

fail:
    snprintf(error, size, "cannot listen on %s: %s", address, why);
    return -1;
}

/* Put the dead one aside (IPC), or end it (TCP), and start its successor. */
static void restart(struct listener *l, struct counters *counters)
{
    char why[256];
    struct listening *old = l->current;
    l->current = NULL;
    if (old && is_ipc(l)) {
        old->sweeps = SWEEPS;
        old->next = l->retired;
        l->retired = old;
    } else if (old) {
        nng_listener_close(old->listener);
        free(old);
    }
    if (start(l, why, sizeof why) == 0) {
        counters->listener_restarts++;
        log_warn("ipc", "listener was dead and is started again", "address=%s", l->address);
    } else if (old) { /* once; each watch tries again */
        log_error("ipc", "listener is dead and cannot be started again", "address=%s error=%s", l->address,
                  why);
    }
}

/* Hang up on its orphans; close it when it has no links left; then give nng time for what it still closes
 * itself. True when nothing is left to do for it. */
static bool tend_retired(struct listener *l, struct listening *old, uint64_t now_ms)
{
    int id = nng_listener_id(old->listener);
    if (old->is_closed) {
        if (now_ms - old->closed_ms < CLOSED_GRACE_MS)
            return false;
        orphans_close(old->bound_path);
        return true;
    }
    if (links_count(l->links, id, true, 0) == 0) {
        nng_listener_close(old->listener); /* hangs up on all */
        old->is_closed = true;
        old->closed_ms = now_ms;
    } else if (old->sweeps > 0) {
        unsigned count = orphans_hang_up(l->links, id, old->bound_path);
        old->sweeps--;
        if (count > 0)
            log_warn("ipc", "hung up on peers that a dead listener had taken", "address=%s count=%u",
                     l->address, count);
    }
    return false;
}

static void tend_all_retired(struct listener *l, uint64_t now_ms)
{
    for (struct listening **at = &l->retired; *at;) {
        struct listening *old = *at;
        if (tend_retired(l, old, now_ms)) {
            *at = old->next;
            free(old);
        } else {
            at = &old->next;
        }
    }
}

static bool is_dead(struct listener *l, uint64_t now_ms)
{
    if (!l->current)
        return true;
    switch (probe_check(&l->probe)) {
    case PROBE_NOBODY: /* the socket file was removed */
        return true;
    case PROBE_WAITING:
        return now_ms - l->probe.begun_ms >= (is_ipc(l) ? IPC_PATIENCE_MS : TCP_PATIENCE_MS);
    default:
        return false;
    }
}

void listener_watch(struct listener *l, struct counters *counters, uint64_t now_ms)
{
    if (!WORKAROUND(listener_watch))
        return;
    if (is_dead(l, now_ms)) {
        probe_end(&l->probe);
        restart(l, counters);
    }
    if (WORKAROUND(orphans))
        tend_all_retired(l, now_ms);
    if (l->current && l->probe.state == PROBE_NONE && l->probe_address_len > 0)
        probe_begin(&l->probe, (const struct sockaddr *)&l->probe_address, l->probe_address_len, now_ms);
}

void listener_hide(struct listener *l)
{
    probe_end(&l->probe);
    if (is_ipc(l))
        unlink(l->path);
}

static void free_list(struct listening *list)
{
    while (list) {
        struct listening *next = list->next;
        free(list);
        list = next;
    }
}

void listener_close(struct listener *l)
{
    lock_file_release(l->lock_fd, l->lock_path);
    free_list(l->current);
    free_list(l->retired);
}
