#ifndef SLUICE_IPC_MAILBOX_H
#define SLUICE_IPC_MAILBOX_H

/* mailbox: letters from nng's threads to the loop, oldest first.
 *
 * A letter is embedded in what it tells about (a link, a context) and is put in at most once at a time, so
 * that putting never fails and the number of links and contexts bounds the queue. The lock is the caller's
 * to take: what decides whether a letter is written (is the link still there?) happens under the same lock,
 * hence in the letters' order. */

#include <pthread.h>
#include <stdbool.h>

enum letter_kind {
    LETTER_CALL,       /* a context has received a request, or sent a reply */
    LETTER_LINK_READY, /* the peer of a link speaks our protocol */
    LETTER_LINK_GONE,  /* the last letter of a link */
};

struct letter {
    struct letter *next;
    enum letter_kind kind;
};

struct mailbox {
    pthread_mutex_t lock;
    struct letter *first;
    struct letter **last;
    bool must_wake; /* a letter was put into the empty box since it was locked */
    void (*wake)(void *arg);
    void *wake_arg;
};

/* 0, or a negative errno. */
int mailbox_init(struct mailbox *mailbox, void (*wake)(void *arg), void *wake_arg);
void mailbox_deinit(struct mailbox *mailbox);

/* Any thread. Unlocking calls `wake` when the box was empty and is not any more. */
void mailbox_lock(struct mailbox *mailbox);
void mailbox_unlock(struct mailbox *mailbox);

/* Put @letter at the end. The caller holds the lock. */
void mailbox_put(struct mailbox *mailbox, struct letter *letter);

/* Take all letters out: the oldest, linked by `next`. NULL when there is none. */
struct letter *mailbox_take(struct mailbox *mailbox);

/* Wake nobody any more. */
void mailbox_silence(struct mailbox *mailbox);

#endif
