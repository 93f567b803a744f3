#ifndef SLUICE_TESTS_SUPPORT_FAILING_ALLOC_H
#define SLUICE_TESTS_SUPPORT_FAILING_ALLOC_H

/* failing_alloc: a refused allocation as an input. Link the target `failing_alloc`; it puts itself before
 * malloc, calloc, realloc, strdup and strndup of all code in the program (not of shared libraries). Each
 * thread counts for itself.
 *
 *     for (unsigned long n = 0;; n++) {
 *         failing_alloc_start(n);
 *         int result = thing_do(thing);
 *         if (!failing_alloc_stop())
 *             break; // nothing was left to refuse: result is that of a whole run
 *         assert_true(result < 0);
 *     }
 */

#include <stdbool.h>

/* From now on grant @n allocations of this thread, refuse the next one, grant all others. */
void failing_alloc_start(unsigned long n);

/* Grant all again. Whether one was refused since the start. */
bool failing_alloc_stop(void);

#endif
