/* Members of groups at work with the real broker. */
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

static sluice_event *kept[64];
static unsigned kept_count;
static unsigned calls, attempts_beyond_one;
static int result;
static char names[1024], logged[4096];

static void keep_log(sluice_client *client, char level, const char *message, void *arg)
{
    size_t len = strlen(logged);

    (void)client;
    (void)arg;
    snprintf(logged + len, sizeof(logged) - len, "%c %s\n", level, message);
}

static int setup(void **state)
{
    memset(kept, 0, sizeof(kept));
    kept_count = calls = attempts_beyond_one = 0;
    names[0] = logged[0] = '\0';
    result = SLUICE_DONE;
    return fixture_setup(state);
}

/* The broker's view of group `g`: a number in it, or among its only member's. */
static int64_t of_group(sluice_client *client, const char *path)
{
    sluice_event *step = sluice_begin(client);
    const sluice_value *stats = NULL;
    char whole[64];
    int64_t number;

    assert_int_equal(sluice_call(step, sluice_doc(step, "{op: 'stats'}"), &stats), 0);
    snprintf(whole, sizeof(whole), "groups.0.%s", path);
    number = sluice_get_int(stats, whole, -1);
    sluice_cancel(step);
    return number;
}

static int64_t counter(sluice_client *client, const char *name)
{
    sluice_event *step = sluice_begin(client);
    const sluice_value *stats = NULL;
    char path[64];
    int64_t number;

    assert_int_equal(sluice_call(step, sluice_doc(step, "{op: 'stats'}"), &stats), 0);
    snprintf(path, sizeof(path), "counters.%s", name);
    number = sluice_get_int(stats, path, -1);
    sluice_cancel(step);
    return number;
}

static int on_echo(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    attempts_beyond_one += sluice_event_attempt(event) != 1;
    if (sluice_event_is_question(event))
        return sluice_answer(event, sluice_event_payload(event), NULL);
    return sluice_send(event, sluice_event_conn(event), "back", sluice_event_payload(event), NULL);
}

static int on_keep(sluice_event *event, void *arg)
{
    (void)arg;
    attempts_beyond_one += sluice_event_attempt(event) != 1;
    kept[kept_count++] = event;
    return SLUICE_LATER;
}

static sluice_client *new_member(sluice_handler_fn *fn, const char *pattern)
{
    sluice_client *client = new_client();

    sluice_on_log(client, keep_log, NULL);
    assert_int_equal(sluice_subscribe(client, pattern, fn, NULL, "{group: 'g'}"), 0);
    until_ready(client);
    return client;
}

/* ---- What is handled ---- */

static void test_group_echo(void **state)
{
    sluice_client *client = new_member(on_echo, "say");
    struct ws *ws = new_ws();

    (void)state;
    ws_send(ws, "{\"e\":\"say\",\"p\":{\"a\":1}}");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":{\"a\":1}}");
    ws_send(ws, "{\"e\":\"say\",\"p\":2,\"i\":\"q\"}");
    expect_message(ws, client, "{\"e\":\"say\",\"p\":2,\"i\":\"q\"}");
    assert_int_equal(told.count, 0);
    assert_int_equal(of_group(client, "handled"), 2);
}

static int on_name(sluice_event *event, void *arg)
{
    (void)arg;
    strcat(strcat(names, sluice_event_name(event)), " ");
    calls++;
    return 0;
}

static void test_life_of_a_connection_in_order(void **state)
{
    sluice_client *client = new_member(on_name, "*");
    struct ws *ws;

    (void)state;
    sluice_subscribe(client, "@*", on_name, NULL, "{group: 'g'}");
    logged[0] = '\0';
    until(client, strstr(logged, "joined")); /* anew, with both patterns */
    ws = new_ws();
    ws_send(ws, "{\"e\":\"a\"}");
    ws_send(ws, "{\"e\":\"b:c\"}");
    ws_send(ws, "{\"e\":\"@ping\"}");
    while (!strstr(ws_next(ws, client), "@pong"))
        ;
    free_ws(ws);
    until(client, strstr(names, "@disconnect"));
    assert_string_equal(names, "@connect a b:c @disconnect ");
}

