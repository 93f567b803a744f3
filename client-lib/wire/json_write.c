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

/* What a byte is written as behind a backslash: 0 where it stands for itself, 'u' for \u00XX. */
#define UNICODE_4(byte) [byte] = 'u', [(byte) + 1] = 'u', [(byte) + 2] = 'u', [(byte) + 3] = 'u'
static const uint8_t escapes[256] = {
    UNICODE_4(0x00), UNICODE_4(0x04), [0x08] = 'b', [0x09] = 't', [0x0a] = 'n',    [0x0b] = 'u',
    [0x0c] = 'f',    [0x0d] = 'r',    [0x0e] = 'u', [0x0f] = 'u', UNICODE_4(0x10), UNICODE_4(0x14),
    UNICODE_4(0x18), UNICODE_4(0x1c), ['"'] = '"',  ['\\'] = '\\'};

/* The most that one byte is written as. */
#define ESCAPE_MAX 6

/* Write the escape of @byte to @to; give its end. */
static inline uint8_t *write_escape(uint8_t *to, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    *to++ = '\\';
    *to++ = escapes[byte];
    if (escapes[byte] == 'u') {
        *to++ = '0';
        *to++ = '0';
        *to++ = (uint8_t)hex[byte >> 4];
        *to++ = (uint8_t)hex[byte & 15];
    }
    return to;
}

/* The most that a block is read as and written as. */
#define BLOCK_READ    (JSON_TEXT_BLOCK + JSON_TEXT_COPY)
#define BLOCK_WRITTEN (JSON_TEXT_BLOCK * ESCAPE_MAX + JSON_TEXT_COPY)

/* Write the first @n bytes of the block at @p to @to; give its end. */
static inline uint8_t *write_block(uint8_t *to, const uint8_t *p, size_t n)
{
    const uint8_t *block = p, *end = p + n;
    uint64_t stops = json_text_block(p).stops & (UINT64_MAX >> (JSON_TEXT_BLOCK - n));
    for (; stops; stops &= stops - 1) {
        const uint8_t *stop = block + __builtin_ctzll(stops);
        json_text_copy(to, p, (size_t)(stop - p));
        to = write_escape(to + (stop - p), *stop);
        p = stop + 1;
    }
    json_text_copy(to, p, (size_t)(end - p));
    return to + (end - p);
}

#define SHORT_BYTES 16

/* Where one reserve is room for all of it as escapes: most keys and words. */
static void put_short_string(struct buf *out, const uint8_t *p, size_t len)
{
    if (!buf_reserve(out, len * ESCAPE_MAX + 2))
        return;
    uint8_t *to = out->data + out->len;
    *to++ = '"';
    for (size_t i = 0; i < len; i++) {
        if (escapes[p[i]])
            to = write_escape(to, p[i]);
        else
            *to++ = p[i];
    }
    *to++ = '"';
    out->len = (size_t)(to - out->data);
}

/* Block by block, so that none asks for much more room than it takes. */
static void put_escaped(struct buf *out, const uint8_t *p, const uint8_t *end)
{
    while (p < end && buf_reserve(out, BLOCK_WRITTEN)) {
        size_t left = (size_t)(end - p);
        size_t n = left < JSON_TEXT_BLOCK ? left : JSON_TEXT_BLOCK;
        uint8_t last[BLOCK_READ];
        const uint8_t *from = p;
        if (left < BLOCK_READ) {
            memset(last + n, 0, sizeof(last) - n);
            memcpy(last, p, n);
            from = last;
        }
        out->len = (size_t)(write_block(out->data + out->len, from, n) - out->data);
        p += n;
    }
}

static void put_string(struct buf *out, const char *text, size_t len)
{
    const uint8_t *p = (const uint8_t *)text;
    const uint8_t *end = p + len;
    uint64_t high = 0;
    if (len <= SHORT_BYTES) {
        put_short_string(out, p, len);
        return;
    }
    const uint8_t *stop = json_text_run(p, end, &high);
    size_t plain = (size_t)(stop - p);
    if (!buf_reserve(out, len + 2))
        return;
    uint8_t *to = out->data + out->len;
    *to++ = '"';
    memcpy(to, p, plain);
    out->len += plain + 1;
    put_escaped(out, stop, end);
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
