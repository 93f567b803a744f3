/* Any bytes as MessagePack; the first one chooses the rules. A second reader, recursive and plain, says
 * whether they are within the rules; msgpack-c says what they mean; and what was read must survive being
 * written again. */

#include <math.h>
#include <string.h>

#include "fuzz/expect.h"
#include "support/against_msgpack.h"
#include "wire/json.h"
#include "wire/mp.h"
#include "wire/utf8.h"

static const unsigned all_flags =
    MP_ALLOW_BIN | MP_ALLOW_EXT | MP_ALLOW_NONFINITE | MP_ALLOW_ANY_KEYS | MP_REFUSE_DUPLICATES;

/* Where a key of the map before @key's own place is the same string. */
static bool was_seen(struct mp_reader map, uint32_t before, const struct mp_token *key)
{
    struct mp_token token;
    mp_next(&map, &token);
    for (; before > 0; before--) {
        struct mp_reader at = map;
        EXPECT(mp_next(&at, &token));
        if (token.type == MP_STR && token.len == key->len && memcmp(token.bytes, key->bytes, key->len) == 0)
            return true;
        EXPECT(mp_skip(&map) && mp_skip(&map));
    }
    return false;
}

/* Whether one value within the rules is next, and pass over it. */
static bool is_within(struct mp_reader *r, const struct mp_rules *rules, unsigned depth)
{
    struct mp_reader begin = *r;
    struct mp_token token;
    if (!mp_next(r, &token))
        return false;
    switch (token.type) {
    case MP_STR:
        return utf8_valid(token.bytes, token.len);
    case MP_BIN:
        return rules->flags & MP_ALLOW_BIN;
    case MP_EXT:
        return rules->flags & MP_ALLOW_EXT;
    case MP_FLOAT:
        return (rules->flags & MP_ALLOW_NONFINITE) || isfinite(token.real);
    case MP_ARRAY:
    case MP_MAP:
        break;
    default:
        return true;
    }
    if (depth == rules->depth)
        return false;
    for (uint32_t i = 0; i < token.count; i++) {
        if (token.type == MP_MAP) {
            struct mp_reader at = *r;
            struct mp_token key;
            if (!mp_next(&at, &key) || (key.type != MP_STR && !(rules->flags & MP_ALLOW_ANY_KEYS)))
                return false;
            if ((rules->flags & MP_REFUSE_DUPLICATES) && key.type == MP_STR && was_seen(begin, i, &key))
                return false;
            if (!is_within(r, rules, depth + 1))
                return false;
        }
        if (!is_within(r, rules, depth + 1))
            return false;
    }
    return true;
}

/* Write the next value again, in the shortest forms. */
static void copy_value(struct mp_reader *r, struct buf *out)
{
    struct mp_token token;
    size_t mark;
    EXPECT(mp_next(r, &token));
    switch (token.type) {
    case MP_NIL:
        mp_put_nil(out);
        break;
    case MP_BOOL:
        mp_put_bool(out, token.boolean);
        break;
    case MP_UINT:
        mp_put_uint(out, token.uint);
        break;
    case MP_INT:
        mp_put_int(out, token.sint);
        break;
    case MP_FLOAT:
        mp_put_double(out, token.real);
        break;
    case MP_STR:
        mark = mp_open(out);
        buf_put(out, token.bytes, token.len);
        mp_close_str(out, mark);
        break;
    case MP_BIN:
    case MP_EXT: /* there is no writer: broker and handlers pass them on as they are */
        mp_put_bin(out, token.bytes, token.len);
        break;
    case MP_ARRAY:
    case MP_MAP:
        mark = mp_open(out);
        for (uint32_t i = 0; i < token.count; i++) {
            if (token.type == MP_MAP)
                copy_value(r, out);
            copy_value(r, out);
        }
        if (token.type == MP_MAP)
            mp_close_map(out, mark, token.count);
        else
            mp_close_array(out, mark, token.count);
        break;
    }
}

static void expect_copy_is_the_same(const uint8_t *bytes, size_t len, const struct mp_rules *rules)
{
    struct mp_reader r = mp_reader(bytes, len);
    struct mp_rules with_bin = *rules;
    struct buf copy = BUF_INIT;
    struct buf again = BUF_INIT;
    struct fault fault;
    with_bin.flags |= MP_ALLOW_BIN;
    copy_value(&r, &copy);
    EXPECT(r.at == r.end);
    EXPECT(mp_check(copy.data, copy.len, &with_bin, NULL, &fault) == 0);
    r = mp_reader(copy.data, copy.len);
    copy_value(&r, &again);
    EXPECT(again.len == copy.len && memcmp(again.data, copy.data, copy.len) == 0);
    buf_deinit(&copy);
    buf_deinit(&again);
}

