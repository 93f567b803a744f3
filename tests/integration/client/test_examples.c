/* The examples as their READMEs tell: each message and its answer, and what a client may send that is none of
 * them. */
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

extern char **environ;

static pid_t handler;

/* Start the example and wait until the broker knows what it listens to: then a question is answered. */
static void start(const char *variable, const char *option, const char *value, const char *question)
{
    char *program = getenv(variable);
    char *arguments[] = {program, "--broker", broker.calls, (char *)option, (char *)value, NULL};
    struct ws *ws = new_ws();
    int64_t limit = clock_now() + WAIT_MS;

    if (!program)
        fail_msg("%s must name the program", variable);
    assert_int_equal(posix_spawn(&handler, program, NULL, NULL, arguments, environ), 0);
    do {
        ws_send(ws, question);
        usleep(10000);
    } while (strstr(ws_next(ws, NULL), "no_handler") && clock_now() < limit);
    free_ws(ws);
}

static int teardown(void **state)
{
    int status = -1;

    if (handler) {
        kill(handler, SIGTERM);
        waitpid(handler, &status, 0);
    }
    handler = 0;
    fixture_teardown(state);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1; /* it stops cleanly */
}

static void say(struct ws *ws, const char *message, const char *answer)
{
    assert_int_equal(ws_send(ws, message), 0);
    expect_message(ws, NULL, answer);
}

static void test_echo_answers_each_event_to_its_sender(void **state)
{
    struct ws *ws, *other;

    (void)state;
    start("ECHO", NULL, NULL, "{\"e\":\"echo\",\"i\":1}");
    ws = new_ws();
    other = new_ws();
    say(ws, "{\"e\":\"echo\",\"p\":{\"a\":[1,2.5,null,\"x\"]}}",
        "{\"e\":\"echo\",\"p\":{\"a\":[1,2.5,null,\"x\"]}}");
    say(ws, "{\"e\":\"echo\"}", "{\"e\":\"echo\"}");
    say(ws, "{\"e\":\"echo\",\"p\":18446744073709551615,\"i\":7}",
        "{\"e\":\"echo\",\"p\":18446744073709551615,\"i\":7}");
    say(ws, "{\"e\":\"echo\",\"i\":\"x\"}", "{\"e\":\"echo\",\"i\":\"x\"}");
    expect_silence(other, NULL, 50);
}

static void test_echo_of_other_events(void **state)
{
    struct ws *ws;

    (void)state;
    start("ECHO", "--events", "game:*", "{\"e\":\"game:x\",\"i\":1}");
    ws = new_ws();
    say(ws, "{\"e\":\"game:move:left\",\"p\":1}", "{\"e\":\"game:move:left\",\"p\":1}");
}

static void start_chat(void)
{
    start("CHAT", NULL, NULL, "{\"e\":\"chat:leave\",\"i\":1}");
}

/* The message up to its time, which nobody knows beforehand. */
static void expect_said(struct ws *ws, const char *begin)
{
    const char *message = ws_next(ws, NULL);

    if (strncmp(message, begin, strlen(begin)) != 0)
        fail_msg("%s instead of %s", message, begin);
    assert_true(strtoll(strstr(message, "\"time_ms\":") + 10, NULL, 10) > 1700000000000);
}

static void test_chat_of_two(void **state)
{
    struct ws *ada, *bob, *other;

    (void)state;
    start_chat();
    ada = new_ws();
    bob = new_ws();
    other = new_ws();
    say(ada, "{\"e\":\"chat:join\",\"p\":{\"room\":\"lobby\",\"name\":\"Ada\"},\"i\":1}",
        "{\"e\":\"chat:join\",\"p\":{\"room\":\"lobby\",\"name\":\"Ada\"},\"i\":1}");
    expect_message(ada, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"lobby\",\"online\":1}}");
    say(bob, "{\"e\":\"chat:join\",\"p\":{\"room\":\"lobby\",\"name\":\"Bob\"},\"i\":1}",
        "{\"e\":\"chat:join\",\"p\":{\"room\":\"lobby\",\"name\":\"Bob\"},\"i\":1}");
    expect_message(ada, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"lobby\",\"online\":2}}");
    expect_message(bob, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"lobby\",\"online\":2}}");

    ws_send(ada, "{\"e\":\"chat:say\",\"p\":{\"text\":\"hi \\u00e9 {$ne: 1}\"},\"i\":2}");
    expect_said(bob, "{\"e\":\"chat:message\",\"p\":{\"room\":\"lobby\",\"name\":\"Ada\",\"text\":\"hi "
                     "\xc3\xa9 {$ne: 1}\",\"time_ms\":");
    expect_said(ada, "{\"e\":\"chat:message\"");
    expect_message(ada, NULL, "{\"e\":\"chat:say\",\"i\":2}");
    expect_silence(other, NULL, 50);

    free_ws(bob); /* without a word */
    expect_message(ada, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"lobby\",\"online\":1}}");
    say(ada, "{\"e\":\"chat:leave\",\"i\":3}", "{\"e\":\"chat:leave\",\"i\":3}");
    say(ada, "{\"e\":\"chat:say\",\"p\":{\"text\":\"hi\"},\"i\":4}",
        "{\"e\":\"@error\",\"p\":{\"code\":\"not_in_a_room\",\"message\":\"join a room "
        "first\",\"temporary\":false,"
        "\"event\":\"chat:say\"},\"i\":4}");
}

