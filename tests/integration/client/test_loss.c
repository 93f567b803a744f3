/* A handler that stands still while events come: what it lost is told, exactly, the last ones too. The
 * handler is this program again, as a process of its own. */
#include <errno.h>
#include <fcntl.h>
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

/* ---- The handler ---- */

static uint64_t handled, lost, gaps;

static void report(void)
{
    printf("%llu %llu %llu\n", (unsigned long long)handled, (unsigned long long)lost,
           (unsigned long long)gaps);
    fflush(stdout);
}

static int count_event(sluice_event *event, void *arg)
{
    (void)event;
    (void)arg;
    handled++;
    return 0;
}

static void count_gap(sluice_client *client, const char *name, uint64_t count, void *arg)
{
    (void)client;
    (void)arg;
    if (strcmp(name, "flood") == 0) {
        lost += count;
        gaps++;
    }
}

static int handler(const char *address)
{
    sluice_client *client = sluice_client_new("flooded", NULL);
    bool was_ready = false;

    sluice_connect(client, address);
    sluice_subscribe(client, "flood", count_event, NULL, NULL);
    sluice_on_gap(client, count_gap, NULL);
    sluice_stop_on_signals(client);
    while (sluice_poll(client, 20) >= 0)
        if (sluice_is_ready(client) || was_ready) {
            was_ready = true;
            report();
        }
    sluice_client_free(client);
    return 0;
}

/* ---- The test ---- */

struct child {
    pid_t pid;
    FILE *out;
};

static struct child start_handler(void)
{
    struct child child;
    char self[512];
    char *arguments[] = {self, "handler", broker.calls, NULL};
    posix_spawn_file_actions_t actions;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int ends[2];

    assert_true(len > 0);
    self[len] = '\0';
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    assert_int_equal(posix_spawn(&child.pid, self, &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    child.out = fdopen(ends[0], "r");
    return child;
}

/* Read the handler's lines until it has heard of @total events, one way or the other. */
static void until_accounted(struct child *child, uint64_t total)
{
    unsigned long long h, l, g;
    char line[128];
    int64_t limit = clock_now() + 20000;

    while (clock_now() < limit && fgets(line, sizeof(line), child->out)) {
        assert_int_equal(sscanf(line, "%llu %llu %llu", &h, &l, &g), 3);
        handled = h;
        lost = l;
        gaps = g;
        if (h + l >= total)
            return;
    }
    fail_msg("of %llu events %llu were handled and %llu told as lost", (unsigned long long)total,
             (unsigned long long)handled, (unsigned long long)lost);
}

static void test_stopped_handler_is_told_what_it_lost(void **state)
{
    static const char *const options[] = {"--alive-ms", "300", "--publish-queue", "16", NULL};
    struct child child;
    struct ws *ws;
    static char message[20000];
    int sent = 0;

    (void)state;
    restart_broker(SIGTERM, options);
    child = start_handler();
    until_accounted(&child, 0); /* ready */
    ws = new_ws();
    for (sent = 1; sent <= 20; sent++) {
        ws_send(ws, "{\"e\":\"flood\"}");
        until_accounted(&child, (uint64_t)sent);
    }
    sent--;
    assert_int_equal(lost, 0);

    kill(child.pid, SIGSTOP);
    snprintf(message, sizeof(message), "{\"e\":\"flood\",\"p\":\"%015000d\"}", 0);
    for (int i = 0; i < 2000; i++, sent++) /* 30 MB: more than queue and socket hold */
        assert_int_equal(ws_send(ws, message), 0);
    ws_send(ws, "{\"e\":\"@ping\"}"); /* answered when the broker has taken them all */
    while (!strstr(ws_next(ws, NULL), "@pong"))
        ;
    kill(child.pid, SIGCONT);
    until_accounted(&child, (uint64_t)sent);
    assert_true(lost > 0);
    assert_int_equal(handled + lost, sent);

    /* From here on nothing is lost, and nothing more is told. */
    uint64_t lost_before = lost;
    for (int i = 0; i < 20; i++) {
        ws_send(ws, "{\"e\":\"flood\"}");
        until_accounted(&child, (uint64_t)++sent);
    }
    assert_int_equal(lost, lost_before);
    assert_int_equal(handled + lost, sent);

    kill(child.pid, SIGTERM);
    int status = -1;
    assert_int_equal(waitpid(child.pid, &status, 0), child.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    fclose(child.out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_stopped_handler_is_told_what_it_lost, fixture_setup,
                                        fixture_teardown),
    };
    if (argc == 3 && strcmp(argv[1], "handler") == 0)
        return handler(argv[2]);
    return run_each(tests);
}
