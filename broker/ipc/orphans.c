#include "ipc/orphans.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A connection that was accepted on the path. nng does not say which descriptor is which link, so they are
 * compared by process: where one has more connections than links, all of its connections here go. */
struct accepted {
    int fd;
    uint64_t pid;
};

struct accepted_list {
    struct accepted *items;
    size_t count;
    size_t cap;
};

static bool is_bound_to(int fd, const char *path)
{
    struct sockaddr_un name = {0};
    socklen_t len = sizeof name;
    return getsockname(fd, (struct sockaddr *)&name, &len) == 0 && name.sun_family == AF_UNIX &&
           strncmp(name.sun_path, path, sizeof name.sun_path) == 0;
}

static bool is_listening(int fd)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) == 0 && value;
}

/* The peer has hung up by itself, as the one did that the listener died of. */
static bool has_left(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static uint64_t peer_pid(int fd)
{
    struct ucred peer = {0};
    socklen_t len = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 ? (uint64_t)peer.pid : 0;
}

/* Keeps a duplicate and looks again: nng may close the descriptor at any moment, and its number be given to
 * something else. */
static void look_at(struct accepted_list *list, int fd, int highest, const char *path)
{
    int mine = is_bound_to(fd, path) ? fcntl(fd, F_DUPFD_CLOEXEC, highest + 1) : -1;
    if (mine < 0)
        return;
    if (!is_bound_to(mine, path) || is_listening(mine) || has_left(mine)) {
        close(mine);
        return;
    }
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 64;
        struct accepted *items = realloc(list->items, cap * sizeof *items);
        if (!items) {
            close(mine);
            return;
        }
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = (struct accepted){mine, peer_pid(mine)};
}

static int highest_descriptor(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int highest = -1;
    if (!folder)
        return -1;
    for (struct dirent *entry; (entry = readdir(folder));) {
        int fd = (int)strtol(entry->d_name, NULL, 10); /* 0 for "." and ".." */
        highest = fd > highest ? fd : highest;
    }
    closedir(folder);
    return highest;
}

static size_t count_of_pid(const struct accepted_list *list, uint64_t pid)
{
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++)
        count += list->items[i].pid == pid;
    return count;
}

unsigned orphans_hang_up(struct links *links, int listener, const char *path)
{
    struct accepted_list list = {0};
    unsigned hung_up = 0;
    int highest = highest_descriptor();
    for (int fd = 0; fd <= highest; fd++)
        look_at(&list, fd, highest, path);
    for (size_t i = 0; i < list.count; i++) {
        if (count_of_pid(&list, list.items[i].pid) > links_count(links, listener, false, list.items[i].pid))
            hung_up += shutdown(list.items[i].fd, SHUT_RDWR) == 0;
        close(list.items[i].fd);
    }
    free(list.items);
    return hung_up;
}

void orphans_close(const char *path)
{
    int highest = highest_descriptor();
    for (int fd = 0; fd <= highest; fd++)
        if (is_bound_to(fd, path) && !is_listening(fd) && has_left(fd))
            close(fd);
}
