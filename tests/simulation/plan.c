#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "wire/mp.h"

/* A map whose pairs are counted as they come. */
struct pairs {
    struct buf *out;
    size_t mark;
    uint32_t count;
};

static struct pairs pairs_open(struct buf *out)
{
    return (struct pairs){.out = out, .mark = mp_open(out)};
}

static struct buf *pair(struct pairs *pairs, const char *key)
{
    pairs->count++;
    mp_put_text(pairs->out, key);
    return pairs->out;
}

static void pairs_close(const struct pairs *pairs)
{
    mp_close_map(pairs->out, pairs->mark, pairs->count);
}

static void put_conn(struct buf *out, const struct spelling *spelling, uint64_t number)
{
    char id[64];
    snprintf(id, sizeof id, "%s.%llu", spelling->epoch, (unsigned long long)number);
    mp_put_text(out, id);
}

static void put_target(struct pairs *pairs, const struct op *op, const struct spelling *spelling,
                       uint64_t own)
{
    if (op->target == TARGET_OWN || op->target == TARGET_CONN) {
        put_conn(pair(pairs, "conn"), spelling, op->target == TARGET_OWN ? own : op->conn);
    } else if (op->target == TARGET_EVERYBODY) {
        mp_put_map(pair(pairs, "filter"), 0);
    } else {
        mp_put_map(pair(pairs, "filter"), 1);
        mp_put_text(pairs->out, "room");
        mp_put_uint(pairs->out, op->room);
    }
}

/* {operator: {key: number}} */
static void put_update(struct pairs *pairs, const char *operator, const char * key, uint64_t number)
{
    mp_put_map(pair(pairs, "update"), 1);
    mp_put_text(pairs->out, operator);
    mp_put_map(pairs->out, 1);
    mp_put_text(pairs->out, key);
    mp_put_uint(pairs->out, number);
}

static void put_filler(struct buf *out, size_t len)
{
    char piece[64];
    struct buf text = BUF_INIT;
    memset(piece, 'x', sizeof piece);
    for (size_t left = len; left; left -= left < sizeof piece ? left : sizeof piece)
        buf_put(&text, piece, left < sizeof piece ? left : sizeof piece);
    mp_put_str(out, text.data ? (const char *)text.data : "", text.len);
    buf_deinit(&text);
}

static void put_texts(struct buf *out, const char *const *texts, unsigned count, uint32_t wanted)
{
    size_t mark = mp_open(out);
    uint32_t put = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!(wanted & 1u << i))
            continue;
        mp_put_text(out, texts[i]);
        put++;
    }
    mp_close_array(out, mark, put);
}

static void put_update_op(struct pairs *pairs, const struct op *op, const struct spelling *spelling,
                          uint64_t own)
{
    mp_put_text(pair(pairs, "op"), "update");
    put_target(pairs, op, spelling, own);
    switch (op->kind) {
    case OP_SET:
        put_update(pairs, "$set", KEYS[op->key], op->token);
        break;
    case OP_BAD_UPDATE:
        put_update(pairs, "$add", "n", 1);
        break;
    case OP_BAD_VALUE:
        mp_put_map(pair(pairs, "update"), 1);
        mp_put_text(pairs->out, "$set");
        mp_put_map(pairs->out, 1);
        mp_put_text(pairs->out, "last");
        mp_put_map(pairs->out, 1);
        mp_put_text(pairs->out, "$n");
        mp_put_uint(pairs->out, 1);
        break;
    case OP_INC_TEXT:
        put_update(pairs, "$inc", "s", 1);
        break;
    case OP_SET_TEXT:
        mp_put_map(pair(pairs, "update"), 1);
        mp_put_text(pairs->out, "$set");
        mp_put_map(pairs->out, 1);
        mp_put_text(pairs->out, "s");
        put_filler(pairs->out, op->token);
        break;
    default:
        put_update(pairs, "$inc", KEYS[op->key], 1);
    }
    if (op->kind == OP_IF_VERSION)
        mp_put_uint(pair(pairs, "if_version"), op->token);
    if (op->ttl_ms)
        mp_put_uint(pair(pairs, "ttl_ms"), op->ttl_ms);
}

