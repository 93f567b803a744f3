#ifndef SLUICE_TESTS_SIMULATION_REPLY_H
#define SLUICE_TESTS_SIMULATION_REPLY_H

/* reply: what the core sends to handlers, read. Whatever cannot be read ends the seed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model.h"
#include "wire/mp.h"

/* An event as a member gets it. */
struct seen_event {
    uint64_t seq, conn, attempt, version, time_ms, i, token;
    enum word_event event;
    bool has_payload;
    uint32_t keys; /* those that the session has, as bits */
    int64_t values[KEY_COUNT];
    size_t bytes;
};

struct seen_failed {
    uint64_t seq;
    enum code code;
    enum then then;
};

#define SEEN_MAX 1100

struct reply_seen {
    bool is_refusal;
    enum code code;
    uint64_t id, turn;
    bool has_turn, has_results, is_released, is_pausing;
    struct mp_reader results; /* the list's values, as far as they are not read */
    struct mp_reader all;     /* all of them */
    uint32_t results_count;
    struct seen_failed failed[SEEN_MAX];
    size_t failed_count;
    struct seen_event events[SEEN_MAX];
    size_t events_count;
};

void reply_read(struct reply_seen *seen, const char *epoch, const uint8_t *body, size_t len);

/* One result of a reply. */
struct result_seen {
    bool is_ok;
    enum code code;
    uint64_t matched, version, turn, lease_ms, attempts, extended, returned;
    bool has_matched, has_version, found, first, has_first, created, left;
    char member[48];
    struct seen_event session; /* its keys and values */
    bool has_session;
    struct mp_reader raw; /* the whole */
};

void result_read(struct result_seen *seen, struct mp_reader *r);

/* The number of a connection's id. */
uint64_t conn_number_from(const char *id, size_t len, const char *epoch);

/* Walk through a map: the next key and its value. */
bool pair_next(struct mp_reader *r, uint32_t *left, const char **key, size_t *key_len,
               struct mp_reader *value);
bool key_is(const char *key, size_t len, const char *text);
uint64_t uint_from(struct mp_reader r);
bool bool_from(struct mp_reader r);
uint32_t map_from(struct mp_reader *r);
uint32_t list_from(struct mp_reader *r);
void text_from(struct mp_reader r, char *out, size_t size);
enum code code_from(struct mp_reader r);

#endif
