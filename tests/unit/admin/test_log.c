#include "admin/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr = -1;
static FILE *captured;

static int capture_begin(void **state)
{
    (void)state;
    captured = tmpfile();
    assert_non_null(captured);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
    assert_int_equal(0, fcntl(STDERR_FILENO, F_SETFL, O_APPEND));
    log_set_level(LOG_LEVEL_INFO);
    return 0;
}

static int capture_end(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    fclose(captured);
    return 0;
}

/* All that was written so far; the first line without its time in *@rest. */
static const char *written(const char **rest)
{
    static char bytes[1 << 20];
    rewind(captured);
    size_t n = fread(bytes, 1, sizeof bytes - 1, captured);
    bytes[n] = '\0';
    if (rest)
        *rest = strlen(bytes) > 25 ? bytes + 25 : "";
    return bytes;
}

static void assert_line(const char *expected)
{
    const char *rest;
    written(&rest);
    assert_string_equal(rest, expected);
}

static void test_line_has_time_level_area_message_and_pairs(void **state)
{
    (void)state;
    static const char shape[] = "2ddd-dd-ddTdd:dd:dd.dddZ "; /* d: a digit */
    log_info("ws", "listening", "address=%s conns=%d", "127.0.0.1:8080", 3);
    const char *line = written(NULL);
    assert_true(strlen(line) > 25);
    for (size_t i = 0; i < 25; i++)
        assert_true(shape[i] == 'd' ? line[i] >= '0' && line[i] <= '9' : line[i] == shape[i]);
    assert_string_equal(line + 25, "info ws \"listening\" address=127.0.0.1:8080 conns=3\n");
}

static void test_empty_format_adds_nothing(void **state)
{
    (void)state;
    log_error("app", "out of memory", "");
    assert_line("error app \"out of memory\"\n");
}

static void test_pairs_may_stand_apart(void **state)
{
    (void)state;
    log_info("a", "m", "  x=%d   y=%d ", 1, 2);
    assert_line("info a \"m\" x=1 y=2\n");
}

static void test_values_that_need_it_are_quoted(void **state)
{
    (void)state;
    const char *volatile no_string = NULL;
    log_info("a", "m", "space=%s quote=%s empty=%s line=%s slash=%s null=%s", "a b", "a\"b", "",
             "a\nb\x01\x7f", "a\\b", no_string);
    assert_line("info a \"m\" space=\"a b\" quote=\"a\\\"b\" empty=\"\" line=\"a\\nb\\u0001\\u007f\" "
                "slash=\"a\\\\b\" null=(null)\n");
}

static void test_value_cannot_forge_a_pair_or_a_line(void **state)
{
    (void)state;
    log_info("a", "m", "name=%s ok=%d", "x ok=1\ninfo a \"m\" forged=1", 0);
    assert_line("info a \"m\" name=\"x ok=1\\ninfo a \\\"m\\\" forged=1\" ok=0\n");
}

static void test_bytes_that_are_not_utf8_are_replaced(void **state)
{
    (void)state;
    log_info("a", "m", "good=%s bad=%s cut=%s c1=%s", "\xC3\xA4", "\xFFx", "x\xE2\x82", "\xC2\x9B");
    assert_line("info a \"m\" good=\"\xC3\xA4\" bad=\"\xEF\xBF\xBDx\" cut=\"x\xEF\xBF\xBD\xEF\xBF\xBD\" "
                "c1=\"\\u009b\"\n");
}

static void test_all_conversions_take_their_argument(void **state)
{
    (void)state;
    log_info("a", "m", "d=%d u=%u ld=%ld lld=%lld zu=%zu x=%04x c=%c f=%.2f s=%.*s two=%s:%d p=%d%% last=%s",
             -1, 4000000000U, -5L, INT64_C(-9000000000) + 0LL, (size_t)7, 0xabU, 'q', 1.5, 3, "abcdef",
             "host", 80, 50, "end");
    assert_line(
        "info a \"m\" d=-1 u=4000000000 ld=-5 lld=-9000000000 zu=7 x=00ab c=q f=1.50 s=abc two=host:80 "
        "p=50% last=end\n");
}

