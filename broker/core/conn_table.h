#ifndef SLUICE_CORE_CONN_TABLE_H
#define SLUICE_CORE_CONN_TABLE_H

/* conn_table: the connections that are there, found by number in O(1) and walked in the order in which
 * they opened. Numbers only rise, so the walk's place is a number: it stays right while others come and go.
 */

#include <stddef.h>
#include <stdint.h>

struct conn;

struct conn_table {
    struct conn **ordered; /* by number; NULL where one was removed */
    size_t used;           /* of ordered, holes included */
    size_t cap;
    size_t count;      /* connections */
    uint32_t *slots;   /* open addressing: place in `ordered` plus 1; 0 is free */
    size_t slot_count; /* a power of two */
};

void conn_table_init(struct conn_table *table);

/* Does not free the connections. */
void conn_table_deinit(struct conn_table *table);

/* @conn->number must be above all before it. 0 or -ENOMEM. */
int conn_table_add(struct conn_table *table, struct conn *conn);

/* Remove one that is in the table. Never moves the others: a walk that is under way goes on. */
void conn_table_remove(struct conn_table *table, struct conn *conn);

struct conn *conn_table_find(const struct conn_table *table, uint64_t number);

/* Walk: start with *@place = 0, or with conn_table_place() after a number. NULL at the end. */
struct conn *conn_table_walk(const struct conn_table *table, size_t *place);

/* Where the walk goes on behind @number (which need not be there any more). */
size_t conn_table_place(const struct conn_table *table, uint64_t number);

#endif
