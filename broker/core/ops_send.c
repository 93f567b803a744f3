/* Operations that send to clients: send, answer, close, batch. */

#include <string.h>

#include "core/conn.h"
#include "core/ops.h"
#include "core/stored_event.h"
#include "core/target.h"
#include "wire/event_name.h"

#define MAX_REASON      123  /* RFC 6455, section 5.5: 125 bytes of a control frame, less the code */
#define MAX_EXCEPT      1024 /* ids in `except` */
#define ERROR_CODE_MAX  64
#define INTERVAL_MAX    60000 /* of a batch, ms */
#define BATCH_ITEMS_MAX 10000
#define BATCH_BYTES_MAX (256 * 1024)

/* -- fill ---------------------------------------------------------------------------------------------- */

/* Append the pairs of @map (or nothing when it is absent) whose keys are not in @without. Returns how many.
 */
static uint32_t copy_pairs(const struct arg *map, const struct arg *without, struct buf *out)
{
    struct mp_reader r = mp_reader(map->raw, map->len);
    struct mp_token header, key;
    struct mp_reader ignored;
    const uint8_t *value;
    size_t len;
    uint32_t copied = 0;
    if (!map->given || !mp_next(&r, &header))
        return 0;
    for (uint32_t i = 0; i < header.count && mp_next(&r, &key) && mp_raw(&r, &value, &len); i++) {
        if (mp_map_get(mp_reader(without->raw, without->len), key.bytes, key.len, &ignored))
            continue;
        mp_put_str(out, key.bytes, key.len);
        buf_put(out, value, len);
        copied++;
    }
    return copied;
}

/* Append one pair of `fill`: the key, and how many match the filter @raw. */
static int put_count(struct call *call, const struct mp_token *key, const uint8_t *raw, size_t len,
                     const struct arg *args, struct buf *out)
{
    struct arg filter = {.given = true, .raw = raw, .len = len};
    struct mp_reader r = mp_reader(raw, len);
    struct query query;
    const struct place fill = place_key(call->at, "fill", 4);
    const struct place at = place_key(&fill, key->bytes, key->len);
    if (!mp_next(&r, &filter.token) || filter.token.type != MP_MAP)
        return fault_set(call->fault, CODE_BAD_ARGUMENT, &at, "this must be a filter, a map");
    if (query_init(&query, call->core, &filter, &at, args, call->at, call->fault) < 0)
        return -1;
    mp_put_str(out, key->bytes, key->len);
    mp_put_uint(out, query_count(&query, call->core));
    query_deinit(&query, call->core);
    return 0;
}

int fill_payload(struct call *call, const struct arg *fill, const struct arg *payload, const struct arg *args,
                 struct buf *out)
{
    struct mp_reader r = mp_reader(fill->raw, fill->len);
    struct mp_token header, key;
    const uint8_t *raw;
    size_t len;
    if (payload->given && payload->token.type != MP_MAP)
        return call_fault(call, CODE_BAD_ARGUMENT, "payload", "with `fill` this must be a map");
    size_t mark = mp_open(out);
    uint32_t pairs = copy_pairs(payload, fill, out);
    mp_next(&r, &header);
    for (uint32_t i = 0; i < header.count && mp_next(&r, &key) && mp_raw(&r, &raw, &len); i++) {
        if (put_count(call, &key, raw, len, args, out) < 0)
            return -1;
        pairs++;
    }
    mp_close_map(out, mark, pairs);
    return out->failed ? call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory") : 0;
}

/* What a send or an answer carries: as it was given, or filled into @filled. NULL in *@mp: nothing. */
static int outgoing_payload(struct call *call, const struct arg *payload, const struct arg *fill,
                            const struct arg *args, struct buf *filled, const void **mp, size_t *len)
{
    *mp = payload->given ? payload->raw : NULL;
    *len = payload->given ? payload->len : 0;
    if (fill->given) {
        if (fill_payload(call, fill, payload, args, filled) < 0)
            return -1;
        *mp = filled->data;
        *len = filled->len;
    }
    if (*len > call->core->options.max_message_bytes)
        return call_fault(call, CODE_MESSAGE_TOO_LARGE, "payload", "%zu bytes, a message has at most %zu",
                          *len, call->core->options.max_message_bytes);
    return 0;
}

static int check_event(struct call *call, const struct arg *event)
{
    const char *wrong = event_name_fault(event->token.bytes, event->token.len);
    return wrong ? call_fault(call, CODE_BAD_ARGUMENT, "event", "%s", wrong) : 0;
}

