#include "ws/slots.h"

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* libwebsockets has one allocator in a process. */
static struct {
    uint8_t *base; /* NULL: there are none */
    unsigned count;
    unsigned fresh;    /* those from here on were never taken */
    unsigned returned; /* as many are in `free` */
    unsigned taken;
    uint32_t *free;
} slots;

void slots_install(unsigned count)
{
    if (slots.count > 0 || count == 0)
        return;
    slots.count = count;
    slots.free = malloc(count * sizeof(*slots.free));
    void *base = slots.free ? mmap(NULL, count * SLOT_BYTES, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                            : MAP_FAILED;
    if (base != MAP_FAILED) {
        slots.base = base;
        madvise(base, count * SLOT_BYTES, MADV_NOHUGEPAGE); /* one byte would take 2 MiB */
    }
    lws_set_allocator(slots_realloc);
}

static bool is_slot(const void *block)
{
    const uint8_t *at = block;
    return slots.base && at >= slots.base && at < slots.base + slots.count * SLOT_BYTES;
}

/* NULL: all are taken. */
static void *take(void)
{
    unsigned i;
    if (slots.returned > 0)
        i = slots.free[--slots.returned];
    else if (slots.base && slots.fresh < slots.count)
        i = slots.fresh++;
    else
        return NULL;
    slots.taken++;
    return slots.base + i * SLOT_BYTES;
}

static void give_back(void *slot)
{
    madvise(slot, SLOT_BYTES, MADV_DONTNEED);
    slots.free[slots.returned++] = (uint32_t)((size_t)((uint8_t *)slot - slots.base) / SLOT_BYTES);
    slots.taken--;
}

static void *move(void *slot, size_t size)
{
    void *block = malloc(size);
    if (!block)
        return NULL;
    memcpy(block, slot, size < SLOT_BYTES ? size : SLOT_BYTES);
    give_back(slot);
    return block;
}

void *slots_realloc(void *block, size_t size, const char *reason)
{
    (void)reason;
    if (is_slot(block)) {
        if (size > 0)
            return size <= SLOT_BYTES ? block : move(block, size);
        give_back(block);
        return NULL;
    }
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (!block && size > SLOT_BYTES / 4 * 3 && size <= SLOT_BYTES) {
        void *slot = take();
        if (slot)
            return slot;
    }
    return realloc(block, size);
}

unsigned slots_taken(void)
{
    return slots.taken;
}
