#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#ifndef SLUICE_TEST_SWITCHES
#define SLUICE_TEST_SWITCHES
#endif
#include "wire/workaround.h"

static void test_workarounds_are_on_unless_named(void **state)
{
    (void)state;
    unsetenv("SLUICE_WITHOUT");
    assert_true(WORKAROUND(listener_watch));
    setenv("SLUICE_WITHOUT", "", 1);
    assert_true(WORKAROUND(listener_watch));
    setenv("SLUICE_WITHOUT", "listener_watch", 1);
    assert_false(WORKAROUND(listener_watch));
    assert_true(WORKAROUND(accept_loop));
}

static void test_names_match_as_a_whole_wherever_they_stand(void **state)
{
    (void)state;
    setenv("SLUICE_WITHOUT", "listener_watch_x,x_listener_watch,listener,accept_loop", 1);
    assert_true(WORKAROUND(listener_watch));
    assert_false(WORKAROUND(listener));
    assert_false(WORKAROUND(accept_loop));
    setenv("SLUICE_WITHOUT", "listener_watch_x,listener_watch", 1);
    assert_false(WORKAROUND(listener_watch)); /* behind a longer name that begins alike */
    unsetenv("SLUICE_WITHOUT");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workarounds_are_on_unless_named),
        cmocka_unit_test(test_names_match_as_a_whole_wherever_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
