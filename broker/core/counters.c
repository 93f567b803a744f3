#include "core/counters.h"

#include <stddef.h>

#define X(field, type, of, what)                                                                             \
    {.name = #field,                                                                                         \
     .unit = of,                                                                                             \
     .help = what,                                                                                           \
     .kind = COUNTER_##type,                                                                                 \
     .value = offsetof(struct counters, field)},

/* `value` holds the counter's place in the struct until a row is asked for. */
static const struct counter_row rows[] = {COUNTERS(X)};
#undef X

unsigned counters_count(void)
{
    return sizeof(rows) / sizeof(rows[0]);
}

struct counter_row counters_row(const struct counters *counters, unsigned index)
{
    struct counter_row row = rows[index];
    row.value = *(const uint64_t *)((const char *)counters + row.value);
    return row;
}
