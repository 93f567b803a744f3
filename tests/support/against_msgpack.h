#ifndef SLUICE_TESTS_SUPPORT_AGAINST_MSGPACK_H
#define SLUICE_TESTS_SUPPORT_AGAINST_MSGPACK_H

/* against_msgpack: whether our tokens mean what msgpack-c made of the same bytes. It stops at depth 32,
 * checks no UTF-8 and reserves memory for any declared count; else it is right. */

#include <msgpack.h>
#include <string.h>

#include "wire/mp.h"

static inline bool against_msgpack_real(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0 || (a != a && b != b);
}

static inline bool against_msgpack_bytes(const struct mp_token *token, const char *bytes, size_t len)
{
    return token->len == len && (len == 0 || memcmp(token->bytes, bytes, len) == 0);
}

static inline bool against_msgpack_scalar(const struct mp_token *token, const msgpack_object *want)
{
    switch (token->type) {
    case MP_NIL:
        return want->type == MSGPACK_OBJECT_NIL;
    case MP_BOOL:
        return want->type == MSGPACK_OBJECT_BOOLEAN && want->via.boolean == token->boolean;
    case MP_UINT:
        return want->type == MSGPACK_OBJECT_POSITIVE_INTEGER && want->via.u64 == token->uint;
    case MP_INT:
        return want->type == MSGPACK_OBJECT_NEGATIVE_INTEGER && want->via.i64 == token->sint;
    case MP_FLOAT:
        return (want->type == MSGPACK_OBJECT_FLOAT32 || want->type == MSGPACK_OBJECT_FLOAT64) &&
               against_msgpack_real(want->via.f64, token->real);
    case MP_STR:
        return want->type == MSGPACK_OBJECT_STR &&
               against_msgpack_bytes(token, want->via.str.ptr, want->via.str.size);
    case MP_BIN:
        return want->type == MSGPACK_OBJECT_BIN &&
               against_msgpack_bytes(token, want->via.bin.ptr, want->via.bin.size);
    case MP_EXT:
        return want->type == MSGPACK_OBJECT_EXT && want->via.ext.type == token->ext &&
               against_msgpack_bytes(token, want->via.ext.ptr, want->via.ext.size);
    default:
        return false;
    }
}

/* Compare the value that is next in @r with @want, and pass over it. */
static inline bool against_msgpack(struct mp_reader *r, const msgpack_object *want)
{
    struct mp_token token;
    if (!mp_next(r, &token))
        return false;
    if (token.type == MP_ARRAY) {
        bool is_same = want->type == MSGPACK_OBJECT_ARRAY && want->via.array.size == token.count;
        for (uint32_t i = 0; is_same && i < token.count; i++)
            is_same = against_msgpack(r, &want->via.array.ptr[i]);
        return is_same;
    }
    if (token.type == MP_MAP) {
        bool is_same = want->type == MSGPACK_OBJECT_MAP && want->via.map.size == token.count;
        for (uint32_t i = 0; is_same && i < token.count; i++)
            is_same = against_msgpack(r, &want->via.map.ptr[i].key) &&
                      against_msgpack(r, &want->via.map.ptr[i].val);
        return is_same;
    }
    return against_msgpack_scalar(&token, want);
}

#endif
