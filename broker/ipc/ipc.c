#include "ipc/ipc.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <nng/nng.h>

#include "admin/log.h"
#include "ipc/calls.h"
#include "ipc/closing.h"
#include "ipc/events.h"
#include "ipc/links.h"
#include "ipc/listener.h"
#include "ipc/mailbox.h"
#include "wire/workaround.h"

#define DRAIN_MAX_NS     1000000
#define LINGER_MAX_MS    500
#define LINGER_STEP_MS   10
#define LINGER_QUIET     5 /* steps without progress */
#define CLOSE_MAX_MS     1400
#define REQUEST_ID_BYTES 4  /* REQ's, which nng counts as part of the message */
#define SUB_MAX_BYTES    64 /* subscribers send nothing at all */

struct endpoint {
    struct listener *listeners;
    size_t count;
};

struct ipc {
    struct ipc_options options; /* without the addresses */
    struct ipc_events events;
    struct mailbox mailbox;
    struct links links;
    struct calls *calls;
    nng_socket publisher;
    struct endpoint call_end, event_end;
    struct letter *taken; /* out of the mailbox and not handled yet */
    uint64_t last_link;
    unsigned subscribers;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The core hears of a link when its peer has shown to speak the protocol, by what nng says or by a request.
 */
static void tell_link_up(struct ipc *ipc, struct link *link)
{
    if (link->id != 0 || link->is_ended)
        return;
    link->id = ++ipc->last_link;
    ipc->options.counters->call_links++;
    ipc->events.link_up(ipc->events.arg, link->id, link->is_tcp);
}

static void tell_link_down(struct ipc *ipc, struct link *link)
{
    calls_forget_link(ipc->calls, link);
    if (link->id == 0)
        return;
    ipc->options.counters->call_links--;
    ipc->events.link_down(ipc->events.arg, link->id);
}

static void tell_subscribers(struct ipc *ipc, unsigned count)
{
    ipc->subscribers = count;
    ipc->options.counters->subscriber_links = count;
    ipc->events.subscribers(ipc->events.arg, count);
}

static void add_subscriber(struct ipc *ipc, struct link *link)
{
    if (ipc->subscribers >= ipc->options.max_subscribers) {
        ipc->options.counters->subscriber_links_refused++;
        log_warn("ipc", "subscriber refused, too many", "max=%u pid=%llu", ipc->options.max_subscribers,
                 (unsigned long long)link->pid);
        link_close(link);
        return;
    }
    link->id = ++ipc->last_link;
    tell_subscribers(ipc, ipc->subscribers + 1);
}

static void handle_link_ready(struct ipc *ipc, struct link *link)
{
    if (link->side == LINK_CALLS)
        tell_link_up(ipc, link);
    else
        add_subscriber(ipc, link);
}

static void handle_link_gone(struct ipc *ipc, struct link *link)
{
    if (link->side == LINK_CALLS)
        tell_link_down(ipc, link);
    else if (link->id != 0)
        tell_subscribers(ipc, ipc->subscribers - 1);
    link_free(link);
}

static void handle_call(struct ipc *ipc, struct letter *letter)
{
    struct calls_request request;
    if (calls_take(ipc->calls, letter, &request)) {
        tell_link_up(ipc, request.link);
        ipc->options.counters->requests_waiting = calls_waiting(ipc->calls);
        const struct link *link = request.link;
        const struct ipc_peer peer = {.link = link->id, .pid = link->pid, .is_tcp = link->is_tcp};
        ipc->events.request(ipc->events.arg, &peer, request.ticket, nng_msg_body(request.message),
                            nng_msg_len(request.message));
        nng_msg_free(request.message);
        calls_settle(ipc->calls, request.ticket);
    }
    calls_listen(ipc->calls);
}

static void handle_letter(struct ipc *ipc, struct letter *letter)
{
    switch (letter->kind) {
    case LETTER_CALL:
        handle_call(ipc, letter);
        break;
    case LETTER_LINK_READY:
        handle_link_ready(ipc, link_of_letter(letter));
        break;
    case LETTER_LINK_GONE:
        handle_link_gone(ipc, link_of_letter(letter));
        break;
    }
    ipc->options.counters->requests_waiting = calls_waiting(ipc->calls);
}

bool ipc_drain(struct ipc *ipc)
{
    uint64_t end = now_ns() + DRAIN_MAX_NS;
    do {
        if (!ipc->taken && !(ipc->taken = mailbox_take(&ipc->mailbox)))
            return false;
        struct letter *letter = ipc->taken;
        ipc->taken = letter->next; /* before its call or link is used anew, or freed */
        handle_letter(ipc, letter);
    } while (now_ns() < end);
    return true;
}

static void watch_endpoint(struct ipc *ipc, struct endpoint *end)
{
    for (size_t i = 0; i < end->count; i++)
        listener_watch(&end->listeners[i], ipc->options.counters, now_ns() / 1000000);
}

void ipc_watch(struct ipc *ipc)
{
    calls_listen(ipc->calls);
    watch_endpoint(ipc, &ipc->call_end);
    watch_endpoint(ipc, &ipc->event_end);
}

void ipc_reply(struct ipc *ipc, ipc_ticket ticket, const void *body, size_t len)
{
    calls_reply(ipc->calls, ticket, body, len);
    ipc->options.counters->requests_waiting = calls_waiting(ipc->calls);
}

void ipc_abandon(struct ipc *ipc, ipc_ticket ticket)
{
    calls_abandon(ipc->calls, ticket);
    ipc->options.counters->requests_waiting = calls_waiting(ipc->calls);
}

bool ipc_may_wait(const struct ipc *ipc, ipc_ticket ticket)
{
    return calls_may_wait(ipc->calls, ticket);
}

void ipc_publish(struct ipc *ipc, const void *body, size_t len)
{
    int result = events_publish(ipc->publisher, body, len);
    if (result == 0)
        ipc->options.counters->publishes++;
    else
        log_error("ipc", "publishing failed", "error=%s", nng_strerror(result));
}

static const char *address_of(const struct endpoint *end, size_t index)
{
    return index < end->count ? end->listeners[index].address : NULL;
}

const char *ipc_calls_address(const struct ipc *ipc, size_t index)
{
    return address_of(&ipc->call_end, index);
}

const char *ipc_events_address(const struct ipc *ipc, size_t index)
{
    return address_of(&ipc->event_end, index);
}

static int open_endpoint(struct ipc *ipc, struct endpoint *end, nng_socket socket,
                         const char *const *addresses, size_t max_bytes, char *error, size_t size)
{
    size_t count = 0;
    while (addresses[count])
        count++;
    end->listeners = calloc(count + 1, sizeof *end->listeners);
    if (!end->listeners) {
        snprintf(error, size, "out of memory");
        return -1;
    }
    for (; end->count < count; end->count++)
        if (listener_open(&end->listeners[end->count], socket, &ipc->links, addresses[end->count], max_bytes,
                          error, size) != 0)
            return -1;
    return 0;
}

static void hide_endpoint(struct endpoint *end)
{
    for (size_t i = 0; i < end->count; i++)
        listener_hide(&end->listeners[i]);
}

static void close_endpoint(struct endpoint *end)
{
    for (size_t i = 0; i < end->count; i++)
        listener_close(&end->listeners[i]);
    free(end->listeners);
}

/* The second half of ipc_new(): with sockets, without listeners. */
static int listen_all(struct ipc *ipc, const struct ipc_options *options, char *error, size_t size)
{
    if (open_endpoint(ipc, &ipc->call_end, calls_socket(ipc->calls), options->calls,
                      options->max_request_bytes + REQUEST_ID_BYTES, error, size) != 0)
        return -1;
    return open_endpoint(ipc, &ipc->event_end, ipc->publisher, options->events, SUB_MAX_BYTES, error, size);
}

int ipc_new(struct ipc **out, const struct ipc_options *options, const struct ipc_events *events, char *error,
            size_t size)
{
    struct ipc *ipc = calloc(1, sizeof *ipc);
    if (!ipc) {
        snprintf(error, size, "out of memory");
        return -1;
    }
    ipc->options = *options;
    ipc->options.calls = ipc->options.events = NULL; /* the caller's, not kept */
    ipc->events = *events;
    int result = mailbox_init(&ipc->mailbox, options->wake, options->wake_arg);
    if (result != 0) {
        snprintf(error, size, "cannot make a lock");
        goto fail_mailbox;
    }
    links_init(&ipc->links, &ipc->mailbox);
    result = calls_new(&ipc->calls, &ipc->links, &ipc->options);
    if (result != 0) {
        snprintf(error, size, "cannot open nng's REP socket: %s", nng_strerror(result));
        goto fail_calls;
    }
    result = events_open(&ipc->publisher, &ipc->links, options->publish_queue);
    if (result != 0) {
        snprintf(error, size, "cannot open nng's PUB socket: %s", nng_strerror(result));
        goto fail_events;
    }
    if (listen_all(ipc, options, error, size) != 0) {
        ipc_free(ipc);
        return -1;
    }
    *out = ipc;
    return 0;

fail_events:
    nng_close(calls_socket(ipc->calls));
    calls_stop(ipc->calls);
    calls_free(ipc->calls);
fail_calls:
    links_deinit(&ipc->links);
    mailbox_deinit(&ipc->mailbox);
fail_mailbox:
    free(ipc);
    return -1;
}

static bool has_links(struct ipc *ipc)
{
    mailbox_lock(&ipc->mailbox);
    bool has = ipc->links.by_pipe != NULL;
    mailbox_unlock(&ipc->mailbox);
    return has;
}

/* nng_close() throws away what has not been written: wait while messages go out, as long as some do. */
static void linger(struct ipc *ipc)
{
    uint64_t written = closing_messages_written();
    unsigned quiet = 0;
    for (unsigned ms = 0; ms < LINGER_MAX_MS && quiet < LINGER_QUIET && has_links(ipc);
         ms += LINGER_STEP_MS) {
        nanosleep(&(struct timespec){.tv_nsec = LINGER_STEP_MS * 1000000L}, NULL);
        uint64_t now = closing_messages_written();
        quiet = now == written ? quiet + 1 : 0;
        written = now;
    }
}

static void close_sockets(void *arg)
{
    struct ipc *ipc = arg;
    nng_close(calls_socket(ipc->calls));
    nng_close(ipc->publisher);
    calls_stop(ipc->calls);
}

/* Letters of links that had left before. */
static void free_letters(struct letter *letter)
{
    while (letter) {
        struct letter *next = letter->next;
        if (letter->kind == LETTER_LINK_GONE)
            link_free(link_of_letter(letter));
        letter = next;
    }
}

/* When nng has let go of everything. */
static void release(void *arg)
{
    struct ipc *ipc = arg;
    free_letters(ipc->taken);
    free_letters(mailbox_take(&ipc->mailbox));
    calls_free(ipc->calls);
    links_deinit(&ipc->links);
    mailbox_deinit(&ipc->mailbox);
    free(ipc);
}

void ipc_free(struct ipc *ipc)
{
    if (!ipc)
        return;
    hide_endpoint(&ipc->call_end);
    hide_endpoint(&ipc->event_end);
    mailbox_silence(&ipc->mailbox);
    if (WORKAROUND(linger))
        linger(ipc);
    struct endpoint call_end = ipc->call_end, event_end = ipc->event_end;
    if (closing_run(close_sockets, release, ipc, CLOSE_MAX_MS))
        release(ipc);
    else
        log_warn("ipc", "nng does not finish closing, left behind", "");
    close_endpoint(&call_end);
    close_endpoint(&event_end);
}
