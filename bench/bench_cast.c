/* bench_cast: the handler of the broadcast rows: sends each event on to many connections.
 *
 *     cast:all, cast:batched    to everybody
 *     cast:few, cast:many       to those in the room of that name
 */
#include <stdio.h>
#include <string.h>

#include <sluice/sluice.h>

static int on_cast(sluice_event *event, void *arg)
{
    const char *name = sluice_event_name(event), *room = strchr(name, ':') + 1;
    bool is_for_all = strcmp(room, "all") == 0 || strcmp(room, "batched") == 0;
    const sluice_value *filter = is_for_all ? sluice_doc(event, "{}") : sluice_doc(event, "{room: %s}", room);

    (void)arg;
    return sluice_send_where(event, filter, name, sluice_event_payload(event), NULL);
}

int main(int argc, char **argv)
{
    sluice_client *client;
    int rc;

    if (argc != 2) {
        fprintf(stderr, "Usage: bench_cast ADDRESS\n");
        return 2;
    }
    client = sluice_client_new("bench_cast", sluice_version());
    if ((rc = sluice_connect(client, argv[1])) == 0 &&
        (rc = sluice_subscribe(client, "cast:*", on_cast, NULL, NULL)) == 0 &&
        (rc = sluice_stop_on_signals(client)) == 0)
        rc = sluice_run(client);
    if (rc < 0)
        fprintf(stderr, "bench_cast: %s\n", sluice_fault_message(sluice_client_fault(client)));
    sluice_client_free(client);
    return rc < 0;
}
