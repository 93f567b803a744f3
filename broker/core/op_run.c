#include "core/op_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/ops.h"
#include "wire/nearest.h"

void result_key(struct call *call, const char *key)
{
    mp_put_text(call->out, key);
    call->pairs++;
}

void result_uint(struct call *call, const char *key, uint64_t value)
{
    result_key(call, key);
    mp_put_uint(call->out, value);
}

void result_bool(struct call *call, const char *key, bool value)
{
    result_key(call, key);
    mp_put_bool(call->out, value);
}

void result_text(struct call *call, const char *key, const char *text)
{
    result_key(call, key);
    mp_put_text(call->out, text);
}

void result_refused(struct call *call)
{
    result_uint(call, "refused", 0);
    call->tells_refused = true;
}

int call_fault(struct call *call, enum code code, const char *key, const char *format, ...)
{
    char text[sizeof(call->fault->message)];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    const struct place place = place_key(call->at, key, key ? strlen(key) : 0);
    return fault_set(call->fault, code, key ? &place : call->at, "%s", text);
}

int call_number(struct call *call, const struct arg *arg, const char *key, uint64_t min, uint64_t max,
                uint64_t *value)
{
    if (!arg->given)
        return 0;
    *value = arg->token.uint;
    if (*value < min || *value > max)
        return call_fault(call, CODE_BAD_ARGUMENT, key, "this must be from %llu to %llu",
                          (unsigned long long)min, (unsigned long long)max);
    return 0;
}

uint32_t put_fault(struct buf *out, const struct fault *fault)
{
    mp_put_text(out, "ok");
    mp_put_bool(out, false);
    mp_put_text(out, "code");
    mp_put_text(out, code_text(fault->code));
    mp_put_text(out, "message");
    mp_put_text(out, fault->message);
    if (!*fault->at)
        return 3;
    mp_put_text(out, "at");
    mp_put_text(out, fault->at);
    return 4;
}

void put_error_result(struct buf *out, const struct fault *fault)
{
    size_t mark = mp_open(out);
    mp_close_map(out, mark, put_fault(out, fault));
}

/* -- operations ---------------------------------------------------------------------------------------- */

static const struct op *find_op(const struct mp_token *name)
{
    for (const struct op *op = OPS; *op->name; op++) {
        if (arg_name_is(op->name, name))
            return op;
    }
    return NULL;
}

/* Mostly it is the first pair. (A second one is refused with the arguments.) */
static bool op_name(const uint8_t *raw, size_t len, struct mp_token *name)
{
    struct mp_reader r = mp_reader(raw, len);
    struct mp_token map, key;
    if (mp_next(&r, &map) && map.type == MP_MAP && map.count && mp_next(&r, &key) && mp_is(&key, "op"))
        return mp_next(&r, name) && name->type == MP_STR;
    return mp_map_first(mp_reader(raw, len), "op", 2, &r) && mp_next(&r, name) && name->type == MP_STR;
}

static void refuse_name(const struct mp_token *name, const struct place *at, struct fault *fault)
{
    const char *meant = nearest(name->bytes, name->len, ops_names());
    const struct place place = place_key(at, "op", 2);
    int len = name->len > 64 ? 64 : (int)name->len;
    if (meant)
        fault_set(fault, CODE_UNKNOWN_OP, &place, "there is no operation `%.*s`; did you mean `%s`?", len,
                  name->bytes, meant);
    else
        fault_set(fault, CODE_UNKNOWN_OP, &place, "there is no operation `%.*s`", len, name->bytes);
}

const struct op *op_of(const uint8_t *raw, size_t len, const struct place *at, struct fault *fault)
{
    struct mp_token name;
    if (!op_name(raw, len, &name)) {
        const struct place place = place_key(at, "op", 2);
        fault_set(fault, CODE_BAD_ARGUMENT, &place, "each operation is a map with its name as `op`");
        return NULL;
    }
    const struct op *op = find_op(&name);
    if (!op)
        refuse_name(&name, at, fault);
    return op;
}

int op_run(struct call *call, const uint8_t *raw, size_t len)
{
    struct arg args[ARGS_MAX];
    const struct op *op = op_of(raw, len, call->at, call->fault);
    if (!op)
        return -1;
    if (call->event && !op->is_effect)
        return call_fault(call, CODE_BAD_ARGUMENT, "op",
                          "`%s` has no effect to apply; send it as a request of its own", op->name);
    if (args_read(args, op->args, raw, len, call->at, call->fault) < 0)
        return -1;
    call->args = args;
    size_t mark = mp_open(call->out);
    mp_put_text(call->out, "ok");
    mp_put_bool(call->out, true);
    call->pairs = 1;
    if (op->run(call) < 0)
        return -1;
    mp_close_map(call->out, mark, call->pairs);
    return 0;
}
