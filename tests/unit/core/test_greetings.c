#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/core.h"
#include "core/greetings.h"
#include "support/failing_alloc.h"

static void put(struct greetings *greetings, const char *client, const char *name)
{
    const struct greeting greeting = {
        .name = name, .name_len = strlen(name), .language = "c", .language_len = 1, .version = ""};
    greetings_put(greetings, client, strlen(client), &greeting);
}

static const char *name_of(const struct greetings *greetings, const char *client)
{
    const struct introduction *found = greetings_find(greetings, client, strlen(client));
    return found ? found->name : NULL;
}

static void test_client_is_known_by_what_it_said_last(void **state)
{
    (void)state;
    struct greetings greetings;
    greetings_init(&greetings, 2);
    assert_null(name_of(&greetings, "a"));
    put(&greetings, "a", "old");
    put(&greetings, "a", "new");
    const struct introduction *found = greetings_find(&greetings, "a", 1);
    assert_string_equal(found->name, "new");
    assert_string_equal(found->language, "c");
    assert_string_equal(found->version, "");
    assert_null(greetings_find(&greetings, "ab", 2));
    greetings_deinit(&greetings);
}

static void test_client_not_heard_of_for_longest_is_forgotten(void **state)
{
    (void)state;
    struct greetings greetings;
    greetings_init(&greetings, 3);
    put(&greetings, "a", "A");
    put(&greetings, "b", "B");
    put(&greetings, "c", "C");
    greetings_use(&greetings, "a", 1);
    put(&greetings, "b", "B2");
    greetings_use(&greetings, "nobody", 6);
    put(&greetings, "d", "D");
    assert_null(name_of(&greetings, "c"));
    put(&greetings, "e", "E");
    assert_null(name_of(&greetings, "a"));
    assert_string_equal(name_of(&greetings, "b"), "B2");
    assert_string_equal(name_of(&greetings, "d"), "D");
    assert_string_equal(name_of(&greetings, "e"), "E");
    greetings_deinit(&greetings);
}

static void test_long_names_are_cut_at_a_character(void **state)
{
    (void)state;
    struct greetings greetings;
    char name[80], wanted[65];
    greetings_init(&greetings, 1);
    memset(name, 'x', 64);
    strcpy(name + 64, "y");
    put(&greetings, "a", name);
    assert_int_equal(strlen(name_of(&greetings, "a")), 64);
    strcpy(name + 62, "\xe2\x82\xac");
    put(&greetings, "a", name);
    memset(wanted, 'x', 62);
    wanted[62] = 0;
    assert_string_equal(name_of(&greetings, "a"), wanted);
    strcpy(name + 61, "\xe2\x82\xac");
    put(&greetings, "a", name);
    assert_string_equal(name_of(&greetings, "a"), name);
    greetings_deinit(&greetings);
}

static void test_refused_memory_leaves_a_client_unknown(void **state)
{
    (void)state;
    for (unsigned long n = 0;; n++) {
        struct greetings greetings;
        greetings_init(&greetings, 4);
        failing_alloc_start(n);
        put(&greetings, "a", "A");
        bool was_refused = failing_alloc_stop();
        assert_int_equal(name_of(&greetings, "a") == NULL, was_refused);
        put(&greetings, "b", "B");
        assert_string_equal(name_of(&greetings, "b"), "B");
        greetings_deinit(&greetings);
        if (!was_refused)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_client_is_known_by_what_it_said_last),
        cmocka_unit_test(test_client_not_heard_of_for_longest_is_forgotten),
        cmocka_unit_test(test_long_names_are_cut_at_a_character),
        cmocka_unit_test(test_refused_memory_leaves_a_client_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
