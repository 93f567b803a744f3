/* What a broker should not do, and links that break: the library reports, tries again, and sends nothing
 * twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_broker.h"
#include "fixture.h"
#include "wire/mp.h"

static struct fake fake;
static sluice_client *client;
static unsigned handled;
static uint64_t lost;
static char lost_name[64];

static void count_gap(sluice_client *of, const char *name, uint64_t count, void *arg)
{
    (void)of;
    (void)arg;
    lost += count;
    snprintf(lost_name, sizeof(lost_name), "%s", name);
}

static int on_event(sluice_event *event, void *arg)
{
    (void)arg;
    handled++;
    return sluice_get_bool(sluice_event_payload(event), "quiet", false)
               ? 0
               : sluice_send(event, sluice_event_conn(event), "back", sluice_event_payload(event), NULL);
}

static int setup(void **state)
{
    (void)state;
    alarm(120);
    memset(&told, 0, sizeof(told));
    handled = 0;
    lost = 0;
    lost_name[0] = '\0';
    fake_start(&fake);
    snprintf(broker.calls, sizeof(broker.calls), "%s", fake.calls);
    client = new_client();
    sluice_on_gap(client, count_gap, NULL);
    sluice_set_timeout(client, 1000);
    return 0;
}

static int teardown(void **state)
{
    free_client(client);
    fake_stop(&fake);
    broker.pid = 0;
    broker.dir[0] = '\0';
    (void)state;
    return 0;
}

static int send_news(void)
{
    sluice_event *step = sluice_begin(client);

    sluice_send(step, "c.1", "news", NULL, NULL);
    return sluice_end(step);
}

static void until_subscribed(void)
{
    sluice_subscribe(client, "a:*", on_event, NULL, NULL);
    until_ready(client);
}

static void publish(const char *event, unsigned seq, const char *more)
{
    char json[512];

    snprintf(json, sizeof(json),
             "{\"v\":1,\"epoch\":\"$EPOCH\",\"events\":[{\"event\":\"%s\",\"conn\":\"c.1\",\"session\":{},"
             "\"version\":1,\"seq\":%u%s}]}",
             event, seq, more);
    fake_publish(&fake, event, json);
}

static void publish_alive(const char *seqs)
{
    char json[512];

    snprintf(json, sizeof(json),
             "{\"v\":1,\"epoch\":\"$EPOCH\",\"events\":[{\"event\":\"@alive\",\"time_ms\":1,\"payload\":{"
             "\"seq\":%s}}]}",
             seqs);
    fake_publish(&fake, "@alive", json);
}

/* ---- Replies ---- */

static void test_reply_that_cannot_be_understood_is_an_error(void **state)
{
    (void)state;
    fake_next(&fake, FAKE_GARBAGE);
    assert_int_equal(send_news(), SLUICE_E_PROTOCOL);
    fake.reply = "{\"v\":1,\"id\":$ID,\"epoch\":\"epoch1\",\"results\":[]}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(send_news(), SLUICE_E_PROTOCOL);
    fake.reply = "{\"v\":1,\"id\":$ID,\"epoch\":\"epoch1\",\"results\":[7]}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(send_news(), SLUICE_E_PROTOCOL);
    fake.reply = "{\"v\":1,\"id\":99999,\"epoch\":\"epoch1\",\"results\":[{\"ok\":true}]}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(send_news(), SLUICE_E_PROTOCOL);
    assert_int_equal(send_news(), 0);
}

static void test_refusals_keep_the_brokers_words(void **state)
{
    (void)state;
    fake.reply = "{\"v\":1,\"id\":$ID,\"epoch\":\"epoch1\",\"results\":[{\"ok\":false,\"code\":\"of_the_"
                 "future\",\"message\":\"new\"}]}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(send_news(), SLUICE_E_REFUSED);
    assert_string_equal(sluice_fault_code(sluice_client_fault(client)), "of_the_future");
    fake.reply =
        "{\"v\":1,\"id\":$ID,\"epoch\":\"epoch1\",\"ok\":false,\"code\":\"unauthorized\",\"message\":\"no\"}";
    fake_next(&fake, FAKE_REPLY);
    assert_int_equal(send_news(), SLUICE_E_UNAUTHORIZED);
}

/* ---- Requests that are repeated ---- */

