#include "try_config.h"

#include "app/options.h"

static void test_options_take_their_value_beside_or_behind_an_equals_sign(void **state)
{
    struct config c;
    (void)state;
    assert_int_equal(try_load(&c, "--max-ops 12 --name=front --drain-ms=0 --log-level warn"), 0);
    assert_int_equal(c.core.max_ops, 12);
    assert_string_equal(c.core.name, "front");
    assert_int_equal(c.drain_ms, 0);
    assert_int_equal(c.log_level, LOG_LEVEL_WARN);
    config_deinit(&c);
}

static void test_repeated_option_of_a_list_adds_others_replace(void **state)
{
    struct config c;
    (void)state;
    assert_int_equal(try_load(&c, "--headers a --max-ops 1 --headers b --max-ops 2"), 0);
    assert_string_equal(c.ws.headers[0], "a");
    assert_string_equal(c.ws.headers[1], "b");
    assert_null(c.ws.headers[2]);
    assert_int_equal(c.core.max_ops, 2);
    config_deinit(&c);
}

static void test_command_line_comes_before_the_file(void **state)
{
    struct config c;
    (void)state;
    try_write("c.json", "{\"max_ops\": 5, \"max_scan\": 6, \"insecure\": true, \"headers\": [\"x\", \"y\"], "
                        "\"calls\": \"ipc:///x\"}");
    assert_int_equal(try_load(&c, "--max-ops 7 --insecure=false --headers a --config c.json --headers b"), 0);
    assert_int_equal(c.core.max_ops, 7);
    assert_int_equal(c.core.max_scan, 6);
    assert_false(c.is_insecure);
    assert_string_equal(c.ws.headers[0], "a");
    assert_string_equal(c.ws.headers[1], "b");
    assert_null(c.ws.headers[2]);
    assert_string_equal(c.ipc.calls[0], "ipc:///x");
    config_deinit(&c);
}

static void test_value_of_the_file_is_checked_also_where_the_command_line_comes_before_it(void **state)
{
    (void)state;
    try_write("c.json", "{\"max_ops\": 0}");
    try_refused("--config c.json --max-ops 7", 1, "c.json:1:13: max_ops: 0 is not 1 to 65536\n");
}

