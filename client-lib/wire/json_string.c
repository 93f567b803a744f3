/* json_string: a step copies a run and decodes what is behind it; far from the end of the text nothing but
 * one bound is asked for. */

#include "wire/json_string.h"

#include "wire/json_text.h"
#include "wire/utf8.h"

#define STOPS_4(byte)  [byte] = 1, [(byte) + 1] = 1, [(byte) + 2] = 1, [(byte) + 3] = 1
#define STOPS_16(byte) STOPS_4(byte), STOPS_4((byte) + 4), STOPS_4((byte) + 8), STOPS_4((byte) + 12)

/* What ends a run in a string with escapes. */
static const uint8_t stops[256] = {STOPS_16(0x00), STOPS_16(0x10), ['"'] = 1,      ['\\'] = 1,
                                   STOPS_16(0x80), STOPS_16(0x90), STOPS_16(0xa0), STOPS_16(0xb0),
                                   STOPS_16(0xc0), STOPS_16(0xd0), STOPS_16(0xe0), STOPS_16(0xf0)};

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

/* The most that one character takes. */
#define PIECE_READ    12
#define PIECE_WRITTEN 4

/* At "\u": two escapes that form a pair are one character; half a pair is U+FFFD. */
static inline struct piece decode_unicode(const uint8_t *p, const uint8_t *end, uint8_t *to)
{
    uint32_t code = end - p < 6 ? UINT32_MAX : hex4(p + 2);
    if (code < 0x80) {
        *to = (uint8_t)code;
        return (struct piece){6, 1};
    }
    if (code > 0xffff)
        return (struct piece){0, 0};
    if (code >= 0xd800 && code < 0xdc00 && end - p >= 12 && p[6] == '\\' && p[7] == 'u') {
        uint32_t low = hex4(p + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            return (struct piece){12, (uint32_t)utf8_encode(code, (char *)to)};
        }
    }
    return (struct piece){6, (uint32_t)utf8_encode(code, (char *)to)};
}

/* At a byte that is not ASCII. */
static inline struct piece copy_character(const uint8_t *p, const uint8_t *end, uint8_t *to)
{
    uint32_t n = (uint32_t)utf8_char(p, (size_t)(end - p));
    memcpy(to, p, end - p >= PIECE_WRITTEN ? PIECE_WRITTEN : n);
    return (struct piece){n, n};
}

/* What stands for a backslash and one byte more; 0 for what does not. */
static const uint8_t short_escapes[256] = {['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
                                           ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t'};

/* The character at @p, where it does not stand for itself. */
static inline struct piece decode_character(const uint8_t *p, const uint8_t *end, uint8_t *to)
{
    if (p < end && *p >= 0x80)
        return copy_character(p, end, to);
    if (end - p < 2 || *p != '\\')
        return (struct piece){0, 0};
    if (p[1] == 'u')
        return decode_unicode(p, end, to);
    *to = short_escapes[p[1]];
    return (struct piece){*to ? 2 : 0, 1};
}

/* What text is copied by. */
#define COPY 16

/* What a step reads and writes at most beyond the bound that it looks at. */
#define STEP_READ    (JSON_TEXT_STEP + PIECE_READ)
#define STEP_WRITTEN (PIECE_WRITTEN + COPY)

_Static_assert(STEP_READ >= PIECE_WRITTEN + COPY && STEP_WRITTEN >= JSON_TEXT_STEP + PIECE_WRITTEN,
               "pass_text() and a copy of what it passed stay within a step");

/* A string that is being decoded. Never is more written than read. */
struct decoder {
    struct buf *out;
    const uint8_t *end;             /* of the text */
    const uint8_t *room_end;        /* a step may begin below it: there is room for what it writes */
    const uint8_t *fast_end;        /* the same, and what it reads is there, too */
    uint8_t nowhere[2 * STEP_READ]; /* where memory is refused the text is read all the same */
};

/* Call it once when all is read, too. */
static void decoder_keep(struct decoder *d, const uint8_t *to)
{
    if (!d->out->failed)
        d->out->len = (size_t)(to - d->out->data);
}

/* The text is read up to @p. Give where to write on. */
static uint8_t *decoder_room(struct decoder *d, const uint8_t *p)
{
    struct buf *out = d->out;
    bool is_there = buf_reserve(out, 2 * STEP_WRITTEN);
    size_t room = (is_there ? out->cap - out->len : sizeof(d->nowhere)) - STEP_WRITTEN;
    size_t left = (size_t)(d->end - p);
    size_t fast = left < STEP_READ ? 0 : left - STEP_READ;
    d->room_end = p + (room < left ? room : left);
    d->fast_end = p + (room < fast ? room : fast);
    return is_there ? out->data + out->len : d->nowhere;
}

/* A step's run where less than a step of text may be left. */
static size_t copy_to_end(uint8_t *to, const uint8_t *p, const uint8_t *end)
{
    size_t n = 0;
    for (; n < JSON_TEXT_STEP && p + n < end && !stops[p[n]]; n++)
        to[n] = p[n];
    return n;
}

/* Pass over text that needs no decoding, up to @bound and a character more, or to what is no such text.
 * Languages that are not written in ASCII put spaces and punctuation between their words, so both are taken
 * here. */
static inline const uint8_t *pass_text(const uint8_t *p, const uint8_t *bound)
{
    while (p < bound) {
        size_t n = 1;
        if (*p >= 0x80)
            n = utf8_tailed(p);
        else if (stops[*p])
            break;
        if (n == 0)
            break;
        p += n;
    }
    return p;
}

static inline void copy_text(uint8_t *to, const uint8_t *p, size_t len)
{
    memcpy(to, p, COPY);
    for (size_t i = COPY; i < len; i += COPY)
        memcpy(to + i, p + i, COPY);
}

const uint8_t *json_string_decode(const uint8_t *p, const uint8_t *end, struct buf *out)
{
    struct decoder d = {.out = out, .end = end};
    uint8_t *to = decoder_room(&d, p);
    while (true) {
        struct piece piece;
        size_t n;
        if (p < d.fast_end) {
            memcpy(to, p, JSON_TEXT_STEP);
            n = json_text_plain(p, stops);
            p += n;
            to += n;
            if (n == JSON_TEXT_STEP)
                continue;
            if (*p == '\\' && short_escapes[p[1]]) { /* most stops are these */
                *to++ = short_escapes[p[1]];
                p += 2;
                continue;
            }
            if (*p >= 0x80 && p < d.fast_end) {
                n = (size_t)(pass_text(p, d.fast_end) - p);
                copy_text(to, p, n);
                p += n;
                to += n;
                if (n > 0)
                    continue;
            }
            piece = decode_character(p, p + PIECE_READ, to);
        } else if (p < d.room_end || p == d.end) {
            n = copy_to_end(to, p, d.end);
            p += n;
            to += n;
            if (n == JSON_TEXT_STEP)
                continue;
            piece = decode_character(p, d.end, to);
        } else {
            decoder_keep(&d, to);
            to = decoder_room(&d, p);
            continue;
        }
        if (piece.read == 0)
            break;
        p += piece.read;
        to += piece.written;
    }
    decoder_keep(&d, to);
    return p;
}
