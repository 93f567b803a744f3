#include "core/core.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/expiry.h"
#include "core/hash.h"
#include "core/stored_event.h"
#include "wire/mp.h"

const struct core_options CORE_OPTIONS_DEFAULT = {
    .name = "sluice",
    .version = "",
    .epoch = "",
    .batch_prefix = "batch_",
    .ping_ms = 25000,
    .max_message_bytes = 64 * 1024,
    .max_session_bytes = 64 * 1024,
    .question_ms = 30000,
    .max_questions = 64,
    .max_scan = 100000,
    .max_names = 4096,
    .max_publish_bytes = 64 * 1024,
    .max_request_bytes = 1024 * 1024 - 1024,
    .max_ops = 1024,
    .max_clients = 4096,
    .stored_replies = 256,
    .stored_bytes = 1024 * 1024,
    .stored_bytes_total = 64 * 1024 * 1024,
    .stored_ms = 120000,
    .announce_ms = 60000,
    .alive_ms = 5000,
    .max_batches = 1024,
    .batch_bytes = 64 * 1024,
    .batch_items = 1000,
    .max_groups = 256,
    .max_members = 1024,
    .group_backlog = 100000,
    .group_backlog_bytes = 64 * 1024 * 1024,
    .group_pause_max_ms = 5000,
    .group_keep_ms = 60000,
    .group_lease_ms = 30000,
    .group_max_attempts = 5,
    .group_dead = 1000,
    .group_dead_bytes = 16 * 1024 * 1024,
    .link_grace_ms = 2000,
};

#define STOP_EACH_MS                                                                                         \
    50 /* a connection's share of the time to stop, so that a few need no full drain time                    \
        */
#define STOP_STEP_MS    10    /* how often connections are closed while the core stops */
#define ALIVE_RECENT_MS 60000 /* names in `@alive` were used since then */

static void alive_fire(struct timer *timer, void *arg)
{
    struct core *core = arg;
    publisher_flush(&core->publisher); /* its seqs go before those that `@alive` tells */
    publisher_alive(&core->publisher, core->now, ALIVE_RECENT_MS);
    groups_sample(core);
    timer_start(&core->timers, timer, core->now.mono_ms + core->options.alive_ms, alive_fire);
}

int core_new(struct core **out, const struct core_options *options, const struct core_effects *effects,
             struct counters *counters, struct core_time now)
{
    struct core *core = calloc(1, sizeof(*core));
    if (!core)
        return -ENOMEM;
    core->options = *options;
    core->effects = *effects;
    core->counters = counters;
    core->now = now;
    core->started_ms = now.mono_ms;
    core->random = options->seed[0] ^ options->seed[1];
    conn_table_init(&core->conns);
    filter_cache_init(&core->filters, counters);
    timers_init(&core->timers);
    publisher_init(&core->publisher, &core->options, &core->effects, counters);
    batches_init(&core->batches, &core->options, &core->effects, counters, &core->timers);
    announcements_init(&core->announcements, options->max_clients);
    greetings_init(&core->greetings, options->max_clients);
    replies_init(&core->replies, &core->options, counters);
    groups_init(&core->groups);
    step_init(&core->step);
    buf_init(&core->reply);
    if (index_init(&core->index, options->index_fields, core->options.seed, counters) < 0 ||
        timer_start(&core->timers, &core->alive, now.mono_ms + options->alive_ms, alive_fire) < 0) {
        core_free(core);
        return -ENOMEM;
    }
    *out = core;
    return 0;
}

/* Let go of what only an open connection has. It is in no table any more. */
static void conn_detach(struct core *core, struct conn *conn)
{
    batches_drop_conn(&core->batches, conn);
    questions_drop(&core->questions, conn);
    index_change(&core->index, conn, conn->session, NULL);
}

void core_free(struct core *core)
{
    if (!core)
        return;
    size_t place = 0;
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &place));)
        groups_release(core, conn);
    groups_deinit(core);
    place = 0;
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &place));) {
        conn_detach(core, conn);
        expiry_drop(&core->timers, conn);
        conn_free(conn);
    }
    conn_table_deinit(&core->conns);
    index_deinit(&core->index);
    filter_cache_deinit(&core->filters);
    batches_deinit(&core->batches);
    announcements_deinit(&core->announcements);
    greetings_deinit(&core->greetings);
    replies_deinit(&core->replies);
    publisher_deinit(&core->publisher);
    timer_stop(&core->timers, &core->alive);
    timer_stop(&core->timers, &core->stopping.timer);
    timers_deinit(&core->timers);
    step_deinit(&core->step);
    free(core->stopping.numbers);
    buf_deinit(&core->reply);
    free(core);
}

