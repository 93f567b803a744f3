#include "unit/ipc/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *path_of(const char *address)
{
    return address + strlen("ipc://");
}

static char *path_in(const struct fixture *f, const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return path;
}

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

static bool has_restarted(struct fixture *f, void *arg)
{
    (void)arg;
    return f->counters.listener_restarts > 0;
}

/* Hang up at once again and again, until it has happened. */
static void kill_listener(struct fixture *f, const char *address)
{
    uint64_t before = f->counters.listener_restarts;
    for (int i = 0; i < 20 && f->counters.listener_restarts == before; i++) {
        connect_and_close(address, 50);
        fixture_run(f, 1500);
    }
    assert_true(f->counters.listener_restarts > before);
}

static void test_links_go_on_while_a_dead_listener_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct requester r;
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

/* A peer that shook hands with a listener that was already dead. */
static void test_peer_of_a_dead_listener_is_hung_up_on(void **state)
{
    struct fixture *f = *state;
    struct requester good;
    int orphan = -1, from_child;
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
    assert_true(has_restarted(f, NULL));
    assert_true(raw_is_ended(orphan, 2000));
    close(orphan);
    assert_int_equal(0, told_times(f, TOLD_DOWN));
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

static void test_second_broker_is_refused_and_told_who_listens(void **state)
{
    struct fixture *f = *state;
    struct ipc *second = NULL;
    char error[256] = "", first[256];
    fixture_start(f);
    assert_int_equal(-1, ipc_new(&second, &f->options, &f->events, error, sizeof error));
    assert_null(second);
    snprintf(first, sizeof first, "cannot listen on %s: the address is used twice by this broker",
             f->calls[0]);
    assert_string_equal(first, error);
    assert_serves(f, f->calls[0]);
}

static void test_broker_of_another_process_is_named(void **state)
{
    struct fixture *f = *state;
    struct ipc *second = NULL;
    char error[256] = "", expected[256];
    int from_child;
    pid_t child = child_start(&from_child, "listens", f->calls[0], f->event_addresses[0]);
    fixture_until_line(f, from_child, "listening", NULL, 0);
    assert_int_equal(-1, ipc_new(&second, &f->options, &f->events, error, sizeof error));
    snprintf(
        expected, sizeof expected,
        "cannot listen on %s: another broker listens there (process %ld): stop it, or choose another --name",
        f->calls[0], (long)child);
    assert_string_equal(expected, error);
    child_kill(child); /* leaves socket and lock files behind */
    close(from_child);
    struct stat there;
    assert_int_equal(0, stat(path_of(f->calls[0]), &there));
    fixture_start(f);
    assert_serves(f, f->calls[0]);
}

static void test_stale_socket_file_is_taken_over(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(f->calls[0]));
    int stale = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(0, bind(stale, (struct sockaddr *)&address, sizeof address));
    close(stale);
    fixture_start(f);
    assert_serves(f, f->calls[0]);
}

static void test_socket_of_another_program_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(f->calls[0]));
    int other = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(0, bind(other, (struct sockaddr *)&address, sizeof address));
    assert_int_equal(0, listen(other, 5));
    assert_int_equal(-1, ipc_new(&f->ipc, &f->options, &f->events, f->error, sizeof f->error));
    assert_non_null(strstr(f->error, "another program listens there"));
    int raw = raw_connect(f->calls[0]);
    close(raw);
    close(other);
}

static void test_file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct stat there;
    int fd = open(path_of(f->calls[0]), O_CREAT | O_RDWR, 0600);
    assert_int_equal(4, write(fd, "mine", 4));
    close(fd);
    assert_int_equal(-1, ipc_new(&f->ipc, &f->options, &f->events, f->error, sizeof f->error));
    assert_non_null(strstr(f->error, "a file that is no socket"));
    assert_int_equal(0, stat(path_of(f->calls[0]), &there));
    assert_int_equal(4, there.st_size);
}

static void test_socket_files_are_for_their_owner_only(void **state)
{
    struct fixture *f = *state;
    struct stat there;
    mode_t old = umask(0);
    fixture_start(f);
    umask(old);
    assert_int_equal(0, stat(path_of(f->calls[0]), &there));
    assert_int_equal(0600, there.st_mode & 0777);
    assert_int_equal(0, stat(path_of(f->event_addresses[0]), &there));
    assert_int_equal(0600, there.st_mode & 0777);
    assert_int_equal(0, stat(path_in(f, "calls.lock"), &there));
    assert_int_equal(0600, there.st_mode & 0777);
}

