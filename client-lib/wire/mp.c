#include "wire/mp.h"

/* The format's numbers are big endian; compilers make one load and one swap of these. */
static uint16_t load16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t load64(const uint8_t *p)
{
    return (uint64_t)load32(p) << 32 | load32(p + 4);
}

static uint32_t load_len(const uint8_t *p, size_t width)
{
    return width == 1 ? p[0] : width == 2 ? load16(p) : load32(p);
}

struct mp_reader mp_reader(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    return (struct mp_reader){at, len ? at + len : at};
}

static bool read_sint(struct mp_reader *r, struct mp_token *token, int64_t value, size_t size)
{
    if (value < 0) {
        token->type = MP_INT;
        token->sint = value;
    } else {
        token->type = MP_UINT;
        token->uint = (uint64_t)value;
    }
    r->at += size;
    return true;
}

static bool read_uint(struct mp_reader *r, struct mp_token *token, uint64_t value, size_t size)
{
    token->type = MP_UINT;
    token->uint = value;
    r->at += size;
    return true;
}

static bool read_real(struct mp_reader *r, struct mp_token *token, double value, size_t size)
{
    token->type = MP_FLOAT;
    token->real = value;
    r->at += size;
    return true;
}

static double real32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof(value));
    return (double)value;
}

static double real64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static bool read_small(struct mp_reader *r, struct mp_token *token, enum mp_type type, bool boolean)
{
    token->type = type;
    token->boolean = boolean;
    r->at++;
    return true;
}

/* The header takes @header bytes; each pair or value at least one byte of those that follow. */
static bool read_count(struct mp_reader *r, struct mp_token *token, enum mp_type type, uint32_t count,
                       size_t header)
{
    size_t left = (size_t)(r->end - r->at) - header;
    if (count > (type == MP_MAP ? left / 2 : left))
        return false;
    token->type = type;
    token->count = count;
    r->at += header;
    return true;
}

/* A lead byte and a length of @width bytes; for ext the type byte comes after it. */
static bool read_bytes(struct mp_reader *r, struct mp_token *token, enum mp_type type, size_t width)
{
    size_t left = (size_t)(r->end - r->at);
    size_t header = 1 + width + (type == MP_EXT);
    if (left < header)
        return false;
    uint32_t len = load_len(r->at + 1, width);
    if (left - header < len)
        return false;
    if (type == MP_EXT)
        token->ext = (int8_t)r->at[1 + width];
    token->type = type;
    token->bytes = (const char *)r->at + header;
    token->len = len;
    r->at += header + len;
    return true;
}

static bool read_fixext(struct mp_reader *r, struct mp_token *token, uint32_t len)
{
    if ((size_t)(r->end - r->at) < (size_t)len + 2)
        return false;
    token->type = MP_EXT;
    token->ext = (int8_t)r->at[1];
    token->bytes = (const char *)r->at + 2;
    token->len = len;
    r->at += len + 2;
    return true;
}

bool mp_next_other(struct mp_reader *r, struct mp_token *token)
{
    /* Bytes of the header for 0xc0..0xdf; 0 is no MessagePack. */
    static const uint8_t header_sizes[32] = {1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9,
                                             2, 3, 5, 9, 2, 2, 2, 2, 2, 2, 3, 5, 3, 5, 3, 5};
    if (r->at >= r->end)
        return false;
    const uint8_t *p = r->at;
    uint8_t lead = *p;
    if (lead < 0x80)
        return read_uint(r, token, lead, 1);
    if (lead < 0x90)
        return read_count(r, token, MP_MAP, lead & 15, 1);
    if (lead < 0xa0)
        return read_count(r, token, MP_ARRAY, lead & 15, 1);
    if (lead < 0xc0)
        return mp_next(r, token);
    if (lead >= 0xe0)
        return read_sint(r, token, (int8_t)lead, 1);
    if (header_sizes[lead - 0xc0] > r->end - p)
        return false;
    switch (lead) {
    case 0xc0:
        return read_small(r, token, MP_NIL, false);
    case 0xc2:
    case 0xc3:
        return read_small(r, token, MP_BOOL, lead == 0xc3);
    case 0xc4:
        return read_bytes(r, token, MP_BIN, 1);
    case 0xc5:
        return read_bytes(r, token, MP_BIN, 2);
    case 0xc6:
        return read_bytes(r, token, MP_BIN, 4);
    case 0xc7:
        return read_bytes(r, token, MP_EXT, 1);
    case 0xc8:
        return read_bytes(r, token, MP_EXT, 2);
    case 0xc9:
        return read_bytes(r, token, MP_EXT, 4);
    case 0xca:
        return read_real(r, token, real32(load32(p + 1)), 5);
    case 0xcb:
        return read_real(r, token, real64(load64(p + 1)), 9);
    case 0xcc:
        return read_uint(r, token, p[1], 2);
    case 0xcd:
        return read_uint(r, token, load16(p + 1), 3);
    case 0xce:
        return read_uint(r, token, load32(p + 1), 5);
    case 0xcf:
        return read_uint(r, token, load64(p + 1), 9);
    case 0xd0:
        return read_sint(r, token, (int8_t)p[1], 2);
    case 0xd1:
        return read_sint(r, token, (int16_t)load16(p + 1), 3);
    case 0xd2:
        return read_sint(r, token, (int32_t)load32(p + 1), 5);
    case 0xd3:
        return read_sint(r, token, (int64_t)load64(p + 1), 9);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return read_fixext(r, token, 1u << (lead - 0xd4));
    case 0xd9:
        return read_bytes(r, token, MP_STR, 1);
    case 0xda:
        return read_bytes(r, token, MP_STR, 2);
    case 0xdb:
        return read_bytes(r, token, MP_STR, 4);
    case 0xdc:
        return read_count(r, token, MP_ARRAY, load16(p + 1), 3);
    case 0xdd:
        return read_count(r, token, MP_ARRAY, load32(p + 1), 5);
    case 0xde:
        return read_count(r, token, MP_MAP, load16(p + 1), 3);
    case 0xdf:
        return read_count(r, token, MP_MAP, load32(p + 1), 5);
    default: /* 0xc1 */
        return false;
    }
}

