/* The handler process of limit_bridge: sends back what it gets. */
#include "bench/bridge.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>

enum { SUB_QUEUE = 8192 };

static int dial(nng_socket *calls, const char *directory)
{
    char address[BRIDGE_ADDRESS_MAX];
    int result = nng_req0_open(calls);

    if (result != 0)
        return result;
    bridge_address(address, directory, "calls");
    nng_socket_set_ms(*calls, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    return nng_dial(*calls, address, NULL, 0);
}

/* Synchronous calls are as fast as any here, and a reply is the next request. */
static int run_turns(nng_socket calls)
{
    nng_msg *message;
    int result = nng_msg_alloc(&message, 0);

    while (result == 0) {
        result = nng_sendmsg(calls, message, 0);
        if (result != 0)
            nng_msg_free(message);
        else
            result = nng_recvmsg(calls, &message, 0);
    }
    return bridge_fail("turn", result);
}

/* Events become requests on nng's own threads: what came while a request was under way goes with the next. */
struct relay {
    nng_socket events;
    nng_ctx call;
    nng_aio *event_aio, *send_aio, *reply_aio;
    pthread_mutex_t lock; /* guards what follows */
    nng_msg *waiting;     /* or NULL */
    bool is_calling;
};

static void die(const char *what, int result)
{
    bridge_fail(what, result);
    _exit(1);
}

/* Send what waits, if something does and no request is under way. */
static void relay_call(struct relay *r)
{
    r->is_calling = r->waiting != NULL;
    if (!r->is_calling)
        return;
    nng_aio_set_msg(r->send_aio, r->waiting);
    r->waiting = NULL;
    nng_ctx_send(r->call, r->send_aio);
}

static void on_event(void *arg)
{
    struct relay *r = arg;
    int result = nng_aio_result(r->event_aio);
    nng_msg *message = nng_aio_get_msg(r->event_aio);

    if (result != 0)
        die("event", result);
    pthread_mutex_lock(&r->lock);
    if (r->waiting == NULL) {
        r->waiting = message;
    } else {
        result = nng_msg_append(r->waiting, nng_msg_body(message), nng_msg_len(message));
        nng_msg_free(message);
        if (result != 0)
            die("event", result);
    }
    if (!r->is_calling)
        relay_call(r);
    pthread_mutex_unlock(&r->lock);
    nng_recv_aio(r->events, r->event_aio);
}

static void on_sent(void *arg)
{
    struct relay *r = arg;
    int result = nng_aio_result(r->send_aio);

    if (result != 0)
        die("request", result);
    nng_ctx_recv(r->call, r->reply_aio);
}

static void on_reply(void *arg)
{
    struct relay *r = arg;
    int result = nng_aio_result(r->reply_aio);

    if (result != 0)
        die("reply", result);
    nng_msg_free(nng_aio_get_msg(r->reply_aio));
    pthread_mutex_lock(&r->lock);
    relay_call(r);
    pthread_mutex_unlock(&r->lock);
}

static int run_events(nng_socket calls, const char *directory)
{
    static struct relay r = {.lock = PTHREAD_MUTEX_INITIALIZER};
    char address[BRIDGE_ADDRESS_MAX];
    int result = nng_ctx_open(&r.call, calls);

    bridge_address(address, directory, "events");
    if (result != 0 || (result = nng_sub0_open(&r.events)) != 0 ||
        (result = nng_aio_alloc(&r.event_aio, on_event, &r)) != 0 ||
        (result = nng_aio_alloc(&r.send_aio, on_sent, &r)) != 0 ||
        (result = nng_aio_alloc(&r.reply_aio, on_reply, &r)) != 0 ||
        (result = nng_socket_set_int(r.events, NNG_OPT_RECVBUF, SUB_QUEUE)) != 0 ||
        (result = nng_socket_set(r.events, NNG_OPT_SUB_SUBSCRIBE, "", 0)) != 0 ||
        (result = nng_dial(r.events, address, NULL, 0)) != 0)
        return bridge_fail("subscription", result);
    nng_recv_aio(r.events, r.event_aio);
    for (;;)
        pause();
}

int bridge_handler(enum bridge_form form, const char *directory)
{
    nng_socket calls;
    int result = dial(&calls, directory);

    if (result != 0)
        return bridge_fail("broker", result);
    return form == BRIDGE_TURNS ? run_turns(calls) : run_events(calls, directory);
}
