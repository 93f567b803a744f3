/* Members of groups that come and go: leases, links, restarts of the broker, draining. */
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

#include "member.h"

extern char **environ;

/* ---- Members that come and go ---- */

static void test_event_waits_for_a_member(void **state)
{
    sluice_client *client = new_member(on_echo, "say"), *other = new_client();
    struct ws *ws = new_ws();

    (void)state;
    free_client(client);
    until(NULL, counter(other, "call_links") == 1); /* the broker knows */
    ws_send(ws, "{\"e\":\"say\",\"p\":5}");
    expect_silence(ws, NULL, 100);
    client = new_member(on_echo, "say");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":5}");
    assert_int_equal(attempts_beyond_one, 0);
}

static void test_lease_that_is_over_gives_the_event_to_another(void **state)
{
    sluice_client *slow = new_client(), *other;
    struct ws *ws = new_ws();

    (void)state;
    sluice_on_log(slow, keep_log, NULL);
    assert_int_equal(sluice_subscribe(slow, "say", on_keep, NULL, "{group: 'g', lease_ms: 200, max: 1}"), 0);
    until_ready(slow);
    ws_send(ws, "{\"e\":\"say\",\"p\":1,\"i\":1}");
    until(slow, kept_count == 1);
    other = new_client();
    assert_int_equal(sluice_subscribe(other, "say", on_echo, NULL, "{group: 'g', lease_ms: 200}"), 0);
    expect_message(ws, other, "{\"e\":\"say\",\"p\":1,\"i\":1}");
    assert_int_equal(attempts_beyond_one, 1);
    sluice_answer(kept[0], NULL, NULL);
    assert_int_equal(sluice_finish(kept[0], SLUICE_DONE), 0);
    expect_silence(ws, slow, 50);
    free_client(other);
    ws_send(ws, "{\"e\":\"say\",\"p\":2,\"i\":2}"); /* and it goes on */
    until(slow, kept_count == 2);
    assert_non_null(strstr(logged, "was not finished")); /* of the first */
    assert_int_equal(told.count, 0);
}

static void test_renewed_lease_holds(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    assert_int_equal(sluice_subscribe(client, "say", on_keep, NULL, "{group: 'g', lease_ms: 300}"), 0);
    until_ready(client);
    ws_send(ws, "{\"e\":\"say\",\"p\":1,\"i\":1}");
    until(client, kept_count == 1);
    for (int i = 0; i < 6; i++) {
        expect_silence(ws, client, 150);
        assert_int_equal(sluice_extend(kept[0]), 0);
    }
    sluice_answer(kept[0], sluice_event_payload(kept[0]), NULL);
    assert_int_equal(sluice_finish(kept[0], SLUICE_DONE), 0);
    expect_message(ws, client, "{\"e\":\"say\",\"p\":1,\"i\":1}");
    expect_silence(ws, client, 500);
    assert_int_equal(kept_count, 1);
    ws_send(ws, "{\"e\":\"say\",\"i\":2}");
    until(client, kept_count == 2);
    until(client, kept_count == 3); /* its lease was over, and here it is again */
    assert_int_equal(sluice_event_attempt(kept[2]), 2);
    assert_int_equal(sluice_extend(kept[1]), SLUICE_E_LEASE_EXPIRED);
    assert_int_equal(sluice_finish(kept[1], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
    assert_int_equal(sluice_finish(kept[2], SLUICE_DONE), 0);
    expect_message(ws, client, "{\"e\":\"@ok\",\"i\":2}");
}

static void test_broker_started_anew_is_joined(void **state)
{
    sluice_client *client = new_member(on_keep, "say");
    struct ws *ws = new_ws();

    (void)state;
    ws_send(ws, "{\"e\":\"say\"}");
    until(client, kept_count == 1);
    free_ws(ws);
    restart_broker(SIGKILL, NULL);
    until(client, strstr(logged, "1 events that functions keep belong to others now"));
    until_ready(client);
    assert_int_equal(sluice_finish(kept[0], SLUICE_DONE), SLUICE_E_LEASE_EXPIRED);
    ws = new_ws();
    ws_send(ws, "{\"e\":\"say\",\"i\":1}");
    until(client, kept_count == 2);
    sluice_answer(kept[1], NULL, NULL);
    sluice_finish(kept[1], SLUICE_DONE);
    expect_message(ws, client, "{\"e\":\"say\",\"i\":1}");
    assert_int_equal(told.count, 0);
}

static void test_idle_member_hardly_asks(void **state)
{
    sluice_client *client = new_member(on_echo, "say"), *other = new_client();
    struct ws *ws = new_ws();
    int64_t before;

    (void)state;
    expect_silence(ws, client, 200);
    before = counter(other, "requests");
    expect_silence(ws, client, 3000);
    assert_in_range(counter(other, "requests") - before, 1, 2); /* its own is one */
}

/* ---- Draining ---- */

static void test_stopped_member_costs_no_attempt(void **state)
{
    struct ws *ws[8];
    sluice_client *client = new_member(on_echo, "say");
    unsigned sent = 0;
    char text[64];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        ws[i] = new_ws();
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned n = 0; n < 10; n++, sent++)
            for (unsigned i = 0; i < 8; i++) {
                snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%u}", sent);
                ws_send(ws[i], text);
            }
        sluice_poll(client, 10);
        sluice_stop(client);
        assert_int_equal(sluice_run(client), 0);
        free_client(client);
        client = new_member(on_echo, "say");
    }
    until(client, calls == 400);
    for (unsigned i = 0; i < 8; i++)
        for (unsigned n = 0; n < 50; n++) {
            snprintf(text, sizeof(text), "{\"e\":\"back\",\"p\":%u}", n);
            expect_message(ws[i], client, text);
        }
    assert_int_equal(attempts_beyond_one, 0);
    assert_int_equal(told.count, 0);
}

