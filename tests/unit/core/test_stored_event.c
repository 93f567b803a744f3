#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/stored_event.h"
#include "support/failing_alloc.h"
#include "support/world.h"
#include "wire/json.h"

static const struct core_time NOW = {.mono_ms = 70, .wall_ms = 1234};

static const char *json_of(const struct stored_event *event, uint64_t seq, unsigned attempt,
                           const struct key_list *keys)
{
    static char text[1024];
    struct buf mp = BUF_INIT, json = BUF_INIT;
    stored_event_put(event, seq, attempt, keys, &mp);
    assert_true(mp.len <= stored_event_put_bytes(event));
    assert_true(mp_to_json(mp.data, mp.len, &json));
    assert_true(json.len < sizeof(text));
    memcpy(text, json.data, json.len);
    text[json.len] = '\0';
    buf_deinit(&mp);
    buf_deinit(&json);
    return text;
}

static struct stored_event *store_hi(struct conn *conn)
{
    const struct question_id id = {.kind = QUESTION_NUMBER, .number = 7};
    const struct event event = {.name = "hi",
                                .name_len = 2,
                                .conn = conn,
                                .payload = "\x93\1\2\3",
                                .payload_len = 4,
                                .trace = "\xa1t",
                                .trace_len = 2,
                                .id = &id};
    struct stored_event *stored = stored_event_new(&event, 5, NOW);
    assert_non_null(stored);
    return stored;
}

static void test_map_has_what_came_and_the_session_as_it_is_now(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    struct stored_event *event = store_hi(alice);
    assert_string_equal(
        json_of(event, 41, 2, NULL),
        "{\"event\":\"hi\",\"conn\":\"epoch1.1\",\"payload\":[1,2,3],\"i\":7,\"time_ms\":1234,"
        "\"trace\":\"t\",\"seq\":41,\"attempt\":2,\"session\":{},\"version\":1}");
    world_call(
        &w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"a\":1,\"b\":[2],\"c\":3}}}]");
    assert_string_equal(
        json_of(event, 41, 3, NULL),
        "{\"event\":\"hi\",\"conn\":\"epoch1.1\",\"payload\":[1,2,3],\"i\":7,\"time_ms\":1234,"
        "\"trace\":\"t\",\"seq\":41,\"attempt\":3,\"session\":{\"a\":1,\"b\":[2],\"c\":3},"
        "\"version\":2}");
    stored_event_unref(w.core, event);
}

static void test_only_asked_keys_of_the_session_travel(void **state)
{
    (void)state;
    static const char names[] = "c\0missing\0a";
    struct key_list *keys = malloc(sizeof(*keys) + sizeof(names));
    struct conn *alice = world_open(&w, "alice", "");
    struct stored_event *event = store_hi(alice);
    world_call(
        &w, "[{\"op\":\"update\",\"conn\":\"epoch1.1\",\"update\":{\"$set\":{\"a\":1,\"b\":[2],\"c\":3}}}]");
    assert_non_null(keys);
    keys->count = 3;
    keys->len = sizeof(names);
    memcpy(keys->text, names, sizeof(names));
    assert_non_null(strstr(json_of(event, 1, 1, keys), "\"session\":{\"a\":1,\"c\":3},\"version\":2}"));
    keys->count = 0;
    assert_non_null(strstr(json_of(event, 1, 1, keys), "\"session\":{},\"version\":2}"));
    free(keys);
    stored_event_unref(w.core, event);
}

static void test_payload_is_found_in_the_map(void **state)
{
    (void)state;
    struct stored_event *event = store_hi(world_open(&w, "alice", ""));
    assert_int_equal(event->payload_len, 4);
    assert_memory_equal(event->mp + event->payload_at, "\x93\1\2\3", 4);
    assert_string_equal(event->name, "hi");
    assert_int_equal(event->question, 5);
    assert_int_equal(event->accepted_ms, 70);
    stored_event_unref(w.core, event);
}

static void test_connection_knows_how_many_events_it_has(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    unsigned before = alice->events;
    struct stored_event *one = store_hi(alice), *two = store_hi(alice);
    assert_int_equal(alice->events, before + 2);
    stored_event_ref(one);
    stored_event_unref(w.core, one);
    assert_int_equal(alice->events, before + 2);
    stored_event_unref(w.core, one);
    assert_int_equal(alice->events, before + 1);
    stored_event_unref(w.core, two);
    assert_int_equal(alice->events, before);
}

static void test_refused_memory_leaves_no_event(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    const struct event event = {.name = "hi", .name_len = 2, .conn = alice};
    unsigned before = alice->events;
    failing_alloc_start(0);
    struct stored_event *stored = stored_event_new(&event, 0, NOW);
    assert_true(failing_alloc_stop());
    assert_null(stored);
    assert_int_equal(alice->events, before);
}

static void test_event_takes_one_allocation_whatever_is_in_it(void **state)
{
    (void)state;
    static char payload[70000];
    payload[0] = (char)0xc6; /* bin 32 */
    payload[2] = 1;
    const struct opening_header headers[] = {{"origin", "https://example.org"}, {"cookie", "a=b"}};
    const struct opening opening = {.path = "/ws",
                                    .query = "token=1234567890",
                                    .remote = "10.0.0.1",
                                    .subprotocol = "sluice.v1.json",
                                    .headers = headers,
                                    .header_count = 2};
    const struct question_id id = {.kind = QUESTION_TEXT, .len = QUESTION_TEXT_MAX};
    struct conn *alice = world_open(&w, "alice", "");
    const struct event events[] = {
        {.name = "hi", .name_len = 2, .payload = payload, .payload_len = sizeof(payload), .id = &id},
        {.name = "@connect", .name_len = 8, .opening = &opening},
        {.name = "chat:message", .name_len = 12, .trace = payload, .trace_len = sizeof(payload)},
    };
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        struct event event = events[i];
        event.conn = alice;
        failing_alloc_start(1);
        struct stored_event *stored = stored_event_new(&event, 0, NOW);
        assert_false(failing_alloc_stop());
        stored_event_unref(w.core, stored);
    }
}

static void test_reserved_disconnect_needs_no_memory(void **state)
{
    (void)state;
    struct conn *alice = world_open(&w, "alice", "");
    char reason[123];
    memset(reason, 'x', sizeof(reason));
    const struct ending ending = {
        .code = 4999, .reason = reason, .reason_len = sizeof(reason), .duration_ms = UINT64_MAX};
    const struct event event = {.name = "@disconnect", .name_len = 11, .conn = alice, .ending = &ending};
    assert_int_equal(stored_event_reserve(alice), 0);
    failing_alloc_start(0);
    struct stored_event *stored = stored_event_new(&event, 0, NOW);
    assert_false(failing_alloc_stop());
    assert_non_null(stored);
    assert_non_null(strstr(json_of(stored, 1, 1, NULL), "\"code\":4999,\"reason\":\"xxx"));
    stored_event_unref(w.core, stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_map_has_what_came_and_the_session_as_it_is_now),
        WORLD_TEST(test_only_asked_keys_of_the_session_travel),
        WORLD_TEST(test_payload_is_found_in_the_map),
        WORLD_TEST(test_connection_knows_how_many_events_it_has),
        WORLD_TEST(test_refused_memory_leaves_no_event),
        WORLD_TEST(test_event_takes_one_allocation_whatever_is_in_it),
        WORLD_TEST(test_reserved_disconnect_needs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