/* What a lead byte from 0xc0 to 0xdf says about its value: `size` bytes in all, or a length of `width` bytes
 * behind the lead, then as many bytes; or a count of values for each of `values`. */
struct shape {
    uint8_t size, width, values;
};

static const struct shape SHAPES[32] = {
    [0x00] = {1, 0, 0},                                          /* nil */
    [0x02] = {1, 0, 0},  [0x03] = {1, 0, 0},                     /* booleans */
    [0x04] = {2, 1, 0},  [0x05] = {3, 2, 0}, [0x06] = {5, 4, 0}, /* bin */
    [0x07] = {3, 1, 0},  [0x08] = {4, 2, 0}, [0x09] = {6, 4, 0}, /* ext: its type is in `size` */
    [0x0a] = {5, 0, 0},  [0x0b] = {9, 0, 0},                     /* floats */
    [0x0c] = {2, 0, 0},  [0x0d] = {3, 0, 0}, [0x0e] = {5, 0, 0}, [0x0f] = {9, 0, 0},  /* uint */
    [0x10] = {2, 0, 0},  [0x11] = {3, 0, 0}, [0x12] = {5, 0, 0}, [0x13] = {9, 0, 0},  /* int */
    [0x14] = {3, 0, 0},  [0x15] = {4, 0, 0}, [0x16] = {6, 0, 0}, [0x17] = {10, 0, 0}, /* fixext */
    [0x18] = {18, 0, 0}, [0x19] = {2, 1, 0}, [0x1a] = {3, 2, 0}, [0x1b] = {5, 4, 0},  /* str */
    [0x1c] = {3, 2, 1},  [0x1d] = {5, 4, 1},                                          /* arrays */
    [0x1e] = {3, 2, 2},  [0x1f] = {5, 4, 2},                                          /* maps */
};

/* Pass over the header and the bytes of the value at @p that has one of SHAPES; *@left counts the values
 * inside it. NULL when it is cut or no value. */
static const uint8_t *skip_shape(const uint8_t *p, const uint8_t *end, uint64_t *left)
{
    const struct shape shape = SHAPES[*p - 0xc0];
    if (shape.size == 0 || shape.size > end - p)
        return NULL;
    uint32_t len = shape.width ? load_len(p + 1, shape.width) : 0;
    p += shape.size;
    if (shape.values) {
        *left += (uint64_t)len * shape.values;
        return p;
    }
    return len <= (size_t)(end - p) ? p + len : NULL;
}

/* One counter of values still to come is enough: where containers end does not matter here. It is at most the
 * sum of the counts, each below 2^33, of containers that each took a byte: no overflow. */
bool mp_skip(struct mp_reader *r)
{
    const uint8_t *p = r->at, *end = r->end;
    uint64_t left = 1;
    do {
        if (p >= end)
            return false;
        uint8_t lead = *p;
        if (lead < 0x80 || lead >= 0xe0) {
            p++;
        } else if (lead >= 0xc0) {
            p = skip_shape(p, end, &left);
            if (!p)
                return false;
        } else if (lead >= 0xa0) {
            if (end - p <= (lead & 31))
                return false;
            p += 1 + (lead & 31);
        } else {
            left += lead < 0x90 ? 2 * (lead & 15u) : lead & 15u;
            p++;
        }
    } while (--left);
    r->at = p;
    return true;
}

bool mp_raw(struct mp_reader *r, const uint8_t **value, size_t *len)
{
    const uint8_t *begin = r->at;
    if (!mp_skip(r))
        return false;
    *value = begin;
    *len = (size_t)(r->at - begin);
    return true;
}

/* The reader is not copied: to read as a whole what was just written in part makes processors wait. */
bool mp_str(struct mp_reader *r, const char **text, size_t *len)
{
    const uint8_t *before = r->at;
    struct mp_token token;
    if (!mp_next(r, &token))
        return false;
    if (token.type != MP_STR) {
        r->at = before;
        return false;
    }
    *text = token.bytes;
    *len = token.len;
    return true;
}

