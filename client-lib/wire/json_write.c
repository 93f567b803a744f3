/* json_write: checked MessagePack to JSON text. */

#include "wire/json.h"

#include <math.h>

#include "wire/base64.h"
#include "wire/decimal.h"
#include "wire/json_text.h"
#include "wire/mp.h"

/* An array or map that is being written. */
struct level {
    uint32_t left; /* values or pairs still to come */
    bool is_map;
    bool is_first;
};

static void put_escape(struct buf *out, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[256] = {
        ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    if (shorts[byte]) {
        buf_put(out, (char[2]){'\\', shorts[byte]}, 2);
        return;
    }
    buf_put(out, (char[6]){'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]}, 6);
}

static void put_string(struct buf *out, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    const uint8_t *end = p + len;
    uint64_t high = 0;
    if (!buf_reserve(out, len + 2))
        return;
    buf_put_byte(out, '"');
    while (true) {
        const uint8_t *stop = json_text_run(p, end, &high);
        buf_put(out, p, (size_t)(stop - p));
        if (stop == end)
            break;
        put_escape(out, *stop);
        p = stop + 1;
    }
    buf_put_byte(out, '"');
}

static void put_base64(struct buf *out, const char *bytes, size_t len)
{
    buf_put_byte(out, '"');
    base64_put(out, bytes, len);
    buf_put_byte(out, '"');
}

static void put_real(struct buf *out, double value)
{
    if (!isfinite(value))
        buf_put_text(out, "null");
    else if (buf_reserve(out, DECIMAL_MAX))
        out->len += decimal_from_double(value, (char *)out->data + out->len);
}

static void put_scalar(struct buf *out, const struct mp_token *token)
{
    switch (token->type) {
    case MP_STR:
        put_string(out, token->bytes, token->len);
        break;
    case MP_UINT:
        if (buf_reserve(out, DECIMAL_MAX))
            out->len += decimal_from_uint(token->uint, (char *)out->data + out->len);
        break;
    case MP_INT:
        if (buf_reserve(out, DECIMAL_MAX))
            out->len += decimal_from_int(token->sint, (char *)out->data + out->len);
        break;
    case MP_FLOAT:
        put_real(out, token->real);
        break;
    case MP_BIN:
        put_base64(out, token->bytes, token->len);
        break;
    case MP_BOOL:
        buf_put_text(out, token->boolean ? "true" : "false");
        break;
    default:
        buf_put_text(out, "null");
        break;
    }
}

/* The next key of a map, with its colon. */
static bool put_key(struct mp_reader *r, struct buf *out)
{
    const char *text;
    size_t len;
    if (mp_str(r, &text, &len))
        put_string(out, text, len);
    else if (mp_skip(r))
        buf_put(out, "\"null\"", 6);
    else
        return false;
    buf_put_byte(out, ':');
    return true;
}

static bool put_value(struct mp_reader *r, struct buf *out)
{
    struct level levels[MP_DEPTH_MAX];
    struct mp_token token;
    unsigned depth = 0;
    do {
        if (!mp_next(r, &token))
            return false;
        if (token.type == MP_ARRAY || token.type == MP_MAP) {
            if (depth == MP_DEPTH_MAX)
                return false;
            levels[depth++] = (struct level){token.count, token.type == MP_MAP, true};
            buf_put_byte(out, token.type == MP_MAP ? '{' : '[');
        } else {
            put_scalar(out, &token);
        }
        while (depth > 0 && levels[depth - 1].left == 0)
            buf_put_byte(out, levels[--depth].is_map ? '}' : ']');
        if (depth == 0)
            return true;
        struct level *level = &levels[depth - 1];
        level->left--;
        if (!level->is_first)
            buf_put_byte(out, ',');
        level->is_first = false;
        if (level->is_map && !put_key(r, out))
            return false;
    } while (true);
}

bool mp_to_json(const void *mp, size_t len, struct buf *out)
{
    struct mp_reader r = mp_reader(mp, len);
    size_t before = out->len;
    if (put_value(&r, out) && r.at == r.end)
        return true;
    out->len = before;
    return false;
}
