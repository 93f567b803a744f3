/* limit_bridge: the least that a WebSocket broker on libwebsockets with handlers behind nng can do: no JSON,
 * no sessions, nothing that could be refused. What Sluice adds to it is the price of what Sluice is for.
 *
 * The forms are the fastest ones known of these libraries: libwebsockets on libuv, REP contexts with standing
 * aio and uv_async, as many messages in one of nng's as one turn of the loop brought. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nng/nng.h>

#include "bench/bridge.h"

static const char help[] =
    "Usage: limit_bridge broker turns|events PORT DIRECTORY\n"
    "       limit_bridge handler turns|events DIRECTORY\n"
    "A bare bridge between WebSockets on 127.0.0.1 and an echoing handler process, with its nng sockets in\n"
    "DIRECTORY: what others are measured against. turns: one request answers and fetches; events: PUB to\n"
    "the handler, requests back.\n";

void bridge_address(char address[BRIDGE_ADDRESS_MAX], const char *directory, const char *name)
{
    snprintf(address, BRIDGE_ADDRESS_MAX, "ipc://%s/bridge-%s", directory, name);
}

int bridge_fail(const char *what, int result)
{
    fprintf(stderr, "limit_bridge: %s: %s\n", what, nng_strerror(result));
    return 1;
}

int main(int argc, char **argv)
{
    bool is_broker = argc == 5 && strcmp(argv[1], "broker") == 0;
    bool is_handler = argc == 4 && strcmp(argv[1], "handler") == 0;
    unsigned long port = is_broker ? strtoul(argv[3], NULL, 10) : 1;
    enum bridge_form form;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return 0;
    }
    if ((!is_broker && !is_handler) || port == 0 || port > UINT16_MAX ||
        (strcmp(argv[2], "turns") != 0 && strcmp(argv[2], "events") != 0)) {
        fputs(help, stderr);
        return 2;
    }
    form = strcmp(argv[2], "turns") == 0 ? BRIDGE_TURNS : BRIDGE_EVENTS;
    return is_broker ? bridge_broker(form, (uint16_t)port, argv[4]) : bridge_handler(form, argv[3]);
}