static void put_send(struct pairs *pairs, const struct op *op, const struct spelling *spelling, uint64_t own)
{
    mp_put_text(pair(pairs, "op"), "send");
    if (op->kind == OP_BAD_FILTER) {
        mp_put_map(pair(pairs, "filter"), 1);
        mp_put_text(pairs->out, "room");
        mp_put_nil(pairs->out);
    } else if (op->kind == OP_COSTLY) {
        mp_put_map(pair(pairs, "filter"), 1);
        mp_put_text(pairs->out, "room");
        mp_put_map(pairs->out, 1);
        mp_put_text(pairs->out, "$gt");
        mp_put_uint(pairs->out, 1000);
    } else {
        put_target(pairs, op, spelling, own);
    }
    if (op->kind != OP_MISSING)
        mp_put_text(pair(pairs, "event"), PUSHES[op->push]);
    if (op->kind == OP_LARGE_MESSAGE)
        put_filler(pair(pairs, "payload"), spelling->max_message_bytes + 100);
    else
        mp_put_uint(pair(pairs, "payload"), op->token);
    if (op->is_unbatched)
        mp_put_bool(pair(pairs, "unbatched"), true);
    if (op->except) {
        mp_put_array(pair(pairs, "except"), 1);
        put_conn(pairs->out, spelling, op->except);
    }
    if (op->kind == OP_UNKNOWN_KEY)
        mp_put_uint(pair(pairs, "urgent"), 1);
}

static void put_message(struct buf *out, uint64_t token)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)token);
    mp_put_text(out, text);
}

static void put_answer(struct pairs *pairs, const struct op *op, const struct spelling *spelling)
{
    mp_put_text(pair(pairs, "op"), "answer");
    if (op->target == TARGET_CONN)
        put_conn(pair(pairs, "conn"), spelling, op->conn);
    if (op->target == TARGET_CONN || op->kind == OP_I_ALONE)
        mp_put_uint(pair(pairs, "i"), op->i);
    if (op->is_error) {
        mp_put_map(pair(pairs, "error"), 2);
        mp_put_text(pairs->out, "code");
        mp_put_text(pairs->out, "sorry");
        mp_put_text(pairs->out, "message");
        put_message(pairs->out, op->token);
    } else {
        mp_put_uint(pair(pairs, "payload"), op->token);
    }
}

static void put_join(struct pairs *pairs, const struct op *op)
{
    mp_put_text(pair(pairs, "op"), "join");
    mp_put_text(pair(pairs, "group"), op->group);
    if (op->is_bad_pattern) {
        mp_put_array(pair(pairs, "events"), 1);
        mp_put_text(pairs->out, "chat::*");
    } else {
        put_texts(pair(pairs, "events"), PATTERNS, PATTERN_COUNT, op->patterns);
    }
    mp_put_uint(pair(pairs, "lease_ms"), op->lease_ms);
    if (op->keys != KEYS_ALL)
        put_texts(pair(pairs, "session_keys"), KEYS, KEY_COUNT, op->keys);
    if (op->per_conn > 1)
        mp_put_uint(pair(pairs, "per_conn"), op->per_conn);
}

static void put_seqs(struct buf *out, const uint64_t *seqs, size_t count)
{
    mp_put_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        mp_put_uint(out, seqs[i]);
}

static void put_page(struct pairs *pairs, const struct op *op, const char *name)
{
    mp_put_text(pair(pairs, "op"), name);
    mp_put_text(pair(pairs, "group"), op->group);
    mp_put_uint(pair(pairs, "limit"), 1000);
    if (op->token)
        mp_put_uint(pair(pairs, "after"), op->token);
}

