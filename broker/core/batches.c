#include "core/batches.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/hash.h"
#include "core/scalar.h"
#include "wire/mp.h"

#define SHARED_SLOTS 64

void batches_init(struct batches *batches, const struct core_options *options,
                  const struct core_effects *effects, struct counters *counters, struct timers *timers)
{
    *batches =
        (struct batches){.options = options, .effects = effects, .counters = counters, .timers = timers};
}

static void items_free(struct blob **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        blob_unref(items[i]);
    free(items);
}

static void pending_drop(struct pending *pending)
{
    DL_DELETE(pending->batch->pendings, pending);
    DL_DELETE2(pending->conn->pendings, pending, conn_prev, conn_next);
    items_free(pending->items, pending->count);
    free(pending);
}

static struct shared *shared_slot(struct shared *table, const struct pending *pending)
{
    uint64_t hash = pending->count;
    for (size_t i = 0; i < pending->count; i++)
        hash = hash_number(hash ^ (uintptr_t)pending->items[i]);
    return &table[hash % SHARED_SLOTS];
}

static bool shared_is(const struct shared *shared, const struct pending *pending)
{
    return shared->message && shared->count == pending->count &&
           memcmp(shared->items, pending->items, pending->count * sizeof(pending->items[0])) == 0;
}

static void shared_free(struct shared *shared)
{
    message_unref(shared->message);
    items_free(shared->items, shared->count);
    *shared = (struct shared){0};
}

static void batch_drop(struct batches *batches, struct batch *batch)
{
    while (batch->pendings)
        pending_drop(batch->pendings);
    shared_free(&batch->recent);
    timer_stop(batches->timers, &batch->timer);
    HASH_DEL(batches->by_event, batch);
    free(batch->terms);
    free(batch);
}

void batches_deinit(struct batches *batches)
{
    while (batches->by_event)
        batch_drop(batches, batches->by_event);
}

struct batch *batches_find(const struct batches *batches, const char *event, size_t len)
{
    struct batch *batch;
    if (!batches->by_event)
        return NULL;
    HASH_FIND(hh, batches->by_event, event, len, batch);
    return batch && batch->terms ? batch : NULL;
}

