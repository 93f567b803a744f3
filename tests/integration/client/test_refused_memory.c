/* Every allocation of the library is refused once: it reports, and goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client.h"
#include "fake_broker.h"
#include "fixture.h"
#include "support/failing_alloc.h"

#define ROUNDS_MAX 2000

static struct fake fake;

static int setup(void **state)
{
    (void)state;
    alarm(120);
    memset(&told, 0, sizeof(told));
    fake_start(&fake);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_stop(&fake);
    return 0;
}

static int never(sluice_event *event, void *arg)
{
    (void)event;
    (void)arg;
    return 0;
}

static void ignore_error(sluice_client *client, const sluice_fault *fault, sluice_event *event, void *arg)
{
    (void)client;
    (void)fault;
    (void)event;
    ++*(unsigned *)arg;
}

/* Make all kinds of values and operations with a step. Returns the step's error as sluice_end() would see it.
 */
static int make_everything(sluice_client *client)
{
    static char long_text[5000];
    sluice_event *step = sluice_begin(client);
    const sluice_value *doc, *inner;
    int error;

    memset(long_text, 'x', sizeof(long_text) - 1);
    inner = sluice_doc(step, "{a: [%d, %s], long: %s}", 1, "text", long_text);
    doc = inner ? sluice_doc(step, "{x: %p, y: %s}", (const void *)inner, "z") : NULL;
    sluice_json(step, "{\"a\":[1,2,{\"b\":null}]}");
    sluice_raw(step, "\x93\x01\x02\x03", 4);
    sluice_get_str(doc, "x.a.1", NULL);
    sluice_item(sluice_get_value(doc, "x"), 1);
    sluice_key(doc, 0);
    sluice_to_json(doc);
    sluice_object(doc);
    sluice_send_where(step, sluice_doc(step, "{room: %s, n: {$in: [%d, %d]}}", "lobby", 1, 2), "news", doc,
                      sluice_doc(step, "{fill: {n: {a: %d}}}", 1));
    sluice_queue(step, sluice_doc(step, "{op: 'send', filter: {a: %s}, event: 'x'}", "b"));
    sluice_close(step, "c.1", 4000, "bye");
    error = sluice_send(step, "c.1", "last", NULL, NULL);
    sluice_cancel(step);
    return step ? error : SLUICE_E_NOMEM;
}

static void test_values_and_operations(void **state)
{
    unsigned long n;

    (void)state;
    for (n = 0; n < ROUNDS_MAX; n++) {
        sluice_client *client = sluice_client_new("name", "version");
        int error;
        failing_alloc_start(n);
        error = make_everything(client);
        if (!failing_alloc_stop()) {
            assert_int_equal(error, 0);
            sluice_client_free(client);
            break;
        }
        assert_int_equal(error, SLUICE_E_NOMEM);
        assert_int_equal(make_everything(client), 0); /* the client is as good as before */
        sluice_client_free(client);
    }
    assert_in_range(n, 10, ROUNDS_MAX - 1);
}

static int make_client(sluice_client **out)
{
    sluice_client *client = sluice_client_new("name", "version");
    int error = client ? 0 : SLUICE_E_NOMEM;

    *out = client;
    if (error == 0)
        error = sluice_set_key(client, "a key of 16 bytes");
    if (error == 0)
        error = sluice_subscribe(client, "a:*", never, NULL, "{}");
    if (error == 0)
        error = sluice_subscribe(client, "a:*", never, NULL, "{group: 'g', session_keys: ['room']}");
    if (error < 0 && client)
        assert_true(!client->groups || client->groups->function_count > 0);
    return error;
}

static void test_clients(void **state)
{
    unsigned long n;

    (void)state;
    for (n = 0; n < ROUNDS_MAX; n++) {
        sluice_client *client;
        int error;
        bool was_refused;
        failing_alloc_start(n);
        error = make_client(&client);
        if (error == 0)
            error = sluice_connect(client, fake.calls);
        was_refused = failing_alloc_stop();
        sluice_client_free(client);
        if (!was_refused) {
            assert_int_equal(error, 0);
            break;
        }
        assert_int_equal(error, SLUICE_E_NOMEM);
    }
    assert_in_range(n, 5, ROUNDS_MAX - 1);
}

static int count_and_send(sluice_event *event, void *arg)
{
    ++*(unsigned *)arg;
    return sluice_send(event, sluice_event_conn(event), "back", sluice_event_payload(event), NULL);
}

/* One event, its function, its effect, and their reply; the n-th allocation of this thread is refused. Events
 * may be lost, nothing else. */
