/* Handlers at work with the real broker: what is called, what is sent, how it stops. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fixture.h"

static unsigned calls;
static int result_of_function;
static char names[4096];

/* Ask for a number of the broker's counters. */
static uint64_t counter(sluice_client *client, const char *name)
{
    sluice_event *step = sluice_begin(client);
    const sluice_value *stats;
    char path[64];
    uint64_t value;

    assert_int_equal(sluice_call(step, sluice_doc(step, "{op: 'stats'}"), &stats), 0);
    snprintf(path, sizeof(path), "counters.%s", name);
    value = sluice_get_uint(stats, path, UINT64_MAX);
    assert_true(value != UINT64_MAX);
    sluice_cancel(step);
    return value;
}

static int on_name(sluice_event *event, void *arg)
{
    calls++;
    strcat(strcat(strcat(strcat(names, arg), "="), sluice_event_name(event)), " ");
    return 0;
}

static int on_echo(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    return sluice_send(event, sluice_event_conn(event), "back", sluice_event_payload(event), NULL);
}

/* ---- What is called ---- */

static void test_each_pattern_calls_its_function(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws;

    (void)state;
    names[0] = '\0';
    calls = 0;
    sluice_subscribe(client, "chat:*", on_name, "prefix", NULL);
    sluice_subscribe(client, "chat:say", on_name, "exact", "{}");
    sluice_subscribe(client, "*", on_name, "all", NULL);
    sluice_subscribe(client, "@*", on_name, "own", NULL);
    until_ready(client);
    ws = new_ws();
    ws_send(ws, "{\"e\":\"chat:say\"}");
    ws_send(ws, "{\"e\":\"chat:room:join\"}");
    ws_send(ws, "{\"e\":\"chat\"}");
    ws_send(ws, "{\"e\":\"chatter:x\"}");
    until(client, strstr(names, "chatter"));
    assert_string_equal(
        names,
        "own=@connect prefix=chat:say exact=chat:say all=chat:say prefix=chat:room:join all=chat:room:join "
        "all=chat all=chatter:x ");
}

