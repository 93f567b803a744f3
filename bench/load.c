#include "bench/load.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench/clock.h"
#include "bench/conn.h"

enum { EVENTS_A_TURN = 64, SHAKING_AT_ONCE = 256, SCRATCH_BYTES = 256 * 1024, DESCRIPTORS_BESIDE = 16 };

static const uint64_t hang_up_ns = NS_PER_S; /* for the server's side of the closing */

struct load {
    const struct load_options *options;
    struct addrinfo *address;
    int epoll_fd;
    struct traffic traffic;
    struct conn *conns;
    uint32_t begun;      /* connections that were opened, with or without success */
    struct conn **dirty; /* room for each connection once */
    uint64_t scheduled;  /* open loop: messages that have become due */
};

static uint64_t cpu_ns(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * NS_PER_S +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * NS_PER_US;
}

static uint64_t scheduled_ns(const struct load *l)
{
    return l->traffic.start_ns + (uint64_t)((double)l->scheduled * l->traffic.interval_ns);
}

/* Open loop: everything whose time has come is due; the connections take turns. */
static void load_schedule(struct load *l, uint64_t now)
{
    struct traffic *t = &l->traffic;
    uint32_t dirty = 0;

    for (uint64_t at = scheduled_ns(l); at <= now && at < t->measure_to_ns; at = scheduled_ns(l)) {
        struct conn *c = &l->conns[l->scheduled++ % t->connections];

        c->due++;
        if (!c->is_dirty)
            l->dirty[dirty++] = c;
        c->is_dirty = true;
    }
    for (uint32_t i = 0; i < dirty; i++) {
        l->dirty[i]->is_dirty = false;
        conn_pump(l->dirty[i]);
    }
}

static bool is_scheduling(const struct load *l)
{
    return l->traffic.interval_ns > 0 && l->traffic.start_ns > 0;
}

/* One turn of the loop, which sleeps until something comes, is due, or @until_ns. Returns 0 or a negative
 * errno. */
static int load_turn(struct load *l, uint64_t until_ns)
{
    struct epoll_event events[EVENTS_A_TURN];
    uint64_t now = clock_ns(), wake_ns = until_ns, sleep_ns;
    struct timespec timeout;
    int n;

    if (is_scheduling(l) && scheduled_ns(l) < l->traffic.measure_to_ns && scheduled_ns(l) < until_ns)
        wake_ns = scheduled_ns(l);
    sleep_ns = wake_ns > now ? wake_ns - now : 0;
    timeout.tv_sec = (time_t)(sleep_ns / NS_PER_S);
    timeout.tv_nsec = (long)(sleep_ns % NS_PER_S);
    n = epoll_pwait2(l->epoll_fd, events, EVENTS_A_TURN, &timeout, NULL);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++)
        conn_wake(events[i].data.ptr, events[i].events);
    if (is_scheduling(l))
        load_schedule(l, clock_ns());
    return 0;
}

/* Turn until @is_done (NULL: never) or @until_ns. Returns 0 or a negative errno. */
static int load_until(struct load *l, uint64_t until_ns, bool (*is_done)(const struct load *l))
{
    int result = 0;

    while (result == 0 && clock_ns() < until_ns && (is_done == NULL || !is_done(l)))
        result = load_turn(l, until_ns);
    return result;
}

static bool all_opened_or_lost(const struct load *l)
{
    return l->traffic.tally.lost > 0 || l->traffic.opened == l->options->connections;
}

static bool some_may_begin(const struct load *l)
{
    return l->traffic.tally.lost > 0 || l->begun - l->traffic.opened < SHAKING_AT_ONCE;
}

static bool all_ended(const struct load *l)
{
    return l->traffic.ended == l->begun;
}

static bool all_finished(const struct load *l)
{
    for (uint32_t i = 0; i < l->begun; i++) {
        if (!conn_is_finished(&l->conns[i]))
            return false;
    }
    return true;
}

static int fail(struct load *l, int error, const char *what)
{
    tally_note(&l->traffic.tally, "%s: %s", what, strerror(-error));
    return error;
}

static int load_connect(struct load *l, uint64_t *connect_ns)
{
    const struct load_options *o = l->options;
    uint64_t begin = clock_ns(), deadline = begin + o->connect_ns;
    int result = 0;

    while (result == 0 && l->begun < o->connections && l->traffic.tally.lost == 0 && clock_ns() < deadline) {
        result = conn_open(&l->conns[l->begun], &l->traffic, l->begun, l->epoll_fd, l->address->ai_addr,
                           l->address->ai_addrlen);
        l->begun++;
        if (result == 0)
            result = load_until(l, deadline, some_may_begin);
    }
    if (result == 0)
        result = load_until(l, deadline, all_opened_or_lost);
    *connect_ns = clock_ns() - begin;
    if (result < 0)
        return fail(l, result, "cannot connect");
    if (l->traffic.tally.lost > 0)
        return -ECONNREFUSED; /* noted where it happened */
    if (l->traffic.opened < o->connections) {
        tally_note(&l->traffic.tally, "only %u of %u connections were open in time", l->traffic.opened,
                   o->connections);
        return -ETIMEDOUT;
    }
    return 0;
}

