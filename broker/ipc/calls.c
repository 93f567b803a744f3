#include "ipc/calls.h"

#include <stdlib.h>
#include <string.h>

#include <nng/protocol/reqrep0/rep.h>

#include "admin/log.h"
#include "wire/workaround.h"

/* A ticket is the context's place and how often it was used, so that an old one never fits. */
#define SLOT_BITS 16

enum call_state {
    CALL_IDLE,
    CALL_RECEIVING, /* nng has it, or its letter is under way */
    CALL_WAITING,   /* the core has it */
    CALL_SENDING,   /* as RECEIVING */
};

struct call {
    struct letter letter;
    struct calls *calls;
    nng_ctx context;
    nng_aio *aio;
    enum call_state state;
    struct link *link;   /* NULL: none, or it has ended */
    nng_msg *message;    /* what was received, until taken */
    size_t unsent_bytes; /* of the reply while SENDING */
    uint64_t uses;
    uint16_t slot;
    struct call *prev, *next; /* in the link's list, or the idle ones */
};

struct calls {
    struct links *links;
    const struct ipc_options *options;
    nng_socket socket;
    struct call **slots; /* all contexts, by place */
    unsigned count;
    unsigned limit;
    struct call *idle;
    unsigned receiving;
    unsigned waiting;
    unsigned unsent;
    size_t unsent_bytes;
};

/* On one of nng's threads: a receive or a send is over. */
static void call_done(void *arg)
{
    struct call *call = arg;
    struct links *links = call->calls->links;
    int result = nng_aio_result(call->aio);
    if (call->state == CALL_SENDING && result != 0)
        nng_msg_free(nng_aio_get_msg(call->aio));
    mailbox_lock(links->mailbox);
    if (call->state == CALL_RECEIVING && result == 0) {
        call->message = nng_aio_get_msg(call->aio);
        call->link = links_find(links, (uint32_t)nng_pipe_id(nng_msg_get_pipe(call->message)));
    }
    mailbox_put(links->mailbox, &call->letter);
    mailbox_unlock(links->mailbox);
}

/* A new context, idle. NULL when memory is refused. */
static struct call *call_new(struct calls *calls)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    *call = (struct call){.letter.kind = LETTER_CALL, .calls = calls, .slot = (uint16_t)calls->count};
    if (nng_aio_alloc(&call->aio, call_done, call) != 0)
        goto fail_aio;
    if (nng_ctx_open(&call->context, calls->socket) != 0)
        goto fail_context;
    calls->slots[calls->count++] = call;
    return call;

fail_context:
    nng_aio_free(call->aio);
fail_aio:
    free(call);
    return NULL;
}

static void call_receive(struct call *call)
{
    call->state = CALL_RECEIVING;
    call->message = NULL;
    call->link = NULL;
    call->calls->receiving++;
    nng_ctx_recv(call->context, call->aio);
}

static void call_rest(struct call *call)
{
    call->state = CALL_IDLE;
    DL_PREPEND(call->calls->idle, call);
}

void calls_listen(struct calls *calls)
{
    while (calls->receiving < CALLS_RECEIVING) {
        struct call *call = calls->idle;
        if (call)
            DL_DELETE(calls->idle, call);
        else if (calls->count == calls->limit || !(call = call_new(calls)))
            return; /* calls_settle() and calls_reply() see to it that the limit is not met for long */
        call_receive(call);
    }
}

int calls_new(struct calls **out, struct links *links, const struct ipc_options *options)
{
    struct calls *calls = calloc(1, sizeof *calls);
    if (!calls)
        return NNG_ENOMEM;
    calls->links = links;
    calls->options = options;
    calls->limit = CALLS_RECEIVING;
    if (WORKAROUND(spare_contexts)) /* as many may wait, as many replies may be unsent */
        calls->limit += 2 * options->max_waiting;
    int result = calls->limit < 1U << SLOT_BITS ? nng_rep0_open(&calls->socket) : NNG_EINVAL;
    if (result != 0)
        goto fail_open;
    calls->slots = calloc(calls->limit, sizeof(struct call *));
    if (!calls->slots) {
        result = NNG_ENOMEM;
        goto fail_slots;
    }
    result = links_follow(links, calls->socket, LINK_CALLS);
    if (result != 0)
        goto fail_slots;
    calls_listen(calls);
    *out = calls;
    return 0;

fail_slots:
    nng_close(calls->socket);
    free(calls->slots);
fail_open:
    free(calls);
    return result;
}

void calls_stop(struct calls *calls)
{
    for (unsigned i = 0; i < calls->count; i++)
        nng_aio_stop(calls->slots[i]->aio);
}

void calls_free(struct calls *calls)
{
    for (unsigned i = 0; i < calls->count; i++) {
        struct call *call = calls->slots[i];
        if (call->message)
            nng_msg_free(call->message);
        nng_aio_free(call->aio);
        free(call);
    }
    free(calls->slots);
    free(calls);
}

nng_socket calls_socket(const struct calls *calls)
{
    return calls->socket;
}

static ipc_ticket call_ticket(const struct call *call)
{
    return call->uses << SLOT_BITS | call->slot;
}