static void test_wrong_subscriptions_are_refused(void **state)
{
    sluice_client *client = new_client();

    (void)state;
    assert_int_equal(sluice_subscribe(client, "", on_echo, NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_subscribe(client, "a*", on_echo, NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_subscribe(client, NULL, on_echo, NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_subscribe(client, "a", NULL, NULL, NULL), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_subscribe(client, "a", on_echo, NULL, "{colour: %s}", "red"), SLUICE_E_ARGUMENT);
    assert_non_null(strstr(sluice_fault_message(sluice_client_fault(client)), "no option `colour`"));
    assert_int_equal(sluice_subscribe(client, "a", on_echo, NULL, "[]"), SLUICE_E_ARGUMENT);
    assert_int_equal(sluice_subscribe(client, "a", on_echo, NULL, "{"), SLUICE_E_DOC);
    assert_int_equal(sluice_set_timeout(client, 0), SLUICE_E_ARGUMENT);
}

static void test_wrong_address_is_not_replaced_by_the_default(void **state)
{
    sluice_client *client = sluice_client_new(NULL, NULL);

    (void)state;
    setenv("SLUICE_BROKER", broker.calls, 1);
    assert_int_equal(sluice_connect(client, "nowhere"), SLUICE_E_ADDRESS);
    assert_int_equal(sluice_poll(client, 0), SLUICE_E_ADDRESS);
    assert_int_equal(sluice_connect(client, broker.calls), 0);
    assert_int_equal(sluice_connect(client, broker.calls), SLUICE_E_STATE);
    sluice_client_free(client);
    client = sluice_client_new(NULL, NULL); /* none named: the environment's */
    assert_int_equal(counter(client, "connections"), 0);
    unsetenv("SLUICE_BROKER");
    sluice_client_free(client);
}

/* ---- What is sent ---- */

static void test_effects_of_many_events_go_in_one_request(void **state)
{
    sluice_client *client = new_client(), *other = new_client();
    struct ws *ws = new_ws();
    uint64_t before;
    char expected[64];

    (void)state;
    calls = 0;
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    until_ready(client);
    for (int i = 0; i < 200; i++) {
        snprintf(expected, sizeof(expected), "{\"e\":\"n\",\"p\":%d}", i);
        ws_send(ws, expected);
    }
    until(NULL, counter(other, "messages_in") >= 200);
    usleep(200000); /* all of them get here */
    before = counter(other, "requests");
    until(client, calls == 200);
    until(client, counter(other, "messages_out") >= 200);
    assert_in_range(counter(other, "requests") - before, 1, 40); /* most of them are counter()'s own */
    for (int i = 0; i < 200; i++) {
        snprintf(expected, sizeof(expected), "{\"e\":\"back\",\"p\":%d}", i);
        expect_message(ws, client, expected);
    }
    assert_int_equal(told.count, 0);
}

static int act_by_payload(sluice_event *event, void *arg)
{
    const char *what = sluice_get_str(sluice_event_payload(event), "", "");

    (void)arg;
    calls++;
    sluice_send(event, sluice_event_conn(event), "first", NULL, NULL);
    if (strcmp(what, "bad doc") == 0)
        sluice_send_where(event, sluice_doc(event, "{a: %s}", "\xff"), "second", NULL, NULL);
    if (strcmp(what, "bad argument") == 0)
        sluice_send(event, NULL, "second", NULL, NULL);
    if (strcmp(what, "refused") == 0)
        sluice_send(event, sluice_event_conn(event), "no good name", NULL, NULL);
    if (strcmp(what, "call") == 0)
        return sluice_count(event, sluice_doc(event, "{a: null}"), NULL, NULL);
    return strcmp(what, "return") == 0 ? result_of_function : 0;
}

static void expect_told(sluice_client *client, struct ws *ws, const char *what, int error,
                        const char *message)
{
    char json[64];
    unsigned before = told.count;

    snprintf(json, sizeof(json), "{\"e\":\"act\",\"p\":\"%s\"}", what);
    ws_send(ws, json);
    until(client, told.count == before + 1);
    assert_int_equal(told.error, error);
    if (!strstr(told.message, message))
        fail_msg("%s: it says %s", what, told.message);
    assert_string_equal(told.event, "act");
}

static void test_failed_function_sends_nothing_and_is_told(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    sluice_subscribe(client, "act", act_by_payload, NULL, NULL);
    until_ready(client);
    expect_told(client, ws, "bad doc", SLUICE_E_DOC, "not UTF-8");
    expect_told(client, ws, "bad argument", SLUICE_E_ARGUMENT, "`conn` is missing");
    result_of_function = SLUICE_E_SYSTEM;
    expect_told(client, ws, "return", SLUICE_E_SYSTEM, "the function returned");
    expect_told(client, ws, "call", SLUICE_E_BAD_FILTER, "null"); /* in the broker's words */
    for (result_of_function = 1; result_of_function < 4; result_of_function++)
        expect_told(client, ws, "return", SLUICE_E_STATE, "no meaning without a group");
    expect_silence(ws, client, 100);
    ws_send(ws, "{\"e\":\"act\"}");
    expect_message(ws, client, "{\"e\":\"first\"}");
}

static void test_refused_effect_does_not_stop_the_others(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    sluice_subscribe(client, "act", act_by_payload, NULL, NULL);
    until_ready(client);
    expect_told(client, ws, "refused", SLUICE_E_BAD_ARGUMENT, "");
    assert_string_equal(told.at, "ops[1].event");
    expect_message(ws, client, "{\"e\":\"first\"}");
}

static int call_in_order(sluice_event *event, void *arg)
{
    const sluice_value *session;

    (void)arg;
    calls++;
    assert_int_equal(sluice_get(event, sluice_event_conn(event), NULL, &session, NULL), 0);
    /* What the functions before did is there; what this one queues is not. */
    assert_int_equal(sluice_get_int(session, "n", 0), calls - 1);
    sluice_update(event, sluice_event_conn(event), sluice_doc(event, "{$inc: {n: 1}}"), NULL);
    assert_int_equal(sluice_get(event, sluice_event_conn(event), NULL, &session, NULL), 0);
    assert_int_equal(sluice_get_int(session, "n", 0), calls - 1);
    return 0;
}

static void test_reads_see_what_functions_before_did(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    calls = 0;
    sluice_subscribe(client, "n", call_in_order, NULL, NULL);
    until_ready(client);
    for (int i = 0; i < 50; i++)
        ws_send(ws, "{\"e\":\"n\"}");
    until(client, calls == 50);
    assert_int_equal(told.count, 0);
}

static void test_large_step_goes_in_several_requests(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    sluice_event *step = sluice_begin(client);
    static char text[60001];

    (void)state;
    memset(text, 'x', 60000);
    for (int i = 0; i < 60; i++) /* 3.6 MB */
        assert_int_equal(sluice_update(step, conn_of(ws), sluice_doc(step, "{$set: {text: %s}}", text), NULL),
                         0);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(sluice_update(step, conn_of(ws), sluice_doc(step, "{$inc: {n: 1}}"), NULL), 0);
    assert_int_equal(sluice_end(step), 0);
    step = sluice_begin(client);
    const sluice_value *session;
    assert_int_equal(sluice_get(step, conn_of(ws), NULL, &session, NULL), 0);
    assert_int_equal(sluice_get_int(session, "n", 0), 3000);
    sluice_cancel(step);
}

static int many_effects(sluice_event *event, void *arg)
{
    (void)arg;
    for (int i = 0; i < 3000; i++)
        sluice_update(event, sluice_event_conn(event), sluice_doc(event, "{$inc: {n: 1}}"), NULL);
    return sluice_send(event, sluice_event_conn(event), "done", NULL, NULL);
}

static void test_function_with_more_effects_than_a_request_takes(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    uint64_t count;

    (void)state;
    sluice_subscribe(client, "many", many_effects, NULL, NULL);
    until_ready(client);
    ws_send(ws, "{\"e\":\"many\"}");
    expect_message(ws, client, "{\"e\":\"done\"}");
    sluice_event *step = sluice_begin(client);
    assert_int_equal(sluice_count(step, sluice_doc(step, "{n: %d}", 3000), NULL, &count), 0);
    assert_int_equal(count, 1);
    sluice_cancel(step);
    assert_int_equal(told.count, 0);
}

static void test_payload_of_depth_64_comes_and_goes(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    char deep[160], message[200];

    (void)state;
    memset(deep, '[', 64);
    memset(deep + 64, ']', 64);
    deep[128] = '\0';
    sluice_subscribe(client, "deep", on_echo, NULL, NULL);
    until_ready(client);
    snprintf(message, sizeof(message), "{\"e\":\"deep\",\"p\":%s}", deep);
    ws_send(ws, message);
    const char *answer = ws_next(ws, client);
    if (!strstr(answer, "@error")) { /* the envelope may cost a level */
        snprintf(message, sizeof(message), "{\"e\":\"back\",\"p\":%s}", deep);
        assert_string_equal(answer, message);
    }
    deep[127] = '\0';
    snprintf(message, sizeof(message), "{\"e\":\"deep\",\"p\":%s}", deep + 1);
    ws_send(ws, message);
    snprintf(message, sizeof(message), "{\"e\":\"back\",\"p\":%s}", deep + 1);
    expect_message(ws, client, message);
}

/* ---- Where what may be called ---- */

static int call_what_is_forbidden(sluice_event *event, void *arg)
{
    sluice_client *client = sluice_event_client(event);

    (void)arg;
    assert_int_equal(sluice_poll(client, 0), SLUICE_E_STATE);
    assert_int_equal(sluice_run(client), SLUICE_E_STATE);
    assert_int_equal(sluice_end(event), SLUICE_E_STATE);
    sluice_cancel(event);
    sluice_client_free(client);
    calls++;
    return 0;
}

static void call_from_on_error(sluice_client *client, const sluice_fault *fault, sluice_event *event,
                               void *arg)
{
    sluice_event *step = sluice_begin(client);

    (void)arg;
    assert_int_equal(sluice_fault_error(fault), SLUICE_E_BAD_ARGUMENT);
    assert_string_equal(sluice_event_name(event), "act");
    assert_string_equal(sluice_get_str(sluice_event_payload(event), "", "?"), "refused");
    assert_int_equal(sluice_send(event, "x", "y", NULL, NULL), SLUICE_E_STATE);
    sluice_send_where(step, sluice_doc(step, "{}"), "x", NULL, NULL);
    assert_int_equal(sluice_end(step), SLUICE_E_STATE);
    assert_int_equal(sluice_poll(client, 0), SLUICE_E_STATE);
    calls++;
}

static void test_what_a_function_may_not_call(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    calls = 0;
    sluice_subscribe(client, "forbidden", call_what_is_forbidden, NULL, NULL);
    sluice_subscribe(client, "act", act_by_payload, NULL, NULL);
    until_ready(client);
    ws_send(ws, "{\"e\":\"forbidden\"}");
    until(client, calls == 1);
    sluice_on_error(client, call_from_on_error, NULL);
    ws_send(ws, "{\"e\":\"act\",\"p\":\"refused\"}");
    until(client, calls == 3);
    expect_message(ws, client, "{\"e\":\"first\"}");
}

static int step_inside(sluice_event *event, void *arg)
{
    sluice_event *step = sluice_begin(sluice_event_client(event));

    (void)arg;
    sluice_send(step, sluice_event_conn(event), "inner", sluice_event_payload(event), NULL);
    sluice_send(event, sluice_event_conn(event), "outer", NULL, NULL);
    return sluice_end(step);
}

static void test_step_inside_a_function_goes_first(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    sluice_subscribe(client, "nest", step_inside, NULL, NULL);
    until_ready(client);
    ws_send(ws, "{\"e\":\"nest\",\"p\":5}");
    expect_message(ws, client, "{\"e\":\"inner\",\"p\":5}");
    expect_message(ws, client, "{\"e\":\"outer\"}");
}

/* ---- Loops and stopping ---- */

static void test_descriptor_in_a_foreign_loop(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    unsigned wakes = 0;
    int64_t end = clock_now() + 3000;
    struct pollfd fd = {.events = POLLIN};

    (void)state;
    calls = 0;
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    fd.fd = sluice_fd(client);
    while (!sluice_is_ready(client) && clock_now() < end)
        if (poll(&fd, 1, 100) > 0)
            assert_true(sluice_poll(client, 0) >= 0);
    assert_true(sluice_is_ready(client));
    for (int i = 0; i < 20; i++) {
        ws_send(ws, "{\"e\":\"n\",\"p\":1}");
        const char *message = NULL;
        end = clock_now() + 2000;
        while (!(message = ws_receive(ws, 0)) && clock_now() < end) {
            if (poll(&fd, 1, 5) <= 0)
                continue;
            assert_true(sluice_poll(client, 0) >= 0);
            wakes++;
        }
        assert_string_equal(message, "{\"e\":\"back\",\"p\":1}");
    }
    assert_in_range(wakes, 20, 200); /* no spinning */
    for (wakes = 0, end = clock_now() + 500; clock_now() < end;)
        if (poll(&fd, 1, 50) > 0) {
            sluice_poll(client, 0);
            wakes++;
        }
    assert_in_range(wakes, 0, 10);
}

static void *stop_soon(void *client)
{
    usleep(50000);
    sluice_stop(client);
    return NULL;
}

static void test_stop_from_another_thread(void **state)
{
    sluice_client *client = new_client();
    pthread_t thread;

    (void)state;
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, client), 0);
        assert_int_equal(sluice_run(client), 0);
        pthread_join(thread, NULL);
    }
}

