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
    size_t len = strlen(name);
    while (off && *off) {
        size_t word = strcspn(off, ",");
        if (word == len && memcmp(off, name, len) == 0)
            return false;
        off += word + (off[word] == ',');
    }
    return true;
}
#define WORKAROUND(name) workaround_on(#name)
#else
#define WORKAROUND(name) 1
#endif

#endif
