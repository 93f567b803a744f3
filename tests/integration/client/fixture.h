#ifndef SLUICE_TESTS_INTEGRATION_CLIENT_FIXTURE_H
#define SLUICE_TESTS_INTEGRATION_CLIENT_FIXTURE_H

/* fixture: a real broker, clients of the library, WebSocket clients. Include after cmocka.h.
 * Waits end on a condition and have a limit; what fails, fails the test with the place of the caller. */

#include <stdbool.h>
#include <stdint.h>

#include <sluice/sluice.h>

#include "support/broker.h"
#include "support/ws_client.h"

#define WAIT_MS 10000

extern struct broker broker; /* the test's; started by fixture_setup() */

/* cmocka_run_group_tests() with a process for each test. Closing a link of nng 1.5 can hang (its broker says
 * something meanwhile), and then the thread that ends links hangs for all sockets of the process. */
#define run_each(tests) run_each_alone(tests, sizeof(tests) / sizeof((tests)[0]))
int run_each_alone(const struct CMUnitTest *tests, size_t count);

/* cmocka's setup and teardown for each test: a broker that runs, everything freed. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Start the broker with further arguments, ending with NULL, instead of the one that runs. */
void restart_broker(int signal, const char *const *extra);

/* The same under a client that is ready, and wait until it is again with the new one. */
void restart_broker_under(sluice_client *client, int signal, const char *const *extra);

/* A client that is connected to the broker; errors are counted and kept, see below. Freed by the teardown. */
sluice_client *new_client(void);

/* Free one before the teardown does. */
void free_client(sluice_client *client);

/* Step @client until the broker knows its subscriptions. */
void until_ready(sluice_client *client);

/* What on_error told last, of any client of new_client(). */
struct told {
    unsigned count;
    int error;
    char code[64], message[400], at[256], event[140];
};
extern struct told told;

/* A WebSocket client that offers sluice.v1.json and has its @welcome; freed by the teardown. */
struct ws *new_ws(void);

/* The connection id that its @welcome named. */
const char *conn_of(const struct ws *ws);

/* Forget it before the teardown. */
void free_ws(struct ws *ws);

/* The next message of @ws, while @client (may be NULL) is stepped. Fails when none comes. */
const char *ws_next(struct ws *ws, sluice_client *client);

/* The next message must be this. */
void expect_message(struct ws *ws, sluice_client *client, const char *expected);

/* No message comes within @ms. */
void expect_silence(struct ws *ws, sluice_client *client, int ms);

/* Step @client until @condition holds. */
#define until(client, condition)                                                                             \
    do {                                                                                                     \
        int64_t limit_ = clock_now() + WAIT_MS;                                                              \
        while (!(condition)) {                                                                               \
            if (clock_now() > limit_)                                                                        \
                fail_msg("not within %d ms: %s", WAIT_MS, #condition);                                       \
            step_client(client);                                                                             \
        }                                                                                                    \
    } while (0)

/* One short turn of @client; just a pause when it is NULL. */
void step_client(sluice_client *client);

int64_t clock_now(void);

#endif
