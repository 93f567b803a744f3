#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ws/tcp.h"

/* Two ends of a TCP connection. */
struct pair {
    int ours;
    int peer;
};

static int enter(void **state)
{
    struct pair *pair = calloc(1, sizeof(*pair));
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    pair->peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair->peer, (struct sockaddr *)&address, len), 0);
    pair->ours = accept(listening, NULL, NULL);
    assert_true(pair->ours >= 0);
    close(listening);
    *state = pair;
    return 0;
}

static int leave(void **state)
{
    struct pair *pair = *state;
    close(pair->ours);
    if (pair->peer >= 0)
        close(pair->peer);
    free(pair);
    return 0;
}

/* What the peer did has come. */
static void wait_for_something(const struct pair *pair)
{
    struct pollfd wait = {.fd = pair->ours, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 5000), 1);
}

static void test_peer_that_is_there_has_reset_nothing(void **state)
{
    struct pair *pair = *state;
    assert_false(tcp_is_reset(pair->ours));
    assert_int_equal(write(pair->peer, "x", 1), 1);
    wait_for_something(pair);
    assert_false(tcp_is_reset(pair->ours));
    assert_true(tcp_is_open(pair->ours));
}

static void test_peer_that_will_send_no_more_has_reset_nothing(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(shutdown(pair->peer, SHUT_WR), 0);
    wait_for_something(pair);
    assert_false(tcp_is_reset(pair->ours));
    assert_false(tcp_is_open(pair->ours));
}

static void test_reset_is_seen_before_what_came_is_read(void **state)
{
    struct pair *pair = *state;
    char byte;
    assert_int_equal(write(pair->peer, "x", 1), 1);
    wait_for_something(pair);
    tcp_abort(pair->peer);
    close(pair->peer);
    pair->peer = -1;
    for (unsigned i = 0; i < 500 && !tcp_is_reset(pair->ours); i++)
        usleep(10000);
    assert_true(tcp_is_reset(pair->ours));
    assert_int_equal(recv(pair->ours, &byte, 1, MSG_DONTWAIT), 1);
}

static void test_both_sides_that_have_ended_are_as_good_as_reset(void **state)
{
    struct pair *pair = *state;
    assert_int_equal(shutdown(pair->ours, SHUT_RDWR), 0);
    assert_true(tcp_is_reset(pair->ours));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_peer_that_is_there_has_reset_nothing, enter, leave),
        cmocka_unit_test_setup_teardown(test_peer_that_will_send_no_more_has_reset_nothing, enter, leave),
        cmocka_unit_test_setup_teardown(test_reset_is_seen_before_what_came_is_read, enter, leave),
        cmocka_unit_test_setup_teardown(test_both_sides_that_have_ended_are_as_good_as_reset, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
