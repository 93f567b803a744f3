#include "bench/load.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
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
    uint32_t finished;   /* connections before this one need nothing more */
    char line[16];       /* stepwise: what was said to us, cut */
    size_t line_bytes;
    bool has_line;
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

/* Standard input: a line for load_step(). */
static void on_input(struct load *l)
{
    char text[64];
    ssize_t n = read(STDIN_FILENO, text, sizeof(text));

    for (ssize_t i = 0; i < n && !l->has_line; i++) {
        if (text[i] == '\n')
            l->has_line = true;
        else if (l->line_bytes < sizeof(l->line) - 1)
            l->line[l->line_bytes++] = text[i];
    }
    if (n > 0 || (n < 0 && errno == EINTR))
        return;
    epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
    l->has_line = true;
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
    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == l)
            on_input(l);
        else
            conn_wake(events[i].data.ptr, events[i].events);
    }
    if (is_scheduling(l))
        load_schedule(l, clock_ns());
    return 0;
}

/* Turn until @is_done (NULL: never) or @until_ns. Returns 0 or a negative errno. */
static int load_until(struct load *l, uint64_t until_ns, bool (*is_done)(struct load *l))
{
    int result = 0;

    while (result == 0 && clock_ns() < until_ns && (is_done == NULL || !is_done(l)))
        result = load_turn(l, until_ns);
    return result;
}

static bool all_opened_or_lost(struct load *l)
{
    return l->traffic.tally.lost > 0 || l->traffic.opened == l->options->connections;
}

static bool some_may_begin(struct load *l)
{
    return l->traffic.tally.lost > 0 || l->begun - l->traffic.opened < SHAKING_AT_ONCE;
}

static bool all_ended(struct load *l)
{
    return l->traffic.ended == l->begun;
}

static bool all_finished(struct load *l)
{
    while (l->finished < l->begun && conn_is_finished(&l->conns[l->finished]))
        l->finished++;
    return l->finished == l->begun;
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

/* Make messages due: as many as were asked for, or any number of them. */
static void load_begin(struct load *l)
{
    const struct load_options *o = l->options;

    l->finished = 0;
    for (uint32_t i = 0; i < l->begun && o->rate == 0; i++) {
        struct conn *c = &l->conns[i];

        if (o->is_cast && i > 0)
            break;
        c->due = o->messages > 0 ? c->due + o->messages : CONN_ANY_NUMBER;
        conn_pump(c);
    }
}

/* Warm up, measure, and wait for the rest. Ends early when no connection is left. */
static int load_measure(struct load *l, struct load_result *result)
{
    const struct load_options *o = l->options;
    struct traffic *t = &l->traffic;
    uint64_t cpu_from, from;
    int error;

    from = clock_ns();
    t->start_ns = from - (uint64_t)((double)l->scheduled * t->interval_ns);
    t->measure_from_ns = from + (o->messages > 0 ? 0 : o->warmup_ns);
    t->measure_to_ns = t->measure_from_ns + o->duration_ns;
    load_begin(l);
    error = load_until(l, t->measure_from_ns, all_ended);
    cpu_from = cpu_ns();
    from = clock_ns();
    if (error == 0)
        error = load_until(l, t->measure_to_ns, o->messages > 0 ? all_finished : all_ended);
    result->cpu_ns += cpu_ns() - cpu_from;
    result->wall_ns += clock_ns() - from;
    result->span_ns += o->messages > 0 ? clock_ns() - from : o->duration_ns;
    for (uint32_t i = 0; i < l->begun; i++)
        conn_stop(&l->conns[i]);
    if (error == 0)
        error = load_until(l, clock_ns() + o->drain_ns, all_finished);
    return error;
}

/* Count what is missing, and close. */
static int load_close(struct load *l)
{
    struct traffic *t = &l->traffic;
    uint64_t due = 0;

    for (uint32_t i = 0; i < l->begun; i++) {
        due += l->conns[i].due;
        t->tally.missing += l->conns[i].due - l->conns[i].answered;
        conn_hang_up(&l->conns[i]);
    }
    if (t->tally.missing > 0)
        tally_note(&t->tally, "%" PRIu64 " of %" PRIu64 " messages were not echoed", t->tally.missing, due);
    return load_until(l, clock_ns() + hang_up_ns, all_ended);
}

/* ---- Steps ---- */

static bool has_line(struct load *l)
{
    return l->has_line;
}

/* Say where we are, and wait for the word. Returns 1 to go on, 0 to end, or a negative errno. */
static int load_step(struct load *l, const char *where)
{
    int error;

    printf("%s\n", where);
    fflush(stdout);
    error = load_until(l, UINT64_MAX, has_line);
    l->line[l->line_bytes] = '\0';
    l->line_bytes = 0;
    l->has_line = false;
    return error < 0 ? error : strcmp(l->line, "go") == 0;
}

static int load_run_steps(struct load *l, struct load_result *result)
{
    struct epoll_event input = {.events = EPOLLIN, .data.ptr = l};
    const char *where = "connected";
    int error;

    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0)
        return fail(l, -errno, "standard input");
    while ((error = load_step(l, where)) == 1) {
        error = load_measure(l, result);
        if (error < 0)
            return error;
        where = "finished";
    }
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
    t->sources = o->sources;
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
    if (o->is_cast)
        t->cast_left = calloc(o->window, sizeof(*t->cast_left));
    if (t->scratch_in == NULL || t->scratch_out == NULL || l->conns == NULL || l->dirty == NULL ||
        (o->is_cast && t->cast_left == NULL))
        return fail(l, -ENOMEM, "connections");
    t->caster = o->is_cast ? l->conns : NULL;
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
    free(l->traffic.cast_left);
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
        error = options->is_stepwise ? load_run_steps(l, result) : load_measure(l, result);
    if (error == 0)
        error = load_close(l);
    result->tally = l->traffic.tally;
    load_deinit(l);
    free(l);
    return error;
}