static int stop_inside(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_stop(sluice_event_client(event));
    return sluice_send(event, sluice_event_conn(event), "last", NULL, NULL);
}

static void test_what_was_done_before_the_stop_is_sent(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    sluice_subscribe(client, "stop", stop_inside, NULL, NULL);
    until_ready(client);
    ws_send(ws, "{\"e\":\"stop\"}");
    assert_int_equal(sluice_run(client), 0);
    assert_string_equal(ws_receive(ws, WAIT_MS), "{\"e\":\"last\"}");
}

static void test_effects_under_way_survive_the_end_of_the_client(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    calls = 0;
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    until_ready(client);
    ws_send(ws, "{\"e\":\"n\",\"p\":1}");
    for (int64_t end = clock_now() + WAIT_MS; calls == 0 && clock_now() < end;)
        sluice_poll(client, 0); /* which does not wait for the reply */
    free_client(client);
    assert_string_equal(ws_receive(ws, WAIT_MS), "{\"e\":\"back\",\"p\":1}");
}

static volatile sig_atomic_t other_handler_ran;

static void other_handler(int number)
{
    (void)number;
    other_handler_ran = 1;
}

static void test_signals_stop_all_clients_and_then_mean_what_they_did(void **state)
{
    sluice_client *one = new_client(), *two = new_client();
    struct sigaction action = {.sa_handler = other_handler}, old;

    (void)state;
    sigaction(SIGINT, &action, &old);
    assert_int_equal(sluice_stop_on_signals(one), 0);
    assert_int_equal(sluice_stop_on_signals(two), 0);
    assert_int_equal(sluice_stop_on_signals(two), 0); /* twice is once */
    raise(SIGINT);
    assert_int_equal(sluice_run(one), 0);
    assert_int_equal(sluice_run(two), 0);
    free_client(one);
    free_client(two);
    assert_false(other_handler_ran);
    raise(SIGINT);
    assert_true(other_handler_ran);
    sigaction(SIGINT, &old, NULL);
}