static void test_long_value_is_cut_and_says_so(void **state)
{
    (void)state;
    char long_text[5001];
    const char *rest;
    memset(long_text, 'x', 5000);
    long_text[5000] = '\0';
    log_info("a", "m", "text=%s after=%d", long_text, 5);
    written(&rest);
    assert_true(strlen(rest) < 1200);
    assert_non_null(strstr(rest, "xxx... after=5\n"));
}

static void test_value_longer_than_any_line_cuts_the_line(void **state)
{
    (void)state;
    char *long_text = malloc(100001);
    const char *rest;
    assert_non_null(long_text);
    memset(long_text, 'x', 100000);
    long_text[100000] = '\0';
    log_info("a", "m", "before=%d text=%s after=%d", 4, long_text, 5);
    written(&rest);
    assert_true(strlen(rest) < 1200);
    assert_non_null(strstr(rest, "info a \"m\" before=4 text=xxx"));
    assert_string_equal(rest + strlen(rest) - 7, "......\n");
    free(long_text);
}

static void test_long_line_is_cut_and_still_ends(void **state)
{
    (void)state;
    char text[1001];
    memset(text, '\x01', 1000); /* each takes six bytes */
    text[1000] = '\0';
    log_info("a", "m", "a=%s b=%s c=%s", text, text, text);
    const char *line = written(NULL);
    assert_true(strlen(line) < 8300);
    assert_string_equal(line + strlen(line) - 4, "...\n");
}

static void test_lines_above_the_level_are_not_written(void **state)
{
    (void)state;
    log_debug("a", "hidden", "x=%d", 1);
    assert_string_equal(written(NULL), "");
    log_set_level(LOG_LEVEL_DEBUG);
    log_debug("a", "shown", "x=%d", 1);
    assert_line("debug a \"shown\" x=1\n");
    assert_true(log_enabled(LOG_LEVEL_DEBUG));
    log_set_level(LOG_LEVEL_ERROR);
    assert_false(log_enabled(LOG_LEVEL_WARN));
}

static void test_levels_have_names(void **state)
{
    (void)state;
    assert_int_equal(LOG_LEVEL_ERROR, log_level_from_text("error"));
    assert_int_equal(LOG_LEVEL_WARN, log_level_from_text("warn"));
    assert_int_equal(LOG_LEVEL_INFO, log_level_from_text("info"));
    assert_int_equal(LOG_LEVEL_DEBUG, log_level_from_text("debug"));
    assert_int_equal(-1, log_level_from_text("Info"));
    assert_int_equal(-1, log_level_from_text(""));
}

static void test_errno_survives(void **state)
{
    (void)state;
    errno = EXDEV;
    log_info("a", "m", "x=%d", 1);
    assert_int_equal(EXDEV, errno);
}

static void *log_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_info("a", "m", "thread=%s i=%d", (const char *)arg, i);
    return NULL;
}

static void test_lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    static char names[4][200];
    pthread_t threads[4];
    unsigned lines = 0;
    for (int i = 0; i < 4; i++) {
        memset(names[i], 'a' + i, sizeof names[i] - 1);
        assert_int_equal(0, pthread_create(&threads[i], NULL, log_many, names[i]));
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    char *save = NULL;
    for (char *line = strtok_r((char *)written(NULL), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        const char *name = strstr(line, "thread=");
        assert_non_null(name);
        assert_int_equal(199, strspn(name + 7, (char[]){name[7], '\0'}));
        assert_int_equal(0, strncmp(name + 7 + 199, " i=", 3));
        lines++;
    }
    assert_int_equal(800, lines);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, capture_begin, capture_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_line_has_time_level_area_message_and_pairs),
        TEST(test_empty_format_adds_nothing),
        TEST(test_pairs_may_stand_apart),
        TEST(test_values_that_need_it_are_quoted),
        TEST(test_value_cannot_forge_a_pair_or_a_line),
        TEST(test_bytes_that_are_not_utf8_are_replaced),
        TEST(test_all_conversions_take_their_argument),
        TEST(test_long_value_is_cut_and_says_so),
        TEST(test_value_longer_than_any_line_cuts_the_line),
        TEST(test_long_line_is_cut_and_still_ends),
        TEST(test_lines_above_the_level_are_not_written),
        TEST(test_levels_have_names),
        TEST(test_errno_survives),
        TEST(test_lines_of_several_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
