#include "ws/outqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 4
#define KEEP_CAP  64 /* a ring that grew longer is freed when it runs empty: idle connections are many */

void outqueue_init(struct outqueue *q, enum encoding encoding)
{
    memset(q, 0, sizeof(*q));
    q->encoding = encoding;
}

static struct message *at(const struct outqueue *q, unsigned index)
{
    return q->ring[(q->first + index) & (q->cap - 1)];
}

static const struct blob *frame_at(const struct outqueue *q, unsigned index)
{
    return at(q, index)->frame[q->encoding];
}

static int grow(struct outqueue *q)
{
    unsigned cap = q->cap ? q->cap * 2 : FIRST_CAP;
    struct message **ring = malloc(cap * sizeof(struct message *));
    if (!ring)
        return -ENOMEM;
    for (unsigned i = 0; i < q->count; i++)
        ring[i] = at(q, i);
    free(q->ring);
    q->ring = ring;
    q->first = 0;
    q->cap = cap;
    return 0;
}

int outqueue_push(struct outqueue *q, struct message *m, unsigned max_items, size_t max_bytes)
{
    size_t len = m->frame[q->encoding]->len;
    if (q->count > 0 && (q->count >= max_items || q->bytes + len > max_bytes))
        return 1;
    if (q->count == q->cap && grow(q) != 0)
        return -ENOMEM;
    q->ring[(q->first + q->count) & (q->cap - 1)] = message_ref(m);
    q->count++;
    q->bytes += len;
    return 0;
}

bool outqueue_gather(const struct outqueue *q, uint8_t *room, size_t size, struct outqueue_span *span)
{
    if (q->count == 0)
        return false;
    const struct blob *frame = frame_at(q, 0);
    span->count = 1;
    span->bytes = frame->data;
    span->len = frame->len;
    if (q->count == 1 || span->len + frame_at(q, 1)->len > size)
        return true;
    memcpy(room, frame->data, frame->len);
    span->bytes = room;
    while (span->count < q->count) {
        frame = frame_at(q, span->count);
        if (span->len + frame->len > size)
            break;
        memcpy(room + span->len, frame->data, frame->len);
        span->len += frame->len;
        span->count++;
    }
    return true;
}

void outqueue_drop(struct outqueue *q, unsigned count)
{
    while (count-- > 0 && q->count > 0) {
        struct message *m = at(q, 0);
        q->bytes -= m->frame[q->encoding]->len;
        q->first = (q->first + 1) & (q->cap - 1);
        q->count--;
        message_unref(m);
    }
    if (q->count == 0 && q->cap > KEEP_CAP)
        outqueue_clear(q);
}

unsigned outqueue_clear(struct outqueue *q)
{
    unsigned count = q->count;
    for (unsigned i = 0; i < count; i++)
        message_unref(at(q, i));
    free(q->ring);
    outqueue_init(q, q->encoding);
    return count;
}