static void test_lost_request_is_repeated_byte_for_byte(void **state)
{
    (void)state;
    sluice_set_timeout(client, 8000);
    fake_next(&fake, FAKE_IGNORE);
    assert_int_equal(send_news(), 0);
    assert_int_equal(fake.seen_count, 2);
    assert_int_equal(fake.seen[0].len, fake.seen[1].len);
    assert_memory_equal(fake.seen[0].data, fake.seen[1].data, fake.seen[0].len);
}

static void test_request_is_repeated_after_the_link_broke(void **state)
{
    (void)state;
    fake_next(&fake, FAKE_HANG_UP);
    assert_int_equal(send_news(), 0);
    assert_int_equal(fake.seen_count, 2);
    assert_memory_equal(fake.seen[0].data, fake.seen[1].data, fake.seen[0].len);
}

static void test_ids_rise(void **state)
{
    struct mp_reader at;
    struct mp_token id;
    uint64_t last = 0;

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(send_news(), 0);
    assert_int_equal(fake.seen_count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_true(mp_map_get(mp_reader(fake.seen[i].data, fake.seen[i].len), "id", 2, &at) &&
                    mp_next(&at, &id));
        assert_true(id.uint > last);
        last = id.uint;
    }
}

static void test_request_given_up_is_not_sent_later(void **state)
{
    (void)state;
    assert_int_equal(send_news(), 0);
    fake_go_away(&fake);
    sluice_set_timeout(client, 200);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(send_news(), SLUICE_E_TIMEOUT);
        assert_non_null(strstr(sluice_fault_message(sluice_client_fault(client)), fake.calls));
    }
    fake_come_back(&fake);
    sluice_set_timeout(client, 5000);
    assert_int_equal(send_news(), 0);
    usleep(300000);
    assert_int_equal(fake_count(&fake, &fake.requests), 2);
}

static void test_request_without_a_reply_times_out_and_is_not_repeated(void **state)
{
    (void)state;
    fake_next(&fake, FAKE_IGNORE);
    assert_int_equal(send_news(), SLUICE_E_TIMEOUT);
    assert_int_equal(send_news(), 0);
    usleep(2500000); /* longer than nng waits before it repeats */
    assert_int_equal(fake_count(&fake, &fake.requests), 2);
}

/* ---- Effects ---- */

/* As when a broker is killed while nng shakes hands: somebody listens and says nothing. */
static void test_peer_that_says_nothing_does_not_hold_up_for_long(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int silent = socket(AF_UNIX, SOCK_STREAM, 0);
    int64_t start;

    (void)state;
    fake_go_away(&fake);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/calls", fake.dir);
    unlink(at.sun_path);
    assert_int_equal(bind(silent, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(silent, 16), 0);
    sluice_set_timeout(client, 1500);
    assert_int_equal(send_news(), SLUICE_E_TIMEOUT);
    unlink(at.sun_path);
    fake_come_back(&fake);
    sluice_set_timeout(client, 5000);
    start = clock_now();
    assert_int_equal(send_news(), 0);
    assert_in_range(clock_now() - start, 0, 4000);
    close(silent);
}

static void test_effects_without_a_reply_reach_on_error(void **state)
{
    (void)state;
    until_subscribed();
    fake_next(&fake, FAKE_IGNORE);
    publish("a:x", 1, "");
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_TIMEOUT);
    assert_string_equal(told.event, "a:x");
    publish("a:x", 2, "");
    until(client, fake_count(&fake, &fake.requests) == 2);
    assert_int_equal(told.count, 1);
}

static void test_effects_carry_the_epoch_of_their_event(void **state)
{
    (void)state;
    until_subscribed();
    publish("a:x", 1, "");
    until(client, fake_count(&fake, &fake.requests) == 1);
    assert_non_null(strstr(fake_seen(&fake, 0), "\"epoch\":\"epoch1\""));
    assert_int_equal(send_news(), 0); /* a step of no event has none */
    assert_null(strstr(fake_seen(&fake, 1), "epoch"));
}

static void test_effects_are_split_by_the_brokers_limits(void **state)
{
    (void)state;
    snprintf(fake.limits, sizeof(fake.limits), "{\"max_ops\":3}");
    until_subscribed();
    fake_publish(&fake, "a:x",
                 "{\"v\":1,\"epoch\":\"$EPOCH\",\"events\":[{\"conn\":\"c.1\",\"seq\":1},{\"conn\":\"c.2\","
                 "\"seq\":2},{\"conn\":\"c.3\",\"seq\":3},"
                 "{\"conn\":\"c.4\",\"seq\":4},{\"conn\":\"c.5\",\"seq\":5}]}");
    until(client, handled == 5 && fake_count(&fake, &fake.requests) == 2);
    assert_non_null(strstr(fake_seen(&fake, 0), "c.3"));
    assert_null(strstr(fake_seen(&fake, 0), "c.4"));
    assert_non_null(strstr(fake_seen(&fake, 1), "c.5"));
}

