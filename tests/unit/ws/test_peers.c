#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "ws/peers.h"

static struct peers *peers;

static int setup(void **state)
{
    (void)state;
    peers = peers_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    peers_free(peers);
    return 0;
}

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof(storage));
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
    struct sockaddr_in *four = (struct sockaddr_in *)&storage;
    if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
    } else {
        assert_int_equal(inet_pton(AF_INET, text, &four->sin_addr), 1);
        four->sin_family = AF_INET;
    }
    return storage;
}

static int enter(const char *text, unsigned limit, struct peer **out)
{
    struct sockaddr_storage storage = address(text);
    return peers_enter(peers, (struct sockaddr *)&storage, limit, out);
}

static void test_limit_is_per_address(void **state)
{
    (void)state;
    struct peer *a[2];
    struct peer *b;
    struct peer *none = NULL;
    assert_int_equal(enter("10.0.0.1", 2, &a[0]), 0);
    assert_int_equal(enter("10.0.0.1", 2, &a[1]), 0);
    assert_int_equal(enter("10.0.0.1", 2, &none), 1);
    assert_int_equal(enter("10.0.0.2", 2, &b), 0);
    peers_leave(peers, a[0]);
    assert_int_equal(enter("10.0.0.1", 2, &a[0]), 0);
    assert_ptr_equal(a[0], a[1]);
    peers_leave(peers, a[0]);
    peers_leave(peers, a[1]);
    peers_leave(peers, b);
    assert_int_equal(enter("10.0.0.1", 1, &a[0]), 0);
    peers_leave(peers, a[0]);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct peer *peer;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(enter("::1", 0, &peer), 0);
    for (unsigned i = 0; i < 1000; i++)
        peers_leave(peers, peer);
}

static void test_address_as_text(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"127.0.0.1", "127.0.0.1"},
                                          {"::1", "::1"},
                                          {"::ffff:10.1.2.3", "10.1.2.3"},
                                          {"2001:DB8:0::5", "2001:db8::5"}};
    for (size_t i = 0; i < 4; i++) {
        struct peer *peer;
        assert_int_equal(enter(rows[i][0], 1, &peer), 0);
        assert_string_equal(peer_text(peer), rows[i][1]);
        peers_leave(peers, peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_limit_is_per_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_address_as_text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