/* The message of these payloads. NULL when memory is refused. */
static struct message *message_build(const struct batch *batch, struct blob *const *items, size_t count)
{
    const char *prefix = batch->batches->options->batch_prefix;
    struct message *message = NULL;
    struct buf name = BUF_INIT, payload = BUF_INIT;
    buf_put_text(&name, prefix);
    buf_put_text(&name, batch->event);
    mp_put_map(&payload, 1);
    mp_put_text(&payload, "d");
    mp_put_array(&payload, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        buf_put(&payload, items[i]->data, items[i]->len);
    if (!name.failed && !payload.failed)
        message = message_new((const char *)name.data, name.len, payload.data, payload.len, NULL);
    buf_deinit(&name);
    buf_deinit(&payload);
    return message;
}

static int deliver(struct batch *batch, struct conn *conn, struct message *message)
{
    struct batches *batches = batch->batches;
    int refused = batches->effects->deliver(batches->effects->arg, conn->peer, message, DELIVERY_MANY);
    if (refused) {
        batches->counters->deliveries_refused++;
        return 1;
    }
    batches->counters->deliveries++;
    batches->counters->batches_out++;
    return 0;
}

/* Deliver @pending and drop it. @shared: where the next one finds the message, if it waits for the same. */
static int pending_flush(struct pending *pending, struct shared *shared)
{
    struct batch *batch = pending->batch;
    struct conn *conn = pending->conn;
    int refused = 1;

    if (!shared_is(shared, pending)) {
        shared_free(shared);
        shared->message = message_build(batch, pending->items, pending->count);
        shared->items = pending->items;
        shared->count = pending->count;
        pending->items = NULL;
        pending->count = 0;
    }
    pending_drop(pending);
    if (shared->message)
        refused = deliver(batch, conn, shared->message);
    else
        batch->batches->counters->deliveries_refused++;
    return refused;
}

static void batch_flush(struct batch *batch)
{
    struct shared table[SHARED_SLOTS] = {{0}};
    while (batch->pendings)
        pending_flush(batch->pendings, shared_slot(table, batch->pendings));
    for (size_t i = 0; i < SHARED_SLOTS; i++)
        shared_free(&table[i]);
    shared_free(&batch->recent);
}

void batches_flush(struct batches *batches)
{
    struct batch *batch, *next;
    HASH_ITER (hh, batches->by_event, batch, next) {
        timer_stop(batches->timers, &batch->timer);
        batch_flush(batch);
    }
}

static void batch_fire(struct timer *timer, void *arg)
{
    struct batch *batch = (struct batch *)((char *)timer - offsetof(struct batch, timer));
    (void)arg;
    batch_flush(batch);
}

static struct pending *pending_find(const struct batch *batch, const struct conn *conn)
{
    struct pending *pending = conn->pendings;
    while (pending && pending->batch != batch)
        pending = pending->conn_next;
    return pending;
}

int batch_flush_conn(struct batch *batch, struct conn *conn)
{
    struct pending *pending = pending_find(batch, conn);
    return pending ? pending_flush(pending, &batch->recent) : 0;
}

int batches_flush_conn(struct batches *batches, struct conn *conn)
{
    int refused = 0;
    (void)batches;
    while (conn->pendings)
        refused |= pending_flush(conn->pendings, &conn->pendings->batch->recent);
    return refused;
}

void batches_drop_conn(struct batches *batches, struct conn *conn)
{
    (void)batches;
    while (conn->pendings)
        pending_drop(conn->pendings);
}

static struct pending *pending_add(struct batch *batch, struct conn *conn, uint64_t now_ms)
{
    struct pending *pending = calloc(1, sizeof(*pending));
    if (!pending)
        return NULL;
    if (!timer_running(&batch->timer) && timer_start(batch->batches->timers, &batch->timer,
                                                     now_ms + batch->terms->interval_ms, batch_fire) < 0) {
        free(pending);
        return NULL;
    }
    pending->batch = batch;
    pending->conn = conn;
    DL_APPEND(batch->pendings, pending);
    DL_APPEND2(conn->pendings, pending, conn_prev, conn_next);
    return pending;
}

/* The value of the field that `latest_by` names, in the form that equal ones share (maps, arrays and long
 * strings: as they are). */
struct latest_key {
    const uint8_t *bytes;
    size_t len;
    uint8_t form[SCALAR_MAX];
};

static bool latest_key(const struct batch *batch, const struct blob *payload, struct latest_key *key)
{
    struct mp_reader value;
    struct mp_token token;
    const char *by = batch->terms->latest_by;
    if (!mp_map_get(mp_reader(payload->data, payload->len), by, strlen(by), &value))
        return false;
    struct mp_reader r = value;
    key->bytes = key->form;
    key->len = mp_next(&r, &token) ? scalar_form(&token, key->form) : 0;
    return key->len > 0 || mp_raw(&value, &key->bytes, &key->len);
}

/* Which waiting payload @payload takes the place of; count: none. */
static size_t replaced_by(const struct pending *pending, const struct blob *payload)
{
    const struct batch *batch = pending->batch;
    struct latest_key key, other;
    if (!*batch->terms->latest_by)
        return batch->terms->keep == BATCH_KEEP_LATEST && pending->count ? 0 : pending->count;
    if (!latest_key(batch, payload, &key))
        return pending->count;
    for (size_t i = 0; i < pending->count; i++) {
        if (latest_key(batch, pending->items[i], &other) && other.len == key.len &&
            memcmp(other.bytes, key.bytes, key.len) == 0)
            return i;
    }
    return pending->count;
}

static bool pending_grow(struct pending *pending)
{
    if (pending->count < pending->cap)
        return true;
    size_t cap = pending->cap ? pending->cap * 2 : 4;
    struct blob **items = realloc(pending->items, cap * sizeof(items[0]));
    if (!items)
        return false;
    pending->items = items;
    pending->cap = cap;
    return true;
}

/* Take out the payload at @place: the newer one goes to the end. */
static void pending_replace(struct pending *pending, size_t place)
{
    pending->bytes -= pending->items[place]->len;
    blob_unref(pending->items[place]);
    pending->count--;
    memmove(pending->items + place, pending->items + place + 1,
            (pending->count - place) * sizeof(pending->items[0]));
    pending->batch->batches->counters->batch_items_replaced++;
}

/* The bytes that would wait once @payload has taken the place of what it replaces. */
static size_t bytes_with(const struct pending *pending, const struct blob *payload, size_t place)
{
    size_t gone = place < pending->count ? pending->items[place]->len : 0;
    return pending->bytes - gone + payload->len;
}

static void pending_put(struct pending *pending, struct blob *payload, size_t place)
{
    if (place < pending->count)
        pending_replace(pending, place);
    pending->items[pending->count++] = blob_ref(payload);
    pending->bytes += payload->len;
    pending->batch->batches->counters->batch_items++;
}

int batch_add(struct batch *batch, struct conn *conn, struct blob *payload, uint64_t now_ms)
{
    struct pending *pending = pending_find(batch, conn);
    size_t place = pending ? replaced_by(pending, payload) : 0;
    int refused = 0;
    if (pending && bytes_with(pending, payload, place) > batch->terms->max_bytes) {
        refused = pending_flush(pending, &batch->recent);
        pending = NULL;
        place = 0;
    }
    if (!pending)
        pending = pending_add(batch, conn, now_ms);
    if (!pending || !pending_grow(pending)) {
        if (pending && !pending->count)
            pending_drop(pending);
        return -ENOMEM;
    }
    pending_put(pending, payload, place);
    if (pending->count >= batch->terms->max_items || pending->bytes >= batch->terms->max_bytes)
        refused |= pending_flush(pending, &batch->recent);
    return refused;
}

/* -- changes ------------------------------------------------------------------------------------------- */

/* A new one, which is off. */
static struct batch *batch_new(struct batches *batches, const char *event, size_t len)
{
    struct batch *batch = calloc(1, sizeof(*batch));
    if (!batch)
        return NULL;
    batch->batches = batches;
    memcpy(batch->event, event, len + 1);
    HASH_ADD(hh, batches->by_event, event, len, batch);
    if (!batch->hh.tbl) {
        free(batch);
        return NULL;
    }
    return batch;
}

static struct batch_terms *terms_new(const struct batches *batches, const struct batch_rule *rule)
{
    const char *latest_by = rule->latest_by ? rule->latest_by : "";
    size_t size = strlen(latest_by) + 1;
    struct batch_terms *terms = malloc(sizeof(*terms) + size);
    if (!terms)
        return NULL;
    terms->interval_ms = rule->interval_ms;
    terms->max_items = rule->max_items ? rule->max_items : batches->options->batch_items;
    terms->max_bytes = rule->max_bytes ? rule->max_bytes : batches->options->batch_bytes;
    terms->keep = (int)rule->keep;
    memcpy(terms->latest_by, latest_by, size);
    return terms;
}

int batches_prepare(struct batches *batches, const struct batch_rule *rule, struct batch **batch,
                    struct batch_terms **terms, struct fault *fault)
{
    size_t len = strlen(rule->event);
    HASH_FIND(hh, batches->by_event, rule->event, len, *batch);
    bool is_off = !*batch || !(*batch)->terms;
    *terms = NULL;
    if (!rule->interval_ms) {
        if (is_off)
            *batch = NULL;
        else
            (*batch)->changes++;
        return 0;
    }
    if (is_off && batches->count >= batches->options->max_batches)
        return fault_set(fault, CODE_LIMIT, NULL, "there are %u batches already",
                         batches->options->max_batches);
    *terms = terms_new(batches, rule);
    if (*terms && !*batch)
        *batch = batch_new(batches, rule->event, len);
    if (!*terms || !*batch) {
        free(*terms);
        return fault_set(fault, CODE_OVERLOADED, NULL, "no memory for the batch");
    }
    (*batch)->changes++;
    return 0;
}

struct batch_terms *batch_swap(struct batch *batch, struct batch_terms *terms)
{
    struct batch_terms *before = batch->terms;
    batch->batches->count -= before != NULL;
    batch->batches->count += terms != NULL;
    batch->terms = terms;
    return before;
}

void batch_obey(struct batch *batch, uint64_t now_ms)
{
    struct timers *timers = batch->batches->timers;
    if (!batch->terms) {
        batch_flush(batch);
        timer_stop(timers, &batch->timer);
    } else if (timer_running(&batch->timer) && batch->timer.at_ms > now_ms + batch->terms->interval_ms) {
        timer_start(timers, &batch->timer, now_ms + batch->terms->interval_ms, batch_fire);
    }
}

void batch_settle(struct batch *batch)
{
    if (--batch->changes == 0 && !batch->terms)
        batch_drop(batch->batches, batch);
}
