/* mp_check: one pass over bytes from outside, before anybody trusts them. */

#include "wire/mp.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/utf8.h"

/* Keys kept on the stack for finding duplicates; more go to the heap. */
#define KEYS_INLINE 64

/* Up to so many keys each is compared with each; more are sorted. */
#define PAIRWISE_MAX 16

struct key {
    const char *text;
    uint32_t len;
};

/* An array or map that is being read. */
struct frame {
    size_t left; /* values still to come; a map's keys count too */
    uint32_t count;
    bool is_map;
    uint32_t key_len;
    const char *key;  /* of the value that is being read; NULL before it is known */
    size_t keys_base; /* where this map's keys begin */
};

struct check {
    struct mp_reader reader;
    const uint8_t *begin;
    unsigned flags;
    unsigned depth_max;
    enum code code;
    const struct place *at;
    struct fault *fault;
    unsigned depth;
    struct key *keys; /* keys of all open maps, innermost last */
    size_t keys_len;
    size_t keys_cap;
    struct frame frames[MP_DEPTH_MAX];
    struct key keys_inline[KEYS_INLINE];
};

/* The place of the value that is being read, built from the frames. */
static int refuse(struct check *c, enum code code, const char *message)
{
    struct place places[MP_DEPTH_MAX];
    const struct place *at = c->at;
    for (unsigned i = 0; i < c->depth; i++) {
        const struct frame *f = &c->frames[i];
        if (f->is_map && !f->key)
            break;
        places[i] = f->is_map ? place_key(at, f->key, f->key_len) : place_index(at, f->count - f->left - 1);
        at = &places[i];
    }
    return fault_set(c->fault, code, at, "%s", message);
}

static int refuse_at_byte(struct check *c, const uint8_t *byte, const char *what)
{
    char message[160];
    snprintf(message, sizeof(message), "malformed MessagePack at byte %zu: %s", (size_t)(byte - c->begin),
             what);
    return refuse(c, c->code, message);
}

/* mp_next() said no: why? */
static int refuse_malformed(struct check *c)
{
    const uint8_t *at = c->reader.at;
    if (at == c->reader.end)
        return refuse_at_byte(c, at, at == c->begin ? "there is no value" : "a value is missing at the end");
    if (*at == 0xc1)
        return refuse_at_byte(c, at, "0xc1 begins no value");
    if ((*at >= 0x80 && *at < 0x90) || *at == 0xde || *at == 0xdf)
        return refuse_at_byte(c, at, "a map of more pairs than the bytes left can hold");
    if ((*at >= 0x90 && *at < 0xa0) || *at == 0xdc || *at == 0xdd)
        return refuse_at_byte(c, at, "an array of more values than the bytes left can hold");
    return refuse_at_byte(c, at, "the value is cut");
}

static int check_text(struct check *c, const struct mp_token *token)
{
    size_t valid = utf8_prefix(token->bytes, token->len);
    if (valid == token->len)
        return 0;
    return refuse_at_byte(c, (const uint8_t *)token->bytes + valid, "a string is not UTF-8");
}

static int keep_key(struct check *c, const struct mp_token *token)
{
    if (c->keys_len == c->keys_cap) {
        bool is_inline = c->keys == c->keys_inline;
        size_t cap = 2 * c->keys_cap;
        struct key *keys = realloc(is_inline ? NULL : c->keys, cap * sizeof(*keys));
        if (!keys)
            return refuse(c, CODE_OVERLOADED, "out of memory");
        if (is_inline)
            memcpy(keys, c->keys_inline, sizeof(c->keys_inline));
        c->keys = keys;
        c->keys_cap = cap;
    }
    c->keys[c->keys_len++] = (struct key){token->bytes, token->len};
    return 0;
}

/* Any total order will do: length first, as it mostly decides. */
static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a;
    const struct key *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    return memcmp(x->text, y->text, x->len);
}

static int refuse_duplicate(struct check *c, struct frame *f, const struct key *key)
{
    f->key = key->text;
    f->key_len = key->len;
    return refuse(c, c->code, "this key is in the map twice");
}

