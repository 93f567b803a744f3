#ifndef SLUICE_APP_HOST_H
#define SLUICE_APP_HOST_H

/* host: what sluiced asks of the system it runs on. */

#include <stddef.h>
#include <stdint.h>

/* Set the limit of open files to what @connections need, not more: libwebsockets sizes and scans tables by
 * it. Returns how many connections it is good for, at most @connections. */
unsigned host_limit_files(unsigned connections);

/* Random bytes. 0, or -1 when the system has none. */
int host_random(void *out, size_t len);

/* @len random characters of a-z0-9 and a zero byte. 0 or -1. */
int host_random_text(char *out, size_t len);

#endif
