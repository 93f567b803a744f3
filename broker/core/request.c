#include "core/request.h"

#include <string.h>

#include "core/hash.h"
#include "core/op_run.h"
#include "core/pairs.h"
#include "core/turn.h"

/* Bytes that the error result of an operation takes at most. */
#define ERROR_BYTES 640
/* By how much a number may be longer than the byte that it replaces. */
#define REFUSED_BYTES 8
#define CLIENT_MIN    16
#define CLIENT_MAX    64

enum {
    HEAD_V,
    HEAD_CLIENT,
    HEAD_ID,
    HEAD_EPOCH,
    HEAD_KEY,
    HEAD_OPS,
    HEAD_MEMBER,
    HEAD_TURN,
    HEAD_DONE,
    HEAD_MAX,
    HEAD_WAIT_MS
};

static const struct arg_spec HEAD[] = {
    [HEAD_V] = {"v", ARG_UINT, true},
    [HEAD_CLIENT] = {"client", ARG_STR, true},
    [HEAD_ID] = {"id", ARG_UINT, true},
    [HEAD_EPOCH] = {"epoch", ARG_STR, false},
    [HEAD_KEY] = {"key", ARG_STR, false},
    [HEAD_OPS] = {"ops", ARG_LIST, false},
    [HEAD_MEMBER] = {"member", ARG_STR, false},
    [HEAD_TURN] = {"turn", ARG_UINT, false},
    [HEAD_DONE] = {"done", ARG_LIST, false},
    [HEAD_MAX] = {"max", ARG_UINT, false},
    [HEAD_WAIT_MS] = {"wait_ms", ARG_UINT, false},
    {"", ARG_ANY, false},
};

/* Before the operation is committed: nothing has happened if its result cannot be told. */
static int check_result(struct call *call, size_t limit)
{
    size_t most = call->tells_refused ? REFUSED_BYTES : 0;
    if (call->out->len + most > limit)
        return fault_set(call->fault, CODE_REPLY_TOO_LARGE, call->at,
                         "the results of the request do not fit %zu bytes",
                         call->core->options.max_request_bytes);
    if (!buf_reserve(call->out, most))
        return fault_set(call->fault, CODE_OVERLOADED, call->at, "the broker is out of memory");
    return 0;
}

/* See result_refused(). */
static void put_refused(struct buf *out, uint64_t refused)
{
    out->len--;
    mp_put_uint(out, refused);
}

/* Run one operation; its result, or its error, is appended to the reply, which stays below @limit bytes. */
static void run_result(struct core *core, const struct request *request, uint32_t index, const uint8_t *raw,
                       size_t len, size_t limit)
{
    const struct place ops = place_key(NULL, "ops", 3);
    const struct place at = place_index(&ops, index);
    struct fault fault;
    struct call call = {.core = core, .request = request, .at = &at, .out = &core->reply, .fault = &fault};
    size_t before = core->reply.len;

    core->counters->operations++;
    step_begin(core);
    if (op_run(&call, raw, len) == 0 && check_result(&call, limit) == 0) {
        uint64_t refused = step_commit(core);
        if (call.tells_refused)
            put_refused(&core->reply, refused);
        return;
    }
    step_undo(core);
    core->counters->operations_failed++;
    if (!core->reply.failed)
        core->reply.len = before;
    put_error_result(&core->reply, &fault);
}

static void run_all(struct core *core, const struct request *request)
{
    struct mp_reader r = mp_reader(request->ops->raw, request->ops->len);
    struct mp_token list;
    mp_next(&r, &list);
    mp_put_array(&core->reply, list.count);
    for (uint32_t i = 0; i < list.count; i++) {
        const uint8_t *raw;
        size_t len;
        size_t reserved = (size_t)(list.count - i - 1) * ERROR_BYTES;
        mp_raw(&r, &raw, &len);
        run_result(core, request, i, raw, len, core->options.max_request_bytes - reserved);
    }
}

static bool changes_anything(const struct request *request)
{
    struct mp_reader r = mp_reader(request->ops->raw, request->ops->len);
    struct mp_token list;
    mp_next(&r, &list);
    for (uint32_t i = 0; i < list.count; i++) {
        struct fault ignored;
        const uint8_t *raw;
        size_t len;
        mp_raw(&r, &raw, &len);
        const struct op *op = op_of(raw, len, NULL, &ignored);
        if (op && op->changes)
            return true;
    }
    return false;
}

/* -- the head ------------------------------------------------------------------------------------------ */

/* Compare in a time that tells nothing about where they differ. */
static bool same_key(const char *key, const struct arg *given)
{
    size_t len = strlen(key);
    if (!given->given || given->token.len != len)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned char)(key[i] ^ given->token.bytes[i]);
    return difference == 0;
}

