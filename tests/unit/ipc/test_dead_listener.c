#include "unit/ipc/fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Newer ones do not, and there is nothing to mend. */
#define LISTENERS_DIE (NNG_MAJOR_VERSION == 1 && NNG_MINOR_VERSION < 6)

/* What ends an IPC listener of nng 1.5.2 for good: hanging up before it has sent its greeting. */
static void connect_and_close(const char *address, int times)
{
    for (int i = 0; i < times; i++)
        close(raw_connect(address));
}

static void test_serves_after_50_peers_hung_up_at_once(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    connect_and_close(f->calls[0], 50);
    fixture_run(f, 100);
    assert_serves(f, f->calls[0]);
    connect_and_close(f->calls[0], 50);
    assert_serves(f, f->calls[0]);
}

/* Hang up at once again and again, until it has happened. */
static void kill_listener(struct fixture *f, const char *address)
{
    uint64_t before = f->counters.listener_restarts;
    for (int i = 0; i < 20 && f->counters.listener_restarts == before; i++) {
        connect_and_close(address, 50);
        for (int n = 0; n < 15 && f->counters.listener_restarts == before; n++)
            fixture_run(f, 100);
    }
    assert_true(f->counters.listener_restarts > before);
}

static void test_links_go_on_while_a_dead_listener_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct requester r;
    if (!LISTENERS_DIE)
        skip();
    fixture_start(f);
    requester_open(&r, f->calls[0]);
    assert_echo(f, &r, "before");
    struct question *waiting;
    f->hold = true;
    waiting = ask(&r, "waits meanwhile", 0);
    fixture_until_told(f, TOLD_REQUEST, 2);
    kill_listener(f, f->calls[0]);
    fixture_run(f, 1500);
    const struct told *told = told_request(f, "waits meanwhile");
    ipc_reply(f->ipc, told->ticket, "done", 4);
    fixture_until_over(f, waiting);
    assert_string_equal("done", waiting->reply);
    question_free(waiting);
    f->hold = false;
    assert_echo(f, &r, "after");
    assert_int_equal(0, told_times(f, TOLD_DOWN));
    requester_close(&r);
}

static bool is_down(const struct fixture *f, uint64_t link)
{
    bool down = false;
    for (size_t i = 0; i < f->told_count; i++)
        down |= f->told[i].what == TOLD_DOWN && f->told[i].link == link;
    return down;
}

/* A peer that shook hands with a listener that was already dead. */
static void test_peer_of_a_dead_listener_is_hung_up_on(void **state)
{
    struct fixture *f = *state;
    struct requester good;
    int orphan = -1, from_child;
    if (!LISTENERS_DIE)
        skip();
    fixture_start(f);
    pid_t child =
        child_start(&from_child, "asks", f->calls[0], "1"); /* keeps the dead listener from being closed */
    fixture_until_told(f, TOLD_REQUEST, 1);
    for (int i = 0; i < 20 && f->counters.listener_restarts == 0; i++) {
        connect_and_close(f->calls[0], 50); /* the loop does not run: nobody mends it yet */
        usleep(10000);
        orphan = raw_connect(f->calls[0]);
        raw_greet(orphan, SP_REQ);
        fixture_run(f, 1500);
        if (f->counters.listener_restarts == 0)
            close(orphan);
    }
    assert_int_equal(1, f->counters.listener_restarts);
    assert_true(raw_is_ended(orphan, 2000));
    close(orphan);
    assert_false(is_down(f, f->told[0].link)); /* the child's */
    requester_open(&good, f->calls[0]);
    assert_echo(f, &good, "fine");
    requester_close(&good);
    child_kill(child);
    close(from_child);
}

static void test_closes_in_time_after_a_listener_died(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    for (int i = 0; i < 50; i++)
        close(raw_connect(f->calls[0]));
    int orphan = raw_connect(f->calls[0]);
    raw_greet(orphan, SP_REQ);
    usleep(50 * 1000);
    uint64_t begin = clock_ms();
    fixture_stop(f);
    assert_true(clock_ms() - begin < 2000);
    assert_true(raw_is_ended(orphan, 1000));
    close(orphan);
}

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void test_dead_listeners_leave_no_descriptors(void **state)
{
    struct fixture *f = *state;
    if (!LISTENERS_DIE)
        skip();
    fixture_start(f);
    fixture_run(f, 300);
    unsigned before = open_descriptors();
    for (int i = 0; i < 2; i++)
        kill_listener(f, f->calls[0]);
    for (int i = 0; i < 100 && open_descriptors() > before + 2; i++) /* a probe or two are always open */
        fixture_run(f, 100);
    assert_in_range(open_descriptors(), 0, before + 2);
    assert_serves(f, f->calls[0]);
}

/* The end of the stream and a reset, both before nng has sent its greeting. */
static void reset_after_end(const char *address)
{
    int raw = raw_connect(address);
    shutdown(raw, SHUT_WR);
    setsockopt(raw, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(raw);
}

static void test_dead_tcp_listener_is_started_again_on_its_port(void **state)
{
    struct fixture *f = *state;
    fixture_add_calls(f, "tcp://127.0.0.1:0");
    fixture_start(f);
    char address[128];
    snprintf(address, sizeof address, "%s", ipc_calls_address(f->ipc, 1));
    assert_serves(f, address);
    for (int i = 0; i < 100; i++)
        reset_after_end(address);
    fixture_run(f, 100);
    assert_serves(f, address);
    assert_string_equal(address, ipc_calls_address(f->ipc, 1));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_serves_after_50_peers_hung_up_at_once),
        TEST(test_links_go_on_while_a_dead_listener_is_replaced),
        TEST(test_peer_of_a_dead_listener_is_hung_up_on),
        TEST(test_closes_in_time_after_a_listener_died),
        TEST(test_dead_listeners_leave_no_descriptors),
        TEST(test_dead_tcp_listener_is_started_again_on_its_port),
    };
    return fixture_main(argc, argv, tests);
}
