/* A program of somebody else: it knows the installed header and library only, and has names that the library
 * has inside. */
#include <stdio.h>

#include <sluice/sluice.h>

int buf_init(void);
int mp_next(void);
int arena_alloc(void);

int buf_init(void)
{
    return 1;
}

int mp_next(void)
{
    return 2;
}

int arena_alloc(void)
{
    return 3;
}

int main(int argc, char **argv)
{
    sluice_client *client = sluice_client_new("consumer", "1.0");
    sluice_event *step;
    uint64_t count = 99;
    int rc;

    if (argc != 2 || sluice_connect(client, argv[1]) < 0)
        return 2;
    step = sluice_begin(client);
    rc = sluice_count(step, sluice_doc(step, "{room: %s}", "lobby"), NULL, &count);
    printf("%d %d %s\n", buf_init() + mp_next() + arena_alloc(), (int)count, sluice_strerror(rc));
    sluice_cancel(step);
    sluice_client_free(client);
    return rc == 0 ? 0 : 1;
}
