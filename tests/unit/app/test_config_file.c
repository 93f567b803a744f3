#include "try_config.h"

/* Texts of files and all that is said about them. The file is c.json. */
static const struct {
    const char *text;
    const char *faults;
} bad_files[] = {
    /* not JSON, or less strict than JSON */
    {"", "c.json:1:1: there is no value\n"},
    {"{\n  \"name\": \"a\",\n}", "c.json:3:1: a key in double quotes must stand here\n"},
    {"{\"max_ops\": 01}", "c.json:1:13: a number begins with a needless 0\n"},
    {"{\"max_ops\": 1.}", "c.json:1:15: a digit must follow the point of a number\n"},
    {"{\"max_ops\": 1e999}", "c.json:1:13: a number is too large for a double\n"},
    {"{\"name\": \"a\tb\"}", "c.json:1:12: control character in a string\n"},
    {"{\"name\": \"\xff\"}", "c.json:1:11: a string is not UTF-8\n"},
    {"{\"name\": \"a\\u0000b\"}", "c.json:1:12: a zero character in a string\n"},
    {"{\"name\": \"a\\ud800\"}", "c.json:1:12: half of a surrogate pair, or out of memory\n"},
    {"{name: 1}", "c.json:1:2: a key in double quotes must stand here\n"},
    {"{} x", "c.json:1:4: something follows the value\n"},
    {"{ // comment\n /* and\n another */ ! }", "c.json:3:13: a key in double quotes must stand here\n"},
    {"{\"name\": \"a\" /* no end", "c.json:1:14: a comment without an end\n"},
    {"// nothing but this", "c.json:1:20: there is no value\n"},
    {"[]", "c.json:1:1: the file must be an object, { ... }, not a list\n"},
    {"/* a */ 3", "c.json:1:9: the file must be an object, { ... }, not a number\n"},
    /* keys */
    {"{\"max_op\": 3}", "c.json:1:2: unknown key \"max_op\"; did you mean \"max_ops\"?\n"},
    {"{\"Listen\": \"127.0.0.1:1\"}", "c.json:1:2: unknown key \"Listen\"; did you mean \"listen\"?\n"},
    {"{\"max-ops\": 3}", "c.json:1:2: unknown key \"max-ops\"; did you mean \"max_ops\"?\n"},
    {"{\n\n  \"what\": 3}", "c.json:3:3: unknown key \"what\"\n"},
    {"{\"\": 3}", "c.json:1:2: unknown key \"\"\n"},
    {"{\"check\": true}", "c.json:1:2: \"check\" is for the command line only\n"},
    {"{\"max_ops\": 3,\n \"name\": \"a\", \"max_ops\": 4}",
     "c.json:2:15: the key \"max_ops\" is there twice\n"},
    /* types */
    {"{\"max_ops\": \"3\"}", "c.json:1:13: max_ops: must be a number, not a string\n"},
    {"{\"max_ops\": null}", "c.json:1:13: max_ops: must be a number, not null\n"},
    {"{\"max_session_bytes\": true}",
     "c.json:1:23: max_session_bytes: must be a number, not true or false\n"},
    {"{\"name\": 3}", "c.json:1:10: name: must be a string, not a number\n"},
    {"{\"log_level\": 3}", "c.json:1:15: log_level: must be a string, not a number\n"},
    {"{\"insecure\": 1}", "c.json:1:14: insecure: must be true or false, not a number\n"},
    {"{\"headers\": {}}", "c.json:1:13: headers: must be a string or a list of strings, not an object\n"},
    {"{\"headers\": [\"a\", /* b */ []]}", "c.json:1:27: headers: must be a string, not a list\n"},
    /* ranges and rules */
    {"{\"max_ops\": 0}", "c.json:1:13: max_ops: 0 is not 1 to 65536\n"},
    {"{\"max_ops\": -1}", "c.json:1:13: max_ops: -1 is not 1 to 65536\n"},
    {"{\"max_ops\": 65537}", "c.json:1:13: max_ops: 65537 is not 1 to 65536\n"},
    {"{\"max_ops\": 1e300}", "c.json:1:13: max_ops: 1e+300 is not 1 to 65536\n"},
    {"{\"max_ops\": 2.5}", "c.json:1:13: max_ops: 2.5 is not a whole number\n"},
    {"{\"log_level\": \"loud\"}", "c.json:1:15: log_level: \"loud\" is none of error, warn, info, debug\n"},
    {"{\"listen\": \"8080\"}",
     "c.json:1:12: listen: \"8080\" has no port; write HOST:PORT, for example 127.0.0.1:8080\n"},
    {"{\"path\": \"ws\"}", "c.json:1:10: path: \"ws\" does not begin with /\n"},
    {"{\"path\": \"/a b\"}",
     "c.json:1:10: path: \"/a b\" has a character that cannot stand in the path of a URL as it is\n"},
    {"{\"static\": \"nowhere\"}", "c.json:1:12: static: \"nowhere\" cannot be found\n"},
    {"{\"static\": \"c.json\"}", "c.json:1:12: static: \"c.json\" is not a directory\n"},
    {"{\"name\": \"a/b\"}", "c.json:1:10: name: \"a/b\" has other characters than A-Z a-z 0-9 - _ .\n"},
    {"{\"name\": \"..\"}", "c.json:1:10: name: \"..\" begins with a dot\n"},
    {"{\"name\": \"\"}", "c.json:1:10: name: \"\" is empty\n"},
    {"{\"batch_prefix\": \"\"}",
     "c.json:1:18: batch_prefix: \"\" is empty, and a batch could not be told from a message\n"},
    {"{\"batch_prefix\": \"a b\"}",
     "c.json:1:18: batch_prefix: \"a b\" cannot be the begin of an event name\n"},
    {"{\"headers\": [\"a\", \"b c\"]}", "c.json:1:19: headers: \"b c\" is not the name of an HTTP header\n"},
    {"{\"key\": \"short\"}", "c.json:1:9: key: \"short\" has not 16 to 256 bytes\n"},
    {"{\"calls\": \"nng://x\"}",
     "c.json:1:11: calls: \"nng://x\" is neither ipc:///PATH nor tcp://HOST:PORT\n"},
    {"{\"calls\": [\"tcp://127.0.0.1:5555\",\n\"tcp://10.0.0.1:5555\"]}",
     "c.json:2:1: calls: other machines can reach \"tcp://10.0.0.1:5555\", and nothing on it is encrypted; "
     "--insecure allows it\n"},
    {"{\"calls\": [\"tcp://127.0.0.1:5\"],\n\"events\": [\"tcp://127.0.0.1:5\"]}",
     "c.json:2:12: events: \"tcp://127.0.0.1:5\" is given twice\n"},
    {"{\"calls\": [\"ipc:///x\", \"ipc:///x\"]}", "c.json:1:24: calls: \"ipc:///x\" is given twice\n"},
    /* settings that do not fit each other */
    {"{\"timeout_ms\": 1000}", "c.json:1:16: timeout_ms: 1000 must be above ping_ms (25000)\n"},
    {"{\"ping_ms\": 60000}", "c.json:1:13: ping_ms: 60000 must be below timeout_ms (60000)\n"},
    {"{\"queue_bytes\": 65535}",
     "c.json:1:17: queue_bytes: 65535 must be at least max_message_bytes (65536)\n"
     "c.json:1:17: queue_bytes: 65535 must be at least batch_bytes (65536)\n"},
    {"{\"max_waiting_per_link\": 2000}",
     "c.json:1:26: max_waiting_per_link: 2000 must be at most max_waiting (1024)\n"},
    {"{\"stored_bytes_total\": 100000}",
     "c.json:1:24: stored_bytes_total: 100000 must be at least stored_bytes (1048576)\n"},
    /* batches */
    {"{\"batches\": {}}", "c.json:1:13: batches: must be a list of objects, not an object\n"},
    {"{\"batches\": [3]}", "c.json:1:14: batches: must be an object, not a number\n"},
    {"{\"batches\": [{}]}", "c.json:1:14: batches: an event is missing\n"},
    {"{\"batches\": [{\"event\": \"a\"}]}", "c.json:1:14: batches: interval_ms is missing for \"a\"\n"},
    {"{\"batches\": [{\"event\": \"a:\", \"interval_ms\": 5}]}",
     "c.json:1:24: event: \"a:\": an event name may not have an empty part\n"},
    {"{\"batches\": [{\"event\": 3, \"interval_ms\": 5}]}",
     "c.json:1:24: event: must be a string, not a number\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": \"5\"}]}",
     "c.json:1:44: interval_ms: must be a number, not a string\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 60001}]}",
     "c.json:1:44: interval_ms: 60001 is not 0 to 60000\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 0.5}]}",
     "c.json:1:44: interval_ms: 0.5 is not a whole number\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5, \"max_items\": 0}]}",
     "c.json:1:60: max_items: 0 is not 1 to 10000\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5, \"max_bytes\": 262145}]}",
     "c.json:1:60: max_bytes: 262145 is not 1 to 262144\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5, \"keep\": \"last\"}]}",
     "c.json:1:55: keep: \"last\" is neither all nor latest\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5, \"keep\": \"all\", \"latest_by\": \"id\"}]}",
     "c.json:1:14: batches: latest_by does not go with \"keep\": \"all\" for \"a\"\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5, \"keep\": \"latest\", \"latest_by\": \"\"}]}",
     "c.json:1:78: latest_by: \"\" has not 1 to 128 bytes\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval\": 5}]}",
     "c.json:1:29: unknown key \"interval\"; did you mean \"interval_ms\"?\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5, \"event\": \"b\"}]}",
     "c.json:1:47: the key \"event\" is there twice\n"},
    {"{\"batches\": [{\"event\": \"a\", \"interval_ms\": 5},\n{\"event\": \"a\", \"interval_ms\": 6}]}",
     "c.json:2:1: batches: the event \"a\" is there twice\n"},
    /* groups */
    {"{\"groups\": []}", "c.json:1:12: groups: must be an object of groups by name, not a list\n"},
    {"{\"groups\": {\"a\": [\"x\"]}}", "c.json:1:18: groups: \"a\" must be an object, not a list\n"},
    {"{\"groups\": {\"a:b\": {}}}",
     "c.json:1:13: groups: \"a:b\": a group's name has only A-Z a-z 0-9 _ - . /\n"},
    {"{\"groups\": {\"\": {}}}", "c.json:1:13: groups: \"\": a group's name has 1 to 64 bytes\n"},
    {"{\"groups\": {\"0123456789012345678901234567890123456789012345678901234567890123x\": {}}}",
     "c.json:1:13: groups: \"0123456789012345678901234567890123456789012345678901234567890123x\": a group's "
     "name has 1 to 64 bytes\n"},
    {"{\"groups\": {\"a\": {},\n\"a\": {}}}", "c.json:2:1: the key \"a\" is there twice\n"},
    {"{\"groups\": {\"a\": {\"events\": \"x\"}}}",
     "c.json:1:29: events: must be a list of strings, not a string\n"},
    {"{\"groups\": {\"a\": {\"events\": [\"x\",\n3]}}}",
     "c.json:2:1: events: must be a string, not a number\n"},
    {"{\"groups\": {\"a\": {\"events\": [\"x:*y\"]}}}",
     "c.json:1:30: events: \"x:*y\": a '*' stands alone, after a ':' at the end, or after '@'\n"},
    {"{\"groups\": {\"a\": {\"events\": [\"x\", \"y\", \"x\"]}}}",
     "c.json:1:40: events: \"x\" is there twice\n"},
    {"{\"groups\": {\"a\": {\"event\": [\"x\"]}}}",
     "c.json:1:19: unknown key \"event\"; did you mean \"events\"?\n"},
    {"{\"groups\": {\"a\": {\"on_full\": \"drop\"}}}",
     "c.json:1:30: on_full: \"drop\" is neither pause nor refuse\n"},
    {"{\"groups\": {\"a\": {\"on_full\": true}}}",
     "c.json:1:30: on_full: must be a string, not true or false\n"},
    {"{\"groups\": {\"a\": {\"max_age_ms\": 0}}}", "c.json:1:33: max_age_ms: 0 is not 1 to 604800000\n"},
    {"{\"groups\": {\"a\": {\"max_attempts\": 1001}}}", "c.json:1:35: max_attempts: 1001 is not 1 to 1000\n"},
    {"{\"groups\": {\"a\": {\"backlog\": 0}}}", "c.json:1:30: backlog: 0 is not 1 to 10000000\n"},
    {"{\"groups\": {\"a\": {\"backlog\": 2.5}}}", "c.json:1:30: backlog: 2.5 is not a whole number\n"},
    {"{\"groups\": {\"a\": {\"backlog_bytes\": 1}}}",
     "c.json:1:36: backlog_bytes: 1 is not 4096 to 68719476736\n"},
    {"{\"groups\": {\"a\": {\"backlog\": 5,\n\"backlog\": 6}}}",
     "c.json:2:1: the key \"backlog\" is there twice\n"},
    /* several at once */
    {"{\n  \"max_ops\": 0,\n  \"nam\": \"x\",\n  \"path\": 3\n}",
     "c.json:2:14: max_ops: 0 is not 1 to 65536\n"
     "c.json:3:3: unknown key \"nam\"; did you mean \"name\"?\n"
     "c.json:4:11: path: must be a string, not a number\n"},
};

