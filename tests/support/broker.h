#ifndef SLUICE_TESTS_SUPPORT_BROKER_H
#define SLUICE_TESTS_SUPPORT_BROKER_H

/* broker: a real sluiced in a directory of its own, for tests in C. */

#include <sys/types.h>

struct broker {
    const char *program; /* sluiced */
    pid_t pid;           /* 0: none runs */
    int port;            /* of the WebSocket edge; another one after each start */
    char dir[64];        /* with its sockets and its log */
    char calls[128];     /* addresses; the same after each start */
    char events[128];
};

/* Make the directory; start nothing. 0 or -1. */
int broker_init(struct broker *broker, const char *program);

/* Start it and wait until it is ready. @extra: further arguments, ending with NULL; or NULL. 0 or -1. */
int broker_start(struct broker *broker, const char *const *extra);

/* End it by @signal and wait; it is killed if it takes more than ten seconds. */
void broker_end(struct broker *broker, int signal);

/* End it and remove the directory. */
void broker_deinit(struct broker *broker);

#endif
