#ifndef SLUICE_IPC_LINKS_H
#define SLUICE_IPC_LINKS_H

/* links: the nng pipes of both endpoints, from the moment that nng tells of them until it has forgotten them.
 *
 * nng may hand over a request before it has told that the pipe was added, and after it has told that the pipe
 * was removed. So links are entered when nng is about to add the pipe, and both requests and the end of a
 * link go through the mailbox under its lock: a request whose link has already ended finds no link. */

#include <stdbool.h>
#include <stdint.h>

#include <nng/nng.h>

#include "core/uthash_nomem.h"
#include "ipc/mailbox.h"

struct call;

enum link_side { LINK_CALLS, LINK_EVENTS, LINK_SIDES };

struct link {
    struct letter ready;
    struct letter gone;
    UT_hash_handle hh;
    uint32_t pipe; /* nng's id, the key; reused by nng after two thousand million links */
    int listener;  /* nng's id of the listener that it came over */
    uint64_t pid;  /* the peer's process as the kernel says, 0 if it does not (TCP) */
    enum link_side side;
    bool is_tcp;

    /* The loop's thread only: */
    uint64_t id;        /* as the core knows it; 0 until it was told */
    bool is_ended;      /* closed by us: nothing of it is handed over any more */
    struct call *calls; /* those that wait for their reply, or for the reply to be taken */
    unsigned waiting;   /* how many wait for their reply */
};

struct links {
    struct mailbox *mailbox; /* its lock guards `by_pipe` */
    struct link *by_pipe;
    struct link_end {
        struct links *links;
        enum link_side side;
    } ends[LINK_SIDES]; /* what nng gives back to our functions */
};

void links_init(struct links *links, struct mailbox *mailbox);

/* Free those that are left. nng must have forgotten all pipes. */
void links_deinit(struct links *links);

/* Learn of the pipes of @socket. 0, or an nng error. */
int links_follow(struct links *links, nng_socket socket, enum link_side side);

/* The link of that pipe, or NULL if it has ended. The caller holds the mailbox's lock, and may use the link
 * outside of it only on the loop's thread, in the letters' order: until the link's LETTER_LINK_GONE. */
struct link *links_find(struct links *links, uint32_t pipe);

/* How many links came over @listener; only those of @pid if @any_pid is false. */
unsigned links_count(struct links *links, int listener, bool any_pid, uint64_t pid);

/* The link that a LETTER_LINK_READY or LETTER_LINK_GONE belongs to. */
struct link *link_of_letter(struct letter *letter);

/* Close the pipe. Its LETTER_LINK_GONE comes later. */
void link_close(struct link *link);

/* After its LETTER_LINK_GONE. */
void link_free(struct link *link);

#endif
