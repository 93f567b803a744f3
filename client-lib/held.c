#include "held.h"

#include <string.h>

#include "event.h"

static void insert_behind(struct held_list *list, struct sluice_event *place, struct sluice_event *event)
{
    struct sluice_event *next = place ? place->held.next : list->first;

    event->held.list = list;
    event->held.prev = place;
    event->held.next = next;
    if (place)
        place->held.next = event;
    else
        list->first = event;
    if (next)
        next->held.prev = event;
    else
        list->last = event;
    list->count++;
}

void held_append(struct held_list *list, struct sluice_event *event)
{
    insert_behind(list, list->last, event);
}

void held_remove(struct sluice_event *event)
{
    struct held *held = &event->held;
    struct held_list *list = held->list;

    if (!list)
        return;
    if (held->prev)
        held->prev->held.next = held->next;
    else
        list->first = held->next;
    if (held->next)
        held->next->held.prev = held->prev;
    else
        list->last = held->prev;
    list->count--;
    held->list = NULL;
    held->prev = held->next = NULL;
}

/* Where the last one of @conn stands in its bucket, or the bucket's end. */
static struct sluice_event **tail_of(struct held_tails *tails, const char *conn)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    struct sluice_event **at;

    for (const char *c = conn; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    at = &tails->buckets[hash % HELD_BUCKETS];
    while (*at && strcmp((*at)->conn, conn) != 0)
        at = &(*at)->held.tail_next;
    return at;
}

/* The last one is @event now (NULL: there is none), in the place @at of another. */
static void tail_replace(struct sluice_event **at, struct sluice_event *event)
{
    struct sluice_event *next = *at ? (*at)->held.tail_next : NULL;

    if (*at)
        (*at)->held.tail_next = NULL;
    if (event)
        event->held.tail_next = next;
    *at = event ? event : next;
}

void held_chain(struct held_tails *tails, struct sluice_event *event)
{
    struct sluice_event **at = tail_of(tails, event->conn), *before = *at;

    event->held.tails = tails;
    event->held.before = before;
    if (before)
        before->held.after = event;
    tail_replace(at, event);
}

void held_unchain(struct sluice_event *event)
{
    struct sluice_event *before = event->held.before, *after = event->held.after;

    if (!event->held.tails)
        return;
    if (!after)
        tail_replace(tail_of(event->held.tails, event->conn), before);
    event->held.tails = NULL;
    if (before)
        before->held.after = after;
    if (after)
        after->held.before = before;
    event->held.before = event->held.after = NULL;
    if (!after || before || !event->held.list || after->held.list != event->held.list)
        return;
    held_remove(after);
    insert_behind(event->held.list, event, after);
}

void held_leave(struct sluice_event *event)
{
    held_unchain(event);
    held_remove(event);
}

struct sluice_event *held_sendable(const struct held_list *list, struct sluice_event *from)
{
    struct sluice_event *event = from ? from : list->first;

    while (event && event->held.before)
        event = event->held.next;
    return event;
}

struct sluice_event *held_find_chained(struct held_tails *tails, const char *conn, uint64_t seq)
{
    struct sluice_event *event = *tail_of(tails, conn);

    while (event && event->seq != seq)
        event = event->held.before;
    return event;
}

struct sluice_event *held_find(const struct held_list *list, uint64_t seq)
{
    struct sluice_event *event = list->first;

    while (event && event->seq != seq)
        event = event->held.next;
    return event;
}
