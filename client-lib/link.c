#include "link.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>

#include "clock.h"
#include "dial.h"
#include "error.h"
#include "wire/workaround.h"

/* Bounds of what waits for the owner. When full, nng's own queue fills, which drops the oldest; the loss
 * shows as a gap in `seq`. The broker keeps 256 messages for us beside that. */
#define INBOX_MESSAGES 1024
#define INBOX_BYTES    ((size_t)32 * 1024 * 1024)
#define SUB_QUEUE      256
#define MESSAGE_MAX    ((size_t)2 * 1024 * 1024)

/* nng doubles the pause from MIN to MAX and draws at random below it. */
#define REDIAL_MIN_MS 20
#define REDIAL_MAX_MS 1000
/* A broker that lost a request (it was deaf for a moment) hears it again after this; one that is working on
 * it takes the repeat as the same request. */
#define RESEND_MS 2000
/* A turn may wait for its reply; the member itself looks after those that never come. */
#define TURN_RESEND_MS 60000
#define CLOSE_LIMIT_MS 2000
#define TEND_MS        1000 /* how often a wait looks after the links */

struct exchange {
    struct link *link;
    nng_ctx ctx;
    nng_aio *send_aio;
    nng_aio *recv_aio;
    bool is_open;
    enum { EXCHANGE_IDLE, EXCHANGE_SENDING, EXCHANGE_RECEIVING, EXCHANGE_DONE } state;
    bool is_cancelled;
    int error; /* nng's, when DONE without a reply */
    nng_msg *reply;
};

struct link {
    struct dial calls, events; /* the owner's only */
    pthread_mutex_t
        lock; /* guards all below; never held by nng when it calls us, so we may call nng with it */
    pthread_cond_t done; /* some exchange is DONE */
    struct waker *waker; /* NULL once closing */
    nng_socket req;
    nng_socket sub;
    nng_pipe calls_pipe;
    nng_pipe events_pipe;
    struct link_state state;
    struct exchange exchanges[LINK_SLOTS];
    nng_aio *inbox_aio;
    bool is_inbox_armed;
    struct packet *inbox;
    struct packet **inbox_end;
    unsigned inbox_messages;
    size_t inbox_bytes;
};

struct packet *packet_ref(struct packet *packet)
{
    if (packet)
        packet->refs++;
    return packet;
}

void packet_unref(struct packet *packet)
{
    if (!packet || --packet->refs > 0)
        return;
    nng_msg_free(packet->message);
    free(packet);
}

static void link_wake(struct link *link)
{
    if (link->waker)
        waker_wake(link->waker);
}

/* ---- nng's threads ---- */

static void exchange_end(struct exchange *ex, int error, nng_msg *reply)
{
    ex->error = error;
    ex->reply = reply;
    ex->state = EXCHANGE_DONE;
    pthread_cond_broadcast(&ex->link->done);
    link_wake(ex->link);
}

static void exchange_sent(void *arg)
{
    struct exchange *ex = arg;
    int error = nng_aio_result(ex->send_aio);

    pthread_mutex_lock(&ex->link->lock);
    if (error) {
        nng_msg_free(nng_aio_get_msg(ex->send_aio));
        nng_aio_set_msg(ex->send_aio, NULL);
        exchange_end(ex, error, NULL);
    } else {
        /* Also when cancelled meanwhile: only the end of a receive makes nng forget the request. */
        ex->state = EXCHANGE_RECEIVING;
        if (WORKAROUND(receive_after_send))
            nng_ctx_recv(ex->ctx, ex->recv_aio);
        if (ex->is_cancelled)
            nng_aio_cancel(ex->recv_aio);
    }
    pthread_mutex_unlock(&ex->link->lock);
}

static void exchange_received(void *arg)
{
    struct exchange *ex = arg;
    int error = nng_aio_result(ex->recv_aio);

    pthread_mutex_lock(&ex->link->lock);
    exchange_end(ex, error, error ? NULL : nng_aio_get_msg(ex->recv_aio));
    pthread_mutex_unlock(&ex->link->lock);
}