/* A request has operations, or it is a member's turn. */
static int check_kind(const struct arg *head, struct fault *fault)
{
    if (head[HEAD_OPS].given && head[HEAD_MEMBER].given)
        return fault_set(fault, CODE_BAD_ARGUMENT, NULL,
                         "a request has `ops` or is the turn of a `member`, not both");
    if (!head[HEAD_OPS].given && !head[HEAD_MEMBER].given)
        return fault_set(fault, CODE_BAD_ARGUMENT, NULL,
                         "a request has `ops`, a list of operations, or a `member`, whose turn it is");
    for (int i = HEAD_TURN; i <= HEAD_WAIT_MS && head[HEAD_OPS].given; i++) {
        const struct place at = place_key(NULL, HEAD[i].name, strlen(HEAD[i].name));
        if (head[i].given)
            return fault_set(fault, CODE_UNKNOWN_KEY, &at, "only the turn of a `member` has this key");
    }
    return 0;
}

/* The reply has room for an error of each. */
unsigned request_max_ops(const struct core_options *options)
{
    size_t fit = options->max_request_bytes / ERROR_BYTES;
    return fit < options->max_ops ? (unsigned)fit : options->max_ops;
}

static int check_head(struct core *core, struct request *request, const struct arg *head, struct fault *fault)
{
    const struct arg *client = &head[HEAD_CLIENT], *epoch = &head[HEAD_EPOCH];
    const struct place at_client = place_key(NULL, "client", 6), at_ops = place_key(NULL, "ops", 3);
    if (core->options.key && request->caller.is_tcp && !same_key(core->options.key, &head[HEAD_KEY]))
        return fault_set(fault, CODE_UNAUTHORIZED, NULL,
                         head[HEAD_KEY].given ? "`key` is not this broker's"
                                              : "requests over TCP must carry the broker's secret as `key`");
    if (client->token.len < CLIENT_MIN || client->token.len > CLIENT_MAX)
        return fault_set(fault, CODE_BAD_ARGUMENT, &at_client,
                         "this must be a random string of 16 to 64 bytes");
    if (epoch->given && !mp_is(&epoch->token, core->options.epoch))
        return fault_set(fault, CODE_NEW_EPOCH, NULL, "the broker has started anew, its epoch is `%s`",
                         core->options.epoch);
    if (check_kind(head, fault) < 0)
        return -1;
    if (head[HEAD_OPS].given && head[HEAD_OPS].token.count > request_max_ops(&core->options))
        return fault_set(fault, CODE_REQUEST_TOO_LARGE, &at_ops, "a request has at most %u operations",
                         request_max_ops(&core->options));
    request->client = client->token.bytes;
    request->client_len = client->token.len;
    request->ops = &head[HEAD_OPS];
    request->member = &head[HEAD_MEMBER];
    request->turn = &head[HEAD_TURN];
    request->done = &head[HEAD_DONE];
    request->max = &head[HEAD_MAX];
    request->wait_ms = &head[HEAD_WAIT_MS];
    return 0;
}

/* Also a refused request is told its id, wherever that stands. */
static void read_id(struct request *request, const void *body, size_t len)
{
    struct mp_reader r;
    struct mp_token id;
    request->has_id = mp_map_get(mp_reader(body, len), "id", 2, &r) && mp_next(&r, &id) && id.type == MP_UINT;
    request->id = request->has_id ? id.uint : 0;
}

static int refuse_version(struct fault *fault)
{
    return fault_set(fault, CODE_BAD_VERSION, NULL, "this broker speaks `v` 1 only");
}

/* The keys of a request are wrong. If it is of another version, that is why, and not what @fault says. */
static void check_version(const void *body, size_t len, struct fault *fault)
{
    struct mp_reader r;
    struct mp_token v;
    if (mp_map_get(mp_reader(body, len), "v", 1, &r) && mp_next(&r, &v) && v.type == MP_UINT && v.uint != 1)
        refuse_version(fault);
}

static int read_head(struct core *core, struct request *request, struct arg *head, const void *body,
                     size_t len, struct fault *fault)
{
    /* A payload may nest as deep as a client's message; the request's own levels come on top. */
    static const struct mp_rules rules = {MP_ALLOW_BIN, MP_DEPTH + 4, CODE_BAD_REQUEST};
    if (len > core->options.max_request_bytes)
        return fault_set(fault, CODE_REQUEST_TOO_LARGE, NULL, "a request has at most %zu bytes",
                         core->options.max_request_bytes);
    if (mp_check(body, len, &rules, NULL, fault) < 0)
        return -1;
    struct mp_reader r = mp_reader(body, len);
    struct mp_token token;
    if (!mp_next(&r, &token) || token.type != MP_MAP)
        return fault_set(fault, CODE_BAD_REQUEST, NULL, "a request is a map, not %s",
                         mp_type_name(token.type));
    if (args_read(head, HEAD, body, len, NULL, fault) < 0) {
        read_id(request, body, len);
        check_version(body, len, fault);
        return -1;
    }
    request->has_id = true;
    request->id = head[HEAD_ID].token.uint;
    if (head[HEAD_V].token.uint != 1)
        return refuse_version(fault);
    return check_head(core, request, head, fault);
}