static void test_bad_files_are_refused_at_their_place(void **state)
{
    int wrong = 0;
    (void)state;
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        struct config c;
        try_write("c.json", bad_files[i].text);
        int result = try_load(&c, "--check --config c.json");
        if (result != -1 || strcmp(try_faults(&c), bad_files[i].faults) != 0) {
            print_error("file:   %s\nwanted: %ssaid:   %s\n", bad_files[i].text, bad_files[i].faults,
                        try_faults(&c));
            wrong++;
        }
        assert_int_equal(config_exit_code(&c), 1);
        config_deinit(&c);
    }
    assert_int_equal(wrong, 0);
}

static void test_comments_and_all_types_are_read(void **state)
{
    struct config c;
    (void)state;
    assert_int_equal(mkdir("web", 0755), 0);
    try_write(
        "c.json",
        "// the front broker\n"
        "{\n"
        "  \"listen\": \"[::1]:0\", /* any port */\n"
        "  \"name\": \"front\",\n"
        "  \"static\": \"web\",\n"
        "  \"log_level\": \"debug\",\n"
        "  \"insecure\": true,\n"
        "  \"calls\": [\"tcp://0.0.0.0:5555\", \"ipc:///run/front//calls\"],\n"
        "  \"headers\": \"cookie\",\n"
        "  \"max_ops\": 10, \"queue_bytes\": 2.5e6,\n"
        "  \"batches\": [{\"event\": \"cursor\", \"interval_ms\": 50, \"max_items\": 7, \"max_bytes\": 900,\n"
        "                \"latest_by\": \"id\"},\n"
        "               {\"event\": \"a:b\", \"interval_ms\": 0, \"keep\": \"all\"}]\n"
        "}\n");
    int result = try_load(&c, "--config c.json");
    assert_string_equal(try_faults(&c), "");
    assert_int_equal(result, 0);
    assert_string_equal(c.ws.host, "::1");
    assert_int_equal(c.ws.port, 0);
    assert_string_equal(c.core.name, "front");
    assert_string_equal(c.ws.static_dir, "web");
    assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
    assert_true(c.is_insecure);
    assert_string_equal(c.ipc.calls[0], "tcp://0.0.0.0:5555");
    assert_string_equal(c.ipc.calls[1], "ipc:///run/front//calls");
    assert_null(c.ipc.calls[2]);
    assert_string_equal(c.ws.headers[0], "cookie");
    assert_null(c.ws.headers[1]);
    assert_int_equal(c.core.max_ops, 10);
    assert_int_equal(c.ws.queue_bytes, 2500000);
    assert_int_equal(c.batch_count, 2);
    assert_string_equal(c.batches[0].rule.event, "cursor");
    assert_int_equal(c.batches[0].rule.interval_ms, 50);
    assert_int_equal(c.batches[0].rule.max_items, 7);
    assert_int_equal(c.batches[0].rule.max_bytes, 900);
    assert_int_equal(c.batches[0].rule.keep, BATCH_KEEP_LATEST);
    assert_string_equal(c.batches[0].rule.latest_by, "id");
    assert_string_equal(c.batches[1].rule.event, "a:b");
    assert_int_equal(c.batches[1].rule.keep, BATCH_KEEP_ALL);
    assert_null(c.batches[1].rule.latest_by);
    config_deinit(&c);
}