static void test_bad_options_are_refused_with_2(void **state)
{
    static const char *const rows[][2] = {
        {"--max-op 3", "unknown option --max-op; did you mean --max-ops?\nsluiced: unexpected argument "
                       "\"3\"; see sluiced --help"},
        {"--max_ops=3", "unknown option --max_ops; did you mean --max-ops?"},
        {"--zzz=3", "unknown option --zzz; see sluiced --help"},
        {"--Name=x", "unknown option --Name; did you mean --name?"},
        {"-x", "unexpected argument \"-x\"; see sluiced --help"},
        {"--", "unexpected argument \"--\"; see sluiced --help"},
        {"run", "unexpected argument \"run\"; see sluiced --help"},
        {"--listen", "--listen: needs a value: HOST:PORT"},
        {"--max-ops=", "--max-ops: must be a number, not \"\""},
        {"--max-ops ten", "--max-ops: must be a number, not \"ten\""},
        {"--max-ops 0x10", "--max-ops: must be a number, not \"0x10\""},
        {"--max-ops 64k", "--max-ops: must be a number, not \"64k\""},
        {"--max-ops nan", "--max-ops: must be a number, not \"nan\""},
        {"--max-ops -", "--max-ops: must be a number, not \"-\""},
        {"--max-ops 0", "--max-ops: 0 is not 1 to 65536"},
        {"--max-ops 1.5", "--max-ops: 1.5 is not a whole number"},
        {"--insecure=maybe", "--insecure: must be true or false, not \"maybe\""},
        {"--batches x", "--batches: can be set in the config file only\nsluiced: unexpected argument \"x\"; "
                        "see sluiced --help"},
        {"--groups x", "--groups: can be set in the config file only\nsluiced: unexpected argument \"x\"; "
                       "see sluiced --help"},
        {"--listen [::1]", "--listen: \"[::1]\" has no port; write [IPV6]:PORT, for example [::1]:8080"},
        {"--log-level loud", "--log-level: \"loud\" is none of error, warn, info, debug"},
        {"--calls tcp://0.0.0.0:5555",
         "--calls: other machines can reach \"tcp://0.0.0.0:5555\", and nothing on it is "
         "encrypted; --insecure allows it"},
        {"--events tcp://[::]:5555",
         "--events: other machines can reach \"tcp://[::]:5555\", and nothing on it is "
         "encrypted; --insecure allows it"},
        {"--ping-ms 100000", "--ping-ms: 100000 must be below timeout_ms (60000)"},
        {"--config=", "--config: \"\" is empty"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char faults[512];
        snprintf(faults, sizeof faults, "sluiced: %s\n", rows[i][1]);
        try_refused(rows[i][0], 2, faults);
    }
}

static void test_other_machines_are_let_in_with_insecure(void **state)
{
    struct config c;
    (void)state;
    assert_int_equal(try_load(&c, "--insecure --calls tcp://0.0.0.0:5555 --events tcp://0.0.0.0:5556"), 0);
    assert_string_equal(c.ipc.calls[0], "tcp://0.0.0.0:5555");
    config_deinit(&c);
}

static void test_fault_of_control_characters_is_one_line(void **state)
{
    struct config c;
    char *argv[] = {"sluiced", "--na\nme", "a\x1b[31m", NULL};
    (void)state;
    config_init(&c);
    assert_int_equal(config_load(&c, 3, argv), -1);
    assert_string_equal(try_faults(&c), "sluiced: unknown option --na?me; did you mean --name?\n"
                                        "sluiced: unexpected argument \"a?[31m\"; see sluiced --help\n");
    config_deinit(&c);
}

/* Every option takes a value of its kind, or says what it needs. */
static void test_every_setting_is_an_option(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];
        char option[64];
        char line[128];
        char wanted[256];
        setting_option(s, option, sizeof option);
        if (s->place == SETTING_FILE_ONLY || s->kind == SETTING_FLAG)
            continue;
        snprintf(line, sizeof line, "--%s", option);
        snprintf(wanted, sizeof wanted, "sluiced: --%s: needs a value: %s\n", option, s->value);
        try_refused(line, 2, wanted);
    }
}

static void test_help_and_version_look_at_nothing_else(void **state)
{
    struct config c;
    static const char *const lines[] = {"--help", "-h", "--version", "-V"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        char line[128];
        snprintf(line, sizeof line, "%s --config gone.json", lines[i]);
        assert_int_equal(try_load(&c, line), 0);
        assert_int_equal(c.wants_help, i < 2);
        assert_int_equal(c.wants_version, i >= 2);
        config_deinit(&c);
    }
}

static void test_help_shows_each_option_its_default_and_range_in_short_lines(void **state)
{
    static char text[32768];
    FILE *out = fmemopen(text, sizeof text, "w");
    (void)state;
    assert_non_null(out);
    options_help(out);
    assert_int_equal(fclose(out), 0);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        char option[64];
        char line[80];
        setting_option(&SETTINGS[i], option, sizeof option);
        snprintf(line, sizeof line, "\n  --%s%s%s", option, *SETTINGS[i].value ? " " : "", SETTINGS[i].value);
        if ((strstr(text, line) != NULL) != (SETTINGS[i].place != SETTING_FILE_ONLY))
            fail_msg("%s", option);
    }
    assert_non_null(strstr(text, "\n  --max-ops N  [1024, 1 to 65536]\n        operations in one request"));
    assert_non_null(strstr(text, "\n  --listen HOST:PORT  [127.0.0.1:8080]\n"));
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 110)
            fail_msg("%.110s", line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_options_take_their_value_beside_or_behind_an_equals_sign,
                                        try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_repeated_option_of_a_list_adds_others_replace, try_enter,
                                        try_leave),
        cmocka_unit_test_setup_teardown(test_command_line_comes_before_the_file, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(
            test_value_of_the_file_is_checked_also_where_the_command_line_comes_before_it, try_enter,
            try_leave),
        cmocka_unit_test_setup_teardown(test_bad_options_are_refused_with_2, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_other_machines_are_let_in_with_insecure, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_fault_of_control_characters_is_one_line, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_every_setting_is_an_option, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_help_and_version_look_at_nothing_else, try_enter, try_leave),
        cmocka_unit_test(test_help_shows_each_option_its_default_and_range_in_short_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
