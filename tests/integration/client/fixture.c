#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "fixture.h"

#define CLIENTS_MAX 64
#define WS_MAX      512

struct broker broker;
struct told told;

static sluice_client *clients[CLIENTS_MAX];
static struct {
    struct ws *ws;
    char conn[64];
} sockets[WS_MAX];

int64_t clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- Tests ---- */

static int run_alone(const struct CMUnitTest *test)
{
    const struct CMUnitTest tests[] = {*test};

    return cmocka_run_group_tests_name(test->name, tests, NULL, NULL);
}

int run_each_alone(const struct CMUnitTest *tests, size_t count)
{
    int failed = 0;

    for (size_t i = 0; i < count; i++) {
        int status;
        pid_t pid;
        fflush(NULL);
        pid = fork(); /* nobody has called nng yet, which does not stand a fork */
        if (pid == 0)
            exit(run_alone(&tests[i]) == 0 ? 0 : 1);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
            return 1;
        if (WIFSIGNALED(status))
            printf("[  FAILED  ] %s: %s\n", tests[i].name, strsignal(WTERMSIG(status)));
        failed += status != 0;
    }
    printf("%d of %zu tests failed\n", failed, count);
    return failed > 0;
}

/* ---- The broker ---- */

static const char *sluiced(void)
{
    const char *program = getenv("SLUICED");

    if (!program)
        fail_msg("SLUICED must name the program sluiced");
    return program;
}

int fixture_setup(void **state)
{
    static const char *const headers[] = {"--headers", "x-test", NULL};

    (void)state;
    alarm(180); /* whatever hangs */
    memset(&told, 0, sizeof(told));
    return broker_init(&broker, sluiced()) < 0 || broker_start(&broker, headers) < 0 ? -1 : 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (clients[i])
            free_client(clients[i]);
    for (size_t i = 0; i < WS_MAX; i++)
        if (sockets[i].ws)
            free_ws(sockets[i].ws);
    broker_deinit(&broker);
    return 0;
}

void restart_broker(int signal, const char *const *extra)
{
    broker_end(&broker, signal);
    if (broker_start(&broker, extra) < 0)
        fail_msg("the broker did not start again");
}

void restart_broker_under(sluice_client *client, int signal, const char *const *extra)
{
    char before[EVENT_EPOCH_MAX];

    memcpy(before, client->contact.epoch, sizeof(before));
    restart_broker(signal, extra);
    until(client, sluice_is_ready(client) && strcmp(before, client->contact.epoch) != 0);
}

/* ---- Clients ---- */

static void keep_error(sluice_client *client, const sluice_fault *fault, sluice_event *event, void *arg)
{
    (void)client;
    (void)arg;
    told.count++;
    told.error = sluice_fault_error(fault);
    snprintf(told.code, sizeof(told.code), "%s", sluice_fault_code(fault));
    snprintf(told.message, sizeof(told.message), "%s", sluice_fault_message(fault));
    snprintf(told.at, sizeof(told.at), "%s", sluice_fault_at(fault));
    snprintf(told.event, sizeof(told.event), "%s", event ? sluice_event_name(event) : "(none)");
}

sluice_client *new_client(void)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++) {
        if (clients[i])
            continue;
        clients[i] = sluice_client_new("test", "1.0");
        assert_non_null(clients[i]);
        assert_int_equal(sluice_on_error(clients[i], keep_error, NULL), 0);
        assert_int_equal(sluice_connect(clients[i], broker.calls), 0);
        return clients[i];
    }
    fail_msg("too many clients");
    return NULL;
}

void free_client(sluice_client *client)
{
    for (size_t i = 0; i < CLIENTS_MAX; i++)
        if (clients[i] == client)
            clients[i] = NULL;
    sluice_client_free(client);
}

void step_client(sluice_client *client)
{
    if (!client) {
        usleep(5000);
        return;
    }
    int result = sluice_poll(client, 10);
    if (result < 0)
        fail_msg("sluice_poll: %s", sluice_fault_message(sluice_client_fault(client)));
}

void until_ready(sluice_client *client)
{
    until(client, sluice_is_ready(client));
}

/* ---- WebSockets ---- */

/* The id in {"e":"@welcome","p":{"conn":"...", ...}}. */
static void keep_conn(size_t slot, const char *welcome)
{
    const char *at = welcome ? strstr(welcome, "\"conn\":\"") : NULL;

    if (!at || sscanf(at + 8, "%63[^\"]", sockets[slot].conn) != 1)
        fail_msg("no @welcome but %s", welcome ? welcome : "nothing");
}

struct ws *new_ws(void)
{
    for (size_t i = 0; i < WS_MAX; i++) {
        if (sockets[i].ws)
            continue;
        sockets[i].ws = ws_open(broker.port, "/ws?from=test", "sluice.v1.json", "X-Test: yes\r\n");
        if (!sockets[i].ws)
            fail_msg("no connection");
        keep_conn(i, ws_receive(sockets[i].ws, WAIT_MS));
        return sockets[i].ws;
    }
    fail_msg("too many connections");
    return NULL;
}

const char *conn_of(const struct ws *ws)
{
    for (size_t i = 0; i < WS_MAX; i++)
        if (sockets[i].ws == ws)
            return sockets[i].conn;
    return "";
}

void free_ws(struct ws *ws)
{
    for (size_t i = 0; i < WS_MAX; i++)
        if (sockets[i].ws == ws)
            sockets[i].ws = NULL;
    ws_free(ws);
}

const char *ws_next(struct ws *ws, sluice_client *client)
{
    int64_t limit = clock_now() + WAIT_MS;

    while (clock_now() < limit) {
        const char *message = ws_receive(ws, client ? 0 : 50);
        if (message)
            return message;
        if (ws_close_code(ws))
            fail_msg("the connection was closed with %d", ws_close_code(ws));
        step_client(client);
    }
    fail_msg("no message came");
    return NULL;
}

void expect_message(struct ws *ws, sluice_client *client, const char *expected)
{
    assert_string_equal(ws_next(ws, client), expected);
}

void expect_silence(struct ws *ws, sluice_client *client, int ms)
{
    int64_t limit = clock_now() + ms;

    while (clock_now() < limit) {
        const char *message = ws_receive(ws, 0);
        if (message)
            fail_msg("a message came: %s", message);
        step_client(client);
    }
}
