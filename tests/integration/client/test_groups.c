/* What members of groups are called with and what they return, with the real broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "member.h"

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

int main(void)
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
    };
    return run_each(tests);
}