static void test_burst_goes_in_few_turns(void **state)
{
    sluice_client *client = new_member(on_echo, "say"), *other = new_client();
    struct ws *ws[20];
    int64_t before, requests;
    char text[64];

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        ws[i] = new_ws();
    before = counter(other, "requests");
    for (unsigned n = 0; n < 50; n++)
        for (unsigned i = 0; i < 20; i++) {
            snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%u}", n);
            ws_send(ws[i], text);
        }
    usleep(200000);
    until(client, calls == 1000);
    requests = counter(other, "requests") - before;
    assert_in_range(requests, 1000 / 64, 200);
    for (unsigned i = 0; i < 20; i++)
        for (unsigned n = 0; n < 50; n++) {
            snprintf(text, sizeof(text), "{\"e\":\"back\",\"p\":%u}", n);
            expect_message(ws[i], client, text);
        }
    assert_int_equal(attempts_beyond_one, 0);
    assert_int_equal(told.count, 0);
}

static unsigned shares[2];

static int on_share(sluice_event *event, void *arg)
{
    ++*(unsigned *)arg;
    return on_echo(event, NULL);
}

static void test_members_share(void **state)
{
    sluice_client *members[2];
    struct ws *ws[16];

    (void)state;
    memset(shares, 0, sizeof(shares));
    for (unsigned i = 0; i < 2; i++) {
        members[i] = new_client();
        assert_int_equal(sluice_subscribe(members[i], "say", on_share, &shares[i], "{group: 'g', max: 16}"),
                         0);
        until_ready(members[i]);
    }
    for (unsigned i = 0; i < 16; i++)
        ws[i] = new_ws();
    for (unsigned n = 0; n < 10; n++) {
        for (unsigned i = 0; i < 16; i++)
            ws_send(ws[i], "{\"e\":\"say\"}");
        until(members[n % 2], (sluice_poll(members[1 - n % 2], 0), calls) == (n + 1) * 16);
    }
    assert_int_equal(shares[0] + shares[1], 160);
    assert_true(shares[0] >= 16 && shares[1] >= 16);
}

static void test_each_group_gets_each_event(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws;

    (void)state;
    memset(shares, 0, sizeof(shares));
    assert_int_equal(sluice_subscribe(client, "say", on_share, &shares[0], "{group: 'one'}"), 0);
    assert_int_equal(sluice_subscribe(client, "say", on_share, &shares[1], "{group: 'two'}"), 0);
    assert_int_equal(sluice_subscribe(client, "say", on_name, NULL, NULL), 0); /* and a watcher */
    until_ready(client);
    ws = new_ws();
    ws_send(ws, "{\"e\":\"say\",\"p\":1}");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":1}");
    expect_message(ws, client, "{\"e\":\"back\",\"p\":1}");
    until(client, strcmp(names, "say ") == 0);
    assert_true(shares[0] == 1 && shares[1] == 1);
}

static int on_add(sluice_event *event, void *arg)
{
    int64_t before = sluice_get_int(sluice_event_session(event), "n", 0);

    (void)arg;
    calls++;
    if (sluice_get_type(sluice_event_session(event), "secret") != SLUICE_NONE)
        return SLUICE_E_STATE;
    sluice_update(event, sluice_event_conn(event), sluice_doc(event, "{$inc: {n: 1}, $set: {secret: 1}}"),
                  NULL);
    return sluice_answer(event, sluice_doc(event, "%lld", (long long)before), NULL);
}

static void test_session_holds_what_the_event_before_did(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    char text[64];

    (void)state;
    assert_int_equal(sluice_subscribe(client, "add", on_add, NULL, "{group: 'g', session_keys: ['n']}"), 0);
    until_ready(client);
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof(text), "{\"e\":\"add\",\"i\":%d}", i);
        ws_send(ws, text);
    }
    for (int i = 0; i < 30; i++) {
        snprintf(text, sizeof(text), "{\"e\":\"add\",\"p\":%d,\"i\":%d}", i, i);
        expect_message(ws, client, text);
    }
    assert_int_equal(told.count, 0);
}

/* ---- What functions return ---- */

static int on_return(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    sluice_send(event, sluice_event_conn(event), "back", sluice_event_payload(event), NULL);
    if (sluice_event_attempt(event) > 1)
        return sluice_answer(event, sluice_doc(event, "%u", sluice_event_attempt(event)), NULL);
    if (result == SLUICE_RETRY)
        return sluice_retry(event, 30);
    if (result == -1000)
        return sluice_refuse(event, "no", "not you", NULL);
    return result;
}

