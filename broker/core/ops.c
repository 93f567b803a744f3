#include "core/ops.h"

const struct op OPS[] = {
    {"hello", false, false, ARGS_HELLO, op_hello},
    {"subscribe", false, false, ARGS_SUBSCRIBE, op_subscribe},
    {"stats", false, false, ARGS_STATS, op_stats},
    {"get", false, false, ARGS_GET, op_get},
    {"update", true, true, ARGS_UPDATE, op_update},
    {"count", false, false, ARGS_COUNT, op_count},
    {"find", false, false, ARGS_FIND, op_find},
    {"send", true, true, ARGS_SEND, op_send},
    {"answer", true, true, ARGS_ANSWER, op_answer},
    {"close", true, true, ARGS_CLOSE, op_close},
    {"batch", true, true, ARGS_BATCH, op_batch},
    {"join", true, false, ARGS_JOIN, op_join},
    {"leave", true, false, ARGS_LEAVE, op_leave},
    {"extend", true, false, ARGS_EXTEND, op_extend},
    {"inspect", false, false, ARGS_INSPECT, op_inspect},
    {"dead", false, false, ARGS_DEAD, op_dead},
    {"", false, false, NULL, NULL},
};

const char *const *ops_names(void)
{
    static const char *names[sizeof(OPS) / sizeof(OPS[0])];
    for (size_t i = 0; *OPS[i].name; i++)
        names[i] = OPS[i].name;
    return names;
}