/* -- send ---------------------------------------------------------------------------------------------- */

enum {
    SEND_CONN = 1,
    SEND_FILTER,
    SEND_ARGS,
    SEND_EVENT,
    SEND_PAYLOAD,
    SEND_EXCEPT,
    SEND_UNBATCHED,
    SEND_FILL,
    SEND_EXPLAIN
};

const struct arg_spec ARGS_SEND[] = {
    OP_ARG,
    [SEND_CONN] = {"conn", ARG_STR, false},
    [SEND_FILTER] = {"filter", ARG_MAP, false},
    [SEND_ARGS] = {"args", ARG_MAP, false},
    [SEND_EVENT] = {"event", ARG_STR, true},
    [SEND_PAYLOAD] = {"payload", ARG_ANY, false},
    [SEND_EXCEPT] = {"except", ARG_STR_LIST, false},
    [SEND_UNBATCHED] = {"unbatched", ARG_BOOL, false},
    [SEND_FILL] = {"fill", ARG_MAP, false},
    [SEND_EXPLAIN] = {"explain", ARG_BOOL, false},
    ARGS_END,
};

/* One send under way: the message is made once, whoever gets it. */
struct sending {
    struct batch *batch;     /* the event's; NULL: none */
    bool batched;            /* goes into it */
    struct blob *payload;    /* when batched */
    struct message *message; /* when not */
    enum delivery kind;
    uint64_t matched;
};

static int sending_init(struct call *call, struct sending *sending, const void *mp, size_t len)
{
    static const uint8_t nil = 0xc0;
    const struct mp_token *event = &call->args[SEND_EVENT].token;
    const struct arg *unbatched = &call->args[SEND_UNBATCHED];
    sending->batch = batches_find(&call->core->batches, event->bytes, event->len);
    sending->batched = sending->batch && !(unbatched->given && unbatched->token.boolean);
    if (sending->batched)
        sending->payload = blob_new(mp ? mp : &nil, mp ? len : 1);
    else
        sending->message = message_new(event->bytes, event->len, mp, len, NULL);
    if (!sending->payload && !sending->message)
        return call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    return 0;
}

static void sending_deinit(struct sending *sending)
{
    blob_unref(sending->payload);
    message_unref(sending->message);
}

static int send_to(struct core *core, const struct sending *sending, struct conn *conn)
{
    if (sending->batched)
        return step_batch_add(core, sending->batch, conn, sending->payload);
    if (sending->batch)
        return step_batch_pass(core, sending->batch, conn, sending->message);
    return step_deliver(core, conn, sending->message, sending->kind);
}

static bool is_excepted(const struct arg *except, const struct conn *conn)
{
    uint32_t count;
    if (!except->given)
        return false;
    struct mp_reader r = args_strings(except, &count);
    struct mp_token id;
    for (uint32_t i = 0; i < count && mp_next(&r, &id); i++) {
        if (mp_is(&id, conn->id))
            return true;
    }
    return false;
}

static int send_target(struct call *call, struct target *target)
{
    const struct arg *args = call->args;
    struct sending sending = {.kind = target->is_one ? DELIVERY_ONE : DELIVERY_MANY};
    struct buf filled = BUF_INIT;
    const void *mp;
    size_t len;
    int r =
        outgoing_payload(call, &args[SEND_PAYLOAD], &args[SEND_FILL], &args[SEND_ARGS], &filled, &mp, &len);
    if (!r)
        r = sending_init(call, &sending, mp, len);
    if (filled.data)
        buf_deinit(&filled);
    if (r < 0)
        return -1;
    target_begin(target, call->core);
    for (struct conn *conn; !r && (conn = target_next(target, call->core));) {
        if (is_excepted(&args[SEND_EXCEPT], conn))
            continue;
        sending.matched++;
        r = send_to(call->core, &sending, conn);
    }
    sending_deinit(&sending);
    if (r < 0)
        return call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    result_uint(call, "matched", sending.matched);
    result_refused(call);
    return 0;
}

/* Tell what a send would do, and send nothing. */
static int explain_send(struct call *call, struct target *target)
{
    if (target->is_one)
        return call_fault(call, CODE_BAD_ARGUMENT, "explain", "only a filter has a plan");
    result_key(call, "plan");
    query_explain(&target->query, call->core, call->out);
    result_uint(call, "matched", target->query.matches);
    result_uint(call, "refused", 0);
    return 0;
}