static void test_no_more_than_16_clients_stop_on_signals(void **state)
{
    sluice_client *many[17];

    (void)state;
    for (int i = 0; i < 17; i++) {
        many[i] = sluice_client_new(NULL, NULL);
        assert_int_equal(sluice_stop_on_signals(many[i]), i < 16 ? 0 : SLUICE_E_SYSTEM);
    }
    for (int i = 0; i < 17; i++)
        sluice_client_free(many[i]);
}

static void test_poll_waits_as_long_as_it_was_told(void **state)
{
    sluice_client *client = new_client();
    int64_t start = clock_now();

    (void)state;
    assert_int_equal(sluice_poll(client, 150), 0);
    assert_in_range(clock_now() - start, 140, 1000);
    start = clock_now();
    assert_int_equal(sluice_poll(client, 0), 0);
    assert_in_range(clock_now() - start, 0, 100);
}

static void test_two_clients_in_one_process(void **state)
{
    sluice_client *one = new_client(), *two = new_client();
    struct ws *ws = new_ws();

    (void)state;
    sluice_subscribe(one, "n", on_echo, NULL, NULL);
    sluice_subscribe(two, "n", on_echo, NULL, NULL);
    until_ready(one);
    until_ready(two);
    ws_send(ws, "{\"e\":\"n\",\"p\":1}");
    expect_message(ws, one, "{\"e\":\"back\",\"p\":1}");
    expect_message(ws, two, "{\"e\":\"back\",\"p\":1}");
}

