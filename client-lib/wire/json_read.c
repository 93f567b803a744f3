/* json_read: strict JSON to MessagePack, written while it is read. */

#include "wire/json.h"

#include "wire/decimal.h"
#include "wire/json_string.h"
#include "wire/json_text.h"
#include "wire/mp.h"
#include "wire/utf8.h"

/* An array or object that is open. */
struct level {
    size_t mark; /* where its header will stand */
    uint32_t count;
    bool is_object;
};

struct json_reader json_reader(const char *text, size_t len)
{
    return (struct json_reader){.start = text, .at = text, .end = len ? text + len : text};
}

static bool fail(struct json_reader *r, const char *at, const char *error)
{
    r->at = at;
    r->error = error;
    return false;
}

static inline bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static inline void skip_space(struct json_reader *r)
{
    while (r->at < r->end && is_space(*r->at))
        r->at++;
}

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* Neither a character nor a '"' is at @p, inside a string. */
static bool fail_string(struct json_reader *r, const uint8_t *p)
{
    const char *at = (const char *)p;
    if (at == r->end || (*at == '\\' && r->end - at == 1))
        return fail(r, r->end, "the text ends inside a string");
    if (*p < 0x20)
        return fail(r, at, "control character in a string");
    return fail(r, at, at[1] == 'u' ? "\\u needs four hexadecimal digits" : "unknown escape in a string");
}

static inline bool check_utf8(struct json_reader *r, const char *begin, const char *end)
{
    size_t len = (size_t)(end - begin);
    size_t valid = utf8_prefix(begin, len);
    return valid == len || fail(r, begin + valid, "a string is not UTF-8");
}

/* In a string: append what is left of it, decoded, up to its '"'. */
static bool read_escaped(struct json_reader *r, struct buf *out)
{
    const char *begin = r->at;
    const uint8_t *p = json_string_decode((const uint8_t *)begin, (const uint8_t *)r->end, out);
    r->at = (const char *)p;
    return check_utf8(r, begin, r->at) && ((r->at < r->end && *p == '"') || fail_string(r, p));
}

/* Pass over the characters up to a '"', a backslash or an error; say which. */
static inline bool read_run(struct json_reader *r, char *stop)
{
    uint64_t high = 0;
    const char *begin = r->at;
    const char *end = (const char *)json_text_run((const uint8_t *)begin, (const uint8_t *)r->end, &high);
    if (high && !check_utf8(r, begin, end))
        return false;
    if (end == r->end)
        return fail(r, end, "the text ends inside a string");
    if ((uint8_t)*end < 0x20)
        return fail(r, end, "control character in a string");
    r->at = end;
    *stop = *end;
    return true;
}

/* Behind a '"': most strings are keys or words that end within a step. False, with nothing done, where it is
 * not so. */
static inline bool read_short(struct json_reader *r, struct buf *out, bool with_header)
{
    if (r->end - r->at < JSON_TEXT_STEP || out->cap - out->len <= JSON_TEXT_STEP || out->failed)
        return false;
    uint64_t word = json_text_word((const uint8_t *)r->at);
    uint64_t ends = json_text_stops(word) | (word & JSON_TEXT_HIGH);
    size_t len = ends ? (size_t)__builtin_ctzll(ends) >> 3 : 0;
    if (r->at[len] != '"')
        return false;
    uint8_t *to = out->data + out->len;
    if (with_header)
        *to++ = (uint8_t)(0xa0 | len); /* fixstr */
    memcpy(to, r->at, JSON_TEXT_STEP);
    out->len += with_header + len;
    r->at += len + 1;
    return true;
}

/* At a '"': append the string, with a MessagePack header or as it is. */
static inline bool read_string(struct json_reader *r, struct buf *out, bool with_header)
{
    char stop;
    const char *begin = ++r->at;
    if (read_short(r, out, with_header))
        return true;
    if (!read_run(r, &stop))
        return false;
    if (stop == '"' && with_header) {
        mp_put_str(out, begin, (size_t)(r->at - begin));
    } else if (stop == '"') {
        buf_put(out, begin, (size_t)(r->at - begin));
    } else {
        size_t mark = with_header ? mp_open(out) : 0;
        buf_put(out, begin, (size_t)(r->at - begin));
        if (!read_escaped(r, out))
            return false;
        if (with_header)
            mp_close_str(out, mark);
    }
    r->at++;
    return true;
}

