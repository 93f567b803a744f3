#include "core/timers.h"

#include <errno.h>
#include <stdlib.h>

/* A binary heap of pointers; slots count from 1, so the parent of slot n is n / 2 and 0 means "not in it". */

void timers_init(struct timers *timers)
{
    timers->heap = NULL;
    timers->count = 0;
    timers->cap = 0;
    timers->due = NULL;
}

void timers_deinit(struct timers *timers)
{
    free(timers->heap);
    timers_init(timers);
}

int timers_reserve(struct timers *timers, size_t count)
{
    if (count <= timers->cap)
        return 0;
    size_t cap = timers->cap ? timers->cap : 64;
    while (cap < count)
        cap *= 2;
    struct timer **heap = realloc(timers->heap, cap * sizeof(struct timer *));
    if (!heap)
        return -ENOMEM;
    timers->heap = heap;
    timers->cap = cap;
    return 0;
}

static void place(struct timers *timers, struct timer *timer, size_t slot)
{
    timers->heap[slot - 1] = timer;
    timer->slot = slot;
}

/* Move @timer, whose place is @slot, towards the root as far as it belongs. */
static size_t rise(struct timers *timers, struct timer *timer, size_t slot)
{
    while (slot > 1 && timers->heap[slot / 2 - 1]->at_ms > timer->at_ms) {
        place(timers, timers->heap[slot / 2 - 1], slot);
        slot /= 2;
    }
    place(timers, timer, slot);
    return slot;
}

static void sink(struct timers *timers, struct timer *timer, size_t slot)
{
    for (;;) {
        size_t child = slot * 2;
        if (child > timers->count)
            break;
        if (child < timers->count && timers->heap[child]->at_ms < timers->heap[child - 1]->at_ms)
            child++;
        if (timers->heap[child - 1]->at_ms >= timer->at_ms)
            break;
        place(timers, timers->heap[child - 1], slot);
        slot = child;
    }
    place(timers, timer, slot);
}

/* Due timers wait in a list beside the heap, with this slot. */
#define SLOT_DUE SIZE_MAX

static void due_unlink(struct timers *timers, struct timer *timer)
{
    if (timer->before)
        timer->before->after = timer->after;
    else
        timers->due = timer->after;
    if (timer->after)
        timer->after->before = timer->before;
}

int timer_start(struct timers *timers, struct timer *timer, uint64_t at_ms,
                void (*fire)(struct timer *, void *))
{
    if (timer->slot == SLOT_DUE)
        timer_stop(timers, timer);
    size_t slot = timer->slot;
    if (slot == 0) {
        if (timers_reserve(timers, timers->count + 1) != 0)
            return -ENOMEM;
        slot = ++timers->count;
    }
    timer->at_ms = at_ms;
    timer->fire = fire;
    sink(timers, timer, rise(timers, timer, slot));
    return 0;
}

void timer_stop(struct timers *timers, struct timer *timer)
{
    size_t slot = timer->slot;
    if (slot == 0)
        return;
    timer->slot = 0;
    if (slot == SLOT_DUE) {
        due_unlink(timers, timer);
        return;
    }
    struct timer *last = timers->heap[--timers->count];
    if (last != timer)
        sink(timers, last, rise(timers, last, slot));
}

/* All that are due leave the heap before the first is fired, so those started by a function wait for the next
 * call whatever their time is. They stay stoppable: their owners may free them before their turn. */
void timers_run(struct timers *timers, uint64_t now_ms, void *arg)
{
    struct timer *last = NULL;
    while (timers->count > 0 && timers->heap[0]->at_ms <= now_ms) {
        struct timer *timer = timers->heap[0];
        timer_stop(timers, timer);
        timer->slot = SLOT_DUE;
        timer->before = last;
        timer->after = NULL;
        if (last)
            last->after = timer;
        else
            timers->due = timer;
        last = timer;
    }
    while (timers->due) {
        struct timer *timer = timers->due;
        timer_stop(timers, timer);
        timer->fire(timer, arg);
    }
}

uint64_t timers_next(const struct timers *timers)
{
    return timers->count > 0 ? timers->heap[0]->at_ms : UINT64_MAX;
}
