/* The end of a client takes two seconds at most, also when nng hangs in closing. This program's nng_close()
 * is a wrapped one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>

#include "fixture.h"

int __real_nng_close(nng_socket socket);
int __wrap_nng_close(nng_socket socket);

static atomic_int hang_ms;
static atomic_int closed;

int __wrap_nng_close(nng_socket socket)
{
    usleep((useconds_t)hang_ms * 1000);
    closed++;
    return __real_nng_close(socket);
}

static int64_t time_of_free(sluice_client *client)
{
    int64_t start = clock_now();

    free_client(client);
    return clock_now() - start;
}

static void test_idle_client_ends_at_once(void **state)
{
    (void)state;
    hang_ms = 0;
    assert_in_range(time_of_free(new_client()), 0, 1000);
}

static void test_hanging_close_is_left_behind(void **state)
{
    sluice_client *client = new_client();

    (void)state;
    hang_ms = 2000; /* for each of the two sockets */
    closed = 0;
    assert_in_range(time_of_free(client), 1500, 3000);
    until(NULL, closed == 2); /* the thread that was left behind ends, and frees what it had */
    usleep(200000);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_idle_client_ends_at_once, fixture_setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_hanging_close_is_left_behind, fixture_setup, fixture_teardown),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return run_each(tests);
}
