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
