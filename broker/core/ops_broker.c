/* Operations about the broker itself: hello, subscribe, stats. */

#include <string.h>

#include "core/group_stats.h"
#include "core/ops.h"
#include "core/turn.h"
#include "wire/event_name.h"

#define MAX_PATTERNS 256 /* of one subscriber */

enum { HELLO_NAME = 1, HELLO_LANGUAGE, HELLO_VERSION, HELLO_SPEAKS };

const struct arg_spec ARGS_HELLO[] = {
    OP_ARG,
    [HELLO_NAME] = {"name", ARG_STR, false},
    [HELLO_LANGUAGE] = {"language", ARG_STR, false},
    [HELLO_VERSION] = {"version", ARG_STR, false},
    [HELLO_SPEAKS] = {"speaks", ARG_LIST, false},
    ARGS_END,
};

static bool speaks_one(const struct arg *speaks)
{
    struct mp_reader r = mp_reader(speaks->raw, speaks->len);
    struct mp_token list, version;
    mp_next(&r, &list);
    for (uint32_t i = 0; i < list.count; i++) {
        if (mp_next(&r, &version) && version.type == MP_UINT && version.uint == 1)
            return true;
    }
    return false;
}

/* The addresses of the transport that asked, or all where it has none. */
static void put_addresses(struct buf *out, const char *const *addresses, bool is_tcp)
{
    uint32_t count = 0, all = 0;
    for (; addresses && addresses[all]; all++)
        count += (strncmp(addresses[all], "tcp", 3) == 0) == is_tcp;
    mp_put_array(out, count ? count : all);
    for (uint32_t i = 0; i < all; i++) {
        if (!count || (strncmp(addresses[i], "tcp", 3) == 0) == is_tcp)
            mp_put_text(out, addresses[i]);
    }
}

static void put_limits(struct call *call)
{
    const struct core_options *options = &call->core->options;
    const struct {
        const char *name;
        uint64_t value;
    } limits[] = {
        {"max_message_bytes", options->max_message_bytes},
        {"max_session_bytes", options->max_session_bytes},
        {"max_request_bytes", options->max_request_bytes},
        {"max_publish_bytes", options->max_publish_bytes},
        {"max_ops", request_max_ops(options)},
        {"max_scan", options->max_scan},
        {"max_patterns", MAX_PATTERNS},
        {"question_ms", options->question_ms},
        {"stored_replies", options->stored_replies},
        {"stored_bytes", options->stored_bytes},
        {"stored_ms", options->stored_ms},
        {"announce_ms", options->announce_ms},
        {"alive_ms", options->alive_ms},
        {"max_wait_ms", TURN_WAIT_MAX},
        {"max_events", TURN_EVENTS_MAX},
        {"max_entries", turn_max_entries(options)},
        {"max_group_patterns", GROUP_PATTERNS},
        {"lease_ms", options->group_lease_ms},
        {"max_attempts", options->group_max_attempts},
    };
    uint32_t count = sizeof(limits) / sizeof(limits[0]);
    result_key(call, "limits");
    mp_put_map(call->out, count);
    for (uint32_t i = 0; i < count; i++) {
        mp_put_text(call->out, limits[i].name);
        mp_put_uint(call->out, limits[i].value);
    }
}

static void put_text(const struct arg *arg, const char **text, size_t *len)
{
    *text = arg->given ? arg->token.bytes : "";
    *len = arg->given ? arg->token.len : 0;
}

static void tell_greeting(struct call *call)
{
    struct core *core = call->core;
    struct greeting greeting = {.link = call->request->caller.link};
    put_text(&call->args[HELLO_NAME], &greeting.name, &greeting.name_len);
    put_text(&call->args[HELLO_LANGUAGE], &greeting.language, &greeting.language_len);
    put_text(&call->args[HELLO_VERSION], &greeting.version, &greeting.version_len);
    greetings_put(&core->greetings, call->request->client, call->request->client_len, &greeting);
    core->effects.greeted(core->effects.arg, &greeting);
}

