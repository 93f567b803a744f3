/* test-member: does what member.py does, with libsluice.
 *
 *     test-member ADDRESS GROUP LEASE_MS MAX SLEEP_MS */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice/sluice.h>

#define MARKS 10 /* every so many messages there is a push, and a batched one */
#define TICKS 25

static int sleep_ms;

/* For those who look for what went wrong in a burst. */
static void on_log(sluice_client *client, char level, const char *message, void *arg)
{
    struct timespec now;

    (void)client, (void)arg;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(stderr, "%02d.%03d test-member %d: %c %s\n", (int)(now.tv_sec % 60), (int)(now.tv_nsec / 1000000),
            (int)getpid(), level, message);
}

static void take_time(void)
{
    struct timespec time = {sleep_ms / 1000, sleep_ms % 1000 * 1000000L};

    if (sleep_ms > 0)
        nanosleep(&time, NULL);
}

static int on_work(sluice_event *event, void *arg)
{
    const char *conn = sluice_event_conn(event);
    const sluice_value *session = sluice_event_session(event);
    int64_t k = sluice_get_int(sluice_event_payload(event), "k", 0);

    (void)arg;
    take_time();
    sluice_update(event, conn, sluice_doc(event, "{$inc: {n: 1, sum: %lld}}", (long long)k), NULL);
    if (k % MARKS == 0)
        sluice_send(event, conn, "mark", sluice_doc(event, "%lld", (long long)k), NULL);
    if (k % TICKS == 0) {
        sluice_batch(event, "tick", 5, NULL);
        sluice_send(event, conn, "tick", sluice_doc(event, "%lld", (long long)k), NULL);
    }
    return sluice_answer(event,
                         sluice_doc(event, "{k: %lld, n: %lld, sum: %lld, attempt: %u}", (long long)k,
                                    (long long)sluice_get_int(session, "n", 0),
                                    (long long)sluice_get_int(session, "sum", 0),
                                    sluice_event_attempt(event)),
                         NULL);
}

static int on_bye(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_answer(event, NULL, NULL);
    return sluice_close(event, sluice_event_conn(event), 4000, "bye");
}

static int on_poison(sluice_event *event, void *arg)
{
    (void)event, (void)arg;
    kill(getpid(), SIGKILL);
    return SLUICE_E_STATE;
}

static int on_connect(sluice_event *event, void *arg)
{
    (void)arg;
    return sluice_update(event, sluice_event_conn(event), sluice_doc(event, "{$inc: {connects: 1}}"), NULL);
}

static int on_disconnect(sluice_event *event, void *arg)
{
    const sluice_value *gone =
        sluice_doc(event, "{conn: %s, session: %p, attempt: %u}", sluice_event_conn(event),
                   (const void *)sluice_event_session(event), sluice_event_attempt(event));

    (void)arg;
    return sluice_send_where(event, sluice_doc(event, "{role: 'observer'}"), "gone", gone, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *event;
        sluice_handler_fn *fn;
    } handlers[] = {{"work", on_work},
                    {"bye", on_bye},
                    {"poison", on_poison},
                    {"@connect", on_connect},
                    {"@disconnect", on_disconnect}};
    sluice_client *client;
    int rc;

    if (argc != 6) {
        fprintf(stderr, "usage: %s ADDRESS GROUP LEASE_MS MAX SLEEP_MS\n", argv[0]);
        return 2;
    }
    sleep_ms = atoi(argv[5]);
    client = sluice_client_new("test-member", sluice_version());
    sluice_on_log(client, on_log, NULL);
    rc = sluice_connect(client, argv[1]);
    for (size_t i = 0; i < sizeof(handlers) / sizeof(*handlers) && rc == 0; i++)
        rc = sluice_subscribe(client, handlers[i].event, handlers[i].fn, NULL,
                              "{group: %s, lease_ms: %d, max: %d}", argv[2], atoi(argv[3]), atoi(argv[4]));
    if (rc == 0 && (rc = sluice_stop_on_signals(client)) == 0)
        rc = sluice_run(client);
    if (rc < 0)
        fprintf(stderr, "test-member: %s\n", sluice_fault_message(sluice_client_fault(client)));
    sluice_client_free(client);
    return rc < 0;
}