static void test_chat_in_another_room(void **state)
{
    struct ws *ada, *bob;

    (void)state;
    start_chat();
    ada = new_ws();
    bob = new_ws();
    ws_send(ada, "{\"e\":\"chat:join\",\"p\":{\"room\":\"one\",\"name\":\"Ada\"}}");
    expect_message(ada, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"one\",\"online\":1}}");
    ws_send(bob, "{\"e\":\"chat:join\",\"p\":{\"room\":\"one\",\"name\":\"Bob\"}}");
    expect_message(ada, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"one\",\"online\":2}}");
    expect_message(bob, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"one\",\"online\":2}}");
    ws_send(bob,
            "{\"e\":\"chat:join\",\"p\":{\"room\":\"two\",\"name\":\"Bob\"}}"); /* those he leaves are told */
    expect_message(ada, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"one\",\"online\":1}}");
    expect_message(bob, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"two\",\"online\":1}}");
    ws_send(ada, "{\"e\":\"chat:say\",\"p\":{\"text\":\"hi\"}}");
    expect_said(ada, "{\"e\":\"chat:message\"");
    expect_silence(bob, NULL, 50);
}

static void test_chat_of_payloads_that_are_none(void **state)
{
    static const char *const payloads[] = {"null",
                                           "7",
                                           "\"x\"",
                                           "[]",
                                           "[1]",
                                           "{}",
                                           "true",
                                           "1e300",
                                           "{\"room\":{\"$ne\":1},\"name\":[]}",
                                           "{\"room\":\"\",\"name\":\"x\"}",
                                           "{\"room\":\"a\\u0000b\",\"name\":\"x\"}",
                                           "{\"text\":5}"};
    static char text[3000], message[4000];
    struct ws *ws;

    (void)state;
    start_chat();
    ws = new_ws();
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        snprintf(message, sizeof(message), "{\"e\":\"chat:join\",\"p\":%s}", payloads[i]);
        ws_send(ws, message);
        snprintf(message, sizeof(message), "{\"e\":\"chat:join\",\"p\":%s,\"i\":1}", payloads[i]);
        ws_send(ws, message);
        assert_non_null(strstr(ws_next(ws, NULL), "\"bad_join\""));
    }
    ws_send(ws, "{\"e\":\"chat:join\",\"p\":{\"room\":\"r\",\"name\":\"n\"}}");
    expect_message(ws, NULL, "{\"e\":\"chat:presence\",\"p\":{\"room\":\"r\",\"online\":1}}");
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        snprintf(message, sizeof(message), "{\"e\":\"chat:say\",\"p\":%s,\"i\":1}", payloads[i]);
        ws_send(ws, message);
        assert_non_null(strstr(ws_next(ws, NULL), "\"bad_text\""));
    }
    memset(text, 'x', 2001);
    snprintf(message, sizeof(message), "{\"e\":\"chat:say\",\"p\":{\"text\":\"%s\"},\"i\":1}", text);
    ws_send(ws, message);
    assert_non_null(strstr(ws_next(ws, NULL), "\"bad_text\""));
    say(ws, "{\"e\":\"chat:leave\",\"p\":[],\"i\":2}",
        "{\"e\":\"chat:leave\",\"i\":2}"); /* and it is still there */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_echo_answers_each_event_to_its_sender),
        TEST(test_echo_of_other_events),
        TEST(test_chat_of_two),
        TEST(test_chat_in_another_room),
        TEST(test_chat_of_payloads_that_are_none),
    };
    return run_each(tests);
}
