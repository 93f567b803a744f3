#include "bench/tally.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tally_init(struct tally *t)
{
    memset(t, 0, sizeof(*t));
    histogram_init(&t->latency);
    histogram_init(&t->lateness);
}

void tally_note(struct tally *t, const char *format, ...)
{
    va_list args;

    if (t->first_problem[0] != '\0')
        return;
    va_start(args, format);
    vsnprintf(t->first_problem, sizeof(t->first_problem), format, args);
    va_end(args);
    for (char *c = t->first_problem; *c; c++) {
        if (*c < 0x20 || *c > 0x7e) /* it quotes what a peer sent */
            *c = '.';
    }
}

uint64_t tally_failures(const struct tally *t)
{
    return t->wrong + t->misordered + t->unexpected + t->errors + t->lost + t->missing;
}