int op_send(struct call *call)
{
    const struct arg *args = call->args;
    struct target target;
    uint32_t except;
    args_strings(&args[SEND_EXCEPT], &except);
    if (except > MAX_EXCEPT)
        return call_fault(call, CODE_BAD_ARGUMENT, "except", "at most %d connections", MAX_EXCEPT);
    if (check_event(call, &args[SEND_EVENT]) < 0 ||
        target_init(&target, call->core, &args[SEND_CONN], &args[SEND_FILTER], &args[SEND_ARGS], call->at,
                    call->fault) < 0)
        return -1;
    const struct arg *explain = &args[SEND_EXPLAIN];
    int r =
        explain->given && explain->token.boolean ? explain_send(call, &target) : send_target(call, &target);
    target_deinit(&target, call->core);
    return r;
}

/* -- answer -------------------------------------------------------------------------------------------- */

enum { ANSWER_CONN = 1, ANSWER_I, ANSWER_PAYLOAD, ANSWER_ERROR, ANSWER_FILL, ANSWER_ARGS };

const struct arg_spec ARGS_ANSWER[] = {
    OP_ARG,
    [ANSWER_CONN] = {"conn", ARG_STR, false}, /* these two: see check_whose() */
    [ANSWER_I] = {"i", ARG_ID, false},
    [ANSWER_PAYLOAD] = {"payload", ARG_ANY, false},
    [ANSWER_ERROR] = {"error", ARG_MAP, false},
    [ANSWER_FILL] = {"fill", ARG_MAP, false},
    [ANSWER_ARGS] = {"args", ARG_MAP, false},
    ARGS_END,
};

enum { ERROR_CODE, ERROR_MESSAGE, ERROR_TEMPORARY, ERROR_DATA };

static const struct arg_spec ARGS_ERROR[] = {
    [ERROR_CODE] = {"code", ARG_STR, true},
    [ERROR_MESSAGE] = {"message", ARG_STR, false},
    [ERROR_TEMPORARY] = {"temporary", ARG_BOOL, false},
    [ERROR_DATA] = {"data", ARG_ANY, false},
    ARGS_END,
};

static struct question_id id_of(const struct mp_token *token)
{
    struct question_id id = {.kind = QUESTION_NUMBER};
    if (token->type == MP_UINT) {
        id.number = token->uint;
        return id;
    }
    id.kind = QUESTION_TEXT;
    id.len = (uint8_t)token->len;
    memcpy(id.text, token->bytes, token->len);
    return id;
}

int refusal_read(struct arg *parts, const struct arg *error, const struct place *at, struct fault *fault)
{
    const struct place place = place_key(at, "error", 5), at_code = place_key(&place, "code", 4);
    if (args_read(parts, ARGS_ERROR, error->raw, error->len, &place, fault) < 0)
        return -1;
    size_t len = parts[ERROR_CODE].token.len;
    if (len < 1 || len > ERROR_CODE_MAX)
        return fault_set(fault, CODE_BAD_ARGUMENT, &at_code, "this must have 1 to %d bytes", ERROR_CODE_MAX);
    return 0;
}

/* The payload of the `@error` that a handler's refusal is. */
static int put_refusal(struct call *call, const struct question *question, struct buf *out)
{
    struct arg error[ARGS_MAX];
    if (refusal_read(error, &call->args[ANSWER_ERROR], call->at, call->fault) < 0)
        return -1;
    const struct mp_token *code = &error[ERROR_CODE].token;
    mp_put_map(out, 4 + error[ERROR_DATA].given);
    mp_put_text(out, "code");
    mp_put_str(out, code->bytes, code->len);
    mp_put_text(out, "message");
    if (error[ERROR_MESSAGE].given)
        buf_put(out, error[ERROR_MESSAGE].raw, error[ERROR_MESSAGE].len);
    else
        mp_put_text(out, "");
    mp_put_text(out, "temporary");
    mp_put_bool(out, error[ERROR_TEMPORARY].given && error[ERROR_TEMPORARY].token.boolean);
    mp_put_text(out, "event");
    mp_put_str(out, question ? question->event : "", question ? question->event_len : 0);
    if (error[ERROR_DATA].given) {
        mp_put_text(out, "data");
        buf_put(out, error[ERROR_DATA].raw, error[ERROR_DATA].len);
    }
    return 0;
}