static bool inbox_full(const struct link *link)
{
    return link->inbox_messages >= INBOX_MESSAGES || link->inbox_bytes >= INBOX_BYTES;
}

static void inbox_put(struct link *link, nng_msg *msg)
{
    struct packet *packet = malloc(sizeof(*packet));

    if (!packet) { /* lost, and seen as a gap */
        nng_msg_free(msg);
        return;
    }
    *packet = (struct packet){NULL, 1, nng_msg_body(msg), nng_msg_len(msg), msg};
    if (!link->inbox)
        link_wake(link);
    *link->inbox_end = packet;
    link->inbox_end = &packet->next;
    link->inbox_messages++;
    link->inbox_bytes += packet->len;
}

/* One standing aio receives: those that time out or are cancelled can crash in nng 1.5. */
static void inbox_received(void *arg)
{
    struct link *link = arg;
    int error = nng_aio_result(link->inbox_aio);

    pthread_mutex_lock(&link->lock);
    if (error == 0)
        inbox_put(link, nng_aio_get_msg(link->inbox_aio));
    link->is_inbox_armed = (error == 0 || error == NNG_ENOMEM) && link->waker && !inbox_full(link);
    if (link->is_inbox_armed)
        nng_recv_aio(link->sub, link->inbox_aio);
    pthread_mutex_unlock(&link->lock);
}

static void calls_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct link *link = arg;

    pthread_mutex_lock(&link->lock);
    if (event == NNG_PIPE_EV_ADD_POST) {
        link->calls_pipe = pipe;
        link->state.calls_up = true;
        link->state.calls_count++;
    } else if (nng_pipe_id(pipe) == nng_pipe_id(link->calls_pipe)) {
        link->state.calls_up = false;
    }
    link_wake(link);
    pthread_mutex_unlock(&link->lock);
}

static void events_changed(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct link *link = arg;

    pthread_mutex_lock(&link->lock);
    if (event == NNG_PIPE_EV_ADD_POST) {
        link->events_pipe = pipe;
        link->state.events_up = true;
        link->state.events_count++;
    } else if (nng_pipe_id(pipe) == nng_pipe_id(link->events_pipe)) {
        link->state.events_up = false;
    }
    link_wake(link);
    pthread_mutex_unlock(&link->lock);
}

/* ---- The owner's thread ---- */

static int link_error(struct sluice_fault *fault, int error, const char *what)
{
    if (error == NNG_ENOMEM)
        return error_nomem(fault);
    return error_set(fault, SLUICE_E_SYSTEM, "%s: %s", what, nng_strerror(error));
}

static int exchange_open(struct link *link, struct exchange *ex)
{
    int error;

    ex->link = link;
    if ((error = nng_aio_alloc(&ex->send_aio, exchange_sent, ex)) != 0 ||
        (error = nng_aio_alloc(&ex->recv_aio, exchange_received, ex)) != 0 ||
        (error = nng_ctx_open(&ex->ctx, link->req)) != 0)
        return error;
    /* Timeouts are the owner's. */
    nng_aio_set_timeout(ex->send_aio, NNG_DURATION_INFINITE);
    nng_aio_set_timeout(ex->recv_aio, NNG_DURATION_INFINITE);
    ex->is_open = true;
    return 0;
}

static void exchange_close(struct exchange *ex)
{
    if (nng_ctx_id(ex->ctx) > 0)
        nng_ctx_close(ex->ctx);
    nng_aio_free(ex->send_aio);
    nng_aio_free(ex->recv_aio);
    memset(ex, 0, sizeof(*ex));
}

int link_open_slot(struct link *link, enum link_slot slot, struct sluice_fault *fault)
{
    struct exchange *ex = &link->exchanges[slot];
    int error;

    if (ex->is_open)
        return 0;
    error = exchange_open(link, ex);
    if (error == 0 && slot < LINK_TALKS)
        error = nng_ctx_set_ms(ex->ctx, NNG_OPT_REQ_RESENDTIME, TURN_RESEND_MS);
    if (error == 0)
        return 0;
    exchange_close(ex);
    return link_error(fault, error, "cannot open a context");
}

