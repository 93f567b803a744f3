#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error.h"
#include "reply.h"
#include "wire/codes.h"

/* Codes that only clients get. A code that the broker may send to handlers must not be here. */
static const char *const of_clients[] = {"bad_message", "bad_id",  "id_in_use", "too_many_questions",
                                         "no_handler",  "timeout", "failed",    NULL};

static bool is_of_clients(const char *code)
{
    for (size_t i = 0; of_clients[i]; i++)
        if (strcmp(of_clients[i], code) == 0)
            return true;
    return false;
}

/* The values are read from the header, so that a new one cannot be forgotten here. */
static void test_each_error_of_the_header_has_a_text_of_its_own(void **state)
{
    char path[512] = __FILE__, line[512], name[64];
    FILE *header;
    unsigned seen = 0;
    int value;

    (void)state;
    strcpy(strstr(path, "tests/unit/client"), "include/sluice/sluice.h");
    header = fopen(path, "r");
    assert_non_null(header);
    while (fgets(line, sizeof(line), header)) {
        const char *text;
        if (sscanf(line, " SLUICE_%63[A-Z_0-9] = %d", name, &value) != 2 || value > 0)
            continue;
        text = sluice_strerror(value);
        if (!text || !*text || strcmp(text, sluice_strerror(12345)) == 0)
            fail_msg("SLUICE_%s has no text", name);
        seen++;
    }
    fclose(header);
    assert_true(seen >= 30);
}

static void test_numbers_that_are_no_error_have_a_text_too(void **state)
{
    (void)state;
    assert_string_equal(sluice_strerror(12345), "unknown error");
    assert_string_equal(sluice_strerror(-100), "unknown error");
    assert_string_equal(sluice_strerror(0), "no error");
}

static void test_each_code_of_the_broker_has_its_error(void **state)
{
    (void)state;
    for (int code = CODE_OK + 1; code < CODE_COUNT; code++) {
        const char *text = code_text((enum code)code);
        int error = error_from_code(text, strlen(text));
        if ((error == SLUICE_E_REFUSED) != is_of_clients(text))
            fail_msg("%s is error %d", text, error);
    }
    assert_int_equal(error_from_code("conflict", 8), SLUICE_E_CONFLICT);
    assert_int_equal(error_from_code("conflictx", 9), SLUICE_E_REFUSED);
    assert_int_equal(error_from_code("", 0), SLUICE_E_REFUSED);
}

static void test_parts_of_a_fault(void **state)
{
    struct sluice_fault fault;

    (void)state;
    assert_int_equal(error_set(&fault, SLUICE_E_DOC, "bad %s", "thing"), SLUICE_E_DOC);
    assert_int_equal(sluice_fault_error(&fault), SLUICE_E_DOC);
    assert_string_equal(sluice_fault_message(&fault), "bad thing");
    assert_string_equal(sluice_fault_code(&fault), "");
    assert_string_equal(sluice_fault_at(&fault), "");
    assert_int_equal(sluice_fault_error(NULL), 0);
    assert_string_equal(sluice_fault_code(NULL), "");
    assert_string_equal(sluice_fault_message(NULL), "");
    assert_string_equal(sluice_fault_at(NULL), "");
}

static void test_place_is_counted_within_the_event(void **state)
{
    struct sluice_fault fault = {.at = "ops[17].filter.$or[0]"};

    (void)state;
    fault_renumber(&fault, 2);
    assert_string_equal(fault.at, "ops[2].filter.$or[0]");
    strcpy(fault.at, "ops");
    fault_renumber(&fault, 2);
    assert_string_equal(fault.at, "ops");
    strcpy(fault.at, "");
    fault_renumber(&fault, 2);
    assert_string_equal(fault.at, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_error_of_the_header_has_a_text_of_its_own),
        cmocka_unit_test(test_numbers_that_are_no_error_have_a_text_too),
        cmocka_unit_test(test_each_code_of_the_broker_has_its_error),
        cmocka_unit_test(test_parts_of_a_fault),
        cmocka_unit_test(test_place_is_counted_within_the_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
