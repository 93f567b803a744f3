#ifndef SLUICE_CLIENT_PACKET_H
#define SLUICE_CLIENT_PACKET_H

/* packet: one message of the broker's `events`, shared by the events in it until the last of them is done. */

#include <stddef.h>
#include <stdint.h>

struct packet {
    struct packet *next; /* in a queue */
    unsigned refs;
    const uint8_t *body; /* event name, zero byte, map */
    size_t len;
    void *message; /* nng's, which holds the body */
};

struct packet *packet_ref(struct packet *packet);

/* NULL is fine. */
void packet_unref(struct packet *packet);

#endif
