#include "bench/histogram.h"

#include <string.h>

/* Values below 2^SUB_BITS have a slot each. From there on the highest SUB_BITS + 1 bits of a value
 * choose the slot: the position of the first bit its group, the bits after it the place inside. */
static uint32_t slot_of(uint64_t value)
{
    uint32_t top_bit, shift;

    if (value >> HISTOGRAM_MAX_BITS)
        return HISTOGRAM_SLOTS - 1;
    if (value < (1U << HISTOGRAM_SUB_BITS))
        return (uint32_t)value;
    top_bit = 63U - (uint32_t)__builtin_clzll(value);
    shift = top_bit - HISTOGRAM_SUB_BITS;
    return (shift << HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* The largest value that slot_of() sends to @slot. */
static uint64_t slot_end(uint32_t slot)
{
    uint32_t shift;
    uint64_t head;

    if (slot < (1U << HISTOGRAM_SUB_BITS))
        return slot;
    shift = (slot >> HISTOGRAM_SUB_BITS) - 1;
    head = slot - (shift << HISTOGRAM_SUB_BITS);
    return ((head + 1) << shift) - 1;
}

void histogram_init(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
    h->min = UINT64_MAX;
}

void histogram_record(struct histogram *h, uint64_t value)
{
    h->slots[slot_of(value)]++;
    h->count++;
    h->sum += value;
    if (value < h->min)
        h->min = value;
    if (value > h->max)
        h->max = value;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
    for (uint32_t i = 0; i < HISTOGRAM_SLOTS; i++)
        h->slots[i] += from->slots[i];
    h->count += from->count;
    h->sum += from->sum;
    if (from->min < h->min)
        h->min = from->min;
    if (from->max > h->max)
        h->max = from->max;
}

uint64_t histogram_quantile(const struct histogram *h, double fraction)
{
    double exact = fraction * (double)h->count;
    uint64_t rank = (uint64_t)exact, seen = 0;

    if (h->count == 0)
        return 0;
    if ((double)rank < exact || rank == 0)
        rank++;
    for (uint32_t i = 0; i < HISTOGRAM_SLOTS - 1; i++) {
        seen += h->slots[i];
        if (seen >= rank)
            return slot_end(i) < h->max ? slot_end(i) : h->max;
    }
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->count == 0 ? 0.0 : (double)h->sum / (double)h->count;
}
