#include "op.h"

#include <string.h>

#include "client.h"
#include "doc.h"
#include "wire/mp.h"

/* What one event may queue, over many requests. */
#define QUEUE_BYTES ((size_t)64 * 1024 * 1024)

int op_begin(struct op *op, struct sluice_event *event, const char *name)
{
    int error = event_check(event);

    memset(op, 0, sizeof(*op));
    op->name = name ? name : "operation";
    if (error < 0)
        return error;
    op->event = event;
    event->has_last_op = event->last_is_own_answer = false;
    op->start = event->ops.len;
    op->mark = mp_open(&event->ops);
    if (name)
        op_text(op, "op", name);
    return 0;
}

static bool op_failed(const struct op *op)
{
    return !op->event || op->event->fault.error;
}

static int op_wrong(struct op *op, const char *key, const char *what)
{
    return error_set(&op->event->fault, SLUICE_E_ARGUMENT, "%s: `%s` %s", op->name, key, what);
}

/* The next pair's key. */
static void op_key(struct op *op, const char *key)
{
    if (op->pairs < sizeof(op->keys) / sizeof(op->keys[0]))
        op->keys[op->pairs] = key;
    op->pairs++;
    mp_put_text(&op->event->ops, key);
}

void op_text(struct op *op, const char *key, const char *text)
{
    if (op_failed(op))
        return;
    if (!text) {
        op_wrong(op, key, "is missing");
        return;
    }
    op_key(op, key);
    mp_put_text(&op->event->ops, text);
}

void op_value(struct op *op, const char *key, const struct sluice_value *value)
{
    if (op_failed(op) || !value)
        return;
    op_key(op, key);
    buf_put(&op->event->ops, value->bytes, value->len);
}

void op_int(struct op *op, const char *key, int64_t value)
{
    if (op_failed(op))
        return;
    op_key(op, key);
    mp_put_int(&op->event->ops, value);
}

static bool op_own(struct op *op, const char *key, const struct sluice_value *map)
{
    if (!map)
        op_wrong(op, key, "is missing");
    else if (map->is_foreign)
        op_wrong(op, key, "came from outside: take values out of it instead");
    else if (!value_is_map(map))
        op_wrong(op, key, "is not a map");
    return !op->event->fault.error;
}

void op_filter(struct op *op, const char *key, const struct sluice_value *filter)
{
    if (op_failed(op) || !op_own(op, key, filter))
        return;
    op_key(op, key);
    doc_put_filter(filter, &op->event->ops, &op->args, &op->arg_count);
}

void op_own_map(struct op *op, const char *key, const struct sluice_value *map)
{
    if (!op_failed(op) && op_own(op, key, map))
        op_value(op, key, map);
}

void op_open(struct op *op, const char *key)
{
    op_key(op, key);
}

/* ---- Options ---- */

static bool op_has_key(const struct op *op, const struct mp_token *key)
{
    for (size_t i = 0; i < sizeof(op->keys) / sizeof(op->keys[0]) && op->keys[i]; i++)
        if (mp_is(key, op->keys[i]))
            return true;
    return false;
}

/* Arguments of the program's own join those of the conversions. */
static void op_join_args(struct op *op, struct mp_reader args)
{
    const uint8_t *start;
    struct mp_token map;

    if (!mp_next(&args, &map) || map.type != MP_MAP) {
        op_wrong(op, "args", "is not a map");
        return;
    }
    start = args.at;
    for (uint32_t i = 0; i < 2 * map.count; i++)
        mp_skip(&args);
    buf_put(&op->args, start, (size_t)(args.at - start));
    op->arg_count += map.count;
}

/* Filters inside `fill`: what came from outside must be a scalar there, as an argument would. */
static bool fill_is_safe(const struct sluice_value *options, const uint8_t *fill, size_t len)
{
    size_t begin = (size_t)(fill - options->bytes);

    for (size_t i = 0; i < options->hole_count; i++) {
        const struct hole *hole = &options->holes[i];
        struct mp_reader r = mp_reader(options->bytes + hole->offset, hole->len);
        struct mp_token token;
        bool is_inside = hole->offset >= begin && hole->offset < begin + len;
        if (is_inside && hole->is_foreign && mp_next(&r, &token) &&
            (token.type == MP_MAP || token.type == MP_ARRAY))
            return false;
    }
    return true;
}