static void test_step_is_split_by_the_brokers_limits(void **state)
{
    sluice_event *step = sluice_begin(client);

    (void)state;
    snprintf(fake.limits, sizeof(fake.limits), "{\"max_ops\":2,\"max_request_bytes\":4096}");
    for (int i = 0; i < 5; i++)
        sluice_send(step, "c.1", "news", sluice_doc(step, "%d", i), NULL);
    assert_int_equal(sluice_end(step), 0);
    assert_int_equal(fake.hellos, 1); /* asked for the limits */
    assert_int_equal(fake.seen_count, 3);
    step = sluice_begin(client);
    char large[5000];
    memset(large, 'x', sizeof(large));
    assert_int_equal(
        sluice_send(step, "c.1", "news", sluice_doc(step, "%.*s", (int)sizeof(large), large), NULL),
        SLUICE_E_TOO_LARGE);
    sluice_cancel(step);
}

/* ---- Messages ---- */

static void test_messages_that_are_none_are_passed_over(void **state)
{
    (void)state;
    until_subscribed();
    fake_publish_raw(&fake, "a:", 2);
    fake_publish_raw(&fake, "a:x", 3);
    fake_publish_raw(&fake, "a:x\0\xc1", 5);
    fake_publish_raw(&fake, "a:x\0", 4);
    fake_publish(&fake, "a:x", "[]");
    fake_publish(&fake, "a:x", "{\"v\":1}");
    fake_publish(&fake, "a:x", "{\"epoch\":\"$EPOCH\",\"events\":7}");
    fake_publish(&fake, "a:x", "{\"epoch\":7,\"events\":[]}");
    fake_publish(&fake, "a:x", "{\"epoch\":\"$EPOCH\",\"events\":[]}");
    fake_publish(&fake, "a:x", "{\"epoch\":\"$EPOCH\",\"events\":[7]}");
    fake_publish(&fake, "a:x", "{\"epoch\":\"$EPOCH\",\"events\":[{\"conn\":7}]}");
    fake_publish_raw(&fake,
                     "a:x\0\x82\xa5"
                     "epoch\xa6"
                     "epoch1\xa6"
                     "events\xdd\xff\xff\xff\xff",
                     31);
    fake_publish(&fake, "@alive",
                 "{\"epoch\":\"$EPOCH\",\"events\":[{\"payload\":{\"seq\":{\"a:x\":\"y\"}}}]}");
    fake_publish(&fake, "@alive", "{\"epoch\":\"$EPOCH\",\"events\":[{\"payload\":[]}]}");
    publish("a:x", 1, "");
    until(client, handled == 1);
    assert_int_equal(told.count, 0);
}

static void test_loss_shows_in_the_next_event_and_in_alive(void **state)
{
    (void)state;
    until_subscribed();
    publish("a:x", 10, ",\"payload\":{\"quiet\":true}");
    publish("a:x", 14, ",\"payload\":{\"quiet\":true}");
    until(client, handled == 2);
    assert_int_equal(lost, 3);
    assert_string_equal(lost_name, "a:x");
    publish_alive("{\"a:x\":16,\"b:y\":5}");
    until(client, lost == 5);
    publish_alive("{\"a:x\":16,\"b:y\":9,\"a:z\":4}");
    until(client, lost == 6); /* of a:z one at least; b:y is nothing of ours */
    assert_string_equal(lost_name, "a:z");
}

static void test_other_epoch_makes_everything_new(void **state)
{
    (void)state;
    until_subscribed();
    publish("a:x", 10, ",\"payload\":{\"quiet\":true}");
    until(client, handled == 1);
    snprintf(fake.epoch, sizeof(fake.epoch), "epoch2");
    publish("a:x", 50, ",\"payload\":{\"quiet\":true}");
    until(client, handled == 2);
    assert_int_equal(lost, 0); /* its numbers are other ones */
    until(client, fake_count(&fake, &fake.hellos) == 2 && fake_count(&fake, &fake.announcements) == 2);
    until_ready(client);
    assert_string_equal(fake.last_announcement, "[\"a:*\"]");
}

static void test_other_epoch_is_seen_in_a_reply_too(void **state)
{
    (void)state;
    until_subscribed();
    snprintf(fake.epoch, sizeof(fake.epoch), "epoch2");
    assert_int_equal(send_news(), 0);
    until(client, fake_count(&fake, &fake.announcements) == 2);
}

