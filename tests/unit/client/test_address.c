#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "address.h"
#include "error.h"

static struct sluice_fault fault;

static void assert_address(const char *list, const char *expected)
{
    char *address = NULL;

    assert_int_equal(address_calls(list, &address, &fault), 0);
    assert_string_equal(address, expected);
    free(address);
}

static void test_addresses_that_can_be_dialed(void **state)
{
    (void)state;
    assert_address("ipc:///tmp/x/calls", "ipc:///tmp/x/calls");
    assert_address(" tcp://127.0.0.1:7001 ", "tcp://127.0.0.1:7001");
    assert_address("tcp://broker.example:7001", "tcp://broker.example:7001");
    assert_address("tcp://[::1]:7001", "tcp://[::1]:7001");
}

static void test_what_cannot_be_dialed_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "/tmp/calls",
        "http://localhost:80",
        "ipc://",
        "ipc://relative/path",
        "tcp://host",
        "tcp://:1",
        "tcp://host:0",
        "inproc://x",
        "ipc:///a,ipc:///b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *address = NULL;
        if (address_calls(bad[i], &address, &fault) != SLUICE_E_ADDRESS)
            fail_msg("%s was taken", bad[i]);
        assert_null(address);
        assert_true(fault.message[0] != '\0');
    }
}

static void test_path_too_long_for_a_socket_is_refused(void **state)
{
    char text[200] = "ipc:///", *address = NULL;

    (void)state;
    memset(text + 7, 'x', 150);
    assert_int_equal(address_calls(text, &address, &fault), SLUICE_E_ADDRESS);
}

static void test_default_is_the_environment_or_this_users_broker(void **state)
{
    char expected[64];

    (void)state;
    setenv("SLUICE_BROKER", "tcp://127.0.0.1:9", 1);
    setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
    assert_address(NULL, "tcp://127.0.0.1:9");
    setenv("SLUICE_BROKER", "", 1);
    assert_address(NULL, "ipc:///run/user/5/sluice/sluice/calls");
    unsetenv("SLUICE_BROKER");
    unsetenv("XDG_RUNTIME_DIR");
    snprintf(expected, sizeof(expected), "ipc:///tmp/sluice-%u/sluice/calls", (unsigned)getuid());
    assert_address(NULL, expected);
}

static void test_events_of_every_host_are_those_of_the_calls(void **state)
{
    static const struct {
        const char *told, *calls, *expected;
    } rows[] = {
        {"tcp://0.0.0.0:7002", "tcp://broker.example:7001", "tcp://broker.example:7002"},
        {"tcp://[::]:7002", "tcp://[2001:db8::1]:7001", "tcp://[2001:db8::1]:7002"},
        {"tcp://*:7002", "tcp://10.0.0.1:7001", "tcp://10.0.0.1:7002"},
        {"tcp://10.0.0.2:7002", "tcp://10.0.0.1:7001", "tcp://10.0.0.2:7002"},
        {"ipc:///a/events", "ipc:///a/calls", "ipc:///a/events"},
        {"tcp://0.0.0.0:7002", "ipc:///a/calls", "tcp://0.0.0.0:7002"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *address = address_events(rows[i].told, rows[i].calls);
        assert_string_equal(address, rows[i].expected);
        free(address);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_that_can_be_dialed),
        cmocka_unit_test(test_what_cannot_be_dialed_is_refused),
        cmocka_unit_test(test_path_too_long_for_a_socket_is_refused),
        cmocka_unit_test(test_default_is_the_environment_or_this_users_broker),
        cmocka_unit_test(test_events_of_every_host_are_those_of_the_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
