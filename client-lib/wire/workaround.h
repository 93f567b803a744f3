#ifndef SLUICE_WIRE_WORKAROUND_H
#define SLUICE_WIRE_WORKAROUND_H

/* workaround: a way around a library's fault, by name. On for everybody; a test build
 * (SLUICE_TEST_SWITCHES) can switch it off with SLUICE_WITHOUT=name,... to show that its test fails without
 * it. */

#ifdef SLUICE_TEST_SWITCHES
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline bool workaround_on(const char *name)
{
    const char *off = getenv("SLUICE_WITHOUT");
    const char *hit = off ? strstr(off, name) : NULL;
    size_t len = strlen(name);
    return !hit || (hit > off && hit[-1] != ',') || (hit[len] != '\0' && hit[len] != ',');
}
#define WORKAROUND(name) workaround_on(#name)
#else
#define WORKAROUND(name) 1
#endif

#endif
