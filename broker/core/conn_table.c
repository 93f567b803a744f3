#include "core/conn_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/hash.h"

void conn_table_init(struct conn_table *table)
{
    memset(table, 0, sizeof(*table));
}

void conn_table_deinit(struct conn_table *table)
{
    free(table->ordered);
    free(table->slots);
    conn_table_init(table);
}

static size_t slot_of(const struct conn_table *table, uint64_t number)
{
    return (size_t)hash_number(number) & (table->slot_count - 1);
}

static size_t next_slot(const struct conn_table *table, size_t slot)
{
    return (slot + 1) & (table->slot_count - 1);
}

static void slot_fill(struct conn_table *table, uint64_t number, size_t place)
{
    size_t slot = slot_of(table, number);
    while (table->slots[slot])
        slot = next_slot(table, slot);
    table->slots[slot] = (uint32_t)place + 1;
}

/* Close the holes and index everything anew in @slots. Keeps order. */
static void rebuild(struct conn_table *table, uint32_t *slots, size_t slot_count)
{
    size_t kept = 0;
    if (slots != table->slots)
        free(table->slots);
    table->slots = slots;
    table->slot_count = slot_count;
    memset(slots, 0, slot_count * sizeof(*slots));
    for (size_t i = 0; i < table->used; i++) {
        struct conn *conn = table->ordered[i];
        if (!conn)
            continue;
        table->ordered[kept] = conn;
        conn->place = kept;
        slot_fill(table, conn->number, kept);
        kept++;
    }
    table->used = kept;
}

/* Room for one more: closing the holes is enough when half is holes, else the arrays double. */
static int make_room(struct conn_table *table)
{
    if (table->used < table->cap)
        return 0;
    if (table->cap && table->count <= table->cap / 2) {
        rebuild(table, table->slots, table->slot_count);
        return 0;
    }
    size_t cap = table->cap ? table->cap * 2 : 64;
    struct conn **ordered = realloc(table->ordered, cap * sizeof(*ordered));
    if (!ordered)
        return -ENOMEM;
    table->ordered = ordered;
    uint32_t *slots = malloc(cap * 2 * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    table->cap = cap;
    rebuild(table, slots, cap * 2);
    return 0;
}

int conn_table_add(struct conn_table *table, struct conn *conn)
{
    int r = make_room(table);
    if (r)
        return r;
    conn->place = table->used;
    table->ordered[table->used] = conn;
    slot_fill(table, conn->number, table->used);
    table->used++;
    table->count++;
    return 0;
}

/* The slot that holds @place; the connection must still be in `ordered`. */
static size_t slot_holding(const struct conn_table *table, uint64_t number, size_t place)
{
    size_t slot = slot_of(table, number);
    while (table->slots[slot] != place + 1)
        slot = next_slot(table, slot);
    return slot;
}

/* Free @slot and move up what probing put behind it (Knuth, volume 3, 6.4, algorithm R). */
static void slot_free(struct conn_table *table, size_t slot)
{
    size_t hole = slot;
    for (size_t i = next_slot(table, slot); table->slots[i]; i = next_slot(table, i)) {
        size_t home = slot_of(table, table->ordered[table->slots[i] - 1]->number);
        size_t mask = table->slot_count - 1;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole] = 0;
}

void conn_table_remove(struct conn_table *table, struct conn *conn)
{
    slot_free(table, slot_holding(table, conn->number, conn->place));
    table->ordered[conn->place] = NULL;
    table->count--;
}

struct conn *conn_table_find(const struct conn_table *table, uint64_t number)
{
    if (!table->slot_count)
        return NULL;
    for (size_t slot = slot_of(table, number); table->slots[slot]; slot = next_slot(table, slot)) {
        struct conn *conn = table->ordered[table->slots[slot] - 1];
        if (conn->number == number)
            return conn;
    }
    return NULL;
}

struct conn *conn_table_walk(const struct conn_table *table, size_t *place)
{
    while (*place < table->used) {
        struct conn *conn = table->ordered[(*place)++];
        if (conn)
            return conn;
    }
    return NULL;
}

/* The number at @place, or of the next one behind it that is there; UINT64_MAX at the end. */
static uint64_t number_at(const struct conn_table *table, size_t place)
{
    struct conn *conn = conn_table_walk(table, &place);
    return conn ? conn->number : UINT64_MAX;
}

size_t conn_table_place(const struct conn_table *table, uint64_t number)
{
    size_t low = 0, high = table->used;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (number_at(table, middle) <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