static void test_groups_are_read(void **state)
{
    struct config c;
    (void)state;
    try_write("c.json",
              "{\n"
              "  \"group_backlog\": 500, \"group_pause_max_ms\": 0,\n"
              "  \"groups\": {\n"
              "    \"shop/orders\": {\"events\": [\"order:*\", \"@disconnect\"], \"on_full\": \"refuse\",\n"
              "                    \"max_age_ms\": 5000, \"max_attempts\": 2, \"backlog\": 10,\n"
              "                    \"backlog_bytes\": 8192},\n"
              "    \"chat\": {\"on_full\": \"pause\"},\n"
              "    \"none\": {\"events\": []}\n"
              "  }\n"
              "}\n");
    int result = try_load(&c, "--config c.json");
    assert_string_equal(try_faults(&c), "");
    assert_int_equal(result, 0);
    assert_int_equal(c.core.group_backlog, 500);
    assert_int_equal(c.core.group_pause_max_ms, 0);
    assert_int_equal(c.core.max_members, 1024);
    assert_int_equal(c.group_count, 3);
    const struct group_rule *orders = &c.groups[0].rule;
    assert_string_equal(orders->name, "shop/orders");
    assert_string_equal(orders->events[0], "order:*");
    assert_string_equal(orders->events[1], "@disconnect");
    assert_null(orders->events[2]);
    assert_true(orders->refuses_when_full);
    assert_int_equal(orders->max_age_ms, 5000);
    assert_int_equal(orders->max_attempts, 2);
    assert_int_equal(orders->backlog, 10);
    assert_int_equal(orders->backlog_bytes, 8192);
    assert_int_equal(c.groups[0].origin.line, 4);
    assert_string_equal(c.groups[1].rule.name, "chat");
    assert_null(c.groups[1].rule.events);
    assert_false(c.groups[1].rule.refuses_when_full);
    assert_int_equal(c.groups[1].rule.backlog, 0);
    assert_null(c.groups[2].rule.events);
    config_deinit(&c);
}

