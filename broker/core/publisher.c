#include "core/publisher.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/event_map.h"
#include "core/pairs.h"
#include "wire/mp.h"

#define MAX_EVENTS   65535 /* what the header that begin_body() writes can count */
#define KEPT_BUCKETS 64    /* buckets that keep their memory between turns */

void publisher_init(struct publisher *publisher, const struct core_options *options,
                    const struct core_effects *effects, struct counters *counters)
{
    *publisher = (struct publisher){
        .epoch = options->epoch,
        .max_bytes = options->max_publish_bytes,
        .effects = effects,
        .counters = counters,
        .flush = 1,
    };
    names_init(&publisher->names, options->max_names);
}

void publisher_deinit(struct publisher *publisher)
{
    names_deinit(&publisher->names);
    for (size_t i = 0; i < publisher->cap; i++)
        buf_deinit(&publisher->buckets[i].body);
    free(publisher->buckets);
}

/* Topic, zero byte, and the map up to its events; the count is patched in when the body is complete. */
static size_t begin_body(struct buf *body, const char *epoch, const char *name, size_t len)
{
    buf_reset(body);
    buf_put(body, name, len);
    buf_put_byte(body, 0);
    mp_put_map(body, 3);
    mp_put_text(body, "v");
    mp_put_uint(body, 1);
    mp_put_text(body, "epoch");
    mp_put_text(body, epoch);
    mp_put_text(body, "events");
    buf_put(body, "\xdc\0\0", 3); /* array 16: room for every count */
    return body->len - 2;
}

static void publish(struct publisher *publisher, struct bucket *bucket)
{
    bucket->body.data[bucket->count_at] = (uint8_t)(bucket->count >> 8);
    bucket->body.data[bucket->count_at + 1] = (uint8_t)bucket->count;
    publisher->effects->publish(publisher->effects->arg, bucket->body.data, bucket->body.len);
    publisher->counters->events_published += bucket->count;
}

static void put_event(struct buf *out, const struct event *event, uint64_t seq, uint64_t wall_ms)
{
    const struct conn *conn = event->conn;
    mp_put_map(out, event_map_pairs(event) + 3);
    event_map_put_what(out, event);
    mp_put_text(out, "session");
    buf_put(out, conn->session->data, conn->session->len);
    put_number(out, "version", conn->version);
    event_map_put_when(out, event, wall_ms);
    put_number(out, "seq", seq);
    event_map_put_how(out, event);
}

/* A new bucket at the end, for events of @name. NULL when memory is refused. */
static struct bucket *bucket_open(struct publisher *publisher, struct name *name)
{
    if (publisher->used == publisher->cap) {
        size_t cap = publisher->cap ? publisher->cap * 2 : 16;
        struct bucket *buckets = realloc(publisher->buckets, cap * sizeof(*buckets));
        if (!buckets)
            return NULL;
        memset(buckets + publisher->cap, 0, (cap - publisher->cap) * sizeof(*buckets));
        publisher->buckets = buckets;
        publisher->cap = cap;
    }
    struct bucket *bucket = &publisher->buckets[publisher->used];
    bucket->count_at = begin_body(&bucket->body, publisher->epoch, name->text, name->len);
    bucket->count = 0;
    if (bucket->body.failed)
        return NULL;
    name->bucket = (uint32_t)publisher->used++;
    name->flush = publisher->flush;
    return bucket;
}

/* Whether an event of @conn may still go into the open bucket of @name. */
static bool bucket_fits(const struct publisher *publisher, const struct name *name, const struct conn *conn)
{
    if (name->flush != publisher->flush)
        return false;
    if (conn->published_flush == publisher->flush && conn->published_bucket > name->bucket)
        return false;
    const struct bucket *bucket = &publisher->buckets[name->bucket];
    return bucket->count < MAX_EVENTS && bucket->body.len < publisher->max_bytes;
}