/* ---- A broker that is not there ---- */

static void test_handler_may_start_before_the_broker(void **state)
{
    sluice_client *client;
    struct ws *ws;

    (void)state;
    broker_end(&broker, SIGTERM);
    client = new_client();
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    for (int i = 0; i < 20; i++)
        step_client(client);
    assert_false(sluice_is_ready(client));
    assert_int_equal(broker_start(&broker, NULL), 0);
    until_ready(client);
    ws = new_ws();
    ws_send(ws, "{\"e\":\"n\",\"p\":1}");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":1}");
}

static void test_call_without_a_broker_times_out_and_later_works(void **state)
{
    sluice_client *client = new_client();
    sluice_event *step;
    uint64_t count;
    int64_t start;

    (void)state;
    sluice_set_timeout(client, 300);
    broker_end(&broker, SIGKILL);
    for (int i = 0; i < 5; i++) {
        step = sluice_begin(client);
        start = clock_now();
        assert_int_equal(sluice_count(step, sluice_doc(step, "{}"), NULL, &count), SLUICE_E_TIMEOUT);
        assert_in_range(clock_now() - start, 250, 1500);
        sluice_cancel(step);
    }
    assert_int_equal(broker_start(&broker, NULL), 0);
    sluice_set_timeout(client, 5000);
    step = sluice_begin(client);
    if (sluice_count(step, sluice_doc(step, "{}"), NULL, &count) < 0)
        fail_msg("%s", sluice_fault_message(sluice_client_fault(client)));
    sluice_cancel(step);
}