static int on_slow(sluice_event *event, void *arg)
{
    usleep(20000);
    return on_echo(event, arg);
}

/* This program again, as a member in a process of its own. */
static int member(const char *address, const char *kind)
{
    sluice_client *client = sluice_client_new("member", "1");
    int rc;

    sluice_connect(client, address);
    sluice_subscribe(client, "say", strcmp(kind, "slow") == 0 ? on_slow : on_keep, NULL, "{group: 'g'}");
    sluice_stop_on_signals(client);
    rc = sluice_run(client);
    sluice_client_free(client);
    return rc == 0 && attempts_beyond_one == 0 ? 0 : 1;
}

static pid_t start_member(char *kind)
{
    char self[512];
    char *arguments[] = {self, "member", broker.calls, kind, NULL};
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    pid_t pid;

    assert_true(len > 0);
    self[len] = '\0';
    assert_int_equal(posix_spawn(&pid, self, NULL, NULL, arguments, environ), 0);
    return pid;
}

static void until_member(sluice_client *client, pid_t pid)
{
    until(NULL, of_group(client, "members.0.pid") == pid);
}

static void test_signal_stops_a_member_when_all_is_done(void **state)
{
    sluice_client *other = new_client();
    struct ws *ws[20];
    int status = -1;
    pid_t pid;

    (void)state;
    pid = start_member("slow");
    until_member(other, pid);
    for (unsigned i = 0; i < 20; i++) {
        ws[i] = new_ws();
        ws_send(ws[i], "{\"e\":\"say\",\"p\":1}");
    }
    until(NULL, of_group(other, "held") > 1);
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(of_group(other, "members.0.pid"), -1);
    assert_int_equal(of_group(other, "held"), 0);
    assert_int_equal(of_group(other, "redeliveries"), 0);
    for (unsigned i = 0; i < 20; i++) { /* what it did not get to, another does, as the first attempt */
        sluice_client *next = i == 0 ? new_member(on_echo, "say") : NULL;
        expect_message(ws[i], next ? next : other, "{\"e\":\"back\",\"p\":1}");
        if (next) {
            until(next, of_group(other, "backlog") == 0);
            assert_int_equal(attempts_beyond_one, 0);
        }
    }
}

static void test_killed_member_leaves_what_it_held_to_others(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    int status;
    pid_t pid;

    (void)state;
    pid = start_member("keep");
    until_member(client, pid);
    ws_send(ws, "{\"e\":\"say\",\"p\":1,\"i\":1}");
    until(NULL, of_group(client, "held") == 1);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    assert_int_equal(sluice_subscribe(client, "say", on_echo, NULL, "{group: 'g'}"), 0);
    expect_message(ws, client, "{\"e\":\"say\",\"p\":1,\"i\":1}");
    assert_int_equal(calls, 1);
    assert_int_equal(attempts_beyond_one, 1);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_event_waits_for_a_member),
        TEST(test_lease_that_is_over_gives_the_event_to_another),
        TEST(test_renewed_lease_holds),
        TEST(test_broker_started_anew_is_joined),
        TEST(test_idle_member_hardly_asks),
        TEST(test_stopped_member_costs_no_attempt),
        TEST(test_signal_stops_a_member_when_all_is_done),
        TEST(test_killed_member_leaves_what_it_held_to_others),
    };
    if (argc == 4 && strcmp(argv[1], "member") == 0)
        return member(argv[2], argv[3]);
    return run_each(tests);
}
