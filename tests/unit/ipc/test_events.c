#include "unit/ipc/fixture.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nng/protocol/pubsub0/sub.h>

static void subscriber_open(nng_socket *socket, const char *address, const char *topic, size_t len)
{
    assert_int_equal(0, nng_sub0_open(socket));
    assert_int_equal(0, nng_socket_set_int(*socket, NNG_OPT_RECVBUF, 1024));
    assert_int_equal(0, nng_socket_set(*socket, NNG_OPT_SUB_SUBSCRIBE, topic, len));
    assert_int_equal(0, nng_dial(*socket, address, NULL, 0));
}

struct received {
    nng_socket socket;
    nng_msg *message;
};

static bool has_received(struct fixture *f, void *arg)
{
    struct received *received = arg;
    (void)f;
    return nng_recvmsg(received->socket, &received->message, NNG_FLAG_NONBLOCK) == 0;
}

static void assert_receives(struct fixture *f, nng_socket socket, const void *body, size_t len)
{
    struct received received = {.socket = socket};
    fixture_until(f, has_received, &received);
    assert_int_equal(len, nng_msg_len(received.message));
    assert_memory_equal(body, nng_msg_body(received.message), len);
    nng_msg_free(received.message);
}

static void test_subscribers_of_all_addresses_get_their_topics(void **state)
{
    struct fixture *f = *state;
    nng_socket all, exact;
    fixture_add_events(f, "tcp://127.0.0.1:0");
    fixture_start(f);
    subscriber_open(&all, ipc_events_address(f->ipc, 0), "", 0);
    subscriber_open(&exact, ipc_events_address(f->ipc, 1), "chat", 5);
    fixture_until_counter(f, &f->counters.subscriber_links, 2);
    ipc_publish(f->ipc, "chatter\0x", 9);
    ipc_publish(f->ipc, "chat\0y", 6);
    assert_receives(f, all, "chatter\0x", 9);
    assert_receives(f, all, "chat\0y", 6);
    assert_receives(f, exact, "chat\0y", 6);
    assert_int_equal(2, f->counters.publishes);
    nng_close(all);
    fixture_until_counter(f, &f->counters.subscriber_links, 1);
    nng_close(exact);
    fixture_until_counter(f, &f->counters.subscriber_links, 0);
    assert_int_equal(4, told_times(f, TOLD_SUBSCRIBERS));
    assert_int_equal(0, f->told[f->told_count - 1].count);
}

static void test_publishing_to_nobody_is_fine(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    for (int i = 0; i < 1000; i++)
        ipc_publish(f->ipc, "x", 2);
    assert_int_equal(1000, f->counters.publishes);
}

static void test_further_subscribers_are_refused(void **state)
{
    struct fixture *f = *state;
    nng_socket s[3];
    f->options.max_subscribers = 3;
    fixture_start(f);
    for (int i = 0; i < 3; i++)
        subscriber_open(&s[i], f->event_addresses[0], "", 0);
    fixture_until_counter(f, &f->counters.subscriber_links, 3);
    int raw = raw_connect(f->event_addresses[0]);
    raw_greet(raw, SP_SUB);
    fixture_until_counter(f, &f->counters.subscriber_links_refused, 1);
    assert_true(raw_is_ended(raw, 1000));
    close(raw);
    fixture_run(f, 50);
    assert_int_equal(3, f->counters.subscriber_links);
    nng_close(s[0]); /* makes room */
    fixture_until_counter(f, &f->counters.subscriber_links, 2);
    subscriber_open(&s[0], f->event_addresses[0], "", 0);
    fixture_until_counter(f, &f->counters.subscriber_links, 3);
    for (int i = 0; i < 3; i++)
        nng_close(s[i]);
}

/* Kernel buffers hold a few hundred KiB, so messages must be large to need the queue. */
enum { LARGE = 60000, QUEUE = 64 };

static void publish_numbered(struct fixture *f, unsigned count)
{
    char *body = calloc(1, LARGE);
    assert_non_null(body);
    for (unsigned i = 0; i < count; i++) {
        snprintf(body, LARGE, "n=%u", i);
        ipc_publish(f->ipc, body, LARGE);
    }
    free(body);
}

/* How many messages the child got, and the number of the last. */
static unsigned long until_counted(struct fixture *f, int from_child, unsigned long *last)
{
    char line[256], *end;
    static const char start[] = "got ", middle[] = " messages, last ";
    fixture_until_line(f, from_child, start, line, sizeof line);
    unsigned long count = strtoul(line, &end, 10);
    assert_int_equal(0, strncmp(end, middle, sizeof middle - 1));
    *last = strtoul(end + sizeof middle - 1, NULL, 10);
    return count;
}

static void test_stopped_subscriber_blocks_nobody_and_keeps_its_queue(void **state)
{
    struct fixture *f = *state;
    int from_child;
    f->options.publish_queue = QUEUE;
    fixture_start(f);
    pid_t child = child_start(&from_child, "subscribes", f->event_addresses[0], "-");
    fixture_until_counter(f, &f->counters.subscriber_links, 1);
    ipc_publish(f->ipc, "first", 6);
    fixture_until_line(f, from_child, "first", NULL, 0);
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    uint64_t begin = clock_ms();
    publish_numbered(f, 200);
    assert_true(clock_ms() - begin < 1000);
    assert_serves(f, f->calls[0]);
    ipc_publish(f->ipc, "end", 4);
    kill(child, SIGCONT);
    unsigned long last, count = until_counted(f, from_child, &last);
    assert_int_equal(199, last);
    assert_true(count >= QUEUE); /* the newest; the oldest were dropped */
    assert_true(count < 200);
    child_kill(child);
    close(from_child);
}

static void test_what_was_published_last_still_goes_out(void **state)
{
    struct fixture *f = *state;
    int from_child;
    fixture_start(f);
    pid_t child = child_start(&from_child, "subscribes", f->event_addresses[0], "-");
    fixture_until_counter(f, &f->counters.subscriber_links, 1);
    kill(child, SIGSTOP);
    waitpid(child, NULL, WUNTRACED);
    publish_numbered(f, 200);
    ipc_publish(f->ipc, "end", 4);
    kill(child, SIGCONT);
    fixture_until_line(f, from_child, "first", NULL, 0);
    fixture_stop(f);
    unsigned long last;
    assert_int_equal(201, until_counted(f, from_child, &last));
    child_kill(child);
    close(from_child);
}

static void test_subscriber_that_sends_is_ended(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    int raw = raw_connect(f->event_addresses[0]);
    raw_greet(raw, SP_SUB);
    fixture_until_counter(f, &f->counters.subscriber_links, 1);
    raw_request(raw, f->event_addresses[0], 'x', 10000);
    fixture_until_counter(f, &f->counters.subscriber_links, 0);
    close(raw);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(test_subscribers_of_all_addresses_get_their_topics),
        TEST(test_publishing_to_nobody_is_fine),
        TEST(test_further_subscribers_are_refused),
        TEST(test_stopped_subscriber_blocks_nobody_and_keeps_its_queue),
        TEST(test_what_was_published_last_still_goes_out),
        TEST(test_subscriber_that_sends_is_ended),
    };
    return fixture_main(argc, argv, tests);
}
