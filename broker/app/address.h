#ifndef SLUICE_APP_ADDRESS_H
#define SLUICE_APP_ADDRESS_H

/* address: HOST:PORT for clients, ipc:// and tcp:// for handlers. */

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_HOST_MAX 255

struct host_port {
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
    unsigned port;
};

/* Read "HOST:PORT" or "[IPV6]:PORT". NULL, or what is wrong with it ("has no port; ..."). */
const char *host_port_read(struct host_port *out, const char *text);

/* Likewise, for checks. */
const char *listen_fault(const char *text);

/* NULL, or what is wrong with an address of `calls` or `events`. */
const char *handler_address_fault(const char *text);

/* Whether a handlers' address (valid) can be reached from this machine only. */
bool handler_address_is_local(const char *text);

bool handler_address_is_tcp(const char *text);

/* Whether two valid addresses name the same thing to listen on. */
bool handler_address_equal(const char *a, const char *b);

#endif
