#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/event_name.h"

struct row {
    const char *text;
    bool is_valid;
};

static void test_names(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a", true},
        {"chat:message", true},
        {"chat:message:new", true},
        {"A-Z_a.z/0", true},
        {"0", true},
        {"-", true},
        {".", true},
        {"batch_chat:message", true},
        {"", false},
        {":", false},
        {":a", false},
        {"a:", false},
        {"a::b", false},
        {"@connect", false},
        {"@", false},
        {"a@b", false},
        {"a b", false},
        {" a", false},
        {"a*", false},
        {"*", false},
        {"chat:*", false},
        {"a\tb", false},
        {"a\x7f", false},
        {"caf\xc3\xa9", false},
        {"a,b", false},
        {"a\\b", false},
        {"[a]", false},
        {"{", false},
        {"`", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *fault = event_name_fault(rows[i].text, strlen(rows[i].text));
        if ((fault == NULL) != rows[i].is_valid)
            fail_msg("%s: %s", rows[i].text, fault ? fault : "no fault");
    }
}

static void test_every_byte_as_a_name(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char name = (char)c;
        bool want = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    (c != 0 && strchr("_-./", c));
        assert_int_equal(event_name_fault(&name, 1) == NULL, want);
    }
}

static void test_name_of_128_bytes_is_the_longest(void **state)
{
    (void)state;
    char name[EVENT_NAME_MAX + 1];
    memset(name, 'n', sizeof(name));
    assert_null(event_name_fault(name, EVENT_NAME_MAX));
    assert_non_null(event_name_fault(name, EVENT_NAME_MAX + 1));
    assert_null(event_pattern_fault(name, EVENT_NAME_MAX));
    assert_non_null(event_pattern_fault(name, EVENT_NAME_MAX + 1));
}

static void test_name_may_hold_no_zero_byte(void **state)
{
    (void)state;
    assert_non_null(event_name_fault("a\0b", 3));
    assert_null(event_name_fault("a\0b", 1));
}

static void test_patterns(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"chat:message", true}, {"chat:*", true},  {"chat:room:*", true}, {"*", true},      {"@*", true},
        {"@connect", true},     {"@dead", true},   {"", false},           {"**", false},    {"chat*", false},
        {"chat:**", false},     {"*:chat", false}, {"chat:*:x", false},   {":*", false},    {"a::*", false},
        {"@", false},           {"@@", false},     {"@chat:*", false},    {"chat:", false}, {"@con*", false},
        {"a b", false},         {"@a b", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *fault = event_pattern_fault(rows[i].text, strlen(rows[i].text));
        if ((fault == NULL) != rows[i].is_valid)
            fail_msg("%s: %s", rows[i].text, fault ? fault : "no fault");
    }
}

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        const char *name;
        bool matches;
    } rows[] = {
        {"chat:message", "chat:message", true},
        {"chat:message", "chat:messag", false},
        {"chat:message", "chat:messages", false},
        {"chat:message", "chat:Message", false},
        {"chat:*", "chat:message", true},
        {"chat:*", "chat:room:join", true},
        {"chat:*", "chat:x", true},
        {"chat:*", "chat", false},
        {"chat:*", "chat:", false},
        {"chat:*", "chatter:x", false},
        {"chat:*", "chats", false},
        {"chat:*", "xchat:x", false},
        {"chat:room:*", "chat:room:join", true},
        {"chat:room:*", "chat:room", false},
        {"chat:room:*", "chat:roomy:x", false},
        {"*", "chat", true},
        {"*", "a:b:c", true},
        {"*", "@connect", false},
        {"@*", "@connect", true},
        {"@*", "chat", false},
        {"@connect", "@connect", true},
        {"@connect", "@disconnect", false},
        {"@connect", "connect", false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *p = rows[i].pattern;
        const char *n = rows[i].name;
        if (event_pattern_matches(p, strlen(p), n, strlen(n)) != rows[i].matches)
            fail_msg("%s and %s", p, n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_every_byte_as_a_name),
        cmocka_unit_test(test_name_of_128_bytes_is_the_longest),
        cmocka_unit_test(test_name_may_hold_no_zero_byte),
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