/* What the answer says, checked also when nobody waits for it any more. */
static int answer_payload(struct call *call, const struct question *question, struct buf *out,
                          const void **mp, size_t *len)
{
    const struct arg *args = call->args;
    if (!args[ANSWER_ERROR].given)
        return outgoing_payload(call, &args[ANSWER_PAYLOAD], &args[ANSWER_FILL], &args[ANSWER_ARGS], out, mp,
                                len);
    if (args[ANSWER_PAYLOAD].given || args[ANSWER_FILL].given)
        return call_fault(call, CODE_BAD_ARGUMENT, "error", "an answer has a payload or an error, not both");
    if (put_refusal(call, question, out) < 0)
        return -1;
    *mp = out->data;
    *len = out->len;
    if (*len > call->core->options.max_message_bytes)
        return call_fault(call, CODE_MESSAGE_TOO_LARGE, "error", "%zu bytes, a message has at most %zu", *len,
                          call->core->options.max_message_bytes);
    return 0;
}

static int answer_question(struct call *call, struct question *question, const void *mp, size_t len)
{
    bool is_error = call->args[ANSWER_ERROR].given;
    struct message *message = message_new(is_error ? "@error" : question->event,
                                          is_error ? 6 : question->event_len, mp, len, &question->id);
    int r = message ? step_answer(call->core, question, message) : -1;
    message_unref(message);
    return r < 0 ? call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory") : 0;
}

/* `conn` and `i` are required, but both default to those of the event whose effect this is. */
static int check_whose(struct call *call)
{
    bool has_conn = call->args[ANSWER_CONN].given, has_i = call->args[ANSWER_I].given;
    if (has_conn && has_i)
        return 0;
    if (!call->event)
        return call_fault(call, CODE_BAD_ARGUMENT, has_conn ? "i" : "conn", "this key is missing");
    if (has_conn || has_i)
        return call_fault(call, CODE_BAD_ARGUMENT, has_conn ? "i" : "conn",
                          "give `conn` and `i`, or neither to answer the event's own question");
    if (!call->event->question)
        return call_fault(call, CODE_BAD_ARGUMENT, "i", "the event asks nothing: its client sent no `i`");
    return 0;
}

/* The question that is meant, or NULL when nobody waits for an answer. The event's own one is told from a
 * later one that has the same `i`. */
static struct question *find_question(const struct call *call)
{
    const struct stored_event *event = call->event;
    const struct mp_token *whose = &call->args[ANSWER_CONN].token;
    bool is_own = event && !call->args[ANSWER_CONN].given;
    const struct question_id id = is_own ? event->id : id_of(&call->args[ANSWER_I].token);
    const struct conn *conn = is_own ? event->conn : core_conn_find(call->core, whose->bytes, whose->len);
    if (!conn || conn->is_leaving)
        return NULL;
    struct question *question = question_find(conn, &id);
    bool is_of_event =
        question && event && event->question && conn == event->conn && question_id_equal(&id, &event->id);
    return is_of_event && question->serial != event->question ? NULL : question;
}

int op_answer(struct call *call)
{
    if (check_whose(call) < 0)
        return -1;
    struct question *question = find_question(call);
    struct buf out = BUF_INIT;
    const void *mp = NULL;
    size_t len = 0;
    int r = answer_payload(call, question, &out, &mp, &len);
    if (!r && out.failed)
        r = call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory");
    if (!r && question)
        r = answer_question(call, question, mp, len);
    if (!r)
        result_bool(call, "first", question != NULL);
    buf_deinit(&out);
    return r;
}

/* -- close --------------------------------------------------------------------------------------------- */

enum { CLOSE_CONN = 1, CLOSE_FILTER, CLOSE_ARGS, CLOSE_CODE, CLOSE_REASON };

const struct arg_spec ARGS_CLOSE[] = {
    OP_ARG,
    [CLOSE_CONN] = {"conn", ARG_STR, false},
    [CLOSE_FILTER] = {"filter", ARG_MAP, false},
    [CLOSE_ARGS] = {"args", ARG_MAP, false},
    [CLOSE_CODE] = {"code", ARG_UINT, true},
    [CLOSE_REASON] = {"reason", ARG_STR, false},
    ARGS_END,
};

/* Those that are to be closed are marked, which the walk bears. */
static int close_target(struct call *call, struct target *target, uint64_t *closed)
{
    const struct arg *given = &call->args[CLOSE_REASON];
    struct blob *reason = given->given ? blob_new(given->token.bytes, given->token.len) : NULL;
    int r = given->given && !reason ? -1 : 0;
    target_begin(target, call->core);
    for (struct conn *conn; !r && (conn = target_next(target, call->core)); ++*closed)
        r = step_close(call->core, conn, (unsigned)call->args[CLOSE_CODE].token.uint, reason);
    blob_unref(reason);
    return r < 0 ? call_fault(call, CODE_OVERLOADED, NULL, "the broker is out of memory") : 0;
}

