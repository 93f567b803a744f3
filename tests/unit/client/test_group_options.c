/* What sluice_subscribe() may be told of a group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "step.h"

static int handle(sluice_event *event, void *arg)
{
    (void)event;
    (void)arg;
    return 0;
}

static unsigned subscribed; /* each needs another pattern */

#define subscribe(...) (next_pattern(), sluice_subscribe(the_client, pattern, handle, NULL, __VA_ARGS__))

static char pattern[32];

static void next_pattern(void)
{
    snprintf(pattern, sizeof(pattern), "p%u", subscribed++);
}

static void assert_refused(const char *options, const char *message)
{
    const sluice_value *map = sluice_json(step, options);

    assert_non_null(map);
    next_pattern();
    assert_int_equal(sluice_subscribe(the_client, pattern, handle, NULL, "%p", (const void *)map),
                     SLUICE_E_ARGUMENT);
    if (!strstr(sluice_fault_message(sluice_client_fault(the_client)), message))
        fail_msg("%s: %s", options, sluice_fault_message(sluice_client_fault(the_client)));
}

static void test_options_of_a_group(void **state)
{
    struct group_options *options;

    (void)state;
    assert_int_equal(subscribe("{group: %s, per_conn: %d, lease_ms: %d, session_keys: ['room', %s], max: %d}",
                               "a.b/c-d_9", 256, 3600000, "name", 1024),
                     0);
    options = &the_client->groups->options;
    assert_string_equal(options->group, "a.b/c-d_9");
    assert_int_equal(options->per_conn, 256);
    assert_int_equal(options->lease_ms, 3600000);
    assert_int_equal(options->max, 1024);
    assert_memory_equal(options->session_keys.data, "\x92\xa4room\xa4name", 11);
    assert_int_equal(the_client->subscription_count, 0);
}

static void test_wrong_options_are_refused(void **state)
{
    char keys[1024] = "{\"group\":\"g\",\"session_keys\":[";

    (void)state;
    assert_refused("{\"group\":\"\"}", "`group` is a text of 1 to 64");
    assert_refused("{\"group\":\"a:b\"}", "`group`");
    assert_refused("{\"group\":\"a b\"}", "`group`");
    assert_refused("{\"group\":7}", "`group`");
    assert_refused("{\"group\":\"a\\u0000b\"}", "`group`");
    assert_refused("{\"group\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                   "`group`");
    assert_refused("{\"group\":\"g\",\"per_conn\":0}", "`per_conn` is a number from 1 to 256");
    assert_refused("{\"group\":\"g\",\"per_conn\":257}", "`per_conn`");
    assert_refused("{\"group\":\"g\",\"per_conn\":\"1\"}", "`per_conn`");
    assert_refused("{\"group\":\"g\",\"lease_ms\":99}", "`lease_ms` is a number from 100 to 3600000");
    assert_refused("{\"group\":\"g\",\"lease_ms\":3600001}", "`lease_ms`");
    assert_refused("{\"group\":\"g\",\"max\":0}", "`max` is a number from 1 to 1024");
    assert_refused("{\"group\":\"g\",\"max\":1025}", "`max`");
    assert_refused("{\"group\":\"g\",\"session_keys\":\"room\"}", "`session_keys` is a list");
    assert_refused("{\"group\":\"g\",\"session_keys\":[1]}", "`session_keys` is a list of texts");
    assert_refused("{\"group\":\"g\",\"colour\":1}", "no option `colour`");
    assert_refused("{\"max\":5}", "`max` is an option of handlers that have a `group`");
    assert_refused("[]", "are a map");
    for (int i = 0; i < 65; i++)
        strcat(keys, i ? ",\"k\"" : "\"k\"");
    assert_refused(strcat(keys, "]}"), "at most 64 keys");
    assert_null(the_client->groups); /* none of them left anything behind */
    assert_int_equal(the_client->subscription_count, 0);
}

static void test_subscriptions_of_a_group_are_one_membership(void **state)
{
    struct group *group;

    (void)state;
    assert_int_equal(subscribe("{group: 'g'}"), 0);
    assert_int_equal(subscribe("{group: 'g', per_conn: 4}"), 0);
    assert_int_equal(subscribe("{group: 'g', per_conn: 4, session_keys: []}"), 0);
    assert_int_equal(subscribe("{group: 'h', per_conn: 5}"), 0);
    group = the_client->groups;
    assert_int_equal(group->function_count, 3);
    assert_int_equal(group->options.per_conn, 4);
    assert_int_equal(group->options.session_keys.len, 1);
    assert_int_equal(group->next->options.per_conn, 5);
    assert_null(group->next->next);
}

static void test_options_that_contradict_are_refused(void **state)
{
    (void)state;
    assert_int_equal(subscribe("{group: 'g', per_conn: 4, lease_ms: 500, max: 10, session_keys: ['a']}"), 0);
    assert_refused("{\"group\":\"g\",\"per_conn\":5}", "`per_conn` is another one");
    assert_refused("{\"group\":\"g\",\"lease_ms\":501}", "`lease_ms` is another one");
    assert_refused("{\"group\":\"g\",\"max\":11}", "`max` is another one");
    assert_refused("{\"group\":\"g\",\"session_keys\":[]}", "`session_keys` is another one");
    assert_refused("{\"group\":\"g\",\"session_keys\":[\"b\"]}", "`session_keys` is another one");
    assert_int_equal(the_client->groups->function_count, 1);
}

static void test_bounds_of_groups_and_patterns(void **state)
{
    (void)state;
    subscribed = 0;
    for (int i = 0; i < 8; i++) {
        char name[8];
        snprintf(name, sizeof(name), "g%d", i);
        assert_int_equal(subscribe("{group: %s}", name), 0);
    }
    assert_refused("{\"group\":\"g8\"}", "at most 8 groups");
    for (int i = 1; i < 64; i++)
        assert_int_equal(subscribe("{group: 'g0'}"), 0);
    assert_refused("{\"group\":\"g0\"}", "at most 64 patterns");
    assert_int_equal(sluice_subscribe(the_client, "p1", handle, NULL, "{group: 'g1'}"), SLUICE_E_ARGUMENT);
    assert_non_null(
        strstr(sluice_fault_message(sluice_client_fault(the_client)), "p1 has a function already"));
    assert_int_equal(sluice_subscribe(the_client, "p1", handle, NULL, "{group: 'g2'}"), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, step_setup, step_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_options_of_a_group),
        TEST(test_wrong_options_are_refused),
        TEST(test_subscriptions_of_a_group_are_one_membership),
        TEST(test_options_that_contradict_are_refused),
        TEST(test_bounds_of_groups_and_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