static void put_other(struct pairs *pairs, const struct op *op, const struct spelling *spelling, uint64_t own)
{
    struct buf *out = pairs->out;
    switch (op->kind) {
    case OP_CLOSE:
        mp_put_text(pair(pairs, "op"), "close");
        put_target(pairs, op, spelling, own);
        mp_put_uint(pair(pairs, "code"), 4000);
        break;
    case OP_BATCH:
        mp_put_text(pair(pairs, "op"), "batch");
        mp_put_text(pair(pairs, "event"), PUSHES[op->push]);
        mp_put_uint(pair(pairs, "interval_ms"), op->is_off ? 0 : 20 + op->token % 200);
        break;
    case OP_GET:
        mp_put_text(pair(pairs, "op"), "get");
        put_conn(pair(pairs, "conn"), spelling, op->target == TARGET_OWN ? own : op->conn);
        break;
    case OP_FIND:
        mp_put_text(pair(pairs, "op"), "find");
        mp_put_uint(pair(pairs, "limit"), 1000);
        break;
    case OP_JOIN:
        put_join(pairs, op);
        break;
    case OP_LEAVE:
    case OP_EXTEND:
        mp_put_text(pair(pairs, "op"), op->kind == OP_LEAVE ? "leave" : "extend");
        mp_put_text(pair(pairs, "member"), op->member);
        if (op->seqs)
            put_seqs(pair(pairs, "seqs"), op->seqs, op->seq_count);
        break;
    case OP_SUBSCRIBE:
        mp_put_text(pair(pairs, "op"), "subscribe");
        mp_put_array(pair(pairs, "events"), 1);
        mp_put_text(out, "@dead");
        break;
    case OP_INSPECT:
        put_page(pairs, op, "inspect");
        break;
    case OP_DEAD:
        put_page(pairs, op, "dead");
        break;
    case OP_STATS:
        mp_put_text(pair(pairs, "op"), "stats");
        break;
    default:
        mp_put_text(pair(pairs, "op"), "levitate");
    }
}

static void put_op(struct buf *out, const struct op *op, const struct spelling *spelling, uint64_t own)
{
    struct pairs pairs = pairs_open(out);
    switch (op->kind) {
    case OP_INC:
    case OP_SET:
    case OP_IF_VERSION:
    case OP_BAD_UPDATE:
    case OP_BAD_VALUE:
    case OP_INC_TEXT:
    case OP_SET_TEXT:
        put_update_op(&pairs, op, spelling, own);
        break;
    case OP_SEND:
    case OP_BAD_FILTER:
    case OP_LARGE_MESSAGE:
    case OP_COSTLY:
    case OP_UNKNOWN_KEY:
    case OP_MISSING:
        put_send(&pairs, op, spelling, own);
        break;
    case OP_ANSWER:
    case OP_I_ALONE:
        put_answer(&pairs, op, spelling);
        break;
    default:
        put_other(&pairs, op, spelling, own);
    }
    pairs_close(&pairs);
}

