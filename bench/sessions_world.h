#ifndef SLUICE_BENCH_SESSIONS_WORLD_H
#define SLUICE_BENCH_SESSIONS_WORLD_H

/* sessions_world: a core with many sessions and no edges: requests go in as JSON text, effects are counted.
 * What cannot happen in a run that means anything (no memory, a reply that says no) ends the program. */

#include <stdbool.h>
#include <stdint.h>

#include "bench/random.h"
#include "core/core.h"
#include "wire/buf.h"
#include "wire/mp.h"

enum {
    EACH = 10,    /* sessions that share a room, or a topic */
    COLUMNS = 11, /* the room, and ten topics in one array; an eleventh is nobody else's */
    CITY = 1000,  /* sessions that share a city, more or less */
    LEVELS = 100, /* values of the field that ranges are asked of */
    TEXT_MAX = 2048
};

struct world {
    struct core *core;
    struct counters counters;
    struct core_time now;
    uint32_t count;   /* of sessions */
    uint64_t last_id; /* of a request */
    uint32_t *got;    /* messages, by session */
    uint64_t deliveries;
    struct buf request, reply;
    uint32_t *order;           /* the sessions in some random order */
    uint32_t *member[COLUMNS]; /* by place: the session that has value number place / EACH */
    struct random random;
};

/* Say what is wrong, and end. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* @memory, which is not NULL. */
void *must(void *memory);

/* @count connections with empty sessions. Without @is_indexed the core indexes no field that they get. */
struct world *world_new(uint32_t count, bool is_indexed);

/* The same with sessions as a chat might have them: a user, a room of ten, ten topics of ten and one of its
 * own, a city of a thousand, a team of half of all, a level. Who shares a value is spread over all
 * connections. */
struct world *world_chat(uint32_t count, bool is_indexed);

void world_free(struct world *w);

/* An hour goes by: stored replies run out. */
void world_rest(struct world *w);

/* A request of one operation, from JSON. */
void world_put(struct world *w, struct buf *out, const char *op);

/* Hand in a request made by world_put(), whose id must be higher than that of the one before. */
void world_run(struct world *w, const struct buf *request);

/* The result of the operation. world_number() takes an unsigned integer out of it. */
struct mp_reader world_result(const struct world *w);
uint64_t world_number(const struct world *w, const char *key);

/* End with the reply, which is not what it should be. */
void world_fail_reply(const struct world *w) __attribute__((noreturn));

/* The request that $sets @fields (JSON members) on one session; world_set() runs it, too, and the session
 * must change. */
void world_put_set(struct world *w, struct buf *out, uint32_t session, const char *fields);
void world_set(struct world *w, uint32_t session, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One who has the value and one who has another change places: as many have it as before, but no longer the
 * same. @column 0: a room; else a topic. */
void world_change_two(struct world *w, unsigned column, uint32_t value);

/* One of two teams. */
const char *world_team(uint32_t number);

uint32_t world_random(struct world *w, uint32_t bound);

/* A new random order of the sessions into @list, which has room for all. */
void world_shuffle(struct world *w, uint32_t *list);

#endif
