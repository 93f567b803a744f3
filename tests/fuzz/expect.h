#ifndef SLUICE_TESTS_FUZZ_EXPECT_H
#define SLUICE_TESTS_FUZZ_EXPECT_H

/* expect: an assertion that holds in every build; the fuzzer keeps the input on which it fails. */

#include <stdio.h>
#include <stdlib.h>

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#endif