/* The map @f is read: look through its keys and forget them. */
static int check_duplicates(struct check *c, struct frame *f)
{
    struct key *keys = c->keys + f->keys_base;
    size_t n = c->keys_len - f->keys_base;
    c->keys_len = f->keys_base;
    if (n <= PAIRWISE_MAX) {
        for (size_t i = 1; i < n; i++)
            for (size_t j = 0; j < i; j++)
                if (keys[i].len == keys[j].len && memcmp(keys[i].text, keys[j].text, keys[i].len) == 0)
                    return refuse_duplicate(c, f, &keys[i]);
        return 0;
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    for (size_t i = 1; i < n; i++)
        if (compare_keys(&keys[i - 1], &keys[i]) == 0)
            return refuse_duplicate(c, f, &keys[i]);
    return 0;
}

/* A key of the map @f is next. 1: it was a string and is read. 0: it is another value, allowed, and still to
 * be read. */
static int read_key(struct check *c, struct frame *f)
{
    const uint8_t *before = c->reader.at;
    struct mp_token token;
    f->key = NULL;
    if (!mp_next(&c->reader, &token))
        return refuse_malformed(c);
    if (token.type != MP_STR) {
        char message[80];
        c->reader.at = before;
        if (c->flags & MP_ALLOW_ANY_KEYS)
            return 0;
        snprintf(message, sizeof(message), "a map's keys must be strings, not %s", mp_type_name(token.type));
        return refuse(c, c->code, message);
    }
    if (check_text(c, &token) < 0)
        return -1;
    if ((c->flags & MP_REFUSE_DUPLICATES) && keep_key(c, &token) < 0)
        return -1;
    f->key = token.bytes;
    f->key_len = token.len;
    return 1;
}

/* A value is read: leave what ends with it and go to the next value. 1 while one is due, 0 at the end of all.
 */
static int advance(struct check *c)
{
    while (c->depth > 0) {
        struct frame *f = &c->frames[c->depth - 1];
        if (f->left == 0) {
            if (f->is_map && (c->flags & MP_REFUSE_DUPLICATES) && check_duplicates(c, f) < 0)
                return -1;
            c->depth--;
            continue;
        }
        if (f->is_map && f->left % 2 == 0) {
            int was_read = read_key(c, f);
            if (was_read < 0)
                return -1;
            f->left -= (size_t)was_read;
        }
        f->left--;
        return 1;
    }
    return 0;
}

static int enter(struct check *c, const struct mp_token *token)
{
    if (c->depth == c->depth_max) {
        char message[64];
        snprintf(message, sizeof(message), "nested deeper than %u", c->depth_max);
        return refuse(c, c->code, message);
    }
    struct frame *f = &c->frames[c->depth++];
    f->is_map = token->type == MP_MAP;
    f->count = token->count;
    f->left = f->is_map ? 2 * (size_t)token->count : token->count;
    f->key = NULL;
    f->keys_base = c->keys_len;
    return 0;
}

static int check_value(struct check *c)
{
    struct mp_token token;
    if (!mp_next(&c->reader, &token))
        return refuse_malformed(c);
    switch (token.type) {
    case MP_STR:
        return check_text(c, &token);
    case MP_ARRAY:
    case MP_MAP:
        return enter(c, &token);
    case MP_FLOAT:
        if (!isfinite(token.real) && !(c->flags & MP_ALLOW_NONFINITE))
            return refuse(c, c->code, "NaN and infinities are not allowed here");
        return 0;
    case MP_BIN:
        return c->flags & MP_ALLOW_BIN ? 0 : refuse(c, c->code, "binary values are not allowed here");
    case MP_EXT:
        return c->flags & MP_ALLOW_EXT ? 0 : refuse(c, c->code, "extension types are not allowed here");
    default:
        return 0;
    }
}

static int check_all(struct check *c)
{
    int more;
    do {
        if (check_value(c) < 0)
            return -1;
        more = advance(c);
    } while (more > 0);
    if (more < 0)
        return -1;
    if (c->reader.at != c->reader.end)
        return refuse_at_byte(c, c->reader.at, "something follows the value");
    return 0;
}

int mp_check(const void *bytes, size_t len, const struct mp_rules *rules, const struct place *at,
             struct fault *fault)
{
    struct check c; /* 5 KiB: only what is used is set */
    c.reader = mp_reader(bytes, len);
    c.begin = c.reader.at;
    c.flags = rules->flags;
    c.depth_max = rules->depth == 0 ? MP_DEPTH : rules->depth < MP_DEPTH_MAX ? rules->depth : MP_DEPTH_MAX;
    c.code = rules->code;
    c.at = at;
    c.fault = fault;
    c.depth = 0;
    c.keys = c.keys_inline;
    c.keys_len = 0;
    c.keys_cap = KEYS_INLINE;
    int result = check_all(&c);
    if (c.keys != c.keys_inline)
        free(c.keys);
    return result;
}