static bool bucket_put(struct bucket *bucket, const struct event *event, uint64_t seq, uint64_t wall_ms)
{
    size_t before = bucket->body.len;
    put_event(&bucket->body, event, seq, wall_ms);
    if (!bucket->body.failed) {
        bucket->count++;
        return true;
    }
    bucket->body.len = before;
    bucket->body.failed = false;
    return false;
}

/* Take the event just put out of @from again and put it alone into a new bucket: it did not fit @from any
 * more. */
static bool bucket_move_last(struct publisher *publisher, struct name *name, size_t from, size_t before)
{
    struct bucket *fresh = bucket_open(publisher, name);
    if (!fresh)
        return false;
    struct bucket *full = &publisher->buckets[from];
    buf_put(&fresh->body, full->body.data + before, full->body.len - before);
    full->body.len = before;
    full->count--;
    fresh->count = 1;
    return !fresh->body.failed;
}

int publisher_add(struct publisher *publisher, const struct event *event, struct core_time now)
{
    struct name *name = names_use(&publisher->names, event->name, event->name_len, now.mono_ms,
                                  &publisher->counters->names_forgotten);
    if (!name)
        return -ENOMEM;
    name->seq++;
    if (!publisher->subscribers)
        return 0;

    struct conn *conn = event->conn;
    struct bucket *bucket =
        bucket_fits(publisher, name, conn) ? &publisher->buckets[name->bucket] : bucket_open(publisher, name);
    if (!bucket)
        return -ENOMEM;
    size_t before = bucket->body.len;
    if (!bucket_put(bucket, event, name->seq, now.wall_ms))
        return -ENOMEM;
    if (bucket->body.len > publisher->max_bytes && bucket->count > 1 &&
        !bucket_move_last(publisher, name, name->bucket, before))
        return -ENOMEM;
    conn->published_flush = publisher->flush;
    conn->published_bucket = name->bucket;
    return 0;
}

void publisher_flush(struct publisher *publisher)
{
    for (size_t i = 0; i < publisher->used; i++) {
        struct bucket *bucket = &publisher->buckets[i];
        if (bucket->count)
            publish(publisher, bucket);
        if (i >= KEPT_BUCKETS)
            buf_deinit(&bucket->body);
    }
    publisher->used = 0;
    publisher->flush++;
}

/* An `@alive` under construction. */
struct alive {
    struct bucket bucket;
    size_t map; /* mark of the map of seqs */
    uint32_t names;
};

static void alive_begin(struct publisher *publisher, struct alive *alive, uint64_t wall_ms)
{
    struct buf *body = &alive->bucket.body;
    alive->bucket.count_at = begin_body(body, publisher->epoch, "@alive", 6);
    alive->bucket.count = 1;
    alive->names = 0;
    mp_put_map(body, 3);
    put_pair(body, "event", "@alive");
    put_number(body, "time_ms", wall_ms);
    mp_put_text(body, "payload");
    mp_put_map(body, 1);
    mp_put_text(body, "seq");
    alive->map = mp_open(body);
}

static void alive_end(struct publisher *publisher, struct alive *alive)
{
    mp_close_map(&alive->bucket.body, alive->map, alive->names);
    if (!alive->bucket.body.failed)
        publish(publisher, &alive->bucket);
}

void publisher_alive(struct publisher *publisher, struct core_time now, uint64_t recent_ms)
{
    struct alive alive = {.bucket = {.body = BUF_INIT}};
    if (!publisher->subscribers)
        return;
    alive_begin(publisher, &alive, now.wall_ms);
    for (struct name *name = publisher->names.by_use; name; name = name->next) {
        if (name->used_ms + recent_ms < now.mono_ms)
            continue;
        if (alive.bucket.body.len + EVENT_NAME_MAX + 16 > publisher->max_bytes) {
            alive_end(publisher, &alive);
            alive_begin(publisher, &alive, now.wall_ms);
        }
        mp_put_str(&alive.bucket.body, name->text, name->len);
        mp_put_uint(&alive.bucket.body, name->seq);
        alive.names++;
    }
    alive_end(publisher, &alive);
    buf_deinit(&alive.bucket.body);
}