static int link_open_sockets(struct link *link)
{
    int error;

    if ((error = nng_req0_open(&link->req)) != 0 || (error = nng_sub0_open(&link->sub)) != 0 ||
        (error = nng_aio_alloc(&link->inbox_aio, inbox_received, link)) != 0)
        return error;
    nng_aio_set_timeout(link->inbox_aio, NNG_DURATION_INFINITE);
    nng_socket sockets[] = {link->req, link->sub};
    for (size_t i = 0; i < 2; i++) {
        if ((error = nng_socket_set_size(sockets[i], NNG_OPT_RECVMAXSZ, MESSAGE_MAX)) != 0 ||
            (error = nng_socket_set_ms(sockets[i], NNG_OPT_RECONNMINT, REDIAL_MIN_MS)) != 0 ||
            (error = nng_socket_set_ms(sockets[i], NNG_OPT_RECONNMAXT, REDIAL_MAX_MS)) != 0)
            return error;
    }
    if ((error = nng_socket_set_int(link->sub, NNG_OPT_RECVBUF, SUB_QUEUE)) != 0 ||
        (error = nng_socket_set_ms(link->req, NNG_OPT_REQ_RESENDTIME, RESEND_MS)) != 0 ||
        (error = nng_pipe_notify(link->req, NNG_PIPE_EV_ADD_POST, calls_changed, link)) != 0 ||
        (error = nng_pipe_notify(link->req, NNG_PIPE_EV_REM_POST, calls_changed, link)) != 0 ||
        (error = nng_pipe_notify(link->sub, NNG_PIPE_EV_ADD_POST, events_changed, link)) != 0 ||
        (error = nng_pipe_notify(link->sub, NNG_PIPE_EV_REM_POST, events_changed, link)) != 0)
        return error;
    for (size_t i = LINK_CALLS; i <= LINK_CONTROL; i++)
        if ((error = exchange_open(link, &link->exchanges[i])) != 0)
            return error;
    return 0;
}

int link_open(struct link **out, struct waker *waker, struct sluice_fault *fault)
{
    struct link *link = calloc(1, sizeof(*link));
    pthread_condattr_t attr;
    int error;

    if (!link)
        return error_nomem(fault);
    link->waker = waker;
    link->inbox_end = &link->inbox;
    pthread_mutex_init(&link->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&link->done, &attr);
    pthread_condattr_destroy(&attr);
    error = link_open_sockets(link);
    if (error) {
        link_close(link);
        return link_error(fault, error, "cannot open a socket");
    }
    pthread_mutex_lock(&link->lock);
    link->is_inbox_armed = true;
    nng_recv_aio(link->sub, link->inbox_aio);
    pthread_mutex_unlock(&link->lock);
    *out = link;
    return 0;
}

int link_dial_calls(struct link *link, const char *address, struct sluice_fault *fault)
{
    return dial_to(&link->calls, link->req, address, fault);
}

int link_dial_events(struct link *link, const char *address, struct sluice_fault *fault)
{
    return dial_to(&link->events, link->sub, address, fault);
}

int64_t link_tend(struct link *link, int64_t now_ms)
{
    struct link_state state = link_state(link);
    int64_t calls = dial_tend(&link->calls, state.calls_up, now_ms),
            events = dial_tend(&link->events, state.events_up, now_ms);

    return calls < events ? calls : events;
}

int link_subscribe(struct link *link, const void *topic, size_t len)
{
    return nng_socket_set(link->sub, NNG_OPT_SUB_SUBSCRIBE, topic, len) == 0 ? 0 : SLUICE_E_NOMEM;
}

struct link_state link_state(struct link *link)
{
    struct link_state state;

    pthread_mutex_lock(&link->lock);
    state = link->state;
    pthread_mutex_unlock(&link->lock);
    return state;
}

