#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/nearest.h"

static const char *const known[] = {"filter", "event", "payload", "conn", "update",    "if_version",
                                    "ttl_ms", "max",   "i",       "args", "unbatched", NULL};

static void assert_nearest(const char *word, const char *want)
{
    const char *got = nearest(word, strlen(word), known);
    if (!want)
        assert_null(got);
    else if (!got)
        fail_msg("nothing is near to %s", word);
    else
        assert_string_equal(got, want);
}

static void test_slips_find_the_word_that_was_meant(void **state)
{
    (void)state;
    assert_nearest("filter", "filter");
    assert_nearest("fliter", "filter"); /* neighbours swapped */
    assert_nearest("filtr", "filter");  /* one missing */
    assert_nearest("fillter", "filter");
    assert_nearest("filger", "filter");
    assert_nearest("FILTER", "filter");
    assert_nearest("Evnet", "event");
    assert_nearest("ifversion", "if_version");
    assert_nearest("if-version", "if_version");
    assert_nearest("unbached", "unbatched");
    assert_nearest("nax", "max");
    assert_nearest("mxa", "max");
}

static void test_swap_counts_once(void **state)
{
    (void)state;
    static const char *const one[] = {"abcd", NULL};
    assert_string_equal(nearest("abdc", 4, one),
                        "abcd"); /* a third of 4 is 1: two replacements were too many */
    assert_null(nearest("badc", 4, one));
}

static void test_a_third_of_the_longer_word_is_the_limit(void **state)
{
    (void)state;
    static const char *const six[] = {"abcdef", NULL};
    assert_string_equal(nearest("abcdXY", 6, six), "abcdef");
    assert_null(nearest("abcXYZ", 6, six));
    assert_string_equal(nearest("abcd", 4, six), "abcdef");
    assert_null(nearest("abc", 3, six));
    assert_string_equal(nearest("abcdefgh", 8, six), "abcdef");
    assert_string_equal(nearest("abcdefghi", 9, six), "abcdef");
    assert_null(nearest("abcdefghij", 10, six));
}

static void test_strangers_are_near_to_nothing(void **state)
{
    (void)state;
    assert_nearest("zzzz", NULL);
    assert_nearest("", NULL);
    assert_nearest("q", NULL); /* one letter replaced is another word */
    assert_nearest("I", "i");
}

static void test_the_nearer_one_wins_and_the_first_of_equals(void **state)
{
    (void)state;
    static const char *const words[] = {"cart", "care", "cars", NULL};
    assert_string_equal(nearest("carsx", 5, words), "cars");
    assert_string_equal(nearest("carz", 4, words), "cart");
}

static void test_endless_words_are_near_to_nothing(void **state)
{
    (void)state;
    char word[1000];
    memset(word, 'a', sizeof(word));
    assert_null(nearest(word, sizeof(word), known));
    word[sizeof(word) - 1] = '\0';
    const char *const endless[] = {word, NULL};
    assert_null(nearest("aaaa", 4, endless));
    assert_null(nearest(word, 64, known));
}

static void test_word_needs_no_zero_at_its_end(void **state)
{
    (void)state;
    assert_string_equal(nearest("evenTual", 5, known), "event");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slips_find_the_word_that_was_meant),
        cmocka_unit_test(test_swap_counts_once),
        cmocka_unit_test(test_a_third_of_the_longer_word_is_the_limit),
        cmocka_unit_test(test_strangers_are_near_to_nothing),
        cmocka_unit_test(test_the_nearer_one_wins_and_the_first_of_equals),
        cmocka_unit_test(test_endless_words_are_near_to_nothing),
        cmocka_unit_test(test_word_needs_no_zero_at_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