/* -- connections -------------------------------------------------------------------------------------- */

struct conn *core_conn_find(const struct core *core, const char *id, size_t len)
{
    uint64_t number = conn_number(core->options.epoch, id, len);
    struct conn *conn = number ? conn_table_find(&core->conns, number) : NULL;
    return conn && !conn->is_leaving ? conn : NULL;
}

struct conn *core_conn_find_kept(const struct core *core, const char *id, size_t len)
{
    uint64_t number = conn_number(core->options.epoch, id, len);
    struct conn *conn = number ? conn_table_find(&core->conns, number) : NULL;
    if (conn && conn->is_leaving && !conn->events && !conn->reserved)
        return NULL; /* no event will be left of it */
    if (!conn && number)
        HASH_FIND(hh, core->ended, &number, sizeof(number), conn);
    return conn;
}

size_t core_conn_count(const struct core *core)
{
    return core->conns.count;
}

int core_deliver(struct core *core, struct conn *conn, struct message *message, enum delivery kind)
{
    int refused = core->effects.deliver(core->effects.arg, conn->peer, message, kind);
    if (refused)
        core->counters->deliveries_refused++;
    else
        core->counters->deliveries++;
    return refused;
}

static void send_welcome(struct core *core, struct conn *conn)
{
    struct buf payload = BUF_INIT;
    mp_put_map(&payload, 5);
    mp_put_text(&payload, "conn");
    mp_put_text(&payload, conn->id);
    mp_put_text(&payload, "ping_ms");
    mp_put_uint(&payload, core->options.ping_ms);
    mp_put_text(&payload, "max_bytes");
    mp_put_uint(&payload, core->options.max_message_bytes);
    mp_put_text(&payload, "batch_prefix");
    mp_put_text(&payload, core->options.batch_prefix);
    mp_put_text(&payload, "features");
    mp_put_array(&payload, 0);
    struct message *message =
        payload.failed ? NULL : message_new("@welcome", 8, payload.data, payload.len, NULL);
    if (message)
        core_deliver(core, conn, message, DELIVERY_ONE);
    message_unref(message);
    buf_deinit(&payload);
}

/* It has not come to anything. */
static void conn_undo(struct core *core, struct conn *conn)
{
    groups_release(core, conn);
    conn_table_remove(&core->conns, conn);
    conn_free(conn);
}

int core_conn_opened(struct core *core, struct conn **out, const struct opening *opening, void *peer)
{
    if (!groups_admit(core))
        return -EAGAIN;
    struct conn *conn = conn_new(core->options.epoch, ++core->last_number, opening, peer, core->now);
    if (!conn)
        return -ENOMEM;
    if (core->is_stopping || conn_table_add(&core->conns, conn) < 0) {
        conn_free(conn);
        return -ENOMEM;
    }
    const struct event event = {.name = "@connect", .name_len = 8, .conn = conn, .opening = opening};
    if (groups_reserve(core, conn) < 0 || groups_take(core, &event, 0) < 0) {
        conn_undo(core, conn);
        return -ENOMEM;
    }
    publisher_add(&core->publisher, &event, core->now);
    if (*opening->subprotocol)
        send_welcome(core, conn);
    *out = conn;
    return 0;
}

/* The connection leaves the filters, then its end is published. With events left in groups it lives on. */
static void conn_end(struct core *core, struct conn *conn, unsigned code, const char *reason,
                     size_t reason_len)
{
    const struct ending ending = {
        .code = code,
        .reason = reason,
        .reason_len = reason_len,
        .duration_ms = core->now.mono_ms - conn->connected_mono,
    };
    const struct event event = {.name = "@disconnect", .name_len = 11, .conn = conn, .ending = &ending};
    conn_table_remove(&core->conns, conn);
    groups_unpause(conn);
    publisher_add(&core->publisher, &event, core->now);
    conn_detach(core, conn);
    conn->events++; /* this one, so that it stays until the end of this function */
    conn->is_ended = true;
    conn->peer = NULL;
    groups_take_ending(core, &event);
    if (conn->events > 1)
        HASH_ADD(hh, core->ended, number, sizeof(conn->number), conn);
    conn_event_done(core, conn);
}

void core_conn_closed(struct core *core, struct conn *conn, unsigned code, const char *reason,
                      size_t reason_len)
{
    conn_end(core, conn, code, reason, reason_len);
}

void core_conn_close(struct core *core, struct conn *conn, unsigned code, const char *reason,
                     size_t reason_len)
{
    batches_flush_conn(&core->batches, conn);
    core->effects.close(core->effects.arg, conn->peer, code, reason, reason_len);
    conn_end(core, conn, code, reason, reason_len);
}

