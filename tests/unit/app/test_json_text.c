#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "app/json_text.h"

static void assert_blanked(const char *text, const char *wanted)
{
    char *copy = strdup(text);
    size_t offset = 0;
    assert_non_null(copy);
    assert_null(json_text_blank(copy, strlen(copy), &offset));
    assert_string_equal(copy, wanted);
    free(copy);
}

static void test_comments_become_spaces_and_lines_stay(void **state)
{
    (void)state;
    assert_blanked("{} // end", "{}       ");
    assert_blanked("{// one\n}", "{      \n}");
    assert_blanked("{// one\r\n}", "{      \r\n}");
    assert_blanked("{/* a\nb */}", "{    \n    }");
    assert_blanked("/**/1", "    1");
    assert_blanked("/***/1", "     1");
    assert_blanked("[1,/*//*/2]", "[1,      2]");
    assert_blanked("1 ///* x", "1       ");
}

static void test_comment_marks_in_strings_stay(void **state)
{
    static const char text[] = "{\"a//b\": \"/* c */\", \"\\\"//\": \"\\\\\"}";
    (void)state;
    assert_blanked(text, text);
    assert_blanked("\"\\\\\"//x", "\"\\\\\"   ");
}

static void test_lone_slash_is_left_to_the_reader(void **state)
{
    (void)state;
    assert_blanked("{ / }", "{ / }");
    assert_blanked("1 /", "1 /");
}

static void test_endless_comment_is_refused_where_it_begins(void **state)
{
    static const char *const texts[] = {"{} /*", "{} /*/", "{} /* x *", "{} /* \n\n"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *copy = strdup(texts[i]);
        size_t offset = 0;
        assert_string_equal(json_text_blank(copy, strlen(copy), &offset), "a comment without an end");
        assert_int_equal(offset, 3);
        free(copy);
    }
}

static void test_zero_character_is_refused(void **state)
{
    char text[] = "[\"ab\\u0000\"]";
    char escaped[] = "[\"ab\\\\u0000\"]";
    size_t offset = 0;
    (void)state;
    assert_string_equal(json_text_blank(text, strlen(text), &offset), "a zero character in a string");
    assert_int_equal(offset, 4);
    assert_null(json_text_blank(escaped, strlen(escaped), &offset));
}

/* Every value of a nested text is found at the first of its bytes. */
static void test_values_and_keys_are_found(void **state)
{
    static const char text[] =
        " { \"a\" : [ 1 , -2.5e3,[],{} , \"x\\\"]}\" ],\n  \"b\":{\"c\":true,\"d\" :null}, \"e\":\"z\" }";
    cJSON *root = cJSON_Parse(text);
    size_t key;
    (void)state;
    assert_non_null(root);
    const cJSON *a = cJSON_GetObjectItem(root, "a");
    const cJSON *b = cJSON_GetObjectItem(root, "b");
    static const char *const elements[] = {"1 ,", "-2.5", "[],", "{} ,", "\"x"};

    assert_int_equal(json_text_find(text, root, root, &key), 1);
    assert_int_equal(key, 1);
    assert_ptr_equal(text + json_text_find(text, root, a, &key), strstr(text, "[ 1"));
    assert_ptr_equal(text + key, strstr(text, "\"a\""));
    for (int i = 0; i < 5; i++) {
        size_t at = json_text_find(text, root, cJSON_GetArrayItem(a, i), &key);
        assert_ptr_equal(text + at, strstr(text, elements[i]));
        assert_int_equal(key, at);
    }
    assert_ptr_equal(text + json_text_find(text, root, cJSON_GetObjectItem(b, "c"), &key),
                     strstr(text, "true"));
    assert_ptr_equal(text + json_text_find(text, root, cJSON_GetObjectItem(b, "d"), &key),
                     strstr(text, "null"));
    assert_ptr_equal(text + key, strstr(text, "\"d\""));
    assert_ptr_equal(text + json_text_find(text, root, cJSON_GetObjectItem(root, "e"), NULL),
                     strstr(text, "\"z\""));
    cJSON_Delete(root);
}

static void test_positions_count_lines_and_bytes_from_one(void **state)
{
    static const char text[] = "ab\n\ncd";
    static const size_t wanted[][2] = {{1, 1}, {1, 2}, {1, 3}, {2, 1}, {3, 1}, {3, 2}};
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        size_t line, column;
        json_text_position(text, i, &line, &column);
        assert_int_equal(line, wanted[i][0]);
        assert_int_equal(column, wanted[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comments_become_spaces_and_lines_stay),
        cmocka_unit_test(test_comment_marks_in_strings_stay),
        cmocka_unit_test(test_lone_slash_is_left_to_the_reader),
        cmocka_unit_test(test_endless_comment_is_refused_where_it_begins),
        cmocka_unit_test(test_zero_character_is_refused),
        cmocka_unit_test(test_values_and_keys_are_found),
        cmocka_unit_test(test_positions_count_lines_and_bytes_from_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
