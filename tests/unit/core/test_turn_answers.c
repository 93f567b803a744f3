/* Questions of clients that go to groups: exactly one answer, the first, and to the right question. */

#include "entry_case.h"

static void test_answer_is_to_the_events_own_question(void **state)
{
    (void)state;
    set_up();
    ask();
    expect_turn(&bob, "'done':[{'seq':1,'ops':[{'op':'answer','payload':{'a':1}}]}]", "", "");
    expect_events("alice <- {'e':'a:x','p':{'a':1},'i':7}\n");
    world_advance(&w, 31000);
    expect_events("");
}

static void test_event_that_asks_nothing_cannot_be_answered(void **state)
{
    (void)state;
    set_up();
    say(1);
    expect_turn(&bob, "", "", "1@1");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[" INC ",{'op':'answer'}]}]",
                "1 bad_argument dead done[0].ops[1].i", "");
    expect_n(0);
}

static void test_question_that_nobody_answers_ends_with_ok(void **state)
{
    (void)state;
    set_up();
    ask();
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]}]", "", "");
    expect_events("alice <- {'e':'@ok','i':7}\n");
}

static void test_question_whose_event_dies_ends_with_failed(void **state)
{
    (void)state;
    set_up();
    ask();
    expect_turn(&bob, "'done':[{'seq':1,'ops':[{'op':'x'}]}]", "1 unknown_op dead done[0].ops[0].op", "");
    expect_has(world_trace(&w), "alice <- {'e':'@error','p':{'code':'failed',");
}

static void test_answer_with_conn_and_i_goes_to_another_question(void **state)
{
    (void)state;
    set_up();
    world_say(&w, carol, "b", NULL, "'q'");
    say(1);
    expect_turn(&bob, "", "", "1@1");
    world_trace(&w);
    core_subscribers(w.core, 1);
    world_say(&w, carol, "b", NULL, "9");
    world_trace(&w);
    expect_turn(&bob, "'done':[{'seq':1,'ops':[{'op':'answer','conn':'epoch1.2','i':9,'payload':1}]}]", "",
                "");
    expect_events("carol <- {'e':'b','p':1,'i':9}\n");
}

static void test_late_answer_is_not_for_a_later_question_with_the_same_i(void **state)
{
    (void)state;
    set_up();
    handler_join(&bob, "g", "'a:*'", ",'lease_ms':60000");
    ask();
    world_advance(&w, 30000);
    expect_has(world_trace(&w), "'code':'timeout'");
    world_say(&w, alice, "a:x", "2", "7");
    expect_turn(&bob,
                "'done':[{'seq':1,'ops':[" INC ",{'op':'answer','payload':'late'},"
                "{'op':'answer','conn':'epoch1.1','i':7,'payload':'late'}]}]",
                "", "2@1");
    expect_events("");
    expect_n(1);
    expect_turn(&bob, "'done':[{'seq':2,'ops':[{'op':'answer','payload':'right'}]}]", "", "");
    expect_events("alice <- {'e':'a:x','p':'right','i':7}\n");
}

static void test_first_answer_wins(void **state)
{
    (void)state;
    struct handler eve = {.client = "eve-client-000001", .link = 3};
    set_up();
    handler_join(&eve, "h", "'a:*'", "");
    ask();
    expect_turn(&eve, "", "", "1@1");
    expect_turn(&eve, "'done':[{'seq':1,'ops':[{'op':'answer','payload':'eve'}]}]", "", "");
    expect_turn(&bob, "'done':[{'seq':1,'ops':[{'op':'answer','payload':'bob'},{'op':'answer'}]}]", "", "");
    expect_events("alice <- {'e':'a:x','p':'eve','i':7}\n");
}

static void test_ok_comes_when_all_groups_are_done(void **state)
{
    (void)state;
    struct handler eve = {.client = "eve-client-000001", .link = 3};
    set_up();
    handler_join(&eve, "h", "'a:*'", "");
    ask();
    expect_turn(&bob, "'done':[{'seq':1,'ops':[]}]", "", "");
    expect_events("");
    expect_turn(&eve, "", "", "1@1");
    expect_turn(&eve, "'done':[{'seq':1,'ops':[]}]", "", "");
    expect_events("alice <- {'e':'@ok','i':7}\n");
    world_say(&w, alice, "a:x", "1", "7");
    expect_turn(&bob, "", "", "2@1");
    expect_turn(&bob, "'done':[{'seq':2,'ops':[7]}]", "2 bad_argument dead done[0].ops[0].op", "");
    expect_events("");
    expect_turn(&eve, "", "", "2@1");
    expect_turn(&eve, "'done':[{'seq':2,'ops':[]}]", "", "");
    expect_has(world_trace(&w), "alice <- {'e':'@error','p':{'code':'failed',");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_answer_is_to_the_events_own_question),
        WORLD_TEST(test_event_that_asks_nothing_cannot_be_answered),
        WORLD_TEST(test_question_that_nobody_answers_ends_with_ok),
        WORLD_TEST(test_question_whose_event_dies_ends_with_failed),
        WORLD_TEST(test_answer_with_conn_and_i_goes_to_another_question),
        WORLD_TEST(test_late_answer_is_not_for_a_later_question_with_the_same_i),
        WORLD_TEST(test_first_answer_wins),
        WORLD_TEST(test_ok_comes_when_all_groups_are_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
