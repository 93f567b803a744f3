/* sluice-echo: answers each event to its sender, with the same event and payload. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <sluice/sluice.h>

struct settings {
    const char *broker;
    const char *pattern;
    const char *group; /* NULL: watches */
    int per_conn;
};

static int on_event(sluice_event *event, void *arg)
{
    const sluice_value *payload = sluice_event_payload(event);

    (void)arg;
    if (sluice_event_is_question(event))
        return sluice_answer(event, payload, NULL);
    return sluice_send(event, sluice_event_conn(event), sluice_event_name(event), payload, NULL);
}

static int read_options(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {{"broker", required_argument, NULL, 'b'},
                                            {"events", required_argument, NULL, 'e'},
                                            {"group", required_argument, NULL, 'g'},
                                            {"per-conn", required_argument, NULL, 'n'},
                                            {NULL, 0, NULL, 0}};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'b')
            settings->broker = optarg;
        else if (option == 'e')
            settings->pattern = optarg;
        else if (option == 'g')
            settings->group = optarg;
        else if (option == 'n')
            settings->per_conn = atoi(optarg); /* the library refuses what is no number of events */
        else
            return -1;
    }
    return optind < argc ? -1 : 0;
}

static int subscribe(sluice_client *client, const struct settings *settings)
{
    if (!settings->group)
        return sluice_subscribe(client, settings->pattern, on_event, NULL, NULL);
    return sluice_subscribe(client, settings->pattern, on_event, NULL, "{group: %s, per_conn: %d}",
                            settings->group, settings->per_conn);
}

int main(int argc, char **argv)
{
    struct settings settings = {.pattern = "echo", .per_conn = 1};
    sluice_client *client;
    int rc;

    if (read_options(argc, argv, &settings) < 0) {
        fprintf(stderr, "Usage: %s [--broker ADDRESS] [--events PATTERN] [--group NAME [--per-conn N]]\n",
                argv[0]);
        return 2;
    }
    client = sluice_client_new("sluice-echo", sluice_version());
    if ((rc = sluice_connect(client, settings.broker)) == 0 && (rc = subscribe(client, &settings)) == 0 &&
        (rc = sluice_stop_on_signals(client)) == 0)
        rc = sluice_run(client);
    if (rc < 0)
        fprintf(stderr, "sluice-echo: %s\n", sluice_fault_message(sluice_client_fault(client)));
    sluice_client_free(client);
    return rc < 0;
}
