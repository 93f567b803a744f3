#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"
#include "support/failing_alloc.h"

/* What a request of a member that is gone is told. */
#define expect_unknown(id) assert_null(member_find(w.core, id, strlen(id)))

/* Copy the id of @member, which may go. */
static const char *id_of(const struct member *member)
{
    static char ids[4][MEMBER_ID_MAX + 1];
    static unsigned next;
    char *id = ids[next++ % 4];
    memcpy(id, member->id, sizeof(member->id));
    return id;
}

static void test_join_repeated_before_the_first_turn_gives_the_same_member(void **state)
{
    (void)state;
    struct member *bob = join_n("g", 1, "a b", 1);
    assert_true(join_created);
    assert_ptr_equal(join_n("g", 1, "b c", 4), bob);
    assert_false(join_created);
    assert_int_equal(bob->per_conn, 4);
    assert_true(member_lists(bob, "c", 1));
    assert_false(member_lists(bob, "a", 1));
    groups_check(w.core);
    world_advance(&w, 59999); /* "a" has no lister any more */
    assert_true(groups_match(w.core, "a", 1));
    join("g", 2, "b");
    world_advance(&w, 1);
    assert_false(groups_match(w.core, "a", 1));
}

static void test_join_after_turns_gives_another_member_and_blames_the_old_one(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    const char *old = id_of(bob);
    say_n(alice, "a", 1);
    expect_got(ask(bob, 9), "1@1");
    struct member *again = join("g", 1, "a");
    assert_true(join_created);
    expect_unknown(old);
    assert_string_not_equal(again->id, old);
    assert_true(alice->lanes->jobs->is_suspect);
    expect_got(ask(again, 9), "1@2");
}

static void test_client_may_be_in_many_groups(void **state)
{
    (void)state;
    struct member *g = join("g", 1, "a"), *h = join("h", 1, "a");
    assert_ptr_not_equal(g, h);
    assert_string_not_equal(g->id, h->id);
    assert_ptr_equal(member_find(w.core, h->id, strlen(h->id)), h);
    groups_check(w.core);
}

static void test_members_are_limited_in_all(void **state)
{
    (void)state;
    world_stop(&w);
    world_init(&w);
    w.options.max_members = 2;
    world_start(&w);
    join("g", 1, "a");
    struct member *bob = join("h", 2, "a");
    assert_null(try_join("g", 3, "a", 1));
    assert_int_equal(join_fault.code, CODE_LIMIT);
    got(ask(bob, 0));
    assert_non_null(try_join("h", 2, "a", 1)); /* takes the place of its old one */
    groups_check(w.core);
}

static void test_refused_memory_makes_no_member(void **state)
{
    (void)state;
    unsigned long n = 0;
    struct group *group = group_make(w.core, "g", 1, &join_fault);
    for (bool was_refused = true; was_refused; n++) {
        struct joining joining = {.client = "test-client-000000001",
                                  .client_len = 21,
                                  .link = 1,
                                  .patterns = list_of("a b c"),
                                  .lease_ms = 100,
                                  .per_conn = 1};
        struct fault fault = {.code = CODE_OK};
        bool created;
        failing_alloc_start(n);
        const struct member *member = member_join(group, &joining, &created, &fault);
        was_refused = failing_alloc_stop();
        assert_int_equal(member == NULL, was_refused);
        groups_check(w.core);
        if (was_refused) {
            assert_int_equal(fault.code, CODE_OVERLOADED);
            free(joining.patterns);
        }
    }
    assert_true(n > 3);
    assert_int_equal(group->member_count, 1);
}

/* -- links --------------------------------------------------------------------------------------------- */

static void test_lost_ipc_link_ends_its_members_at_once(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", ""), *dave = world_open(&w, "dave", "");
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    say_n(alice, "a", 1);
    say_n(dave, "a", 1);
    expect_got(ask(bob, 9), "1@1 2@1");
    uint64_t ticket = ask(carol, 9);
    expect_got(ticket, "waits");
    const char *id = id_of(bob);
    world_link_down(&w, 1);
    expect_unknown(id);
    expect_got(ticket, "1@2"); /* one at a time: nobody knows which it was */
    expect_got(done(carol, "1", 9), "2@2");
}

