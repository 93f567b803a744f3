#ifndef SLUICE_CORE_INDEX_H
#define SLUICE_CORE_INDEX_H

/* index: which connections have a value in a top-level field of their session.
 *
 * For each field and scalar there is a posting: the connections whose session has this scalar in this field,
 * or in an array there. A posting is an unordered array; each member knows the place of its entry in the
 * connection's own list, and that entry knows the place in the posting, so that putting in and taking out are
 * O(1). A posting without members is freed.
 *
 * Nothing here can fail: a connection for which memory is refused, or that has too many values, goes to the
 * list of the loose ones, which are candidates of every query. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/counters.h"
#include "core/uthash_nomem.h"
#include "wire/blob.h"
#include "wire/mp.h"

#define INDEX_FIELDS                                                                                         \
    1024                  /* different top-level fields; others are not indexed, and queries for them scan   \
                           */
#define INDEX_VALUES 1024 /* of one connection; those with more are loose */

struct conn;
struct posting;

/* A connection's membership in one posting. */
struct index_entry {
    struct posting *posting;
    uint32_t place; /* in the posting's members */
    uint16_t field; /* the posting's */
};

/* The index's part of a connection. */
struct index_part {
    struct index_entry *entries;
    uint32_t count, cap;
    bool is_loose;
    struct conn *prev, *next; /* of the loose ones */
};

struct posted {
    struct conn *conn;
    uint32_t entry; /* place in the connection's entries */
};

struct posting {
    uint64_t hash;
    struct posted *members; /* &only while it is one */
    struct posted only;
    uint32_t count, cap;
    uint16_t field;
    uint16_t len;
    uint8_t form[]; /* of the scalar, see scalar.h */
};

struct index_field {
    char *name;
    size_t len;
    uint16_t id;
    UT_hash_handle hh;
};

struct index {
    struct index_field *fields;
    bool is_restricted;     /* the config names the fields: no other is indexed */
    bool has_missed;        /* a field came that there was no room for */
    struct posting **slots; /* open addressing */
    size_t slot_count, used;
    struct conn *loose;
    const uint64_t *key; /* of the hash, borrowed */
    struct counters *counters;
};

/* @fields: names, ends with NULL; or NULL: every field is indexed. */
int index_init(struct index *index, const char *const *fields, const uint64_t key[2],
               struct counters *counters);

/* No connection may be left in it. */
void index_deinit(struct index *index);

/* The session of @conn becomes @next (NULL: the connection goes). Both checked maps; @before is what the
 * index knows. */
void index_change(struct index *index, struct conn *conn, const struct blob *before, const struct blob *next);

/* Whether the index knows all connections with a scalar in the field @name: if not, a query has to scan. */
bool index_covers(const struct index *index, const char *name, size_t len);

/* The posting of @value in the field @name; NULL: no connection has it but, perhaps, loose ones. */
const struct posting *index_find(const struct index *index, const char *name, size_t len,
                                 const struct mp_token *value);

#endif