/* @p stands after a number's whole part. Pass over fraction and exponent, or give NULL. */
static const char *read_fraction(struct json_reader *r, const char *p)
{
    if (p < r->end && *p == '.') {
        p++;
        if (!is_digit(p, r->end)) {
            fail(r, p, "a digit must follow the point of a number");
            return NULL;
        }
        while (is_digit(p, r->end))
            p++;
    }
    if (p < r->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < r->end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, r->end)) {
            fail(r, p, "a digit must follow the exponent's sign of a number");
            return NULL;
        }
        while (is_digit(p, r->end))
            p++;
    }
    return p;
}

/* At a digit or '-'. */
static bool read_number(struct json_reader *r, struct buf *out)
{
    const char *begin = r->at;
    const char *p = begin;
    bool is_negative = *p == '-';
    p += is_negative;
    if (!is_digit(p, r->end))
        return fail(r, p, "a digit must follow the minus sign of a number");
    if (*p == '0' && is_digit(p + 1, r->end))
        return fail(r, p, "a number begins with a needless 0");
    uint64_t value = 0;
    const char *first = p;
    while (is_digit(p, r->end))
        value = value * 10 + (uint64_t)(*p++ - '0');
    bool is_whole = p == r->end || (*p != '.' && *p != 'e' && *p != 'E');
    /* 19 digits always fit 64 bits; of 20 those that begin with 1 and did not wrap around. */
    size_t digits = (size_t)(p - first);
    bool fits = digits < 20 || (digits == 20 && *first == '1' && value >= 10000000000000000000u);
    if (is_whole && fits && !is_negative) {
        mp_put_uint(out, value);
    } else if (is_whole && fits && value > 0 && value <= (uint64_t)1 << 63) {
        mp_put_int(out, (int64_t)(0 - value));
    } else { /* -0 too: no integer keeps its sign */
        double real;
        p = read_fraction(r, p);
        if (!p)
            return false;
        if (!decimal_to_double(begin, (size_t)(p - begin), &real))
            return fail(r, begin, "a number is too large for a double");
        mp_put_double(out, real);
    }
    r->at = p;
    return true;
}

static bool read_word(struct json_reader *r, const char *word, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
        return fail(r, r->at, "a value must stand here");
    r->at += len;
    return true;
}

/* Any value but an array or object. */
static bool read_scalar(struct json_reader *r, struct buf *out)
{
    switch (*r->at) {
    case '"':
        return read_string(r, out, true);
    case 't':
        mp_put_bool(out, true);
        return read_word(r, "true", 4);
    case 'f':
        mp_put_bool(out, false);
        return read_word(r, "false", 5);
    case 'n':
        mp_put_nil(out);
        return read_word(r, "null", 4);
    case '-':
        return read_number(r, out);
    default:
        if (is_digit(r->at, r->end))
            return read_number(r, out);
        if (r->at == r->start && r->end - r->at >= 3 && memcmp(r->at, "\xef\xbb\xbf", 3) == 0)
            return fail(r, r->at, "a byte order mark stands before the text");
        return fail(r, r->at, "a value must stand here");
    }
}

static bool read_colon(struct json_reader *r)
{
    skip_space(r);
    if (r->at == r->end || *r->at != ':')
        return fail(r, r->at, "a colon must follow a key");
    r->at++;
    return true;
}

/* A key is due. */
static bool at_key(struct json_reader *r)
{
    skip_space(r);
    if (r->at == r->end)
        return fail(r, r->at, "the text ends inside an object");
    if (*r->at != '"')
        return fail(r, r->at, "a key in double quotes must stand here");
    return true;
}

static bool read_key(struct json_reader *r, struct buf *out)
{
    return at_key(r) && read_string(r, out, true) && read_colon(r);
}

static void close_level(struct level *level, struct buf *out)
{
    if (level->is_object)
        mp_close_map(out, level->mark, level->count);
    else
        mp_close_array(out, level->mark, level->count);
}

