#ifndef SLUICE_WIRE_MP_H
#define SLUICE_WIRE_MP_H

/* mp: MessagePack, read token by token from bytes and written to a buf.
 *
 * msgpack-c reserves memory for a declared count before it looks, stops at depth 32 and checks no
 * UTF-8, so bytes from outside pass mp_check() first; everything behind it reads the checked bytes in
 * place, without a tree. Source of the format: msgpack spec.md, 2.0. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/buf.h"
#include "wire/fault.h"

enum mp_type {
    MP_NIL,
    MP_BOOL,
    MP_UINT,  /* every integer >= 0, whatever its form on the wire */
    MP_INT,   /* every integer < 0 */
    MP_FLOAT, /* 32 and 64 bits */
    MP_STR,
    MP_BIN,
    MP_ARRAY,
    MP_MAP,
    MP_EXT
};

struct mp_token {
    enum mp_type type;
    union {
        bool boolean;
        uint64_t uint;
        int64_t sint;
        double real;
        uint32_t count;    /* MP_ARRAY: values that follow; MP_MAP: pairs that follow */
        const char *bytes; /* MP_STR, MP_BIN, MP_EXT: points into the input */
    };
    uint32_t len; /* of bytes */
    int8_t ext;   /* MP_EXT: its type */
};

struct mp_reader {
    const uint8_t *at;
    const uint8_t *end;
};

struct mp_reader mp_reader(const void *bytes, size_t len);

/* The forms that mp_next() does not read itself. */
bool mp_next_other(struct mp_reader *r, struct mp_token *token);

/* Read the next token; for arrays and maps only the header. False (reader unmoved) at the end, on bytes that
 * are cut or are no MessagePack, and on a count that the bytes left cannot hold. */
static inline bool mp_next(struct mp_reader *r, struct mp_token *token)
{
    if (r->at >= r->end)
        return false;
    uint8_t lead = *r->at;
    if (lead < 0x80) { /* a small integer */
        token->type = MP_UINT;
        token->uint = lead;
        r->at++;
        return true;
    }
    if (lead >= 0xa0 && lead < 0xc0) { /* a short string */
        uint32_t len = lead & 31;
        if ((size_t)(r->end - r->at) <= len)
            return false;
        token->type = MP_STR;
        token->bytes = (const char *)r->at + 1;
        token->len = len;
        r->at += 1 + len;
        return true;
    }
    return mp_next_other(r, token);
}

/* Pass over one whole value, however deep it nests. False (reader unmoved) at the end and on bad bytes. */
bool mp_skip(struct mp_reader *r);

/* Pass over one whole value and say which bytes it is: *@value of *@len. */
bool mp_raw(struct mp_reader *r, const uint8_t **value, size_t *len);

/* Read a string that is next. False (reader unmoved) when something else is. */
bool mp_str(struct mp_reader *r, const char **text, size_t *len);

/* Find @key in the map at @map (whole value, checked). True: *@value reads from the value on (bounded by the
 * map's end). With duplicates the last one counts. False also when @map is no map. */
bool mp_map_get(struct mp_reader map, const char *key, size_t key_len, struct mp_reader *value);

/* The same, but with duplicates the first one counts, and what is behind it is not looked at. Where
 * duplicates are refused anyway this is the one to use. *@value is bounded by the map's reader. */
bool mp_map_first(struct mp_reader map, const char *key, size_t key_len, struct mp_reader *value);

/* A key to find, and where its value begins: `value.at` is NULL where there is none. */
struct mp_pick {
    const char *key;
    size_t len;
    struct mp_reader value;
};

/* For the key @name, a string literal. */
#define MP_PICK(name) ((struct mp_pick){.key = (name), .len = sizeof(name) - 1})

/* Find all these keys in the map at @map, in one pass. Each value reads on to the end of @map; with
 * duplicates the last one counts. What stands last is not looked at: it may be bad. False, with nothing
 * found, when @map is no map, or is bad before that. */