/* The request that waits under @ticket, or NULL. */
static struct call *call_by_ticket(const struct calls *calls, ipc_ticket ticket)
{
    unsigned slot = ticket & ((1U << SLOT_BITS) - 1);
    struct call *call = slot < calls->count ? calls->slots[slot] : NULL;
    return call && call->state == CALL_WAITING && call_ticket(call) == ticket ? call : NULL;
}

/* The request no longer waits for its reply. Still in its link's list. */
static void call_wait_over(struct call *call)
{
    call->calls->waiting--;
    call->link->waiting--;
}

static void call_sent(struct call *call)
{
    if (call->link) {
        DL_DELETE(call->link->calls, call);
        call->calls->unsent--;
        call->calls->unsent_bytes -= call->unsent_bytes;
        call->link = NULL;
    }
    call_rest(call);
}

bool calls_take(struct calls *calls, struct letter *letter, struct calls_request *request)
{
    struct call *call = (struct call *)(void *)((char *)letter - offsetof(struct call, letter));
    if (call->state == CALL_SENDING) {
        call_sent(call);
        return false;
    }
    calls->receiving--;
    nng_msg *message = call->message;
    call->message = NULL;
    if (!message || !call->link || call->link->is_ended) {
        nng_msg_free(message);
        call->link = NULL;
        call_rest(call);
        return false;
    }
    call->state = CALL_WAITING;
    call->uses++;
    DL_APPEND(call->link->calls, call);
    call->link->waiting++;
    calls->waiting++;
    *request = (struct calls_request){call->link, call_ticket(call), message};
    return true;
}

void calls_forget_link(struct calls *calls, struct link *link)
{
    struct call *call = link->calls;
    link->calls = NULL;
    while (call) {
        struct call *next = call->next;
        if (call->state == CALL_WAITING) {
            call_wait_over(call);
            call_rest(call);
        } else { /* nng gives the reply up by itself when the pipe is closed */
            calls->unsent--;
            calls->unsent_bytes -= call->unsent_bytes;
        }
        call->link = NULL;
        call = next;
    }
}

static void end_link(struct calls *calls, struct link *link, const char *why)
{
    log_warn("ipc", why, "link=%llu pid=%llu waiting=%u", (unsigned long long)link->id,
             (unsigned long long)link->pid, link->waiting);
    calls->options->counters->call_links_ended++;
    calls_forget_link(calls, link);
    link_close(link);
}

bool calls_may_wait(const struct calls *calls, ipc_ticket ticket)
{
    const struct call *call = call_by_ticket(calls, ticket);
    return call && calls->waiting <= calls->options->max_waiting &&
           call->link->waiting <= calls->options->max_waiting_per_link;
}

void calls_settle(struct calls *calls, ipc_ticket ticket)
{
    struct call *call = call_by_ticket(calls, ticket);
    if (call && !calls_may_wait(calls, ticket))
        end_link(calls, call->link, "link ended, too many requests wait");
}

static size_t link_unsent_bytes(const struct link *link)
{
    size_t bytes = 0;
    for (const struct call *call = link->calls; call; call = call->next)
        bytes += call->state == CALL_SENDING ? call->unsent_bytes : 0;
    return bytes;
}

/* The link that leaves most, or NULL. */
static struct link *worst_reader(const struct calls *calls)
{
    struct link *worst = NULL;
    for (unsigned i = 0; i < calls->count; i++) {
        const struct call *call = calls->slots[i];
        if (call->state == CALL_SENDING && call->link && call->link != worst &&
            (!worst || link_unsent_bytes(call->link) > link_unsent_bytes(worst)))
            worst = call->link;
    }
    return worst;
}

/* Replies pile up when peers send requests and take no replies. */
static void limit_unsent(struct calls *calls)
{
    struct link *worst = NULL;
    while ((calls->unsent > calls->options->max_waiting || calls->unsent_bytes > CALLS_UNSENT_BYTES) &&
           (worst = worst_reader(calls)))
        end_link(calls, worst, "link ended, it does not take its replies");
}

void calls_reply(struct calls *calls, ipc_ticket ticket, const void *body, size_t len)
{
    struct call *call = call_by_ticket(calls, ticket);
    nng_msg *message;
    if (!call)
        return;
    if (nng_msg_alloc(&message, len) != 0) {
        end_link(calls, call->link, "link ended, out of memory for a reply");
        return;
    }
    if (len > 0)
        memcpy(nng_msg_body(message), body, len);
    call_wait_over(call);
    call->state = CALL_SENDING;
    call->unsent_bytes = len + 64; /* empty replies take memory too */
    calls->unsent++;
    calls->unsent_bytes += call->unsent_bytes;
    nng_aio_set_msg(call->aio, message);
    nng_ctx_send(call->context, call->aio);
    limit_unsent(calls);
}

void calls_abandon(struct calls *calls, ipc_ticket ticket)
{
    struct call *call = call_by_ticket(calls, ticket);
    if (!call)
        return;
    call_wait_over(call);
    DL_DELETE(call->link->calls, call);
    call->link = NULL;
    call_rest(call); /* nng forgets the request when the context receives again */
}

unsigned calls_waiting(const struct calls *calls)
{
    return calls->waiting;
}

unsigned calls_unsent(const struct calls *calls)
{
    return calls->unsent;
}