/* After '[' or '{'. 1: it is empty and closed; 0: its first value is due; -1: error. */
static int open_level(struct json_reader *r, struct level *level, bool is_object, struct buf *out)
{
    level->mark = mp_open(out);
    level->count = 0;
    level->is_object = is_object;
    skip_space(r);
    if (r->at < r->end && *r->at == (is_object ? '}' : ']')) {
        r->at++;
        close_level(level, out);
        return 1;
    }
    if (is_object)
        return read_key(r, out) ? 0 : -1;
    return 0;
}

/* A value of @level was read. 1: that was the last one; 0: the next is due; -1: error. */
static int next_in_level(struct json_reader *r, struct level *level, struct buf *out)
{
    level->count++;
    skip_space(r);
    if (r->at == r->end) {
        fail(r, r->at, level->is_object ? "the text ends inside an object" : "the text ends inside an array");
        return -1;
    }
    if (*r->at == ',') {
        r->at++;
        if (level->is_object)
            return read_key(r, out) ? 0 : -1;
        return 0;
    }
    if (*r->at != (level->is_object ? '}' : ']')) {
        fail(r, r->at, level->is_object ? "a ',' or '}' must stand here" : "a ',' or ']' must stand here");
        return -1;
    }
    r->at++;
    close_level(level, out);
    return 1;
}

bool json_value(struct json_reader *r, struct buf *out)
{
    struct level levels[MP_DEPTH];
    unsigned depth = 0;
    while (!r->error) {
        skip_space(r);
        if (r->at == r->end)
            return fail(r, r->at, depth ? "the text ends where a value must stand" : "there is no value");
        int is_done = 1;
        if (*r->at == '{' || *r->at == '[') {
            if (r->depth + depth >= MP_DEPTH)
                return fail(r, r->at, "nested deeper than 64");
            bool is_object = *r->at++ == '{';
            is_done = open_level(r, &levels[depth++], is_object, out);
            depth -= is_done == 1;
        } else if (!read_scalar(r, out)) {
            return false;
        }
        while (is_done == 1 && depth > 0) {
            is_done = next_in_level(r, &levels[depth - 1], out);
            depth -= is_done == 1;
        }
        if (is_done == 1)
            return true;
    }
    return false;
}

bool json_object(struct json_reader *r)
{
    if (r->error)
        return false;
    skip_space(r);
    if (r->at == r->end)
        return fail(r, r->at, "there is no value");
    if (*r->at != '{')
        return fail(r, r->at, "an object must stand here");
    if (r->depth >= MP_DEPTH)
        return fail(r, r->at, "nested deeper than 64");
    r->at++;
    r->depth++;
    r->is_first = true;
    return true;
}

bool json_member(struct json_reader *r, struct buf *key)
{
    bool is_first = r->is_first;
    buf_reset(key);
    if (r->error)
        return false;
    r->is_first = false;
    skip_space(r);
    if (r->at == r->end)
        return fail(r, r->at, "the text ends inside an object");
    if (*r->at == '}') {
        r->at++;
        r->depth--;
        return false;
    }
    if (!is_first) {
        if (*r->at != ',')
            return fail(r, r->at, "a ',' or '}' must stand here");
        r->at++;
    }
    return at_key(r) && read_string(r, key, false) && read_colon(r);
}

bool json_end(struct json_reader *r)
{
    if (r->error)
        return false;
    skip_space(r);
    return r->at == r->end || fail(r, r->at, "something follows the value");
}

size_t json_offset(const struct json_reader *r)
{
    return (size_t)(r->at - r->start);
}

void json_line_column(const struct json_reader *r, size_t *line, size_t *column)
{
    const char *line_start = r->start;
    *line = 1;
    for (const char *p = r->start; p < r->at; p++) {
        if (*p == '\n') {
            ++*line;
            line_start = p + 1;
        }
    }
    *column = (size_t)(r->at - line_start) + 1;
}

const char *json_to_mp(const char *text, size_t len, struct buf *out, size_t *offset)
{
    struct json_reader r = json_reader(text, len);
    size_t before = out->len;
    if (json_value(&r, out) && json_end(&r))
        return NULL;
    out->len = before;
    *offset = json_offset(&r);
    return r.error;
}
