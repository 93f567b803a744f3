/* json_string: 64 bytes a step: first all places where a run may end are found, as bits, then they are gone
 * through. So no step waits for where the one before it ended. */

#include "wire/json_string.h"

#include <stdbool.h>
#include <string.h>

#include "wire/json_text.h"
#include "wire/utf8.h"

/* Four hexadecimal digits at @p; more than 0xffff where they are not. */
static inline uint32_t hex4(const uint8_t *p)
{
    /* One more than the digit's value, so that what is none becomes all ones. */
    static const uint8_t digits[256] = {
        ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
        ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
        ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};
    uint32_t a = digits[p[0]] - 1u, b = digits[p[1]] - 1u, c = digits[p[2]] - 1u, d = digits[p[3]] - 1u;
    return a << 12 | b << 8 | c << 4 | d;
}

/* What one character of a string takes in the text, and as UTF-8. Nothing read: there is none. */
struct piece {
    uint32_t read;
    uint32_t written;
};

/* The most that an escape is read as. Never is more written than read. */
#define ESCAPE_READ 12

/* Two escapes "\uXXXX" that form a pair are one character; half a pair is U+FFFD. */
static inline struct piece decode_unicode(const uint8_t *p, uint8_t *to)
{
    if (p[1] != 'u')
        return (struct piece){0, 0};
    uint32_t code = hex4(p + 2);
    if (code < 0x80) {
        *to = (uint8_t)code;
        return (struct piece){6, 1};
    }
    if (code > 0xffff)
        return (struct piece){0, 0};
    if (code >= 0xd800 && code < 0xdc00 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = hex4(p + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            return (struct piece){12, (uint32_t)utf8_encode(code, (char *)to)};
        }
    }
    return (struct piece){6, (uint32_t)utf8_encode(code, (char *)to)};
}

/* What stands for a backslash and one byte more; 0 for what does not. */
static const uint8_t short_escapes[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                           ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

/* What a step reads at most, and, because never is more written than read, writes. */
#define STEP (JSON_TEXT_BLOCK + ESCAPE_READ + JSON_TEXT_COPY)

/* What of 64 bytes is to be looked at, a bit for each. */
struct stops {
    uint64_t escapes; /* where one begins */
    uint64_t ends;    /* '"', and control characters, but where a backslash takes them */
};

static inline struct stops stops_of(const uint8_t *p)
{
    const uint64_t odd = 0xaaaaaaaaaaaaaaaa;
    struct json_text_bits bits = json_text_block(p);
    /* In a row of backslashes each second one is taken. The subtraction carries through a row to its end, and
     * there says whether it began at an odd place. (The method is that of simdjson, by Langdale and Lemire,
     * "Parsing Gigabytes of JSON per Second", 2019.) */
    uint64_t rows = (((bits.backslashes << 1) | odd) - bits.backslashes) ^ odd;
    return (struct stops){rows & bits.backslashes, bits.stops & ~bits.backslashes & ~rows};
}

/* Decode the 64 bytes at @p, and what is left of an escape behind them. Give where that ends, or, in
 * @is_over, stops at what is no character; *@to goes along. */
static inline const uint8_t *decode_block(const uint8_t *p, uint8_t **to, bool *is_over)
{
    const uint8_t *block = p, *end = p + JSON_TEXT_BLOCK;
    struct stops stops = stops_of(p);
    uint8_t *at = *to;
    if (stops.ends) {
        end = p + __builtin_ctzll(stops.ends);
        stops.escapes &= (stops.ends & (0 - stops.ends)) - 1;
        *is_over = true;
    }
    while (stops.escapes) {
        const uint8_t *stop = block + __builtin_ctzll(stops.escapes);
        json_text_copy(at, p, (size_t)(stop - p));
        at += stop - p;
        p = stop;
        if (short_escapes[p[1]]) {
            *at++ = short_escapes[p[1]];
            p += 2;
            stops.escapes &= stops.escapes - 1;
            continue;
        }
        struct piece piece = decode_unicode(p, at);
        at += piece.written;
        p += piece.read;
        if (piece.read == 0) {
            *is_over = true;
            end = p;
        }
        stops.escapes = p < end ? stops.escapes & UINT64_MAX << (p - block) : 0;
    }
    if (p < end) {
        json_text_copy(at, p, (size_t)(end - p));
        at += end - p;
        p = end;
    }
    *to = at;
    return p;
}

const uint8_t *json_string_decode(const uint8_t *p, const uint8_t *end, struct buf *out)
{
    bool is_over = false;
    while (!is_over) {
        uint8_t last[STEP]; /* the text's end, with zeros behind it, which cannot stand in a string */
        uint8_t nowhere[STEP];
        const uint8_t *from = p;
        if (end - p < STEP) {
            memset(last, 0, sizeof(last));
            memcpy(last, p, (size_t)(end - p));
            from = last;
        }
        bool has_room = buf_reserve(out, STEP);
        uint8_t *begin = has_room ? out->data + out->len : nowhere;
        uint8_t *to = begin;
        p += decode_block(from, &to, &is_over) - from;
        if (has_room)
            out->len += (size_t)(to - begin);
    }
    return p;
}