static void test_no_files_are_left_behind(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    assert_serves(f, f->calls[0]);
    fixture_stop(f);
    assert_int_equal(0, rmdir(f->folder)); /* only an empty one goes */
    assert_int_equal(0, mkdir(f->folder, 0700));
    fixture_start(f);
    assert_serves(f, f->calls[0]);
}

static void test_failed_start_leaves_nothing_behind(void **state)
{
    struct fixture *f = *state;
    fixture_add_calls(f, "tcp://256.256.256.256:1");
    assert_int_equal(-1, ipc_new(&f->ipc, &f->options, &f->events, f->error, sizeof f->error));
    assert_int_equal(0, rmdir(f->folder));
    assert_int_equal(0, mkdir(f->folder, 0700));
}

static void test_removed_socket_file_comes_back(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    assert_int_equal(0, unlink(path_of(f->calls[0])));
    assert_serves(f, f->calls[0]);
    assert_int_equal(1, f->counters.listener_restarts);
}

static void test_healthy_listener_is_left_alone(void **state)
{
    struct fixture *f = *state;
    fixture_add_calls(f, "tcp://127.0.0.1:0");
    fixture_start(f);
    for (int i = 0; i < 20; i++) {
        assert_serves(f, ipc_calls_address(f->ipc, (size_t)i % 2));
        fixture_run(f, 100);
    }
    assert_int_equal(0, f->counters.listener_restarts);
}

static void assert_refused(struct fixture *f, const char *address, const char *why)
{
    const char *calls[] = {address, NULL};
    char expected[700];
    f->options.calls = calls;
    assert_int_equal(-1, ipc_new(&f->ipc, &f->options, &f->events, f->error, sizeof f->error));
    snprintf(expected, sizeof expected, "cannot listen on %s: %s", address, why);
    assert_string_equal(expected, f->error);
}

static void test_bad_addresses_are_refused_with_the_reason(void **state)
{
    struct fixture *f = *state;
    char text[200];
    assert_refused(f, "calls", "an address begins with ipc:/// or tcp://");
    assert_refused(f, "ipc://relative/path", "an address begins with ipc:/// or tcp://");
    assert_refused(f, "ws://127.0.0.1:8080", "an address begins with ipc:/// or tcp://");
    snprintf(text, sizeof text, "ipc:///%0120d", 0);
    assert_refused(f, text, "the path is too long: at most 103 bytes");
    assert_refused(f, "ipc:///no/such/folder/calls",
                   "cannot open the lock file /no/such/folder/calls.lock: No such file or directory");
    assert_refused(f, "tcp://127.0.0.1:notaport", "Address invalid");
}

static void test_longest_path_works(void **state)
{
    struct fixture *f = *state;
    char name[128];
    snprintf(name, sizeof name, "%0*d", (int)(103 - strlen(f->folder) - 1), 0);
    fixture_add_calls(f, name);
    fixture_start(f);
    assert_serves(f, f->calls[1]);
}

static void test_port_in_use_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ipc *second;
    char error[256], expected[256];
    fixture_add_calls(f, "tcp://127.0.0.1:0");
    fixture_start(f);
    const char *calls[] = {ipc_calls_address(f->ipc, 1), NULL};
    const char *events[] = {NULL};
    struct ipc_options options = f->options;
    options.calls = calls;
    options.events = events;
    assert_int_equal(-1, ipc_new(&second, &options, &f->events, error, sizeof error));
    snprintf(expected, sizeof expected, "cannot listen on %s: Address in use", calls[0]);
    assert_string_equal(expected, error);
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
        TEST(test_second_broker_is_refused_and_told_who_listens),
        TEST(test_broker_of_another_process_is_named),
        TEST(test_stale_socket_file_is_taken_over),
        TEST(test_socket_of_another_program_is_left_alone),
        TEST(test_file_that_is_no_socket_is_left_alone),
        TEST(test_socket_files_are_for_their_owner_only),
        TEST(test_no_files_are_left_behind),
        TEST(test_failed_start_leaves_nothing_behind),
        TEST(test_removed_socket_file_comes_back),
        TEST(test_healthy_listener_is_left_alone),
        TEST(test_bad_addresses_are_refused_with_the_reason),
        TEST(test_longest_path_works),
        TEST(test_port_in_use_is_refused),
    };
    return fixture_main(argc, argv, tests);
}