static void test_handling(void **state)
{
    unsigned calls = 0, errors = 0;
    sluice_client *client = sluice_client_new("name", "version");
    unsigned long n;
    bool was_refused = true;

    (void)state;
    sluice_on_error(client, ignore_error, &errors);
    sluice_connect(client, fake.calls);
    sluice_subscribe(client, "a:*", count_and_send, &calls, NULL);
    until_ready(client);
    for (n = 0; was_refused && n < 200; n++) {
        fake_publish(
            &fake, "a:x",
            "{\"v\":1,\"epoch\":\"$EPOCH\",\"events\":[{\"conn\":\"c.1\",\"seq\":1,\"payload\":[1]}]}");
        usleep(2000);
        failing_alloc_start(n);
        for (int i = 0; i < 5; i++)
            sluice_poll(client, 2);
        was_refused = failing_alloc_stop();
    }
    assert_false(was_refused);
    calls = errors = 0;
    fake_publish(&fake, "a:x", "{\"v\":1,\"epoch\":\"$EPOCH\",\"events\":[{\"conn\":\"c.1\",\"seq\":1}]}");
    until(client, calls == 1);
    assert_int_equal(errors, 0);
    sluice_client_free(client);
}

static int count_and_answer(sluice_event *event, void *arg)
{
    ++*(unsigned *)arg;
    if (sluice_event_seq(event) % 2)
        return sluice_refuse(event, "no", NULL, NULL);
    return sluice_answer(event, sluice_doc(event, "{a: %d}", 1), NULL);
}

/* A member joins, gets events and finishes them. Events may come again when their lease is over, nothing
 * else. */
static void test_members(void **state)
{
    static const char events[] = "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"turn\":$TURN,\"failed\":[{"
                                 "\"seq\":1,\"code\":\"stale\",\"then\":"
                                 "\"none\"}],\"events\":[{\"event\":\"a:x\",\"conn\":\"c.1\",\"seq\":1,"
                                 "\"attempt\":1},{\"event\":\"a:x\",\"conn\":"
                                 "\"c.2\",\"seq\":2,\"attempt\":1,\"i\":1}]}";
    unsigned long n;
    bool was_refused = true;

    (void)state;
    for (n = 0; was_refused && n < 200; n++) {
        unsigned calls = 0, errors = 0, turns = fake_count(&fake, &fake.turns);
        sluice_client *client = sluice_client_new("name", "version");
        sluice_on_error(client, ignore_error, &errors);
        sluice_connect(client, fake.calls);
        sluice_subscribe(client, "a:*", count_and_answer, &calls, "{group: 'g', per_conn: 2}");
        fake_script(&fake, events);
        failing_alloc_start(n);
        for (int i = 0; i < 2000 && fake_count(&fake, &fake.turns) < turns + 2; i++)
            sluice_poll(client, 5);
        was_refused = failing_alloc_stop();
        until(client, fake_count(&fake, &fake.turns) >= turns + 2);
        calls = 0;
        turns = fake_count(&fake, &fake.turns);
        fake_script(&fake, events);
        until(client, calls == 2 && fake_count(&fake, &fake.turns) > turns); /* none comes behind it */
        sluice_client_free(client);
        fake_forget_waiting(&fake);
    }
    assert_false(was_refused);
    assert_in_range(n, 10, 199);
}

static int call_everything(sluice_client *client)
{
    sluice_event *step = sluice_begin(client);
    const sluice_value *result;
    uint64_t count;
    int error = sluice_count(step, sluice_doc(step, "{a: %d}", 1), NULL, &count);

    if (error == 0)
        error = sluice_find(step, sluice_doc(step, "{}"), sluice_doc(step, "{limit: 5}"), &result);
    if (error == 0)
        error = sluice_call(step, sluice_doc(step, "[{op: 'count'}, {op: 'stats'}]"), &result);
    if (error == 0)
        error = sluice_now(step, sluice_send(step, "c.1", "x", NULL, NULL), &result);
    sluice_send(step, "c.1", "y", NULL, NULL);
    if (error < 0) {
        sluice_cancel(step);
        return step ? error : SLUICE_E_NOMEM;
    }
    return sluice_end(step);
}

static void test_calls(void **state)
{
    unsigned long n;

    (void)state;
    for (n = 0; n < ROUNDS_MAX; n++) {
        sluice_client *client = sluice_client_new("name", "version");
        int error;
        sluice_connect(client, fake.calls);
        failing_alloc_start(n);
        error = call_everything(client);
        if (!failing_alloc_stop()) {
            assert_int_equal(error, 0);
            sluice_client_free(client);
            break;
        }
        assert_int_equal(error, SLUICE_E_NOMEM);
        assert_int_equal(call_everything(client), 0);
        sluice_client_free(client);
    }
    assert_in_range(n, 5, ROUNDS_MAX - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(test_values_and_operations), TEST(test_clients),
                                       TEST(test_handling), TEST(test_members), TEST(test_calls)};
    return run_each(tests);
}