void core_session_set(struct core *core, struct conn *conn, struct blob *session)
{
    if (!conn->is_ended) /* it left the filters when it ended */
        index_change(&core->index, conn, conn->session, session);
    blob_unref(conn->session);
    conn->session = session;
    conn->version++;
}

/* -- time ---------------------------------------------------------------------------------------------- */

static void questions_expire(struct core *core)
{
    struct question *question;
    while ((question = core->questions.oldest) && question->deadline_ms <= core->now.mono_ms) {
        struct message *message = message_error(CODE_TIMEOUT, "no handler answered in time", question->event,
                                                question->event_len, &question->id);
        core->counters->questions_timeout++;
        if (message)
            core_deliver(core, question->conn, message, DELIVERY_ONE);
        message_unref(message);
        question_close(&core->questions, question);
    }
}

void core_tick(struct core *core, struct core_time now)
{
    core->now = now;
    timers_run(&core->timers, now.mono_ms, core);
    questions_expire(core);
    announcements_expire(&core->announcements, now.mono_ms);
    replies_expire(&core->replies, now.mono_ms);
}

uint64_t core_next(const struct core *core)
{
    uint64_t next = core->groups.is_unfinished ? core->now.mono_ms : timers_next(&core->timers);
    if (core->questions.oldest)
        next = earlier(next, core->questions.oldest->deadline_ms);
    next = earlier(next, announcements_next(&core->announcements));
    return earlier(next, replies_next(&core->replies));
}

void core_flush(struct core *core)
{
    groups_serve(core); /* may bury events, which is published */
    publisher_flush(&core->publisher);
}

/* -- links --------------------------------------------------------------------------------------------- */

void core_link_down(struct core *core, uint64_t link)
{
    announcements_link_down(&core->announcements, link);
    groups_link_down(core, link);
}

void core_subscribers(struct core *core, unsigned count)
{
    core->publisher.subscribers = count;
}

int core_batch(struct core *core, const struct batch_rule *rule, struct fault *fault)
{
    const char *wrong = event_name_fault(rule->event, strlen(rule->event));
    if (wrong)
        return fault_set(fault, CODE_BAD_ARGUMENT, NULL, "event: %s", wrong);
    step_begin(core);
    int r = step_batch_set(core, rule, fault);
    if (r < 0)
        step_undo(core);
    else
        step_commit(core);
    return r;
}

/* -- the end ------------------------------------------------------------------------------------------- */

/* Close as many as the time that has passed has a right to. */
static void stop_fire(struct timer *timer, void *arg)
{
    struct core *core = arg;
    struct stopping *stopping = &core->stopping;
    uint64_t passed = core->now.mono_ms - stopping->begin_ms;
    size_t due = stopping->count;
    if (passed < stopping->drain_ms)
        due = (size_t)((double)stopping->count * (double)passed / (double)stopping->drain_ms);
    for (; stopping->done < due; stopping->done++) {
        struct conn *conn = conn_table_find(&core->conns, stopping->numbers[stopping->done]);
        if (conn)
            core_conn_close(core, conn, 1001, "the server is going away", 24);
    }
    if (stopping->done < stopping->count)
        timer_start(&core->timers, timer, core->now.mono_ms + STOP_STEP_MS, stop_fire);
}

/* The numbers of all connections, shuffled (Fisher, Yates). */
static int stop_list(struct core *core, struct stopping *stopping)
{
    size_t place = 0;
    stopping->numbers = calloc(core->conns.count + 1, sizeof(stopping->numbers[0]));
    if (!stopping->numbers)
        return -ENOMEM;
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &place));)
        stopping->numbers[stopping->count++] = conn->number;
    for (size_t i = stopping->count; i > 1; i--) {
        size_t other = (size_t)(random_next(&core->random) % i);
        uint64_t number = stopping->numbers[i - 1];
        stopping->numbers[i - 1] = stopping->numbers[other];
        stopping->numbers[other] = number;
    }
    return 0;
}

static void close_all(struct core *core)
{
    size_t place = 0;
    for (struct conn *conn; (conn = conn_table_walk(&core->conns, &place));)
        core_conn_close(core, conn, 1001, "the server is going away", 24);
}

void core_stop(struct core *core, unsigned drain_ms)
{
    struct stopping *stopping = &core->stopping;
    if (core->is_stopping)
        return;
    core->is_stopping = true;
    batches_flush(&core->batches);
    stopping->begin_ms = core->now.mono_ms;
    stopping->drain_ms = earlier(drain_ms, (uint64_t)core->conns.count * STOP_EACH_MS);
    if (stop_list(core, stopping) < 0) {
        close_all(core);
        return;
    }
    stop_fire(&stopping->timer, core);
}
