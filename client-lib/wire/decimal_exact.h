#ifndef SLUICE_WIRE_DECIMAL_EXACT_H
#define SLUICE_WIRE_DECIMAL_EXACT_H

/* decimal_exact: what reading and writing doubles exactly needs: 128 bits, and powers of five that fit 64.
 * Compilers for 32 bits lack the first; there libc does the work, slowly. */

#include <stdint.h>

#ifdef __SIZEOF_INT128__
#define DECIMAL_EXACT 1
__extension__ typedef unsigned __int128 uint128;
#else
#define DECIMAL_EXACT 0
#endif

/* 5^27 is the last that fits 64 bits. */
#define POWER5_MAX 27

static inline uint64_t power5(int64_t n)
{
    static const uint64_t powers[POWER5_MAX + 1] = {1u,
                                                    5u,
                                                    25u,
                                                    125u,
                                                    625u,
                                                    3125u,
                                                    15625u,
                                                    78125u,
                                                    390625u,
                                                    1953125u,
                                                    9765625u,
                                                    48828125u,
                                                    244140625u,
                                                    1220703125u,
                                                    6103515625u,
                                                    30517578125u,
                                                    152587890625u,
                                                    762939453125u,
                                                    3814697265625u,
                                                    19073486328125u,
                                                    95367431640625u,
                                                    476837158203125u,
                                                    2384185791015625u,
                                                    11920928955078125u,
                                                    59604644775390625u,
                                                    298023223876953125u,
                                                    1490116119384765625u,
                                                    7450580596923828125u};
    return powers[n];
}

#endif