/* Warm up, measure, wait for the rest, close. Ends early when no connection is left. */
static int load_measure(struct load *l, struct load_result *result)
{
    const struct load_options *o = l->options;
    struct traffic *t = &l->traffic;
    uint64_t cpu_from, from;
    int error;

    t->start_ns = clock_ns();
    t->measure_from_ns = t->start_ns + o->warmup_ns;
    t->measure_to_ns = t->measure_from_ns + o->duration_ns;
    for (uint32_t i = 0; i < l->begun && o->rate == 0; i++) {
        l->conns[i].due = CONN_ANY_NUMBER;
        conn_pump(&l->conns[i]);
    }
    error = load_until(l, t->measure_from_ns, all_ended);
    cpu_from = cpu_ns();
    from = clock_ns();
    if (error == 0)
        error = load_until(l, t->measure_to_ns, all_ended);
    result->cpu_ns = cpu_ns() - cpu_from;
    result->wall_ns = clock_ns() - from;
    for (uint32_t i = 0; i < l->begun; i++)
        conn_stop(&l->conns[i]);
    if (error == 0)
        error = load_until(l, clock_ns() + o->drain_ns, all_finished);
    for (uint32_t i = 0; i < l->begun; i++) {
        t->tally.missing += l->conns[i].due - l->conns[i].answered;
        conn_hang_up(&l->conns[i]);
    }
    if (t->tally.missing > 0)
        tally_note(&t->tally, "%" PRIu64 " of %" PRIu64 " messages were not echoed", t->tally.missing,
                   t->tally.missing + t->tally.received);
    if (error == 0)
        error = load_until(l, clock_ns() + hang_up_ns, all_ended);
    return error;
}

static int raise_descriptor_limit(uint32_t connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    return limit.rlim_cur < (rlim_t)connections + DESCRIPTORS_BESIDE ? -EMFILE : 0;
}

static int load_init(struct load *l)
{
    const struct load_options *o = l->options;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct traffic *t = &l->traffic;
    int result;

    t->host = o->host;
    t->path = o->path;
    t->subprotocol = o->subprotocol;
    t->connections = o->connections;
    t->window = o->window;
    t->chop_bytes = o->chop_bytes;
    t->interval_ns = o->rate > 0 ? NS_PER_S / o->rate : 0;
    random_init(&t->random);
    result = raise_descriptor_limit(o->connections);
    if (result < 0)
        return fail(l, result, "descriptors for so many connections");
    result = getaddrinfo(o->host, o->port, &hints, &l->address);
    if (result != 0) {
        tally_note(&t->tally, "%s:%s: %s", o->host, o->port, gai_strerror(result));
        return -EADDRNOTAVAIL;
    }
    result = message_init(&t->message, &o->message);
    if (result < 0)
        return fail(l, result, "payload");
    t->frame_limit = t->message.len + HANDSHAKE_MAX_BYTES;
    /* Room for an unfinished frame and more bytes behind it. */
    t->scratch_bytes = 2 * t->frame_limit > SCRATCH_BYTES ? 2 * t->frame_limit : SCRATCH_BYTES;
    t->scratch_in = malloc(t->scratch_bytes);
    t->scratch_out = malloc(t->scratch_bytes);
    l->conns = calloc(o->connections, sizeof(*l->conns));
    l->dirty = calloc(o->connections, sizeof(struct conn *));
    if (t->scratch_in == NULL || t->scratch_out == NULL || l->conns == NULL || l->dirty == NULL)
        return fail(l, -ENOMEM, "connections");
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll_fd < 0 ? fail(l, -errno, "epoll") : 0;
}

static void load_deinit(struct load *l)
{
    for (uint32_t i = 0; i < l->begun; i++)
        conn_free(&l->conns[i]);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l->conns);
    free(l->dirty);
    free(l->traffic.scratch_in);
    free(l->traffic.scratch_out);
    message_deinit(&l->traffic.message);
    if (l->address)
        freeaddrinfo(l->address);
}

int load_run(const struct load_options *options, struct load_result *result)
{
    struct load *l = calloc(1, sizeof(*l));
    int error;

    memset(result, 0, sizeof(*result));
    tally_init(&result->tally);
    if (l == NULL)
        return -ENOMEM;
    l->options = options;
    l->epoll_fd = -1;
    tally_init(&l->traffic.tally);
    error = load_init(l);
    if (error == 0)
        error = load_connect(l, &result->connect_ns);
    if (error == 0)
        error = load_measure(l, result);
    result->tally = l->traffic.tally;
    load_deinit(l);
    free(l);
    return error;
}