static void test_stopped_broker_gives_no_answer(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();

    (void)state;
    sluice_set_timeout(client, 300);
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    until_ready(client);
    kill(broker.pid, SIGSTOP);
    sluice_event *step = sluice_begin(client);
    sluice_send(step, conn_of(ws), "news", NULL, NULL);
    assert_int_equal(sluice_end(step), SLUICE_E_TIMEOUT);
    kill(broker.pid, SIGCONT);
    expect_message(ws, client,
                   "{\"e\":\"news\"}"); /* it was on its way: a time-out says nothing about that */
    ws_send(ws, "{\"e\":\"n\",\"p\":1}");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":1}");
}

static void test_many_restarts_of_the_broker(void **state)
{
    sluice_client *client = new_client();

    (void)state;
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    for (int i = 0; i < 5; i++) {
        until_ready(client);
        struct ws *ws = new_ws();
        ws_send(ws, "{\"e\":\"n\",\"p\":1}");
        expect_message(ws, client, "{\"e\":\"back\",\"p\":1}");
        free_ws(ws);
        restart_broker_under(client, SIGKILL, NULL);
    }
    until_ready(client);
}

/* ---- TCP ---- */

static void test_over_tcp_with_a_key(void **state)
{
    const char *const options[] = {"--calls", "tcp://127.0.0.1:18471", "--events", "tcp://127.0.0.1:18472",
                                   "--key",   "secret of 16 bytes",    NULL};
    sluice_client *client = sluice_client_new("tcp", NULL);
    sluice_event *step;
    struct ws *ws;
    uint64_t count;

    (void)state;
    restart_broker(SIGTERM, options);
    assert_int_equal(sluice_connect(client, "tcp://127.0.0.1:18471"), 0);
    step = sluice_begin(client);
    assert_int_equal(sluice_count(step, sluice_doc(step, "{}"), NULL, &count), SLUICE_E_UNAUTHORIZED);
    assert_int_equal(sluice_set_key(client, "wrong"), 0);
    assert_int_equal(sluice_count(step, sluice_doc(step, "{}"), NULL, &count), SLUICE_E_UNAUTHORIZED);
    assert_int_equal(sluice_set_key(client, "secret of 16 bytes"), 0);
    assert_int_equal(sluice_count(step, sluice_doc(step, "{}"), NULL, &count), 0);
    sluice_cancel(step);
    sluice_subscribe(client, "n", on_echo, NULL, NULL);
    until_ready(client);
    ws = new_ws();
    ws_send(ws, "{\"e\":\"n\",\"p\":1}");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":1}");
    sluice_client_free(client);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_each_pattern_calls_its_function),
        TEST(test_wrong_subscriptions_are_refused),
        TEST(test_wrong_address_is_not_replaced_by_the_default),
        TEST(test_effects_of_many_events_go_in_one_request),
        TEST(test_failed_function_sends_nothing_and_is_told),
        TEST(test_refused_effect_does_not_stop_the_others),
        TEST(test_reads_see_what_functions_before_did),
        TEST(test_large_step_goes_in_several_requests),
        TEST(test_function_with_more_effects_than_a_request_takes),
        TEST(test_payload_of_depth_64_comes_and_goes),
        TEST(test_what_a_function_may_not_call),
        TEST(test_step_inside_a_function_goes_first),
        TEST(test_descriptor_in_a_foreign_loop),
        TEST(test_stop_from_another_thread),
        TEST(test_what_was_done_before_the_stop_is_sent),
        TEST(test_effects_under_way_survive_the_end_of_the_client),
        TEST(test_signals_stop_all_clients_and_then_mean_what_they_did),
        TEST(test_no_more_than_16_clients_stop_on_signals),
        TEST(test_poll_waits_as_long_as_it_was_told),
        TEST(test_two_clients_in_one_process),
        TEST(test_handler_may_start_before_the_broker),
        TEST(test_call_without_a_broker_times_out_and_later_works),
        TEST(test_stopped_broker_gives_no_answer),
        TEST(test_many_restarts_of_the_broker),
        TEST(test_over_tcp_with_a_key),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return run_each(tests);
}
