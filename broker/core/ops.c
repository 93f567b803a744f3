#include "core/ops.h"

const struct op OPS[] = {
    {"hello", false, ARGS_HELLO, op_hello},   {"subscribe", false, ARGS_SUBSCRIBE, op_subscribe},
    {"stats", false, ARGS_STATS, op_stats},   {"get", false, ARGS_GET, op_get},
    {"update", true, ARGS_UPDATE, op_update}, {"count", false, ARGS_COUNT, op_count},
    {"find", false, ARGS_FIND, op_find},      {"send", true, ARGS_SEND, op_send},
    {"answer", true, ARGS_ANSWER, op_answer}, {"close", true, ARGS_CLOSE, op_close},
    {"batch", true, ARGS_BATCH, op_batch},    {NULL, false, NULL, NULL},
};

const char *const *ops_names(void)
{
    static const char *names[sizeof(OPS) / sizeof(OPS[0])];
    for (size_t i = 0; OPS[i].name; i++)
        names[i] = OPS[i].name;
    return names;
}