static void test_results_of_functions(void **state)
{
    sluice_client *client = new_member(on_return, "say");
    struct ws *ws = new_ws();

    (void)state;
    ws_send(ws, "{\"e\":\"say\",\"i\":1}");
    expect_message(ws, client, "{\"e\":\"back\"}");
    expect_message(ws, client, "{\"e\":\"@ok\",\"i\":1}");

    result = SLUICE_RETRY; /* what the first attempt queued is not sent */
    ws_send(ws, "{\"e\":\"say\",\"i\":2}");
    expect_message(ws, client, "{\"e\":\"back\"}");
    expect_message(ws, client, "{\"e\":\"say\",\"p\":2,\"i\":2}");
    assert_int_equal(calls, 3);

    result = SLUICE_E_CONFLICT;
    ws_send(ws, "{\"e\":\"say\",\"i\":3}");
    expect_message(ws, client, "{\"e\":\"back\"}");
    expect_message(ws, client, "{\"e\":\"say\",\"p\":2,\"i\":3}");
    assert_int_equal(told.count, 0);

    result = SLUICE_E_SYSTEM;
    ws_send(ws, "{\"e\":\"say\",\"i\":4}");
    expect_message(
        ws, client,
        "{\"e\":\"@error\",\"p\":{\"code\":\"failed\",\"message\":\"the function returned \\\"the system "
        "refused something\\\"\",\"temporary\":false,\"event\":\"say\"},\"i\":4}");
    assert_int_equal(told.error, SLUICE_E_SYSTEM);

    result = -1000;
    ws_send(ws, "{\"e\":\"say\",\"i\":5}");
    expect_message(ws, client, "{\"e\":\"back\"}");
    expect_message(ws, client,
                   "{\"e\":\"@error\",\"p\":{\"code\":\"no\",\"message\":\"not "
                   "you\",\"temporary\":false,\"event\":\"say\"},\"i\":5}");
    assert_int_equal(told.count, 1);
    until(client, of_group(client, "handled") == 4);
    assert_int_equal(of_group(client, "refused"), 1);
    assert_int_equal(of_group(client, "retried"), 2);
}

static int on_refuse(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    return sluice_refuse(event, "no", "not you", NULL);
}

static void test_refused_event_that_is_no_question(void **state)
{
    sluice_client *client = new_member(on_refuse, "say");
    struct ws *ws = new_ws();

    (void)state;
    ws_send(ws, "{\"e\":\"say\"}");
    until(client, of_group(client, "refused") == 1);
    assert_int_equal(of_group(client, "handled"), 0);
    expect_silence(ws, client, 50);
    assert_int_equal(told.count, 0);
}

static int on_bad_effect(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    sluice_send(event, sluice_event_conn(event), "back", NULL, NULL);
    sluice_send_where(event, sluice_doc(event, "{a: {$gt: [1]}}"), "x", NULL, NULL);
    return SLUICE_DONE;
}

static void test_step_with_a_refused_effect_is_nothing_at_all(void **state)
{
    sluice_client *client = new_member(on_bad_effect, "say");
    struct ws *ws = new_ws();

    (void)state;
    ws_send(ws, "{\"e\":\"say\",\"i\":1}");
    assert_non_null(strstr(ws_next(ws, client), "\"code\":\"failed\""));
    assert_int_equal(of_group(client, "dead"), 1);
    ws_send(ws, "{\"e\":\"say\"}"); /* the turn's reply comes with the next event */
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_BAD_FILTER);
    assert_string_equal(told.event, "say");
    assert_int_equal(strncmp(told.at, "ops[1].filter", 13), 0);
    expect_silence(ws, client, 50);
}

static const sluice_value *called_result;

static int on_call(sluice_event *event, void *arg)
{
    uint64_t count = 0;

    (void)arg;
    assert_int_equal(sluice_count(event, sluice_doc(event, "{}"), NULL, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(
        sluice_now(event, sluice_answer(event, sluice_doc(event, "'now'"), NULL), &called_result), 0);
    assert_true(sluice_get_bool(called_result, "first", false));
    assert_int_equal(sluice_extend(event), 0);
    return sluice_answer(event, sluice_doc(event, "'too late'"), NULL);
}

static void test_calls_inside_functions(void **state)
{
    sluice_client *client = new_member(on_call, "say");
    struct ws *ws = new_ws();

    (void)state;
    ws_send(ws, "{\"e\":\"say\",\"i\":1}");
    expect_message(ws, client, "{\"e\":\"say\",\"p\":\"now\",\"i\":1}");
    until(client, of_group(client, "handled") == 1);
    expect_silence(ws, client, 50);
    assert_int_equal(told.count, 0);
}

/* ---- Events that functions keep ---- */

static void test_kept_events_are_finished_in_any_order(void **state)
{
    sluice_client *client = new_member(on_keep, "say");
    struct ws *ws[3];
    char text[64];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        ws[i] = new_ws();
        snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%u,\"i\":1}", i);
        ws_send(ws[i], text);
        until(client, kept_count == i + 1);
    }
    ws_send(ws[1], "{\"e\":\"say\"}"); /* behind one that is kept */
    expect_silence(ws[1], client, 100);
    assert_int_equal(kept_count, 3);
    for (unsigned i = 3; i-- > 0;) {
        sluice_answer(kept[i], sluice_event_payload(kept[i]), NULL);
        assert_int_equal(sluice_finish(kept[i], SLUICE_DONE), 0);
        snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%u,\"i\":1}", i);
        expect_message(ws[i], client, text);
    }
    until(client, kept_count == 4);
    assert_int_equal(attempts_beyond_one, 0);
}

