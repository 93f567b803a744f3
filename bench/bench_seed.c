/* bench_seed: gives three short fields to the session of each connection that has none yet. */
#include <stdio.h>
#include <stdlib.h>

#include <sluice/sluice.h>

enum { PAGE = 500 };

/* Name one page of connections. Returns how many there were, or an error. */
static int seed_page(sluice_client *client, unsigned long *number, const char *room)
{
    sluice_event *found = sluice_begin(client), *step = sluice_begin(client);
    const sluice_value *page = NULL, *sessions;
    int rc = sluice_find(found, sluice_doc(found, "{user: {$exists: false}}"),
                         sluice_doc(found, "{keys: [], limit: %d}", PAGE), &page);
    size_t count;

    sessions = rc == 0 ? sluice_get_value(page, "sessions") : NULL;
    count = sluice_size(sessions);
    for (size_t i = 0; i < count && rc == 0; i++) {
        char user[32];

        snprintf(user, sizeof(user), "user-%lu", (*number)++);
        rc =
            sluice_update(step, sluice_get_str(sluice_item(sessions, i), "conn", ""),
                          sluice_doc(step, "{$set: {user: %s, room: %s, language: 'en'}}", user, room), NULL);
    }
    if (rc == 0)
        rc = sluice_end(step);
    else
        sluice_cancel(step);
    sluice_cancel(found);
    return rc < 0 ? rc : (int)count;
}

int main(int argc, char **argv)
{
    unsigned long number = 0;
    sluice_client *client;
    int rc;

    if (argc != 3) {
        fprintf(stderr, "Usage: bench_seed ADDRESS ROOM\n");
        return 2;
    }
    client = sluice_client_new("bench_seed", sluice_version());
    rc = sluice_connect(client, argv[1]);
    while (rc == 0 && (rc = seed_page(client, &number, argv[2])) > 0)
        rc = 0;
    if (rc < 0)
        fprintf(stderr, "bench_seed: %s\n", sluice_fault_message(sluice_client_fault(client)));
    else
        printf("%lu\n", number);
    sluice_client_free(client);
    return rc < 0;
}
