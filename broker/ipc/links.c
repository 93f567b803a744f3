#include "ipc/links.h"

#include <stddef.h>
#include <stdlib.h>

#include "admin/log.h"
#include "wire/workaround.h"

void links_init(struct links *links, struct mailbox *mailbox)
{
    *links = (struct links){.mailbox = mailbox};
    for (int side = 0; side < LINK_SIDES; side++)
        links->ends[side] = (struct link_end){links, side};
}

void links_deinit(struct links *links)
{
    struct link *link = links->by_pipe;
    HASH_CLEAR(hh, links->by_pipe); /* the table only */
    while (link) {
        struct link *next = link->hh.next;
        free(link);
        link = next;
    }
}

struct link *links_find(struct links *links, uint32_t pipe)
{
    struct link *link;
    HASH_FIND(hh, links->by_pipe, &pipe, sizeof pipe, link);
    return link;
}

static void link_describe(struct link *link, nng_pipe pipe)
{
    nng_sockaddr address;
    link->pipe = (uint32_t)nng_pipe_id(pipe);
    link->listener = nng_listener_id(nng_pipe_listener(pipe));
    link->is_tcp = nng_pipe_get_addr(pipe, NNG_OPT_REMADDR, &address) != 0 ||
                   (address.s_family != NNG_AF_IPC && address.s_family != NNG_AF_UNSPEC);
    if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &link->pid) != 0)
        link->pid = 0;
}

static void link_enter(struct link_end *end, nng_pipe pipe)
{
    struct links *links = end->links;
    struct link *link = calloc(1, sizeof *link);
    if (link) {
        link->side = end->side;
        link->ready.kind = LETTER_LINK_READY;
        link->gone.kind = LETTER_LINK_GONE;
        link_describe(link, pipe);
        mailbox_lock(links->mailbox);
        HASH_ADD(hh, links->by_pipe, pipe, sizeof link->pipe, link);
        bool is_in = link->hh.tbl != NULL;
        mailbox_unlock(links->mailbox);
        if (is_in)
            return;
    }
    free(link);
    log_error("ipc", "link refused, out of memory", "");
    nng_pipe_close(pipe);
}

static void link_leave(struct links *links, uint32_t pipe)
{
    mailbox_lock(links->mailbox);
    struct link *link = links_find(links, pipe);
    if (link) {
        if (WORKAROUND(dead_links))
            HASH_DEL(links->by_pipe, link);
        mailbox_put(links->mailbox, &link->gone);
    }
    mailbox_unlock(links->mailbox);
}

static void link_be_ready(struct links *links, uint32_t pipe)
{
    mailbox_lock(links->mailbox);
    struct link *link = links_find(links, pipe); /* NULL: it ended meanwhile */
    if (link)
        mailbox_put(links->mailbox, &link->ready);
    mailbox_unlock(links->mailbox);
}

/* On one of nng's threads. */
static void pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct link_end *end = arg;
    switch (event) {
    case NNG_PIPE_EV_ADD_PRE:
        if (WORKAROUND(early_links))
            link_enter(end, pipe);
        break;
    case NNG_PIPE_EV_ADD_POST:
        if (!WORKAROUND(early_links))
            link_enter(end, pipe);
        link_be_ready(end->links, (uint32_t)nng_pipe_id(pipe));
        break;
    case NNG_PIPE_EV_REM_POST:
        link_leave(end->links, (uint32_t)nng_pipe_id(pipe));
        break;
    default:
        break;
    }
}

int links_follow(struct links *links, nng_socket socket, enum link_side side)
{
    static const nng_pipe_ev events[] = {NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_ADD_POST, NNG_PIPE_EV_REM_POST};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        int result = nng_pipe_notify(socket, events[i], pipe_changed, &links->ends[side]);
        if (result != 0)
            return result;
    }
    return 0;
}

unsigned links_count(struct links *links, int listener, bool any_pid, uint64_t pid)
{
    unsigned count = 0;
    mailbox_lock(links->mailbox);
    for (struct link *link = links->by_pipe; link; link = link->hh.next)
        count += link->listener == listener && (any_pid || link->pid == pid);
    mailbox_unlock(links->mailbox);
    return count;
}

struct link *link_of_letter(struct letter *letter)
{
    size_t offset =
        letter->kind == LETTER_LINK_READY ? offsetof(struct link, ready) : offsetof(struct link, gone);
    return (struct link *)(void *)((char *)letter - offset);
}

void link_close(struct link *link)
{
    link->is_ended = true;
    nng_pipe_close((nng_pipe){.id = link->pipe});
}

void link_free(struct link *link)
{
    if (WORKAROUND(dead_links)) /* else it stays entered */
        free(link);
}
