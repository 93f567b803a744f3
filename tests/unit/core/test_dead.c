#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"
#include "support/failing_alloc.h"

static struct conn *alice;

static void begin(unsigned dead, size_t bytes)
{
    world_stop(&w);
    world_init(&w);
    w.options.group_dead = dead;
    w.options.group_dead_bytes = bytes;
    world_start(&w);
    join("g", 1, "a");
    alice = world_open(&w, "alice", "");
}

static void bury_next(void)
{
    job_bury(the_group("g")->jobs, CODE_BAD_FILTER, "it is bad");
}

static void test_dead_event_is_kept_with_all_that_is_known(void **state)
{
    (void)state;
    begin(10, 100000);
    world_say(&w, alice, "a", "{\"x\":[1]}", NULL);
    got(ask(the_group("g")->members, 1));
    world_advance(&w, 500);
    bury_next();
    const struct dead *dead = the_group("g")->dead;
    assert_int_equal(dead->seq, 1);
    assert_string_equal(dead->event, "a");
    assert_string_equal(dead->conn, "epoch1.1");
    assert_int_equal(dead->code, CODE_BAD_FILTER);
    assert_string_equal(dead->message, "it is bad");
    assert_int_equal(dead->attempts, 1);
    assert_int_equal(dead->time_ms, 1000000);
    assert_int_equal(dead->dead_ms, 1000500);
    assert_int_equal(dead->payload->len, 5);
    assert_memory_equal(dead->payload->data, "\x81\xa1x\x91\x01", 5);
    assert_int_equal(the_group("g")->counters.dead, 1);
    groups_check(w.core);
}

static void test_dead_event_is_published(void **state)
{
    (void)state;
    begin(10, 100000);
    core_subscribers(w.core, 1);
    world_say(&w, alice, "a", NULL, NULL);
    world_trace(&w);
    bury_next();
    const char *trace = world_trace(&w);
    assert_non_null(strstr(trace, "publish @dead "));
    assert_non_null(strstr(trace,
                           "\"payload\":{\"group\":\"g\",\"seq\":1,\"event\":\"a\",\"conn\":\"epoch1.1\","
                           "\"code\":\"bad_filter\",\"message\":\"it is bad\",\"attempts\":0}"));
}

static void test_dead_event_goes_into_no_group(void **state)
{
    (void)state;
    begin(10, 100000);
    join("h", 2, "@* @dead");
    say_n(alice, "a", 1);
    bury_next();
    assert_int_equal(the_group("h")->job_count, 0);
}

static void test_oldest_goes_out_beyond_the_bound(void **state)
{
    (void)state;
    begin(3, 100000);
    say_n(alice, "a", 5);
    for (unsigned i = 0; i < 5; i++)
        bury_next();
    assert_int_equal(the_group("g")->dead_count, 3);
    assert_int_equal(the_group("g")->dead->seq, 3);
    assert_int_equal(the_group("g")->counters.dead, 5);
    groups_check(w.core);
}

static void test_dead_list_is_bounded_in_bytes(void **state)
{
    (void)state;
    char payload[1003];
    memset(payload, 'x', 1002);
    payload[0] = payload[1001] = '"';
    payload[1002] = '\0';
    begin(100, 2 * (sizeof(struct dead) + 1003));
    for (unsigned i = 0; i < 3; i++)
        world_say(&w, alice, "a", payload, NULL);
    for (unsigned i = 0; i < 3; i++)
        bury_next();
    assert_int_equal(the_group("g")->dead_count, 2);
    assert_int_equal(the_group("g")->dead->seq, 2);
}

static void test_long_message_is_cut(void **state)
{
    (void)state;
    char message[300];
    begin(10, 100000);
    memset(message, 'm', sizeof(message));
    message[299] = '\0';
    say_n(alice, "a", 1);
    job_bury(the_group("g")->jobs, CODE_FAILED, message);
    assert_int_equal(strlen(the_group("g")->dead->message), sizeof(the_group("g")->dead->message) - 1);
}

static void test_event_dies_also_where_memory_is_refused(void **state)
{
    (void)state;
    for (unsigned long n = 0; n < 3; n++) {
        begin(10, 100000);
        world_say(&w, alice, "a", "1", NULL);
        failing_alloc_start(n);
        bury_next();
        assert_true(failing_alloc_stop());
        assert_int_equal(the_group("g")->job_count, 0);
        assert_int_equal(the_group("g")->counters.dead, 1);
        assert_int_equal(the_group("g")->dead_count, n > 0); /* and without its payload for n = 1 */
        groups_check(w.core);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_dead_event_is_kept_with_all_that_is_known),
        WORLD_TEST(test_dead_event_is_published),
        WORLD_TEST(test_dead_event_goes_into_no_group),
        WORLD_TEST(test_oldest_goes_out_beyond_the_bound),
        WORLD_TEST(test_dead_list_is_bounded_in_bytes),
        WORLD_TEST(test_long_message_is_cut),
        WORLD_TEST(test_event_dies_also_where_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