/* Where the value of @key begins, of the first such pair or of the last; NULL: there is none, or the bytes
 * are bad on the way. *@map goes on behind what was read. */
static const uint8_t *map_find(struct mp_reader *map, const char *key, size_t key_len, bool is_first)
{
    struct mp_token token;
    const uint8_t *found = NULL;
    if (!mp_next(map, &token) || token.type != MP_MAP)
        return NULL;
    for (uint32_t left = token.count; left > 0 && !(found && is_first); left--) {
        const char *text;
        size_t len;
        if (!mp_str(map, &text, &len)) {
            if (!mp_skip(map))
                return NULL;
        } else if (len == key_len && memcmp(text, key, len) == 0) {
            found = map->at;
        }
        if (!(found && is_first) && !mp_skip(map))
            return NULL;
    }
    return found;
}

bool mp_map_get(struct mp_reader map, const char *key, size_t key_len, struct mp_reader *value)
{
    const uint8_t *found = map_find(&map, key, key_len, false);
    if (found)
        *value = (struct mp_reader){found, map.at};
    return found != NULL;
}

bool mp_map_first(struct mp_reader map, const char *key, size_t key_len, struct mp_reader *value)
{
    const uint8_t *found = map_find(&map, key, key_len, true);
    if (found)
        *value = (struct mp_reader){found, map.end};
    return found != NULL;
}

static struct mp_pick *pick_of(struct mp_pick *picks, unsigned count, const char *key, size_t len)
{
    for (unsigned i = 0; i < count; i++) {
        if (picks[i].len == len && memcmp(picks[i].key, key, len) == 0)
            return &picks[i];
    }
    return NULL;
}

static bool pick_all(struct mp_reader *map, struct mp_pick *picks, unsigned count)
{
    struct mp_token token;
    if (!mp_next(map, &token) || token.type != MP_MAP)
        return false;
    for (uint32_t left = token.count; left > 0; left--) {
        const char *key;
        size_t len;
        struct mp_pick *pick = NULL;
        if (mp_str(map, &key, &len))
            pick = pick_of(picks, count, key, len);
        else if (!mp_skip(map))
            return false;
        if (pick)
            pick->value = *map;
        if (left > 1 && !mp_skip(map))
            return false;
    }
    return true;
}

bool mp_map_pick(struct mp_reader map, struct mp_pick *picks, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        picks[i].value = mp_reader(NULL, 0);
    if (pick_all(&map, picks, count))
        return true;
    for (unsigned i = 0; i < count; i++)
        picks[i].value = mp_reader(NULL, 0);
    return false;
}

const char *mp_type_name(enum mp_type type)
{
    static const char *const names[] = {"nil",      "a boolean", "an integer", "an integer", "a float",
                                        "a string", "a binary",  "an array",   "a map",      "an extension"};
    return (unsigned)type < sizeof(names) / sizeof(names[0]) ? names[type] : "no type";
}

/* Both compare without rounding: the float's whole part is exact in 64 bits once it is known to fit. */
static int compare_uint_real(uint64_t a, double b)
{
    if (b < 0)
        return 1;
    if (b >= 0x1p64)
        return -1;
    uint64_t whole = (uint64_t)b;
    if (a != whole)
        return a < whole ? -1 : 1;
    return (double)whole < b ? -1 : 0;
}

static int compare_sint_real(int64_t a, double b)
{
    if (b < -0x1p63)
        return 1;
    if (b >= 0x1p63)
        return -1;
    int64_t whole = (int64_t)b; /* towards zero */
    if (a != whole)
        return a < whole ? -1 : 1;
    double rounded = (double)whole;
    return rounded < b ? -1 : rounded > b;
}

static int compare_integers(const struct mp_token *a, const struct mp_token *b)
{
    bool a_negative = a->type == MP_INT && a->sint < 0;
    bool b_negative = b->type == MP_INT && b->sint < 0;
    if (a_negative != b_negative)
        return a_negative ? -1 : 1;
    if (a_negative)
        return a->sint < b->sint ? -1 : a->sint > b->sint;
    return a->uint < b->uint ? -1 : a->uint > b->uint;
}

static int compare_integer_real(const struct mp_token *a, double b)
{
    return a->type == MP_INT ? compare_sint_real(a->sint, b) : compare_uint_real(a->uint, b);
}

static bool is_number(const struct mp_token *token)
{
    return token->type == MP_UINT || token->type == MP_INT ||
           (token->type == MP_FLOAT && token->real == token->real);
}

int mp_compare_numbers(const struct mp_token *a, const struct mp_token *b)
{
    if (!is_number(a) || !is_number(b))
        return 2;
    if (a->type != MP_FLOAT)
        return b->type != MP_FLOAT ? compare_integers(a, b) : compare_integer_real(a, b->real);
    if (b->type != MP_FLOAT)
        return -compare_integer_real(b, a->real);
    return a->real < b->real ? -1 : a->real > b->real;
}
