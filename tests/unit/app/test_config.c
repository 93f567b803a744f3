#include "try_config.h"

/* The faults, with DIR for the directory of the test. */
static void assert_faults(const struct config *c, const char *dir, const char *wanted)
{
    char text[8192] = "";
    const char *rest = try_faults(c);
    for (const char *hit; (hit = strstr(rest, dir)); rest = hit + strlen(dir))
        snprintf(text + strlen(text), sizeof text - strlen(text), "%.*sDIR", (int)(hit - rest), rest);
    snprintf(text + strlen(text), sizeof text - strlen(text), "%s", rest);
    assert_string_equal(text, wanted);
}

static void test_defaults_are_complete(void **state)
{
    struct config c;
    char address[128];
    assert_int_equal(try_load(&c, ""), 0);
    assert_string_equal(c.ws.host, "127.0.0.1");
    assert_int_equal(c.ws.port, 8080);
    assert_string_equal(c.ws.path, "/ws");
    assert_null(c.ws.static_dir);
    assert_null(c.ws.headers);
    assert_int_equal(c.ws.max_message_bytes, 65536);
    assert_string_equal(c.core.name, "sluice");
    assert_string_equal(c.core.version, SLUICE_VERSION);
    assert_null(c.core.key);
    assert_int_equal(c.drain_ms, 5000);
    snprintf(address, sizeof address, "ipc://%s/sluice/sluice/calls", (char *)*state);
    assert_string_equal(c.ipc.calls[0], address);
    assert_null(c.ipc.calls[1]);
    snprintf(address, sizeof address, "ipc://%s/sluice/sluice/events", (char *)*state);
    assert_string_equal(c.ipc.events[0], address);
    assert_null(c.ipc.events[1]);
    config_deinit(&c);
}

static void test_one_value_reaches_all_parts_that_need_it(void **state)
{
    struct config c;
    (void)state;
    assert_int_equal(try_load(&c, "--ping-ms 77 --max-message-bytes 2048 --max-request-bytes 70000"), 0);
    assert_int_equal(c.core.ping_ms, 77);
    assert_int_equal(c.ws.ping_ms, 77);
    assert_int_equal(c.core.max_message_bytes, 2048);
    assert_int_equal(c.ws.max_message_bytes, 2048);
    assert_int_equal(c.core.max_request_bytes, 70000);
    assert_int_equal(c.ipc.max_request_bytes, 70000);
    config_deinit(&c);
}

static void test_name_is_part_of_the_default_addresses(void **state)
{
    struct config c;
    struct stat st;
    assert_int_equal(try_load(&c, "--name front --events ipc:///run/front.events"), 0);
    assert_non_null(strstr(c.ipc.calls[0], "/sluice/front/calls"));
    assert_string_equal(c.ipc.events[0], "ipc:///run/front.events");
    assert_int_equal(stat("sluice/front", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(st.st_uid, geteuid());
    (void)state;
    config_deinit(&c);
}

static void test_check_makes_no_directory(void **state)
{
    struct config c;
    struct stat st;
    (void)state;
    assert_int_equal(try_load(&c, "--check"), 0);
    assert_true(c.wants_check);
    assert_int_equal(stat("sluice", &st), -1);
    config_deinit(&c);
}

static void test_given_addresses_need_no_directory(void **state)
{
    struct config c;
    struct stat st;
    (void)state;
    assert_int_equal(try_load(&c, "--calls tcp://127.0.0.1:0 --events tcp://127.0.0.1:0"), 0);
    assert_int_equal(stat("sluice", &st), -1);
    config_deinit(&c);
}

static void test_unsafe_directory_is_refused(void **state)
{
    struct config c;
    assert_int_equal(mkdir("sluice", 0755), 0);
    assert_int_equal(try_load(&c, ""), -1);
    assert_faults(
        &c, *state,
        "sluiced: refusing to put sockets into DIR/sluice: it is open to other users (chmod 700 helps)\n");
    assert_int_equal(config_exit_code(&c), 1);
    config_deinit(&c);
}

static void test_runtime_directory_that_is_not_there_is_told(void **state)
{
    struct config c;
    assert_int_equal(rmdir(*state), 0);
    assert_int_equal(try_load(&c, ""), -1);
    assert_faults(&c, *state, "sluiced: cannot make the directory DIR/sluice: No such file or directory\n");
    config_deinit(&c);
    assert_int_equal(mkdir(*state, 0700), 0);
}

static void test_path_too_long_for_a_socket_is_refused(void **state)
{
    struct config c;
    char dir[200] = "/tmp/";
    memset(dir + 5, 'x', 90);
    setenv("XDG_RUNTIME_DIR", dir, 1);
    assert_int_equal(try_load(&c, ""), -1);
    assert_faults(
        &c, dir,
        "sluiced: the path DIR/sluice/sluice/calls is too long for a socket; set --calls and --events\n");
    config_deinit(&c);
    setenv("XDG_RUNTIME_DIR", *state, 1);
}

static void test_key_file_holds_the_secret_in_its_first_line(void **state)
{
    struct config c;
    (void)state;
    try_write("key", "0123456789abcdef\nmore\n");
    assert_int_equal(try_load(&c, "--key-file key"), 0);
    assert_string_equal(c.core.key, "0123456789abcdef");
    config_deinit(&c);
}

static void test_bad_key_files_are_refused(void **state)
{
    (void)state;
    try_refused("--key-file gone", 2,
                "sluiced: --key-file: cannot read \"gone\": No such file or directory\n");
    try_refused("--key-file .", 2, "sluiced: --key-file: cannot read \".\": Is a directory\n");
    try_write("key", "short\n");
    try_refused("--key-file key", 2, "sluiced: --key-file: the secret in \"key\" has not 16 to 256 bytes\n");
    try_write("key", "0123456789abcdef");
    try_refused("--key-file key --key fedcba9876543210", 2,
                "sluiced: --key-file: the secret is set twice, by key and by key_file\n");
    try_write("c.json", "{\"key_file\": \"gone\"}");
    try_refused("--config c.json", 1,
                "c.json:1:14: key_file: cannot read \"gone\": No such file or directory\n");
}

/* What the table says of itself must hold: defaults lie in their ranges, keys are unique. */
static void test_table_is_sound(void **state)
{
    struct config c;
    (void)state;
    config_init(&c);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &SETTINGS[i];
        assert_ptr_equal(setting_find(s->key), s);
        assert_true(*s->help && *s->group);
        if (s->kind == SETTING_UNSIGNED || s->kind == SETTING_SIZE) {
            char value[32];
            setting_format(s, &c, value, sizeof value);
            assert_in_range(strtoull(value, NULL, 10), s->min, s->max);
            assert_true(s->max > s->min);
        }
    }
    config_deinit(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults_are_complete, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_one_value_reaches_all_parts_that_need_it, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_name_is_part_of_the_default_addresses, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_check_makes_no_directory, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_given_addresses_need_no_directory, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_unsafe_directory_is_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_runtime_directory_that_is_not_there_is_told, try_enter,
                                        try_leave),
        cmocka_unit_test_setup_teardown(test_path_too_long_for_a_socket_is_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_key_file_holds_the_secret_in_its_first_line, try_enter,
                                        try_leave),
        cmocka_unit_test_setup_teardown(test_bad_key_files_are_refused, try_enter, try_leave),
        cmocka_unit_test(test_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
