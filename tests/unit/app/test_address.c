#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "app/address.h"

static void test_host_and_port_are_split(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
    } rows[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080}, {"0.0.0.0:0", "0.0.0.0", 0},
        {"[::1]:8080", "::1", 8080},           {"[::]:65535", "::", 65535},
        {"localhost:1", "localhost", 1},       {"a-b.example:80", "a-b.example", 80},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct host_port out;
        const char *why = host_port_read(&out, rows[i].text);
        if (why)
            fail_msg("%s: %s", rows[i].text, why);
        assert_string_equal(out.host, rows[i].host);
        assert_int_equal(out.port, rows[i].port);
    }
}

static void test_bad_host_and_port_say_why(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"", "has no port; write HOST:PORT, for example 127.0.0.1:8080"},
        {"8080", "has no port; write HOST:PORT, for example 127.0.0.1:8080"},
        {"localhost", "has no port; write HOST:PORT, for example 127.0.0.1:8080"},
        {":8080",
         "has no host; write 127.0.0.1:PORT for this machine only, 0.0.0.0:PORT or [::]:PORT for all"},
        {"localhost:", "has no port after the colon; write HOST:PORT, for example 127.0.0.1:8080"},
        {"localhost:http", "has a port that is no number from 0 to 65535"},
        {"localhost:65536", "has a port that is no number from 0 to 65535"},
        {"localhost:-1", "has a port that is no number from 0 to 65535"},
        {"localhost:+1", "has a port that is no number from 0 to 65535"},
        {"localhost:0000080", "has a port that is no number from 0 to 65535"},
        {"::1:8080", "needs brackets around the IPv6 address, for example [::1]:8080"},
        {"[::1:8080", "has no ] after the IPv6 address"},
        {"[::1]", "has no port; write [IPV6]:PORT, for example [::1]:8080"},
        {"[::1]8080", "has no port; write [IPV6]:PORT, for example [::1]:8080"},
        {"[127.0.0.1]:80", "has no IPv6 address between the brackets"},
        {"[]:80",
         "has no host; write 127.0.0.1:PORT for this machine only, 0.0.0.0:PORT or [::]:PORT for all"},
        {"127.0.0.256:80", "has a host that is neither an address nor a name"},
        {"127.1:80", "has a host that is neither an address nor a name"},
        {"a b:80", "has a host that is neither an address nor a name"},
        {"*:80", "has a host that is neither an address nor a name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = listen_fault(rows[i].text);
        if (!why || strcmp(why, rows[i].why) != 0)
            fail_msg("\"%s\": %s", rows[i].text, why ? why : "(nothing)");
    }
}

static void test_host_beyond_255_bytes_is_refused(void **state)
{
    char text[300];
    (void)state;
    memset(text, 'a', 256);
    memcpy(text + 256, ":80", 4);
    assert_string_equal(listen_fault(text), "has a host of more than 255 bytes");
    assert_null(listen_fault(text + 1));
}

static void test_handler_addresses_are_ipc_or_tcp(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        {"ipc:///run/x/calls", NULL},
        {"tcp://127.0.0.1:0", NULL},
        {"ipc://run/calls", "needs an absolute path: ipc:///DIRECTORY/FILE"},
        {"ipc://", "needs an absolute path: ipc:///DIRECTORY/FILE"},
        {"ipc:///run/", "names a directory, and a file is needed: ipc:///DIRECTORY/FILE"},
        {"tcp://127.0.0.1", "has no port; write HOST:PORT, for example 127.0.0.1:8080"},
        {"ws://127.0.0.1:80", "is neither ipc:///PATH nor tcp://HOST:PORT"},
        {"inproc://x", "is neither ipc:///PATH nor tcp://HOST:PORT"},
        {"/run/calls", "is neither ipc:///PATH nor tcp://HOST:PORT"},
        {"", "is neither ipc:///PATH nor tcp://HOST:PORT"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *why = handler_address_fault(rows[i].text);
        if ((why == NULL) != (rows[i].why == NULL) || (why && strcmp(why, rows[i].why) != 0))
            fail_msg("\"%s\": %s", rows[i].text, why ? why : "(nothing)");
    }
}

static void test_ipc_path_fits_a_socket_name(void **state)
{
    char text[200] = "ipc:///";
    (void)state;
    memset(text + 7, 'a', 106);
    text[7 + 106] = '\0';
    assert_null(handler_address_fault(text));
    memcpy(text + 7 + 106, "a", 2);
    assert_string_equal(handler_address_fault(text),
                        "has a path of more than 107 bytes, which no socket can have");
}

static void test_only_loopback_and_ipc_are_local(void **state)
{
    static const char *const local[] = {"ipc:///run/calls", "tcp://127.0.0.1:5555", "tcp://127.9.8.7:5555",
                                        "tcp://[::1]:5555", "tcp://localhost:5555", "tcp://LocalHost:5555"};
    static const char *const open[] = {"tcp://0.0.0.0:5555",   "tcp://[::]:5555",
                                       "tcp://10.0.0.1:5555",  "tcp://broker.lan:5555",
                                       "tcp://128.0.0.1:5555", "tcp://localhost.evil:5555"};
    (void)state;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if (!handler_address_is_local(local[i]))
            fail_msg("%s", local[i]);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (handler_address_is_local(open[i]))
            fail_msg("%s", open[i]);
}

static void test_same_host_and_port_are_equal_unless_the_port_is_free(void **state)
{
    (void)state;
    assert_true(handler_address_equal("ipc:///a", "ipc:///a"));
    assert_false(handler_address_equal("ipc:///a", "ipc:///b"));
    assert_true(handler_address_equal("tcp://LOCALHOST:5", "tcp://localhost:05"));
    assert_false(handler_address_equal("tcp://localhost:5", "tcp://localhost:6"));
    assert_false(handler_address_equal("tcp://localhost:0", "tcp://localhost:0"));
    assert_false(handler_address_equal("tcp://127.0.0.1:5", "ipc:///a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host_and_port_are_split),
        cmocka_unit_test(test_bad_host_and_port_say_why),
        cmocka_unit_test(test_host_beyond_255_bytes_is_refused),
        cmocka_unit_test(test_handler_addresses_are_ipc_or_tcp),
        cmocka_unit_test(test_ipc_path_fits_a_socket_name),
        cmocka_unit_test(test_only_loopback_and_ipc_are_local),
        cmocka_unit_test(test_same_host_and_port_are_equal_unless_the_port_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
