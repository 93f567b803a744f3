#ifndef SLUICE_TESTS_WORLD_H
#define SLUICE_TESTS_WORLD_H

/* world: a core without edges, for tests. Its clock moves when told; what it does is written down line by
 * line:
 *
 *     alice <- {"e":"chat:message","p":"hi"}      a message for the connection that was opened as alice
 *     alice closed 4001 bye
 *     alice paused                                the core wants nothing of her to be read; "alice resumed"
 *     publish chat:say {"v":1,...}
 *     abandon 3                                   no reply will come for ticket 3
 *
 * JSON goes in and comes out. Each call fails the test when the core does what it must not (no reply, two
 * replies). */

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"
#include "wire/buf.h"

#define WORLD_TICKETS 64 /* the latest ones, whose replies are kept */

/* A request whose reply may come later. */
struct world_ticket {
    uint64_t ticket; /* 0: none */
    bool is_replied, is_abandoned;
    struct buf reply; /* JSON, ends with a zero byte */
};

struct world {
    struct core *core;
    struct core_options options;
    struct counters counters;
    struct core_time now;
    struct buf trace;
    struct buf reply; /* JSON */
    struct buf raw_reply;
    unsigned replies;
    uint64_t next_id;
    const char *client; /* whose requests world_call() sends */
    uint64_t link;
    bool is_tcp;
    bool is_crowded; /* no request may wait for its reply */
    uint64_t last_ticket;
    struct world_ticket tickets[WORLD_TICKETS]; /* by ticket % WORLD_TICKETS */
    const char *full_peer;                      /* deliveries to this one are refused */
    bool refuse_memory; /* the next inputs get refuse_at allocations, then one is refused */
    unsigned long refuse_at;
    bool was_refused; /* whether it came to that */
};

/* The world of the test under way. Each WORLD_TEST begins with a fresh one and ends with it; a test that
 * wants other options stops it, changes them, and starts it again. */
extern struct world w;

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
int world_setup(void **state);
int world_teardown(void **state);

/* Options may be changed between world_init() and world_start(). Epoch "epoch1"; wall clock 1,000,000; mono
 * 5,000. */
void world_init(struct world *world);
void world_start(struct world *world);
void world_stop(struct world *world);

/* Open a connection; @name (kept by pointer) stands for it in the trace. "" as @subprotocol: offered none. */
struct conn *world_open(struct world *world, const char *name, const char *subprotocol);
struct conn *world_open_at(struct world *world, const char *name, const struct opening *opening);

/* A client's message: @payload as JSON or NULL, @id as JSON or NULL. */
void world_say(struct world *world, struct conn *conn, const char *event, const char *payload,
               const char *id);

/* A request of world->client ("test-client-0001" unless set) with the next id and these operations (JSON
 * list). Returns the list of results as JSON, or the whole reply when it was refused. Valid until the next
 * call. */
const char *world_call(struct world *world, const char *ops);

/* A whole request as JSON. Returns the whole reply. */
const char *world_request(struct world *world, const char *request);
const char *world_request_raw(struct world *world, const void *body, size_t len);

/* A whole request over @link whose reply may come later. Returns its ticket: 1, 2, ... */
uint64_t world_turn(struct world *world, uint64_t link, const char *request);
uint64_t world_turn_raw(struct world *world, uint64_t link, const void *body, size_t len);

/* The reply to @ticket (the whole of it), or NULL while it waits, and for ever when it was abandoned. Ends
 * the turn of the loop first. A second reply, and one to an abandoned ticket, fail the test. Valid until
 * WORLD_TICKETS later. */
const char *world_reply(struct world *world, uint64_t ticket);
bool world_abandoned(struct world *world, uint64_t ticket);

/* A link to `calls` ends. */
void world_link_down(struct world *world, uint64_t link);

/* A connection ends. */
void world_close(struct world *world, struct conn *conn, unsigned code, const char *reason);

/* The end of a turn of the loop. */
void world_flush(struct world *world);

/* The clock moves, the core gets its ticks at the times it asks for, each the begin of a turn of the loop. */
void world_advance(struct world *world, uint64_t ms);

/* What was done since the last call; publishes what waits first. Valid until something is done. */
const char *world_trace(struct world *world);

/* assert_string_equal on world_trace() and world_call(). */
#define expect_trace(world, text)     assert_string_equal(world_trace(world), text)
#define expect_call(world, ops, text) assert_string_equal(world_call(world, ops), text)

#endif
