#ifndef SLUICE_BENCH_BRIDGE_H
#define SLUICE_BENCH_BRIDGE_H

/* bridge: what the two processes of limit_bridge share: messages of nng are records, one behind the other,
 * in both directions: a head in the machine's byte order, and the bytes of one WebSocket message. */

#include <stdint.h>

enum bridge_form {
    BRIDGE_TURNS, /* a request brings answers and waits for events: REQ/REP alone */
    BRIDGE_EVENTS /* events come by PUB/SUB, answers go by requests that are replied to at once */
};

struct bridge_head {
    uint32_t connection;
    uint32_t bytes;
};

/* Both run until a signal ends the process. @directory is where the two sockets are. They return the exit
 * status where something cannot be started. */
int bridge_broker(enum bridge_form form, uint16_t port, const char *directory);
int bridge_handler(enum bridge_form form, const char *directory);

/* The addresses in @directory. */
enum { BRIDGE_ADDRESS_MAX = 256 };
void bridge_address(char address[BRIDGE_ADDRESS_MAX], const char *directory, const char *name);

/* Say what failed with nng's @result, and return 1. */
int bridge_fail(const char *what, int result);

#endif
