/* sluice watch: events as they come, as JSON. */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"

static int print_event(sluice_event *event, void *arg)
{
    const char *map = sluice_to_json(sluice_event_field(event, NULL));

    (void)arg;
    if (!map)
        return SLUICE_E_NOMEM;
    puts(map);
    fflush(stdout);
    return 0;
}

static void print_gap(sluice_client *client, const char *name, uint64_t lost, void *arg)
{
    (void)client;
    (void)arg;
    fprintf(stderr, "sluice: %" PRIu64 " events %s were lost\n", lost, name);
}

static void print_log(sluice_client *client, char level, const char *message, void *arg)
{
    (void)client;
    (void)arg;
    if (level != 'd')
        fprintf(stderr, "sluice: %s\n", message);
}

int cli_watch(sluice_client *client, const char *pattern)
{
    sluice_on_gap(client, print_gap, NULL);
    sluice_on_log(client, print_log, NULL);
    if (sluice_subscribe(client, pattern, print_event, NULL, NULL) < 0 ||
        sluice_stop_on_signals(client) < 0 || sluice_run(client) < 0)
        return cli_fault(client);
    return CLI_OK;
}