static void test_group_with_too_many_patterns_is_refused(void **state)
{
    char text[2048] = "{\"groups\": {\"a\": {\"events\": [\"e0\"";
    struct config c;
    (void)state;
    for (int i = 1; i <= 64; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", \"e%d\"", i);
    strcat(text, "]}}}");
    try_write("c.json", text);
    assert_int_equal(try_load(&c, "--check --config c.json"), -1);
    assert_string_equal(try_faults(&c), "c.json:1:29: events: has more than 64 patterns\n");
    config_deinit(&c);
}

static void test_missing_file_is_told(void **state)
{
    (void)state;
    try_refused("--config gone.json", 2,
                "sluiced: --config: cannot read \"gone.json\": No such file or directory\n");
    try_refused("--config .", 2, "sluiced: --config: cannot read \".\": Is a directory\n");
    try_refused("--config /dev/zero", 2, "sluiced: --config: \"/dev/zero\" has more than 1 MiB\n");
}

static void test_more_than_twenty_faults_are_counted(void **state)
{
    struct config c;
    char text[1024] = "{";
    (void)state;
    for (int i = 0; i < 23; i++)
        sprintf(text + strlen(text), "\"zzzzzz%d\": 1%s", i, i < 22 ? "," : "}");
    try_write("c.json", text);
    assert_int_equal(try_load(&c, "--config c.json"), -1);
    assert_non_null(strstr(try_faults(&c), "unknown key \"zzzzzz19\"\nsluiced: and 3 faults more\n"));
    config_deinit(&c);
}

/* Every setting of the table can be set by the file, and a value of a wrong type is refused for each. */
static void test_every_setting_is_a_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        struct config c;
        char text[256];
        const struct setting *s = &SETTINGS[i];
        if (s->place == SETTING_LINE_ONLY)
            continue;
        snprintf(text, sizeof text, "{\"%s\": null}", s->key);
        try_write("c.json", text);
        assert_int_equal(try_load(&c, "--config c.json"), -1);
        snprintf(text, sizeof text, ": %s: must be ", s->key);
        if (!strstr(try_faults(&c), text))
            fail_msg("%s: %s", s->key, try_faults(&c));
        config_deinit(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_files_are_refused_at_their_place, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_comments_and_all_types_are_read, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_groups_are_read, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_group_with_too_many_patterns_is_refused, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_missing_file_is_told, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_more_than_twenty_faults_are_counted, try_enter, try_leave),
        cmocka_unit_test_setup_teardown(test_every_setting_is_a_key, try_enter, try_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
