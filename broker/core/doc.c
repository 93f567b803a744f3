#include "core/doc.h"

#include <string.h>

#include "core/doc_path.h"

static int check_key(const struct mp_token *key, const struct place *at, struct fault *fault)
{
    if (key->len == 0)
        return fault_set(fault, CODE_BAD_VALUE, at, "an empty name cannot be stored");
    if (key->bytes[0] == '$' || key->bytes[0] == '@') {
        return fault_set(fault, CODE_BAD_VALUE, at, "a name that begins with `%c` cannot be stored",
                         key->bytes[0]);
    }
    if (memchr(key->bytes, '.', key->len))
        return fault_set(fault, CODE_BAD_VALUE, at, "a name with `.` in it cannot be stored");
    return 0;
}

/* The names at every depth. The recursion is as deep as the value, and mp_check() has bounded that. */
static int check_names(struct mp_reader *r, const struct place *at, struct fault *fault)
{
    struct mp_token token;
    struct mp_reader value = *r;
    if (!mp_next(&value, &token) || (token.type != MP_MAP && token.type != MP_ARRAY)) {
        mp_skip(r);
        return 0;
    }
    *r = value;
    for (uint32_t i = 0; i < token.count; i++) {
        struct place below = place_index(at, i);
        if (token.type == MP_MAP) {
            struct mp_token key;
            if (!mp_next(r, &key) || key.type != MP_STR)
                return 0;
            below = place_key(at, key.bytes, key.len);
            if (check_key(&key, &below, fault) < 0)
                return -1;
        }
        if (check_names(r, &below, fault) < 0)
            return -1;
    }
    return 0;
}

int doc_check_value(const void *mp, size_t len, const struct place *at, struct fault *fault)
{
    static const struct mp_rules rules = {MP_ALLOW_BIN | MP_REFUSE_DUPLICATES, DOC_DEPTH, CODE_BAD_VALUE};
    if (mp_check(mp, len, &rules, at, fault) < 0)
        return -1;
    struct mp_reader r = mp_reader(mp, len);
    return check_names(&r, at, fault);
}

static unsigned value_depth(struct mp_reader *r)
{
    struct mp_token token;
    struct mp_reader value = *r;
    if (!mp_next(&value, &token) || (token.type != MP_MAP && token.type != MP_ARRAY)) {
        mp_skip(r);
        return 0;
    }
    *r = value;
    unsigned deepest = 0;
    for (uint32_t i = 0; i < token.count; i++) {
        if (token.type == MP_MAP)
            mp_skip(r);
        unsigned depth = value_depth(r);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

unsigned doc_depth(const void *mp, size_t len)
{
    struct mp_reader r = mp_reader(mp, len);
    return value_depth(&r);
}

bool doc_find(struct mp_reader pairs, uint32_t count, const char *key, size_t key_len,
              struct mp_reader *value)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mp_token name;
        if (!mp_next(&pairs, &name) || name.type != MP_STR)
            return false;
        if (name.len == key_len && memcmp(name.bytes, key, key_len) == 0) {
            *value = pairs;
            return true;
        }
        if (!doc_skip(&pairs))
            return false;
    }
    return false;
}

bool doc_element(struct mp_reader elements, uint32_t count, uint32_t index, struct mp_reader *value)
{
    if (index >= count)
        return false;
    while (index-- > 0)
        if (!doc_skip(&elements))
            return false;
    *value = elements;
    return true;
}

bool doc_get(const void *doc, size_t len, const char *path, size_t path_len, struct mp_reader *value)
{
    struct mp_reader r = mp_reader(doc, len);
    const char *end = path + path_len;
    for (const char *from = path; from <= end;) {
        const char *dot = memchr(from, '.', (size_t)(end - from));
        size_t part_len = (size_t)((dot ? dot : end) - from);
        struct mp_token token;
        bool found = false;
        if (!mp_next(&r, &token))
            return false;
        if (token.type == MP_MAP)
            found = doc_find(r, token.count, from, part_len, &r);
        else if (token.type == MP_ARRAY)
            found = doc_element(r, token.count, path_index(from, part_len), &r);
        if (!found)
            return false;
        from = dot ? dot + 1 : end + 1;
    }
    *value = r;
    return true;
}

static bool is_wanted(const struct mp_token *name, const struct mp_token *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].type == MP_STR && keys[i].len == name->len &&
            memcmp(keys[i].bytes, name->bytes, name->len) == 0)
            return true;
    return false;
}

void doc_project(const void *doc, size_t len, const struct mp_token *keys, size_t count, struct buf *out)
{
    struct mp_reader r = mp_reader(doc, len);
    struct mp_token map;
    size_t mark = mp_open(out);
    uint32_t kept = 0;
    if (mp_next(&r, &map) && map.type == MP_MAP) {
        for (uint32_t i = 0; i < map.count; i++) {
            const uint8_t *pair = r.at;
            struct mp_token name;
            if (!mp_next(&r, &name) || name.type != MP_STR || !mp_skip(&r))
                break;
            if (is_wanted(&name, keys, count)) {
                buf_put(out, pair, (size_t)(r.at - pair));
                kept++;
            }
        }
    }
    mp_close_map(out, mark, kept);
}
