#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <ctype.h>

#include "wire/codes.h"

static void test_every_code_has_a_text_of_its_own_and_a_meaning(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        const char *text = code_text((enum code)i);
        assert_true(strlen(text) > 1);
        for (const char *p = text; *p; p++)
            assert_true(islower((unsigned char)*p) || *p == '_');
        assert_true(strlen(code_help((enum code)i)) > 5);
        assert_int_equal(code_from_text(text), i); /* so none stands twice */
    }
}

static void test_unknown_codes_are_none(void **state)
{
    (void)state;
    assert_int_equal(code_from_text("no_such_code"), CODE_COUNT);
    assert_int_equal(code_from_text(""), CODE_COUNT);
    assert_null(code_text(CODE_COUNT));
    assert_null(code_help(CODE_COUNT));
    assert_false(code_temporary(CODE_COUNT));
}

static void test_temporary_codes_are_those_where_trying_again_may_help(void **state)
{
    (void)state;
    assert_true(code_temporary(CODE_NO_HANDLER));
    assert_true(code_temporary(CODE_OVERLOADED));
    assert_true(code_temporary(CODE_CONFLICT));
    assert_false(code_temporary(CODE_OK));
    assert_false(code_temporary(CODE_BAD_FILTER));
    assert_string_equal(code_text(CODE_NO_HANDLER), "no_handler");
    assert_string_equal(code_text(CODE_OK), "ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_text_of_its_own_and_a_meaning),
        cmocka_unit_test(test_unknown_codes_are_none),
        cmocka_unit_test(test_temporary_codes_are_those_where_trying_again_may_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
