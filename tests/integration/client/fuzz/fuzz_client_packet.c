/* Messages of `events`: whatever comes is handled or passed over. */
#include <stdlib.h>
#include <string.h>

#include "run.c" /* its functions for one message */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len);

static int look(sluice_event *event, void *arg)
{
    (void)arg;
    sluice_event_path(event);
    sluice_event_header(event, "x");
    sluice_event_code(event);
    sluice_object(sluice_event_payload(event));
    sluice_get_str(sluice_event_session(event), "a.b", NULL);
    sluice_to_json(sluice_event_field(event, NULL));
    return sluice_answer(event, sluice_event_payload(event), NULL);
}

static void ignore_gap(sluice_client *client, const char *name, uint64_t lost, void *arg)
{
    (void)client;
    (void)arg;
    if (lost == 0 || strlen(name) > 1000)
        abort();
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t len)
{
    sluice_client *client = sluice_client_new(NULL, NULL);
    unsigned char *bytes = malloc(len ? len : 1); /* so that a read beyond is seen */
    struct packet packet = {.refs = 1000000, .body = bytes, .len = len};

    memcpy(bytes, data, len);
    sluice_on_gap(client, ignore_gap, NULL);
    sluice_subscribe(client, "*", look, NULL, NULL);
    client->taken = &packet;
    if (open_packet(client))
        while (client->events_left > 0)
            take_event(client);
    client->taken = NULL;
    sluice_client_free(client);
    free(bytes);
    return 0;
}