void link_drop(struct link *link)
{
    nng_pipe calls, events;

    pthread_mutex_lock(&link->lock);
    calls = link->calls_pipe;
    events = link->events_pipe;
    pthread_mutex_unlock(&link->lock);
    nng_pipe_close(calls);
    nng_pipe_close(events);
}

int link_request(struct link *link, enum link_slot slot, const void *bytes, size_t len)
{
    struct exchange *ex = &link->exchanges[slot];
    nng_msg *msg;

    if (nng_msg_alloc(&msg, len) != 0)
        return SLUICE_E_NOMEM;
    memcpy(nng_msg_body(msg), bytes, len);
    pthread_mutex_lock(&link->lock);
    ex->state = EXCHANGE_SENDING;
    ex->is_cancelled = false;
    nng_aio_set_msg(ex->send_aio, msg);
    nng_ctx_send(ex->ctx, ex->send_aio);
    if (!WORKAROUND(receive_after_send))
        nng_ctx_recv(ex->ctx, ex->recv_aio);
    pthread_mutex_unlock(&link->lock);
    return 0;
}

int link_reply(struct link *link, enum link_slot slot, const void **bytes, size_t *len)
{
    struct exchange *ex = &link->exchanges[slot];
    int result = 0;

    pthread_mutex_lock(&link->lock);
    if (ex->state == EXCHANGE_DONE && ex->reply) {
        *bytes = nng_msg_body(ex->reply);
        *len = nng_msg_len(ex->reply);
        result = 1;
    } else if (ex->state == EXCHANGE_DONE) {
        result = SLUICE_E_SYSTEM;
    }
    pthread_mutex_unlock(&link->lock);
    return result;
}

int link_take_reply(struct link *link, enum link_slot slot, struct packet **packet)
{
    struct exchange *ex = &link->exchanges[slot];
    const void *body;
    size_t len;
    int result = link_reply(link, slot, &body, &len);

    if (result <= 0)
        return result;
    *packet = malloc(sizeof(**packet));
    if (!*packet)
        return SLUICE_E_NOMEM;
    pthread_mutex_lock(&link->lock);
    **packet = (struct packet){NULL, 1, body, len, ex->reply};
    ex->reply = NULL;
    ex->state = EXCHANGE_IDLE;
    pthread_mutex_unlock(&link->lock);
    return 1;
}

static bool exchange_wait(struct exchange *ex, int64_t until_ms)
{
    struct timespec until = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
    struct link *link = ex->link;
    bool is_done;

    pthread_mutex_lock(&link->lock);
    while (ex->state != EXCHANGE_DONE && clock_ms() < until_ms)
        pthread_cond_timedwait(&link->done, &link->lock, &until);
    is_done = ex->state == EXCHANGE_DONE;
    pthread_mutex_unlock(&link->lock);
    return is_done;
}

void link_wait(struct link *link, enum link_slot slot, int64_t deadline_ms)
{
    int64_t now, due;

    do {
        now = clock_ms();
        due = link_tend(link, now);
        if (due > now + TEND_MS)
            due = now + TEND_MS; /* a link that is up may go down meanwhile */
    } while (!exchange_wait(&link->exchanges[slot], due < deadline_ms ? due : deadline_ms) &&
             clock_ms() < deadline_ms);
}

void link_finish(struct link *link, enum link_slot slot)
{
    struct exchange *ex = &link->exchanges[slot];

    pthread_mutex_lock(&link->lock);
    if (ex->state != EXCHANGE_IDLE) {
        /* nng 1.5 crashes when a receive is cancelled whose request was never sent (fixed in 1.6). So
         * receives begin only after the send has ended, and here only what is under way is cancelled. */
        ex->is_cancelled = true;
        if (ex->state == EXCHANGE_SENDING && WORKAROUND(receive_after_send))
            nng_aio_cancel(ex->send_aio);
        else if (ex->state != EXCHANGE_DONE)
            nng_aio_cancel(ex->recv_aio);
        while (ex->state != EXCHANGE_DONE)
            pthread_cond_wait(&link->done, &link->lock);
        if (ex->reply)
            nng_msg_free(ex->reply);
        ex->reply = NULL;
        ex->state = EXCHANGE_IDLE;
    }
    pthread_mutex_unlock(&link->lock);
}