/* {"v", "id"?, "epoch", and @pairs more that follow. */
static void begin_reply(struct core *core, const struct request *request, uint32_t pairs)
{
    struct buf *out = &core->reply;
    buf_reset(out);
    mp_put_map(out, 2 + request->has_id + pairs);
    mp_put_text(out, "v");
    mp_put_uint(out, 1);
    if (request->has_id) {
        mp_put_text(out, "id");
        mp_put_uint(out, request->id);
    }
    mp_put_text(out, "epoch");
    mp_put_text(out, core->options.epoch);
}

void request_reply(struct core *core, uint64_t ticket, size_t begin)
{
    static const char no_memory[] = "\x82\xa2ok\xc2\xa4"
                                    "code\xaa"
                                    "overloaded";
    const struct buf *out = &core->reply;
    if (out->failed)
        core->effects.reply(core->effects.arg, ticket, no_memory, sizeof(no_memory) - 1);
    else
        core->effects.reply(core->effects.arg, ticket, out->data + begin, out->len - begin);
}

/* @last_turn: of the member, where that is told (else NULL): it may have two on their way, and sees by it
 * whether this one came too early. */
static void refuse(struct core *core, const struct request *request, uint64_t ticket,
                   const uint64_t *last_turn, const struct fault *fault)
{
    core->counters->requests_refused++;
    begin_reply(core, request, 3 + (*fault->at != 0) + (last_turn != NULL));
    put_fault(&core->reply, fault);
    if (last_turn)
        put_number(&core->reply, "turn", *last_turn);
    request_reply(core, ticket, 0);
}

static void run_request(struct core *core, const struct request *request)
{
    begin_reply(core, request, 1);
    mp_put_text(&core->reply, "results");
    run_all(core, request);
}

/* -- repeats ------------------------------------------------------------------------------------------- */

static const struct {
    enum code code;
    const char *text;
} REFUSALS[] = {
    [REPLIES_REUSED] = {CODE_ID_REUSED, "another request of this client had this id"},
    [REPLIES_TOO_OLD] = {CODE_ID_TOO_OLD, "the reply to this id, or to a later one, is no longer stored"},
    [REPLIES_NO_MEMORY] = {CODE_OVERLOADED, "the broker is out of memory"},
};

static void send_stored(struct core *core, uint64_t ticket, const struct blob *reply)
{
    core->counters->requests_repeated++;
    core->effects.reply(core->effects.arg, ticket, reply->data, reply->len);
}

static void refuse_repeat(struct core *core, const struct request *request, uint64_t ticket,
                          enum replies_result why)
{
    struct fault fault;
    fault_set(&fault, REFUSALS[why].code, NULL, "%s", REFUSALS[why].text);
    refuse(core, request, ticket, NULL, &fault);
}

/* A request that changes something runs once. */
static void run_once(struct core *core, const struct request *request, uint64_t ticket, uint64_t fingerprint)
{
    struct stored *slot;
    enum replies_result seen = replies_begin(&core->replies, request->client, request->client_len,
                                             request->id, fingerprint, core->now.mono_ms, &slot);
    if (seen == REPLIES_STORED) {
        send_stored(core, ticket, slot->reply);
    } else if (seen != REPLIES_NEW) {
        refuse_repeat(core, request, ticket, seen);
    } else {
        run_request(core, request);
        request_reply(core, ticket, 0);
        replies_finish(&core->replies, slot, core->reply.failed ? NULL : core->reply.data, core->reply.len);
    }
}

/* One that only reads may run again. */
static void run_read(struct core *core, const struct request *request, uint64_t ticket, uint64_t fingerprint)
{
    if (replies_reused(&core->replies, request->client, request->client_len, request->id, fingerprint)) {
        refuse_repeat(core, request, ticket, REPLIES_REUSED);
        return;
    }
    run_request(core, request);
    request_reply(core, ticket, 0);
}

void core_request(struct core *core, const struct caller *caller, uint64_t ticket, const void *body,
                  size_t len)
{
    struct request request = {.caller = *caller};
    struct arg head[ARGS_MAX] = {{0}};
    struct fault fault;
    core->counters->requests++;
    if (read_head(core, &request, head, body, len, &fault) < 0) {
        refuse(core, &request, ticket, NULL, &fault);
        return;
    }
    if (request.member->given) {
        uint64_t last;
        if (turn_run(core, &request, ticket, &last, &fault) < 0)
            refuse(core, &request, ticket, fault.code == CODE_BAD_TURN ? &last : NULL, &fault);
        return;
    }
    uint64_t fingerprint = hash_fingerprint(core->options.seed, body, len);
    if (changes_anything(&request))
        run_once(core, &request, ticket, fingerprint);
    else
        run_read(core, &request, ticket, fingerprint);
}
