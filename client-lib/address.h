#ifndef SLUICE_CLIENT_ADDRESS_H
#define SLUICE_CLIENT_ADDRESS_H

/* address: where the broker is. */

/* The address of `calls` that @list names (NULL: the default), ready to be dialed. Caller owns *@out. 0,
 * SLUICE_E_ADDRESS or SLUICE_E_NOMEM with @fault. */
struct sluice_fault;
int address_calls(const char *list, char **out, struct sluice_fault *fault);

/* The `events` address that the broker told, as it is reached from here: one that names every host of its
 * machine (tcp://0.0.0.0:7002) gets the host of @calls. Caller owns the result; NULL when memory is refused.
 */
char *address_events(const char *told, const char *calls);

#endif