bool mp_map_pick(struct mp_reader map, struct mp_pick *picks, unsigned count);

/* Whether @token is the string @text. */
static inline bool mp_is(const struct mp_token *token, const char *text)
{
    size_t len = strlen(text);
    return token->type == MP_STR && token->len == len && memcmp(token->bytes, text, len) == 0;
}

/* Name of a type for messages: "a string", "a map", ... */
const char *mp_type_name(enum mp_type type);

/* The deepest nesting of what clients send and get. */
#define MP_DEPTH 64

/* The handlers' protocol puts a few levels around what a client sent (`events`, `ops`). */
#define MP_DEPTH_MAX 72

/* What mp_check() accepts beside well-formed bytes. */
enum {
    MP_ALLOW_BIN = 1,          /* bin values */
    MP_ALLOW_EXT = 2,          /* ext values */
    MP_ALLOW_NONFINITE = 4,    /* NaN and infinities */
    MP_ALLOW_ANY_KEYS = 8,     /* map keys that are no strings */
    MP_REFUSE_DUPLICATES = 16, /* maps with a key twice (looked for among keys that are strings) */
};

struct mp_rules {
    unsigned flags;
    unsigned depth; /* deepest nesting, at most MP_DEPTH_MAX; 0 means MP_DEPTH. A scalar has depth 0, {} and
                       [] depth 1 */
    enum code code; /* what the fault says */
};

/* Check that @len bytes are exactly one value within @rules: counts fit the bytes left, strings are
 * UTF-8. Returns 0, or -1 with @fault (message and place below @at; the message tells the byte's offset for
 * malformed bytes). Where memory is refused (only maps of many keys need any, to find duplicates) the code is
 * CODE_OVERLOADED. */
int mp_check(const void *bytes, size_t len, const struct mp_rules *rules, const struct place *at,
             struct fault *fault);

/* Compare two numbers by value, exactly, across integer and float. -1, 0, 1; 2 when
 * either is NaN or no number. */
int mp_compare_numbers(const struct mp_token *a, const struct mp_token *b);

/* Writers: the shortest form of each; a double is always 64 bits. Text and bytes of 4 GiB or more fail the
 * buf. */
void mp_put_nil(struct buf *b);
void mp_put_bool(struct buf *b, bool value);
void mp_put_uint(struct buf *b, uint64_t value);
void mp_put_int(struct buf *b, int64_t value);
void mp_put_double(struct buf *b, double value);
void mp_put_str_long(struct buf *b, const char *text, size_t len);

/* Inline, because most are keys: their length is known to the compiler, and a few stores are all that is
 * left. */
static inline void mp_put_str(struct buf *b, const char *text, size_t len)
{
    if (len < 32 && buf_reserve(b, 1 + len)) {
        b->data[b->len] = (uint8_t)(0xa0 | len);
        if (len > 0)
            memcpy(b->data + b->len + 1, text, len);
        b->len += 1 + len;
        return;
    }
    mp_put_str_long(b, text, len);
}

static inline void mp_put_text(struct buf *b, const char *text)
{
    mp_put_str(b, text, strlen(text));
}

void mp_put_bin(struct buf *b, const void *bytes, size_t len);
void mp_put_array(struct buf *b, uint32_t count);
void mp_put_map(struct buf *b, uint32_t count);

/* A map, array or string whose count or length is known only at its end: open leaves room for the shortest
 * header and returns a mark; close writes the shortest form that fits, and moves the content up where that is
 * a longer one (more than 15 values, more than 31 bytes). Marks nest. The string's text is what was appended
 * since the mark. */
size_t mp_open(struct buf *b);
void mp_close_map(struct buf *b, size_t mark, uint32_t count);
void mp_close_array(struct buf *b, size_t mark, uint32_t count);
void mp_close_str(struct buf *b, size_t mark);

#endif