/* ---- Staying in touch ---- */

static void test_announcements_are_repeated(void **state)
{
    (void)state;
    snprintf(fake.limits, sizeof(fake.limits), "{\"announce_ms\":300}");
    until_subscribed();
    until(client, fake_count(&fake, &fake.announcements) >= 4);
    assert_int_equal(fake_count(&fake, &fake.hellos), 1);
}

static void test_new_subscription_is_announced(void **state)
{
    (void)state;
    until_subscribed();
    sluice_subscribe(client, "b", on_event, NULL, NULL);
    assert_false(sluice_is_ready(client));
    until_ready(client);
    assert_string_equal(fake.last_announcement, "[\"a:*\",\"b\"]");
    publish("b", 1, "");
    until(client, handled == 1);
}

static void test_silence_makes_it_connect_anew(void **state)
{
    (void)state;
    snprintf(fake.limits, sizeof(fake.limits),
             "{\"alive_ms\":10}"); /* then a second of silence is a dead link */
    until_subscribed();
    until(client, !sluice_is_ready(client));
    until_ready(client);
    assert_true(fake_count(&fake, &fake.hellos) >= 2);
    publish("a:x", 1, "");
    until(client, handled == 1);
}

static void test_alive_keeps_the_link(void **state)
{
    int64_t end;

    (void)state;
    snprintf(fake.limits, sizeof(fake.limits), "{\"alive_ms\":10}");
    until_subscribed();
    for (end = clock_now() + 2000; clock_now() < end; usleep(50000)) {
        publish_alive("{}");
        sluice_poll(client, 10);
        assert_true(sluice_is_ready(client));
    }
}

static void test_refused_hello_is_told_and_tried_again(void **state)
{
    (void)state;
    snprintf(fake.hello_reply, sizeof(fake.hello_reply),
             "{\"ok\":false,\"code\":\"unauthorized\",\"message\":\"no\"}");
    sluice_subscribe(client, "a:*", on_event, NULL, NULL);
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_UNAUTHORIZED);
    pthread_mutex_lock(&fake.lock);
    fake.hello_reply[0] = '\0';
    pthread_mutex_unlock(&fake.lock);
    until_ready(client);
    assert_int_equal(told.count, 1);
}

static void test_hello_without_addresses_is_told(void **state)
{
    (void)state;
    snprintf(fake.hello_reply, sizeof(fake.hello_reply), "{\"ok\":true,\"addresses\":{\"events\":[]}}");
    sluice_subscribe(client, "a:*", on_event, NULL, NULL);
    until(client, told.count == 1);
    assert_int_equal(told.error, SLUICE_E_PROTOCOL);
}

static void test_who_subscribes_to_nothing_says_nothing(void **state)
{
    (void)state;
    assert_int_equal(send_news(), 0);
    for (int i = 0; i < 20; i++)
        step_client(client);
    assert_int_equal(fake_count(&fake, &fake.hellos) + fake_count(&fake, &fake.announcements), 0);
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_reply_that_cannot_be_understood_is_an_error),
        TEST(test_refusals_keep_the_brokers_words),
        TEST(test_lost_request_is_repeated_byte_for_byte),
        TEST(test_request_is_repeated_after_the_link_broke),
        TEST(test_ids_rise),
        TEST(test_request_given_up_is_not_sent_later),
        TEST(test_request_without_a_reply_times_out_and_is_not_repeated),
        TEST(test_peer_that_says_nothing_does_not_hold_up_for_long),
        TEST(test_effects_without_a_reply_reach_on_error),
        TEST(test_effects_carry_the_epoch_of_their_event),
        TEST(test_effects_are_split_by_the_brokers_limits),
        TEST(test_step_is_split_by_the_brokers_limits),
        TEST(test_messages_that_are_none_are_passed_over),
        TEST(test_loss_shows_in_the_next_event_and_in_alive),
        TEST(test_other_epoch_makes_everything_new),
        TEST(test_other_epoch_is_seen_in_a_reply_too),
        TEST(test_announcements_are_repeated),
        TEST(test_new_subscription_is_announced),
        TEST(test_silence_makes_it_connect_anew),
        TEST(test_alive_keeps_the_link),
        TEST(test_refused_hello_is_told_and_tried_again),
        TEST(test_hello_without_addresses_is_told),
        TEST(test_who_subscribes_to_nothing_says_nothing),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return run_each(tests);
}