static void test_lost_link_of_a_waiting_member_replies_first(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    uint64_t ticket = ask(bob, 9);
    world_link_down(&w, 1);
    expect_got(ticket, "");
    assert_int_equal(the_group("g")->member_count, 0);
}

static void test_tcp_member_may_come_back_over_another_link(void **state)
{
    (void)state;
    w.is_tcp = true;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 2);
    expect_got(ask(bob, 1), "1@1");
    world_link_down(&w, 1);
    assert_int_equal(bob->link, 0);
    world_advance(&w, 1999);
    expect_got(done(bob, "1", 1), "2@1"); /* over link 99 */
    assert_int_equal(bob->link, 99);
    world_advance(&w, 5000);
    assert_int_equal(the_group("g")->member_count, 1);
    groups_check(w.core);
}

static void test_tcp_member_that_stays_away_is_ended(void **state)
{
    (void)state;
    w.is_tcp = true;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    const char *id = id_of(bob);
    say_n(alice, "a", 1);
    expect_got(ask(bob, 1), "1@1");
    uint64_t ticket = ask(carol, 9);
    world_link_down(&w, 1);
    world_advance(&w, 1999);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    expect_unknown(id);
    expect_got(ticket, "1@2");
}

static void test_member_without_a_link_is_handed_out_nothing(void **state)
{
    (void)state;
    w.is_tcp = true;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    uint64_t ticket = ask(bob, 1);
    world_link_down(&w, 1);
    say_n(alice, "a", 1);
    expect_got(ticket, "waits");
    assert_int_equal(bob->held_count, 0);
}

static void test_other_links_end_no_member(void **state)
{
    (void)state;
    join("g", 1, "a");
    world_link_down(&w, 2);
    assert_int_equal(the_group("g")->member_count, 1);
}

static void test_silent_member_that_holds_nothing_is_ended(void **state)
{
    (void)state;
    struct member *bob = join("g", 1, "a");
    const char *id = id_of(bob);
    world_advance(&w, 59999);
    got(turn_with(bob, "[]", 0, 0));
    world_advance(&w, 59999);
    assert_non_null(member_find(w.core, id, strlen(id)));
    world_advance(&w, 1);
    expect_unknown(id);
}

static void test_member_that_holds_or_waits_is_not_silent(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 1);
    got(ask(bob, 1));
    for (unsigned i = 0; i < 10; i++) {
        world_advance(&w, 20000);
        member_extend(bob, bob->held);
    }
    assert_int_equal(the_group("g")->held, 1);
}

/* -- leases -------------------------------------------------------------------------------------------- */

static void test_lease_that_ran_out_gives_the_event_to_another(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct member *bob = join("g", 1, "a"), *carol = join("g", 2, "a");
    say_n(alice, "a", 1);
    expect_got(ask(bob, 1), "1@1");
    world_advance(&w, 15000);
    uint64_t ticket = ask(carol, 1);
    world_advance(&w, 14999);
    expect_got(ticket, "waits");
    world_advance(&w, 1);
    expect_got(ticket, "1@2");
    assert_int_equal(the_group("g")->counters.lease_expired, 1);
    assert_int_equal(the_group("g")->member_count, 2); /* it may come back */
    expect_got(done(bob, "1", 0), "");
    assert_non_null(strstr(world_reply(&w, w.last_ticket), "lease_expired"));
}

