#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "wire/fault.h"
#include "wire/utf8.h"

static void test_fault_tells_code_message_and_place(void **state)
{
    (void)state;
    struct fault f = {0};
    struct place ops = place_key(NULL, "ops", 3);
    struct place op = place_index(&ops, 1);
    struct place filter = place_key(&op, "filterXX", 6);
    struct place or = place_key(&filter, "$or", 3);
    struct place first = place_index(& or, 0);
    struct place level = place_key(&first, "level", 5);
    assert_int_equal(fault_set(&f, CODE_BAD_FILTER, &level, "%s wants %d", "$gt", 1), -1);
    assert_int_equal(f.code, CODE_BAD_FILTER);
    assert_string_equal(f.message, "$gt wants 1");
    assert_string_equal(f.at, "ops[1].filter.$or[0].level");
}

static void test_no_place_is_the_whole(void **state)
{
    (void)state;
    struct fault f;
    memset(&f, 'x', sizeof(f));
    fault_set(&f, CODE_BAD_REQUEST, NULL, "no map");
    assert_string_equal(f.at, "");
    assert_string_equal(f.message, "no map");
}

static void test_root_index_and_empty_key(void **state)
{
    (void)state;
    char text[32];
    struct place index = place_index(NULL, 12);
    struct place nothing = place_key(&index, "", 0);
    struct place after = place_key(&nothing, "a", 1);
    place_format(&after, text, sizeof(text));
    assert_string_equal(text, "[12][\"\"].a");
    struct place null_key = place_key(NULL, NULL, 0);
    place_format(&null_key, text, sizeof(text));
    assert_string_equal(text, "[\"\"]");
}

static void test_bytes_that_cannot_be_shown_are_replaced(void **state)
{
    (void)state;
    struct fault f;
    static const char foreign[] =
        "a\n\x1b[31m\x7f\xff\xc3|\xc2\x85|\xe2\x80\xae|\xe2\x81\xa6|\xe2\x80\xa8|\xed\xa0\x80";
    fault_set(&f, CODE_BAD_REQUEST, NULL, "%s", foreign);
    assert_string_equal(f.message, "a??[31m???|?|?|?|?|???");
    fault_set(&f, CODE_BAD_REQUEST, NULL,
              "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xe2\x80\xa6 \xe2\x81\xb0 \xc2\xa0");
    assert_string_equal(f.message,
                        "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xe2\x80\xa6 \xe2\x81\xb0 \xc2\xa0");
    struct place key = place_key(NULL, "a\nb\xff", 4);
    fault_set(&f, CODE_BAD_REQUEST, &key, "x");
    assert_string_equal(f.at, "a?b?");
}

static void test_long_messages_are_cut_at_a_character(void **state)
{
    (void)state;
    struct fault f;
    char text[3000];
    for (size_t begin = 0; begin < 4; begin++) {
        memset(text, 'a', begin);
        for (size_t i = begin; i < sizeof(text) - 3; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        fault_set(&f, CODE_BAD_REQUEST, NULL, "%s", text);
        size_t len = strlen(f.message);
        assert_in_range(len, sizeof(f.message) - 4, sizeof(f.message) - 1);
        assert_string_equal(f.message + len - 3, "...");
        assert_true(utf8_valid(f.message, len));
    }
}

static void test_message_that_just_fits_is_whole(void **state)
{
    (void)state;
    struct fault f;
    char text[sizeof(f.message) + 1];
    memset(text, 'a', sizeof(text));
    text[sizeof(f.message) - 1] = '\0';
    fault_set(&f, CODE_BAD_REQUEST, NULL, "%s", text);
    assert_string_equal(f.message, text);
    text[sizeof(f.message) - 1] = 'a';
    text[sizeof(f.message)] = '\0';
    fault_set(&f, CODE_BAD_REQUEST, NULL, "%s", text);
    assert_int_equal(strlen(f.message), sizeof(f.message) - 1);
    assert_string_equal(f.message + sizeof(f.message) - 4, "...");
}

static void test_a_message_of_nothing_but_rubbish_is_filled(void **state)
{
    (void)state;
    struct fault f;
    char text[2000];
    for (size_t i = 0; i < sizeof(text) - 4; i += 3)
        memcpy(text + i, "\xe2\x80\xae", 4);
    fault_set(&f, CODE_BAD_REQUEST, NULL, "%s", text);
    assert_int_equal(strspn(f.message, "?"), sizeof(f.message) - 4);
}

static void test_long_places_are_cut(void **state)
{
    (void)state;
    struct fault f;
    char key[300];
    memset(key, 'k', sizeof(key));
    struct place long_key = place_key(NULL, key, sizeof(key));
    fault_set(&f, CODE_BAD_REQUEST, &long_key, "x");
    assert_int_equal(strlen(f.at), sizeof(f.at) - 1);
    assert_string_equal(f.at + sizeof(f.at) - 4, "...");
    struct place deep[200];
    for (size_t i = 0; i < 200; i++)
        deep[i] = place_index(i ? &deep[i - 1] : NULL, 0);
    fault_set(&f, CODE_BAD_REQUEST, &deep[199], "x");
    assert_true(strncmp(f.at, "...[0][0]", 9) == 0);
}

static void test_place_fits_any_size(void **state)
{
    (void)state;
    struct place key = place_key(NULL, "caf\xc3\xa9", 5);
    struct place below = place_key(&key, "level", 5);
    for (size_t size = 0; size < 20; size++) {
        char *text = malloc(size + 1);
        text[size] = '#';
        place_format(&below, text, size);
        assert_int_equal(text[size], '#');
        if (size > 0)
            assert_true(strlen(text) < size && utf8_valid(text, strlen(text)));
        free(text);
    }
}

static void test_a_fault_may_be_told_again_in_its_own_words(void **state)
{
    (void)state;
    struct fault f;
    fault_set(&f, CODE_BAD_VALUE, NULL, "inner");
    fault_set(&f, CODE_BAD_REQUEST, NULL, "outer: %s", f.message);
    assert_string_equal(f.message, "outer: inner");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fault_tells_code_message_and_place),
        cmocka_unit_test(test_no_place_is_the_whole),
        cmocka_unit_test(test_root_index_and_empty_key),
        cmocka_unit_test(test_bytes_that_cannot_be_shown_are_replaced),
        cmocka_unit_test(test_long_messages_are_cut_at_a_character),
        cmocka_unit_test(test_message_that_just_fits_is_whole),
        cmocka_unit_test(test_a_message_of_nothing_but_rubbish_is_filled),
        cmocka_unit_test(test_long_places_are_cut),
        cmocka_unit_test(test_place_fits_any_size),
        cmocka_unit_test(test_a_fault_may_be_told_again_in_its_own_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
