/* docs/configuration.md and the table of settings say the same. */

#include "try_config.h"

static const char *docs(void)
{
    static char text[65536];
    char path[1024];
    /* This file is tests/unit/app/test_docs.c in the source tree. */
    snprintf(path, sizeof path, "%.*s/docs/configuration.md",
             (int)(strlen(__FILE__) - strlen("/tests/unit/app/test_docs.c")), __FILE__);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot open %s", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void test_every_setting_has_its_row(void **state)
{
    struct config defaults;
    const char *text = docs();
    int missing = 0;
    (void)state;
    config_init(&defaults);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];
        char row[1024];
        char value[256];
        char range[64];
        setting_format(s, &defaults, value, sizeof value);
        setting_range(s, range, sizeof range);
        const char *quote = *value ? "`" : "";
        snprintf(row, sizeof row, "| `%s` | %s%s%s | %s | %s |\n", s->key, quote, value, quote, range,
                 s->help);
        if (!strstr(text, row)) {
            print_error("docs/configuration.md lacks: %s", row);
            missing++;
        }
    }
    assert_int_equal(missing, 0);
}

static void test_no_row_is_of_a_setting_that_is_gone(void **state)
{
    (void)state;
    for (const char *row = strstr(docs(), "\n| `"); row; row = strstr(row + 1, "\n| `")) {
        char key[64];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(row + 4, "`"), row + 4);
        if (!setting_find(key))
            fail_msg("docs/configuration.md describes %s", key);
    }
}

/* Each ```json block is a config file that loads.. */
static void test_examples_load(void **state)
{
    int count = 0;
    (void)state;
    assert_int_equal(mkdir("web", 0755), 0);
    for (const char *at = strstr(docs(), "```json\n"); at; at = strstr(at, "```json\n")) {
        char text[4096];
        struct config c;
        const char *begin = at + strlen("```json\n");
        at = strstr(begin, "```\n");
        snprintf(text, sizeof text, "%.*s", (int)(at - begin), begin);
        try_write("sluice.json", text);
        if (try_load(&c, "--check --config sluice.json") != 0)
            fail_msg("%s%s", text, try_faults(&c));
        config_deinit(&c);
        count++;
    }
    assert_true(count >= 2);
}

/* The faults that the docs show are those of the file beside them. */
static void test_shown_faults_are_said(void **state)
{
    char text[4096];
    char wanted[4096];
    struct config c;
    const char *file = strstr(docs(), "```jsonc\n");
    const char *said = strstr(docs(), "```text\n");
    (void)state;
    assert_non_null(file);
    assert_non_null(said);
    file += strlen("```jsonc\n");
    said += strlen("```text\n");
    snprintf(text, sizeof text, "%.*s", (int)(strstr(file, "```\n") - file), file);
    snprintf(wanted, sizeof wanted, "%.*s", (int)(strstr(said, "```\n") - said), said);
    try_write("sluice.json", text);
    assert_int_equal(try_load(&c, "--check --config sluice.json"), -1);
    assert_string_equal(try_faults(&c), wanted);
    config_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_setting_has_its_row),
        cmocka_unit_test(test_no_row_is_of_a_setting_that_is_gone),
        cmocka_unit_test_setup_teardown(test_examples_load, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_shown_faults_are_said, try_enter, try_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