static void test_each_event_has_its_own_lease(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", ""), *dave = world_open(&w, "dave", "");
    struct member *bob = join("g", 1, "a");
    say_n(alice, "a", 1);
    say_n(dave, "a", 1);
    expect_got(ask(bob, 1), "1@1");
    world_advance(&w, 10000);
    expect_got(ask(bob, 2), "2@1");
    world_advance(&w, 10000);
    member_extend(bob, member_job(bob, 1));
    world_advance(&w, 19999);
    assert_int_equal(bob->held_count, 2);
    groups_check(w.core);
    world_advance(&w, 1);
    assert_null(member_job(bob, 2));
    world_advance(&w, 9999);
    assert_non_null(member_job(bob, 1));
    world_advance(&w, 1);
    assert_int_equal(bob->held_count, 0);
}

/* -- the end ------------------------------------------------------------------------------------------- */

static void test_who_leaves_gives_back_without_blame(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", ""), *dave = world_open(&w, "dave", "");
    struct member *bob = join_n("g", 1, "a", 3), *carol = join("g", 2, "a");
    say_n(alice, "a", 3);
    say_n(dave, "a", 1);
    expect_got(ask(bob, 9), "1@1 2@1 3@1 4@1");
    assert_int_equal(member_end(bob, JOB_LEFT), 4);
    expect_got(ask(carol, 9), "1@2 4@2");
    expect_got(done(carol, "1 4", 9), "2@2"); /* each of them was an attempt */
}

static void test_what_a_dead_member_held_at_the_last_attempt_is_dead(void **state)
{
    (void)state;
    const struct group_rule rule = {.name = "g", .max_attempts = 2};
    assert_int_equal(core_group(w.core, &rule, &join_fault), 0);
    struct conn *alice = world_open(&w, "alice", "");
    say_n(alice, "a", 0);
    for (unsigned client = 1; client <= 2; client++) {
        struct member *member = join_n("g", client, "a", 2);
        if (client == 1)
            say_n(alice, "a", 2);
        got(ask(member, 9));
        world_link_down(&w, client);
    }
    assert_int_equal(the_group("g")->dead_count, 1);
    assert_int_equal(the_group("g")->dead->seq, 1);
    struct member *carol = join("g", 3, "a");
    expect_got(ask(carol, 9), "2@2");
    groups_check(w.core);
}

static void test_lists_know_exact_names_prefixes_and_all(void **state)
{
    (void)state;
    const struct member *bob = join("g", 1, "a b:* @connect"), *carol = join("g", 2, "*");
    assert_true(member_lists(bob, "a", 1));
    assert_true(member_lists(bob, "b:c", 3));
    assert_true(member_lists(bob, "@connect", 8));
    assert_false(member_lists(bob, "@disconnect", 11));
    assert_false(member_lists(bob, "b", 1));
    assert_true(member_lists(carol, "anything:at:all", 15));
    assert_false(member_lists(carol, "@connect", 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_join_repeated_before_the_first_turn_gives_the_same_member),
        WORLD_TEST(test_join_after_turns_gives_another_member_and_blames_the_old_one),
        WORLD_TEST(test_client_may_be_in_many_groups),
        WORLD_TEST(test_members_are_limited_in_all),
        WORLD_TEST(test_refused_memory_makes_no_member),
        WORLD_TEST(test_lost_ipc_link_ends_its_members_at_once),
        WORLD_TEST(test_lost_link_of_a_waiting_member_replies_first),
        WORLD_TEST(test_tcp_member_may_come_back_over_another_link),
        WORLD_TEST(test_tcp_member_that_stays_away_is_ended),
        WORLD_TEST(test_member_without_a_link_is_handed_out_nothing),
        WORLD_TEST(test_other_links_end_no_member),
        WORLD_TEST(test_silent_member_that_holds_nothing_is_ended),
        WORLD_TEST(test_member_that_holds_or_waits_is_not_silent),
        WORLD_TEST(test_lease_that_ran_out_gives_the_event_to_another),
        WORLD_TEST(test_each_event_has_its_own_lease),
        WORLD_TEST(test_who_leaves_gives_back_without_blame),
        WORLD_TEST(test_what_a_dead_member_held_at_the_last_attempt_is_dead),
        WORLD_TEST(test_lists_know_exact_names_prefixes_and_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
