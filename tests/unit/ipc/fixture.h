#ifndef SLUICE_TESTS_IPC_FIXTURE_H
#define SLUICE_TESTS_IPC_FIXTURE_H

/* fixture: an ipc with a loop and a core that remembers what it was told, and peers of several kinds: nng's
 * own in this process and in child processes, and raw sockets. Every wait has an end. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <nng/nng.h>

#include "ipc/ipc.h"

#define WAIT_MS 5000

enum { ADDRESSES_MAX = 4, TRACE_MAX = 20000 };

/* What the core was told, in order. */
struct told {
    enum { TOLD_UP, TOLD_DOWN, TOLD_REQUEST, TOLD_SUBSCRIBERS } what;
    uint64_t link;
    bool is_tcp;
    ipc_ticket ticket;
    unsigned count;
    size_t len;
    char start[32]; /* of the body, as text */
};

struct fixture {
    struct ipc *ipc;
    struct counters counters;
    struct ipc_options options;
    struct ipc_events events;
    char folder[64];
    char addresses[2 * ADDRESSES_MAX][128];
    const char *calls[ADDRESSES_MAX + 1];
    const char *event_addresses[ADDRESSES_MAX + 1];
    char error[512];
    int wake_fd;
    bool hold;          /* leave requests waiting; else each is replied at once with its own body */
    size_t reply_bytes; /* replies of this size, if not 0 */
    uint64_t watched_ms;
    uint64_t max_drain_us; /* the longest ipc_drain() */
    struct told told[TRACE_MAX];
    size_t told_count;
};

uint64_t clock_ms(void);

/* A folder of its own, IPC addresses `calls` and `events` in it, the defaults of ipc.h. Start it with
 * fixture_start(). */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Another address, "ipc" for a path of that name in the folder, else as it is. */
void fixture_add_calls(struct fixture *f, const char *address);
void fixture_add_events(struct fixture *f, const char *address);

/* ipc_new() must succeed. */
void fixture_start(struct fixture *f);
void fixture_stop(struct fixture *f);

/* Run the loop until @is_true(f, arg), or fail the test after WAIT_MS. */
void fixture_until(struct fixture *f, bool (*is_true)(struct fixture *f, void *arg), void *arg);
/* Run the loop for so long. */
void fixture_run(struct fixture *f, unsigned ms);

size_t told_times(const struct fixture *f, int what);
/* The first request whose body begins so, or NULL. */
const struct told *told_request(const struct fixture *f, const char *start);
void fixture_until_told(struct fixture *f, int what, size_t times);
void fixture_until_counter(struct fixture *f, const uint64_t *counter, uint64_t value);

/* A REQ peer of nng's in this process. */
struct requester {
    nng_socket socket;
};

struct question {
    nng_ctx context;
    nng_aio *aio;
    int result;
    char reply[64];
    size_t reply_len;
    _Atomic int phase; /* 0 sending, 1 receiving, 2 over: the rest is final */
};

void requester_open(struct requester *r, const char *address);
void requester_close(struct requester *r);
/* Ask with a context of its own; @len bytes of zeros after @text if it is longer. */
struct question *ask(struct requester *r, const char *text, size_t len);
bool question_is_over(struct question *q);
void fixture_until_over(struct fixture *f, struct question *q);
/* Ask and expect the same text back. */
void assert_echo(struct fixture *f, struct requester *r, const char *text);
/* A new peer asks and gets its answer. */
void assert_serves(struct fixture *f, const char *address);
void question_free(struct question *q);

/* Raw sockets. */
int raw_connect(const char *address);
/* Read the other side's SP header. One who hangs up before it came can end nng's listener. */
void raw_read_greeting(int fd);
/* Send the SP header for the protocol of that number, and read the other side's. */
void raw_greet(int fd, uint16_t protocol);
/* A request frame of @len bytes of @fill after the REQ id. */
bool raw_request(int fd, const char *address, char fill, size_t len);
/* Whether the other side hangs up within @ms. */
bool raw_is_ended(int fd, unsigned ms);

enum { SP_REQ = 0x30, SP_REP = 0x31, SP_SUB = 0x21, SP_PAIR = 0x10 };

/* This program again, as another process. */
pid_t child_start(int *from_child, const char *role, const char *address, const char *argument);
/* Wait for a line of the child that begins so, while the loop runs. What follows goes to @rest. */
void fixture_until_line(struct fixture *f, int from_child, const char *start, char *rest, size_t size);
void child_kill(pid_t pid);
/* What main() returns: the tests' result, of one of them with the arguments `only NAME`; or the end of a
 * child. */
#define fixture_main(argc, argv, tests)                                                                      \
    (fixture_begin(argc, argv) ? fixture_child(argv) : cmocka_run_group_tests(tests, NULL, NULL))
/* Whether this process is a child. */
bool fixture_begin(int argc, char **argv);
int fixture_child(char **argv);

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
