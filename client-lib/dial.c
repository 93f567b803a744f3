#include "dial.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "error.h"
#include "link.h"
#include "wire/workaround.h"

/* When a peer goes away while hands are shaken, nng 1.5 may not see it and waits for ten seconds. */
#define STUCK_MS 2500

static int dial_start(struct dial *dial)
{
    int error = nng_dial(dial->socket, dial->address, &dial->dialer, NNG_FLAG_NONBLOCK);

    dial->has_dialer = error == 0;
    dial->since_ms = clock_ms();
    return error;
}

static void dial_stop(struct dial *dial)
{
    if (dial->has_dialer)
        nng_dialer_close(dial->dialer);
    dial->has_dialer = false;
}

int dial_to(struct dial *dial, nng_socket socket, const char *address, struct sluice_fault *fault)
{
    char *copy = strdup(address);
    int error;

    if (!copy)
        return error_nomem(fault);
    dial_stop(dial);
    free(dial->address);
    dial->address = copy;
    dial->socket = socket;
    error = dial_start(dial);
    if (error == 0)
        return 0;
    dial_deinit(dial);
    return error_set(fault, error == NNG_ENOMEM ? SLUICE_E_NOMEM : SLUICE_E_SYSTEM, "%.200s: %s", address,
                     nng_strerror(error));
}

int64_t dial_tend(struct dial *dial, bool is_up, int64_t now_ms)
{
    if (!dial->address || !WORKAROUND(stuck_dial))
        return CLOCK_NEVER;
    if (is_up) {
        dial->since_ms = now_ms;
        return CLOCK_NEVER; /* its end wakes the owner */
    }
    if (now_ms - dial->since_ms >= STUCK_MS) {
        dial_stop(dial);
        dial_start(dial); /* if memory is refused: the next time */
    }
    return dial->since_ms + STUCK_MS;
}

void dial_deinit(struct dial *dial)
{
    free(dial->address);
    dial->address = NULL;
}

bool link_address_valid(const char *address)
{
    nng_url *url;
    bool ok;

    if (nng_url_parse(&url, address) != 0)
        return false;
    ok = strcmp(url->u_scheme, "ipc") == 0
             ? url->u_path && url->u_path[0] == '/' && strlen(url->u_path) < 108 /* sun_path */
             : strncmp(url->u_scheme, "tcp", 3) == 0 && url->u_hostname && url->u_hostname[0] &&
                   url->u_port && url->u_port[0] && strcmp(url->u_port, "0") != 0;
    nng_url_free(url);
    return ok;
}