static void put_ops(struct buf *out, const struct op *ops, size_t count, const struct spelling *spelling,
                    uint64_t own)
{
    mp_put_array(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        put_op(out, &ops[i], spelling, own);
}

static void put_error(struct pairs *pairs, const struct entry *entry)
{
    mp_put_map(pair(pairs, "error"), entry->kind == ENTRY_NO_CODE ? 1 : 2);
    if (entry->kind != ENTRY_NO_CODE) {
        mp_put_text(pairs->out, "code");
        mp_put_text(pairs->out, "sorry");
    }
    mp_put_text(pairs->out, "message");
    put_message(pairs->out, entry->token);
}

static void put_entry(struct buf *out, const struct entry *entry, const struct spelling *spelling,
                      bool has_seq)
{
    struct pairs pairs = pairs_open(out);
    bool has_ops = entry->kind == ENTRY_OPS || entry->kind == ENTRY_TWO || entry->kind == ENTRY_UNKNOWN_KEY;
    if (has_seq)
        mp_put_uint(pair(&pairs, "seq"), entry->seq);
    if (has_ops)
        put_ops(pair(&pairs, "ops"), entry->ops, entry->ops_count, spelling, entry->own);
    if (entry->kind == ENTRY_OPS_NO_LIST)
        mp_put_text(pair(&pairs, "ops"), "all");
    if (entry->kind == ENTRY_ERROR || entry->kind == ENTRY_NO_CODE)
        put_error(&pairs, entry);
    if (entry->kind == ENTRY_RETRY)
        mp_put_uint(pair(&pairs, "retry_ms"), entry->token);
    if (entry->kind == ENTRY_TWO || entry->kind == ENTRY_LONG_RETRY)
        mp_put_uint(pair(&pairs, "retry_ms"), entry->kind == ENTRY_TWO ? 5 : 3600001);
    if (entry->kind == ENTRY_UNKNOWN_KEY)
        mp_put_uint(pair(&pairs, "urgent"), 1);
    pairs_close(&pairs);
}

static void put_done(struct buf *out, const struct plan *plan, const struct spelling *spelling)
{
    if (plan->flaw == FLAW_DONE) {
        mp_put_text(out, "all");
        return;
    }
    if (plan->flaw == FLAW_TOO_MANY) {
        struct entry entry = {.kind = ENTRY_OPS, .seq = 1};
        struct op op = {.kind = OP_STATS};
        mp_put_array(out, spelling->max_ops + 1);
        entry.ops = &op;
        entry.ops_count = 1;
        for (unsigned i = 0; i <= spelling->max_ops; i++)
            put_entry(out, &entry, spelling, true);
        return;
    }
    mp_put_array(out, (uint32_t)plan->done_count + (plan->flaw == FLAW_NO_SEQ));
    for (size_t i = 0; i < plan->done_count; i++)
        put_entry(out, &plan->done[i], spelling, true);
    if (plan->flaw == FLAW_NO_SEQ)
        put_entry(out, &(struct entry){.kind = ENTRY_RETRY, .token = 5}, spelling, false);
}

static uint64_t hash_of(const uint8_t *bytes, size_t len)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static void put_turn(struct pairs *pairs, struct plan *plan, const struct spelling *spelling)
{
    mp_put_text(pair(pairs, "member"), plan->flaw == FLAW_MEMBER ? "nobody" : plan->member);
    mp_put_uint(pair(pairs, "turn"), plan->turn);
    pair(pairs, "done");
    size_t begin = pairs->out->len;
    put_done(pairs->out, plan, spelling);
    plan->done_hash = hash_of(pairs->out->data + begin, pairs->out->len - begin);
    mp_put_uint(pair(pairs, "max"), plan->flaw == FLAW_MAX ? 1025 : plan->max);
    mp_put_uint(pair(pairs, "wait_ms"), plan->flaw == FLAW_WAIT ? 25001 : plan->wait_ms);
}

void plan_encode(struct plan *plan, struct arena *arena, const struct spelling *spelling, struct buf *work)
{
    buf_reset(work);
    struct pairs pairs = pairs_open(work);
    mp_put_uint(pair(&pairs, "v"), plan->flaw == FLAW_VERSION ? 2 : 1);
    mp_put_text(pair(&pairs, "client"), plan->flaw == FLAW_CLIENT ? "somebody-else-entirely" : plan->client);
    mp_put_uint(pair(&pairs, "id"), plan->id);
    if (plan->id % 3 == 0 || plan->flaw == FLAW_EPOCH)
        mp_put_text(pair(&pairs, "epoch"), plan->flaw == FLAW_EPOCH ? "yesterday" : spelling->epoch);
    if (spelling->key && plan->flaw != FLAW_KEY)
        mp_put_text(pair(&pairs, "key"), spelling->key);
    if (plan->flaw == FLAW_UNKNOWN)
        mp_put_uint(pair(&pairs, "urgent"), 1);
    if (plan->flaw == FLAW_TOO_LONG)
        put_filler(pair(&pairs, "epoch"), spelling->max_request_bytes);
    if (plan->is_turn)
        put_turn(&pairs, plan, spelling);
    else
        put_ops(pair(&pairs, "ops"), plan->ops, plan->ops_count, spelling, 0);
    pairs_close(&pairs);
    plan->len = plan->flaw == FLAW_CUT ? work->len / 2 : work->len;
    uint8_t *bytes = arena_get(arena, plan->len);
    memcpy(bytes, work->data, plan->len);
    plan->bytes = bytes;
}

bool op_is_effect(enum op_kind kind)
{
    return kind < OP_GET;
}

bool plan_changes(const struct plan *plan)
{
    for (size_t i = 0; i < plan->ops_count; i++) {
        enum op_kind kind = plan->ops[i].kind;
        if ((op_is_effect(kind) && kind != OP_UNKNOWN) || kind == OP_JOIN || kind == OP_LEAVE ||
            kind == OP_EXTEND)
            return true;
    }
    return false;
}
