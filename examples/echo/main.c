/* sluice-echo: answers each event to its sender, with the same event and payload. */
#include <getopt.h>
#include <stdio.h>

#include <sluice/sluice.h>

static int on_event(sluice_event *event, void *arg)
{
    const sluice_value *payload = sluice_event_payload(event);

    (void)arg;
    if (sluice_event_is_question(event))
        return sluice_answer(event, payload, NULL);
    return sluice_send(event, sluice_event_conn(event), sluice_event_name(event), payload, NULL);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
                                            {"events", required_argument, NULL, 'e'},
                                            {NULL, 0, NULL, 0}};
    const char *broker = NULL, *pattern = "echo";
    sluice_client *client;
    int option, rc;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?') {
            fprintf(stderr, "Usage: %s [--broker ADDRESS] [--events PATTERN]\n", argv[0]);
            return 2;
        }
        *(option == 'b' ? &broker : &pattern) = optarg;
    }
    client = sluice_client_new("sluice-echo", sluice_version());
    if ((rc = sluice_connect(client, broker)) == 0 &&
        (rc = sluice_subscribe(client, pattern, on_event, NULL, NULL)) == 0 &&
        (rc = sluice_stop_on_signals(client)) == 0)
        rc = sluice_run(client);
    if (rc < 0)
        fprintf(stderr, "sluice-echo: %s\n", sluice_fault_message(sluice_client_fault(client)));
    sluice_client_free(client);
    return rc < 0;
}