static void test_member_that_has_all_it_may_hold_gets_no_more(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws[4];

    (void)state;
    assert_int_equal(sluice_subscribe(client, "say", on_keep, NULL, "{group: 'g', max: 2}"), 0);
    until_ready(client);
    for (unsigned i = 0; i < 4; i++) {
        ws[i] = new_ws();
        ws_send(ws[i], "{\"e\":\"say\",\"i\":1}");
    }
    until(client, kept_count == 2);
    expect_silence(ws[0], client, 100);
    assert_int_equal(kept_count, 2);
    assert_int_equal(sluice_finish(kept[0], SLUICE_DONE), 0);
    until(client, kept_count == 3);
    expect_silence(ws[3], client, 50);
    assert_int_equal(kept_count, 3);
}

static void test_several_of_a_connection(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    char text[64];

    (void)state;
    assert_int_equal(sluice_subscribe(client, "say", on_keep, NULL, "{group: 'g', per_conn: 3}"), 0);
    until_ready(client);
    for (int i = 0; i < 4; i++) {
        snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%d,\"i\":%d}", i, i);
        ws_send(ws, text);
    }
    until(client, kept_count == 3);
    for (unsigned i = 3; i-- > 0;) { /* the last one first, and yet they are told in order */
        sluice_answer(kept[i], sluice_event_payload(kept[i]), NULL);
        assert_int_equal(sluice_finish(kept[i], SLUICE_DONE), 0);
        if (i > 0)
            expect_silence(ws, client, 50);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%d,\"i\":%d}", i, i);
        expect_message(ws, client, text);
    }
    until(client, kept_count == 4);
    assert_int_equal(told.count, 0);
}

static int on_change(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    attempts_beyond_one += sluice_event_attempt(event) != 1;
    sluice_update(event, sluice_event_conn(event), sluice_doc(event, "{$inc: {n: 1}}"), NULL);
    return sluice_answer(
        event, sluice_doc(event, "%lld", (long long)sluice_get_int(sluice_event_session(event), "n", 0)),
        NULL);
}

static void test_stale_events_come_again_by_themselves(void **state)
{
    sluice_client *client = new_client();
    struct ws *ws = new_ws();
    char text[64];

    (void)state;
    sluice_on_log(client, keep_log, NULL);
    assert_int_equal(sluice_subscribe(client, "say", on_change, NULL, "{group: 'g', per_conn: 4}"), 0);
    until_ready(client);
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "{\"e\":\"say\",\"i\":%d}", i);
        ws_send(ws, text);
    }
    usleep(100000);
    for (int i = 0; i < 12; i++) {
        snprintf(text, sizeof(text), "{\"e\":\"say\",\"p\":%d,\"i\":%d}", i, i);
        expect_message(ws, client, text);
    }
    assert_int_equal(told.count, 0);
    assert_int_equal(attempts_beyond_one, 0);
    assert_true(calls > 12);
    assert_non_null(strstr(logged, "was not finished"));
}

/* ---- Members that come and go ---- */

static void test_event_waits_for_a_member(void **state)
{
    sluice_client *client = new_member(on_echo, "say");
    struct ws *ws = new_ws();

    (void)state;
    free_client(client);
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
        TEST(test_group_echo),
        TEST(test_life_of_a_connection_in_order),
        TEST(test_burst_goes_in_few_turns),
        TEST(test_members_share),
        TEST(test_each_group_gets_each_event),
        TEST(test_session_holds_what_the_event_before_did),
        TEST(test_results_of_functions),
        TEST(test_refused_event_that_is_no_question),
        TEST(test_step_with_a_refused_effect_is_nothing_at_all),
        TEST(test_calls_inside_functions),
        TEST(test_kept_events_are_finished_in_any_order),
        TEST(test_member_that_has_all_it_may_hold_gets_no_more),
        TEST(test_several_of_a_connection),
        TEST(test_stale_events_come_again_by_themselves),
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
    return cmocka_run_group_tests(tests, NULL, NULL);
}
