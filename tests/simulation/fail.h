#ifndef SLUICE_TESTS_SIMULATION_FAIL_H
#define SLUICE_TESTS_SIMULATION_FAIL_H

/* fail: a seed ends where the core does what it must not. */

#include <setjmp.h>
#include <stdbool.h>

/* Where wrong() goes, and what it found. One seed at a time is run in a process. */
struct failure {
    jmp_buf back;
    char text[512];
};
extern struct failure failure;

/* The core is wrong (or the model). Does not come back. */
_Noreturn void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define must(condition, ...)                                                                                 \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            wrong(__VA_ARGS__);                                                                              \
    } while (0)

#endif