static void op_option(struct op *op, const struct sluice_value *options, const struct mp_token *key,
                      const uint8_t *raw, size_t len)
{
    if (op_has_key(op, key)) {
        error_set(&op->event->fault, SLUICE_E_ARGUMENT, "%s: `%.*s` is no option", op->name,
                  key->len > 40 ? 40 : (int)key->len, key->bytes);
    } else if (mp_is(key, "args") && !op->is_inner) {
        op_join_args(op, mp_reader(raw, len));
    } else if (mp_is(key, "fill") && !fill_is_safe(options, raw, len)) {
        op_wrong(op, "fill", "has a map or list that came from outside: take values out of it instead");
    } else {
        mp_put_str(&op->event->ops, key->bytes, key->len);
        buf_put(&op->event->ops, raw, len);
        op->pairs++;
    }
}

void op_options(struct op *op, const struct sluice_value *options)
{
    struct mp_token map, key;
    struct mp_reader r;

    if (op_failed(op) || !options || !op_own(op, "options", options))
        return;
    r = mp_reader(options->bytes, options->len);
    mp_next(&r, &map);
    for (uint32_t i = 0; i < map.count && !op_failed(op); i++) {
        const uint8_t *raw;
        size_t len;
        if (!mp_next(&r, &key) || key.type != MP_STR || !mp_raw(&r, &raw, &len)) {
            op_wrong(op, "options", "has a key that is no string");
            return;
        }
        op_option(op, options, &key, raw, len);
    }
}

/* ---- A whole operation ---- */

void op_whole(struct op *op, const struct sluice_value *whole)
{
    struct mp_token map, key;
    struct mp_reader r;

    if (op_failed(op) || !op_own(op, "op", whole))
        return;
    r = mp_reader(whole->bytes, whole->len);
    mp_next(&r, &map);
    for (uint32_t i = 0; i < map.count && !op_failed(op); i++) {
        const struct sluice_value *part = NULL;
        const uint8_t *raw;
        size_t len;
        if (!mp_next(&r, &key) || key.type != MP_STR || !mp_raw(&r, &raw, &len))
            op_wrong(op, "op", "has a key that is no string");
        else if (!mp_is(&key, "filter") && !mp_is(&key, "update"))
            op_option(op, whole, &key, raw, len);
        else if ((part = value_part(whole, raw, len)) != NULL && mp_is(&key, "filter"))
            op_filter(op, "filter", part);
        else if (part)
            op_own_map(op, "update", part);
    }
}

/* ---- The end ---- */

static void op_put_args(struct op *op)
{
    struct buf *ops = &op->event->ops;

    if (op->arg_count == 0)
        return;
    op_key(op, "args");
    mp_put_map(ops, op->arg_count);
    buf_put(ops, op->args.data, op->args.len);
}

static int op_finish(struct op *op)
{
    struct sluice_event *event = op->event;
    size_t len, max = outbox_max_bytes(event->client);

    if (event->fault.error)
        return event->fault.error;
    op_put_args(op);
    mp_close_map(&event->ops, op->mark, op->pairs);
    if (event->ops.failed || op->args.failed)
        return error_nomem(&event->fault);
    len = event->ops.len - op->start;
    if (len > max)
        return error_set(&event->fault, SLUICE_E_TOO_LARGE, "%s: %zu bytes, a request has at most %zu",
                         op->name, len, max);
    if (event->ops.len > QUEUE_BYTES)
        return error_set(&event->fault, SLUICE_E_TOO_LARGE, "%s: more than %zu bytes are queued", op->name,
                         QUEUE_BYTES);
    return 0;
}

int op_end(struct op *op)
{
    struct sluice_event *event = op->event;
    int error;

    if (!event)
        return SLUICE_E_ARGUMENT;
    error = op_finish(op);
    buf_deinit(&op->args);
    if (error < 0) {
        event->ops.len = op->start;
        event->ops.failed = false;
        event->client->fault = event->fault;
        return error;
    }
    event->last_op = op->start;
    event->has_last_op = true;
    event->op_count++;
    return 0;
}

void op_undo(struct sluice_event *event)
{
    event->ops.len = event->last_op;
    event->has_last_op = false;
    event->op_count--;
}
