#include "ipc/mailbox.h"

#include <stddef.h>

int mailbox_init(struct mailbox *mailbox, void (*wake)(void *arg), void *wake_arg)
{
    *mailbox = (struct mailbox){.last = &mailbox->first, .wake = wake, .wake_arg = wake_arg};
    return -pthread_mutex_init(&mailbox->lock, NULL);
}

void mailbox_deinit(struct mailbox *mailbox)
{
    pthread_mutex_destroy(&mailbox->lock);
}

void mailbox_lock(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->lock);
}

void mailbox_unlock(struct mailbox *mailbox)
{
    void (*wake)(void *arg) = mailbox->must_wake ? mailbox->wake : NULL;
    void *arg = mailbox->wake_arg;
    mailbox->must_wake = false;
    pthread_mutex_unlock(&mailbox->lock);
    if (wake)
        wake(arg);
}

void mailbox_put(struct mailbox *mailbox, struct letter *letter)
{
    mailbox->must_wake = mailbox->must_wake || !mailbox->first;
    letter->next = NULL;
    *mailbox->last = letter;
    mailbox->last = &letter->next;
}

struct letter *mailbox_take(struct mailbox *mailbox)
{
    mailbox_lock(mailbox);
    struct letter *first = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = &mailbox->first;
    mailbox_unlock(mailbox);
    return first;
}

void mailbox_silence(struct mailbox *mailbox)
{
    mailbox_lock(mailbox);
    mailbox->wake = NULL;
    mailbox_unlock(mailbox);
}