int op_close(struct call *call)
{
    const struct arg *args = call->args;
    uint64_t code = args[CLOSE_CODE].token.uint, matched = 0;
    const struct mp_token *reason = &args[CLOSE_REASON].token;
    bool has_reason = args[CLOSE_REASON].given;
    struct target target;
    if (code != 1000 && (code < 3000 || code > 4999))
        return call_fault(call, CODE_BAD_ARGUMENT, "code", "this must be 1000 or from 3000 to 4999");
    if (has_reason && reason->len > MAX_REASON)
        return call_fault(call, CODE_BAD_ARGUMENT, "reason", "at most %d bytes", MAX_REASON);
    if (target_init(&target, call->core, &args[CLOSE_CONN], &args[CLOSE_FILTER], &args[CLOSE_ARGS], call->at,
                    call->fault) < 0)
        return -1;
    int r = close_target(call, &target, &matched);
    target_deinit(&target, call->core);
    result_uint(call, "matched", matched);
    return r;
}

/* -- batch --------------------------------------------------------------------------------------------- */

enum { BATCH_EVENT = 1, BATCH_INTERVAL, BATCH_ITEMS, BATCH_BYTES, BATCH_KEEP, BATCH_LATEST_BY };

const struct arg_spec ARGS_BATCH[] = {
    OP_ARG,
    [BATCH_EVENT] = {"event", ARG_STR, true},
    [BATCH_INTERVAL] = {"interval_ms", ARG_UINT, true},
    [BATCH_ITEMS] = {"max_items", ARG_UINT, false},
    [BATCH_BYTES] = {"max_bytes", ARG_UINT, false},
    [BATCH_KEEP] = {"keep", ARG_STR, false},
    [BATCH_LATEST_BY] = {"latest_by", ARG_STR, false},
    ARGS_END,
};

/* `latest_by` says by itself that the latest are kept. */
static int read_keep(struct call *call, struct batch_rule *rule)
{
    const struct arg *keep = &call->args[BATCH_KEEP];
    bool all = keep->given && mp_is(&keep->token, "all"),
         latest = keep->given && mp_is(&keep->token, "latest");
    if (keep->given && !all && !latest)
        return call_fault(call, CODE_BAD_ARGUMENT, "keep", "this must be \"all\" or \"latest\"");
    if (all && call->args[BATCH_LATEST_BY].given)
        return call_fault(call, CODE_BAD_ARGUMENT, "latest_by", "this goes with `keep: \"latest\"` only");
    rule->keep = latest || call->args[BATCH_LATEST_BY].given ? BATCH_KEEP_LATEST : BATCH_KEEP_ALL;
    return 0;
}

int op_batch(struct call *call)
{
    const struct arg *args = call->args;
    const struct mp_token *event = &args[BATCH_EVENT].token, *by = &args[BATCH_LATEST_BY].token;
    char name[EVENT_NAME_MAX + 1] = "", latest_by[EVENT_NAME_MAX + 1] = "";
    struct batch_rule rule = {.event = name};
    uint64_t items = 0, bytes = 0;
    if (check_event(call, &args[BATCH_EVENT]) < 0)
        return -1;
    if (args[BATCH_INTERVAL].token.uint > INTERVAL_MAX)
        return call_fault(call, CODE_BAD_ARGUMENT, "interval_ms", "this must be from 0 to %d", INTERVAL_MAX);
    if (call_number(call, &args[BATCH_ITEMS], "max_items", 1, BATCH_ITEMS_MAX, &items) < 0 ||
        call_number(call, &args[BATCH_BYTES], "max_bytes", 1, BATCH_BYTES_MAX, &bytes) < 0 ||
        read_keep(call, &rule) < 0)
        return -1;
    if (args[BATCH_LATEST_BY].given) {
        if (by->len < 1 || by->len > EVENT_NAME_MAX || memchr(by->bytes, 0, by->len))
            return call_fault(call, CODE_BAD_ARGUMENT, "latest_by",
                              "this must be a field's name of 1 to %d bytes", EVENT_NAME_MAX);
        memcpy(latest_by, by->bytes, by->len);
        rule.latest_by = latest_by;
    }
    memcpy(name, event->bytes, event->len);
    rule.interval_ms = (unsigned)args[BATCH_INTERVAL].token.uint;
    rule.max_items = (unsigned)items;
    rule.max_bytes = (size_t)bytes;
    return step_batch_set(call->core, &rule, call->fault);
}
