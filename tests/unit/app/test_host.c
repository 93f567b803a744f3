#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/resource.h>

#include "app/host.h"

static rlim_t files(void)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    return limit.rlim_cur;
}

/* In this order: a hard limit that was lowered cannot be raised again by everybody. */
static void test_file_limit_follows_the_connections(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 3000)
        skip();
    limit.rlim_max = 3000;
    limit.rlim_cur = 3000;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);

    assert_int_equal(host_limit_files(100), 100); /* lowered */
    assert_int_equal(files(), 1200);
    assert_int_equal(host_limit_files(1500), 1500); /* raised */
    assert_int_equal(files(), 2600);
    assert_int_equal(host_limit_files(5000), 1900); /* as far as it goes */
    assert_int_equal(files(), 3000);

    limit.rlim_max = limit.rlim_cur = 300;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(host_limit_files(5000), 150);
    assert_int_equal(host_limit_files(10), 10);
}

static void test_random_texts_are_of_letters_and_digits_and_differ(void **state)
{
    char text[2][201];
    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(host_random_text(text[i], 200), 0);
        assert_int_equal(strlen(text[i]), 200);
        assert_int_equal(strspn(text[i], "abcdefghijklmnopqrstuvwxyz0123456789"), 200);
    }
    assert_string_not_equal(text[0], text[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_limit_follows_the_connections),
        cmocka_unit_test(test_random_texts_are_of_letters_and_digits_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