int op_hello(struct call *call)
{
    const struct core_options *options = &call->core->options;
    const struct arg *speaks = &call->args[HELLO_SPEAKS];
    if (speaks->given && !speaks_one(speaks))
        return call_fault(call, CODE_BAD_VERSION, "speaks", "this broker speaks version 1 only");
    tell_greeting(call);
    result_uint(call, "v", 1);
    result_text(call, "broker", options->name);
    result_text(call, "version", options->version);
    result_text(call, "epoch", options->epoch);
    result_key(call, "features");
    mp_put_array(call->out, 1);
    mp_put_text(call->out, "groups");
    result_key(call, "addresses");
    mp_put_map(call->out, 2);
    mp_put_text(call->out, "calls");
    put_addresses(call->out, options->calls, call->request->caller.is_tcp);
    mp_put_text(call->out, "events");
    put_addresses(call->out, options->events, call->request->caller.is_tcp);
    put_limits(call);
    return 0;
}

enum { SUBSCRIBE_EVENTS = 1 };

const struct arg_spec ARGS_SUBSCRIBE[] = {
    OP_ARG,
    [SUBSCRIBE_EVENTS] = {"events", ARG_STRS, true},
    ARGS_END,
};

/* The patterns of the list, each with a zero byte behind it. */
static int read_patterns(struct call *call, struct buf *out)
{
    uint32_t count;
    struct mp_reader r = args_strings(&call->args[SUBSCRIBE_EVENTS], &count);
    if (count > MAX_PATTERNS)
        return call_fault(call, CODE_LIMIT, "events", "at most %d patterns", MAX_PATTERNS);
    for (uint32_t i = 0; i < count; i++) {
        const char *text;
        size_t len;
        mp_str(&r, &text, &len);
        const char *wrong = event_pattern_fault(text, len);
        const struct place events = place_key(call->at, "events", 6), at = place_index(&events, i);
        if (wrong)
            return fault_set(call->fault, CODE_BAD_ARGUMENT, &at, "%s", wrong);
        buf_put(out, text, len);
        buf_put_byte(out, 0);
    }
    return out->failed ? call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory") : 0;
}

int op_subscribe(struct call *call)
{
    struct core *core = call->core;
    const struct request *request = call->request;
    struct buf patterns = BUF_INIT;
    int r = read_patterns(call, &patterns);
    if (!r) {
        r = announcements_set(&core->announcements, request->client, request->client_len,
                              request->caller.link, (const char *)patterns.data, patterns.len,
                              core->now.mono_ms + core->options.announce_ms);
        if (r > 0)
            r = call_fault(call, CODE_LIMIT, NULL, "at most %u clients announce", core->options.max_clients);
        else if (r < 0)
            r = call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    }
    buf_deinit(&patterns);
    return r;
}

const struct arg_spec ARGS_STATS[] = {OP_ARG, ARGS_END};

int op_stats(struct call *call)
{
    const struct core *core = call->core;
    unsigned count = counters_count();
    result_key(call, "counters");
    mp_put_map(call->out, count);
    for (unsigned i = 0; i < count; i++) {
        struct counter_row row = counters_row(core->counters, i);
        mp_put_text(call->out, row.name);
        mp_put_uint(call->out, row.value);
    }
    result_key(call, "broker");
    mp_put_map(call->out, 5);
    mp_put_text(call->out, "name");
    mp_put_text(call->out, core->options.name);
    mp_put_text(call->out, "version");
    mp_put_text(call->out, core->options.version);
    mp_put_text(call->out, "epoch");
    mp_put_text(call->out, core->options.epoch);
    mp_put_text(call->out, "time_ms");
    mp_put_uint(call->out, core->now.wall_ms);
    mp_put_text(call->out, "uptime_ms");
    mp_put_uint(call->out, core->now.mono_ms - core->started_ms);
    group_stats_put(call);
    return 0;
}