/* What JSON can say comes back as the same JSON. */
static void expect_way_through_json(const uint8_t *bytes, size_t len, const struct mp_rules *rules)
{
    struct buf text = BUF_INIT;
    struct buf mp = BUF_INIT;
    struct buf again = BUF_INIT;
    size_t offset;
    EXPECT(mp_to_json(bytes, len, &text));
    const char *error = json_to_mp((char *)text.data, text.len, &mp, &offset);
    if (error) {
        EXPECT(rules->depth > MP_DEPTH && strcmp(error, "nested deeper than 64") == 0);
    } else {
        EXPECT(mp_to_json(mp.data, mp.len, &again));
        EXPECT(again.len == text.len && memcmp(again.data, text.data, text.len) == 0);
    }
    buf_deinit(&text);
    buf_deinit(&mp);
    buf_deinit(&again);
}

static void expect_same_as_msgpack(const uint8_t *bytes, size_t len)
{
    msgpack_zone zone;
    msgpack_object object;
    size_t offset = 0;
    struct mp_reader r = mp_reader(bytes, len);
    EXPECT(msgpack_zone_init(&zone, 1024));
    EXPECT(msgpack_unpack((const char *)bytes, len, &offset, &zone, &object) == MSGPACK_UNPACK_SUCCESS);
    EXPECT(offset == len && against_msgpack(&r, &object));
    msgpack_zone_destroy(&zone);
}

/* Each string key of the map leads to the value after its last place. */
static void expect_keys_are_found(const uint8_t *bytes, size_t len)
{
    struct mp_reader map = mp_reader(bytes, len);
    struct mp_reader r = map;
    struct mp_token token;
    if (!mp_next(&r, &token) || token.type != MP_MAP || token.count > 50)
        return;
    for (uint32_t left = token.count; left > 0; left--) {
        struct mp_reader value;
        const char *key;
        size_t key_len;
        if (mp_str(&r, &key, &key_len)) {
            EXPECT(mp_map_get(map, key, key_len, &value));
            EXPECT(value.at >= r.at && value.end == bytes + len && mp_skip(&value));
        } else {
            EXPECT(mp_skip(&r));
        }
        EXPECT(mp_skip(&r));
    }
}

static void expect_fault_is_printable(const struct fault *fault)
{
    EXPECT(fault->code == CODE_BAD_VALUE && fault->message[0]);
    EXPECT(utf8_valid(fault->message, strlen(fault->message)) && utf8_valid(fault->at, strlen(fault->at)));
    for (const char *p = fault->at; *p; p++)
        EXPECT((unsigned char)*p >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fault fault = {0};
    struct buf text = BUF_INIT;
    if (size == 0)
        return 0;
    struct mp_rules rules = {.flags = data[0] & all_flags, .code = CODE_BAD_VALUE};
    rules.depth = data[0] & 0x80 ? MP_DEPTH_MAX : data[0] & 0x40 ? 3 : 30;
    const uint8_t *bytes = data + 1;
    size_t len = size - 1;

    struct mp_reader r = mp_reader(bytes, len);
    bool is_good = is_within(&r, &rules, 0) && r.at == r.end;
    EXPECT((mp_check(bytes, len, &rules, NULL, &fault) == 0) == is_good);
    if (is_good) {
        r = mp_reader(bytes, len);
        EXPECT(mp_skip(&r) && r.at == r.end);
        if (rules.depth <= 30)
            expect_same_as_msgpack(bytes, len);
        expect_copy_is_the_same(bytes, len, &rules);
        expect_way_through_json(bytes, len, &rules);
        expect_keys_are_found(bytes, len);
    } else {
        expect_fault_is_printable(&fault);
        mp_to_json(bytes, len, &text);
        const uint8_t *value;
        size_t value_len;
        for (r = mp_reader(bytes, len); mp_raw(&r, &value, &value_len);)
            EXPECT(value_len > 0);
    }
    buf_deinit(&text);
    return 0;
}