struct packet *link_take(struct link *link)
{
    struct packet *taken;

    pthread_mutex_lock(&link->lock);
    taken = link->inbox;
    link->inbox = NULL;
    link->inbox_end = &link->inbox;
    link->inbox_messages = 0;
    link->inbox_bytes = 0;
    if (!link->is_inbox_armed) {
        link->is_inbox_armed = true;
        nng_recv_aio(link->sub, link->inbox_aio);
    }
    pthread_mutex_unlock(&link->lock);
    return taken;
}

/* ---- Closing ---- */

static void link_free(struct link *link)
{
    nng_close(link->sub); /* ends what is under way; ids of zero are refused, which is fine */
    nng_close(link->req);
    nng_aio_free(link->inbox_aio); /* waits for its callback */
    for (size_t i = 0; i < LINK_SLOTS; i++) {
        nng_aio_free(link->exchanges[i].send_aio);
        nng_aio_free(link->exchanges[i].recv_aio);
        if (link->exchanges[i].reply)
            nng_msg_free(link->exchanges[i].reply);
    }
    while (link->inbox) {
        struct packet *packet = link->inbox;
        link->inbox = packet->next;
        packet_unref(packet);
    }
    pthread_cond_destroy(&link->done);
    pthread_mutex_destroy(&link->lock);
    dial_deinit(&link->calls);
    dial_deinit(&link->events);
    free(link);
}

/* Closing can hang in nng 1.5, so a thread does it, and is left behind when it takes too long. */
struct closer {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct link *link;
    bool is_closed;
    bool is_abandoned; /* nobody waits: the thread frees this */
};

static void closer_free(struct closer *closer)
{
    pthread_cond_destroy(&closer->changed);
    pthread_mutex_destroy(&closer->lock);
    free(closer);
}

static void *closer_run(void *arg)
{
    struct closer *closer = arg;
    bool is_abandoned;

    link_free(closer->link);
    pthread_mutex_lock(&closer->lock);
    closer->is_closed = true;
    is_abandoned = closer->is_abandoned;
    pthread_cond_signal(&closer->changed);
    pthread_mutex_unlock(&closer->lock);
    if (is_abandoned)
        closer_free(closer);
    return NULL;
}

static void closer_wait(struct closer *closer, pthread_t thread)
{
    struct timespec until;
    bool is_closed;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_LIMIT_MS / 1000;
    pthread_mutex_lock(&closer->lock);
    while (!closer->is_closed && rc == 0)
        rc = pthread_cond_timedwait(&closer->changed, &closer->lock, &until);
    is_closed = closer->is_closed;
    closer->is_abandoned = !is_closed;
    pthread_mutex_unlock(&closer->lock);
    if (is_closed) {
        pthread_join(thread, NULL);
        closer_free(closer);
    } else {
        pthread_detach(thread);
    }
}

void link_close(struct link *link)
{
    struct closer *closer;
    pthread_t thread;

    if (!link)
        return;
    pthread_mutex_lock(&link->lock);
    link->waker = NULL; /* it may end before a thread that is left behind */
    pthread_mutex_unlock(&link->lock);
    closer = WORKAROUND(bounded_close) ? calloc(1, sizeof(*closer)) : NULL;
    if (!closer) {
        link_free(link);
        return;
    }
    closer->link = link;
    pthread_mutex_init(&closer->lock, NULL);
    pthread_cond_init(&closer->changed, NULL);
    if (pthread_create(&thread, NULL, closer_run, closer) == 0) {
        closer_wait(closer, thread);
    } else {
        closer_free(closer);
        link_free(link);
    }
}
