/* Any bytes as JSON text. A second reader of the grammar, as slow and plain as RFC 8259 itself, says whether
 * they are JSON; cJSON says what they mean; and what was read must survive the way back. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/expect.h"
#include "support/against_cjson.h"
#include "wire/json.h"
#include "wire/mp.h"
#include "wire/utf8.h"

/* What the grammar says, rule by rule. */
struct grammar {
    const char *p;
    const char *end;
    unsigned deepest;
    bool has_huge_number;
};

static bool is_next(struct grammar *g, const char *set)
{
    return g->p < g->end && *g->p && strchr(set, *g->p);
}

static bool take(struct grammar *g, const char *set)
{
    bool is_taken = is_next(g, set);
    g->p += is_taken;
    return is_taken;
}

static bool take_digits(struct grammar *g)
{
    bool is_taken = take(g, "0123456789");
    while (take(g, "0123456789"))
        ;
    return is_taken;
}

static void take_space(struct grammar *g)
{
    while (take(g, " \t\r\n"))
        ;
}

static bool take_number(struct grammar *g)
{
    const char *begin = g->p;
    take(g, "-");
    if (!take(g, "0") && !take_digits(g))
        return false;
    if (take(g, ".") && !take_digits(g))
        return false;
    if (take(g, "eE")) {
        take(g, "+-");
        if (!take_digits(g))
            return false;
    }
    char *copy = strndup(begin, (size_t)(g->p - begin));
    g->has_huge_number = g->has_huge_number || isinf(strtod(copy, NULL));
    free(copy);
    return true;
}

static bool take_string(struct grammar *g)
{
    if (!take(g, "\""))
        return false;
    while (!take(g, "\"")) {
        if (take(g, "\\")) {
            if (take(g, "u")) {
                for (int i = 0; i < 4; i++)
                    if (!take(g, "0123456789abcdefABCDEF"))
                        return false;
            } else if (!take(g, "\"\\/bfnrt")) {
                return false;
            }
        } else if (g->p == g->end || (unsigned char)*g->p < 0x20) {
            return false;
        } else {
            g->p++;
        }
    }
    return true;
}

static bool take_word(struct grammar *g, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(g->end - g->p) < len || memcmp(g->p, word, len) != 0)
        return false;
    g->p += len;
    return true;
}

static bool take_value(struct grammar *g, unsigned depth)
{
    if (depth > 1000)
        return false;
    g->deepest = depth > g->deepest ? depth : g->deepest;
    take_space(g);
    if (is_next(g, "\""))
        return take_string(g);
    if (is_next(g, "-0123456789"))
        return take_number(g);
    if (is_next(g, "[{")) {
        bool is_object = *g->p++ == '{';
        const char *close = is_object ? "}" : "]";
        g->deepest = depth + 1 > g->deepest ? depth + 1 : g->deepest;
        take_space(g);
        if (take(g, close))
            return true;
        do {
            take_space(g);
            if (is_object) {
                if (!take_string(g))
                    return false;
                take_space(g);
                if (!take(g, ":"))
                    return false;
            }
            if (!take_value(g, depth + 1))
                return false;
            take_space(g);
        } while (take(g, ","));
        return take(g, close);
    }
    return take_word(g, "null") || take_word(g, "true") || take_word(g, "false");
}

/* Whether we should accept it. */
static bool is_json(const char *text, size_t len)
{
    struct grammar g = {.p = text, .end = text + len};
    if (!utf8_valid(text, len) || !take_value(&g, 0))
        return false;
    take_space(&g);
    return g.p == g.end && g.deepest <= MP_DEPTH && !g.has_huge_number;
}

static void expect_way_back(const struct buf *mp)
{
    struct buf text = BUF_INIT;
    struct buf again = BUF_INIT;
    size_t offset;
    EXPECT(mp_to_json(mp->data, mp->len, &text));
    EXPECT(json_to_mp((char *)text.data, text.len, &again, &offset) == NULL);
    EXPECT(again.len == mp->len && memcmp(again.data, mp->data, mp->len) == 0);
    EXPECT(is_json((char *)text.data, text.len));
    buf_deinit(&text);
    buf_deinit(&again);
}

static void expect_same_as_cjson(const uint8_t *text, size_t len, const struct buf *mp)
{
    if (against_cjson_is_beyond(text, len))
        return;
    cJSON *tree = cJSON_ParseWithLength((const char *)text, len);
    struct mp_reader r = mp_reader(mp->data, mp->len);
    EXPECT(tree && against_cjson(&r, tree));
    cJSON_Delete(tree);
}

/* Member by member gives what the whole gave; @mp is NULL where the text is no JSON. */
static void expect_same_walk(const uint8_t *text, size_t len, const struct buf *mp)
{
    struct json_reader r = json_reader((const char *)text, len);
    struct buf key = BUF_INIT;
    struct buf out = BUF_INIT;
    uint32_t count = 0;
    size_t line;
    size_t column;
    if (json_object(&r)) {
        size_t mark = mp_open(&out);
        while (json_member(&r, &key)) {
            mp_put_str(&out, (char *)key.data, key.len);
            if (!json_value(&r, &out))
                break;
            count++;
        }
        mp_close_map(&out, mark, count);
        json_end(&r);
        EXPECT((r.error == NULL) == (mp != NULL));
        if (mp)
            EXPECT(out.len == mp->len && memcmp(out.data, mp->data, mp->len) == 0);
    }
    EXPECT(json_offset(&r) <= len);
    json_line_column(&r, &line, &column);
    EXPECT(line >= 1 && column >= 1 && line + column <= len + 2);
    buf_deinit(&key);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf mp = BUF_INIT;
    size_t offset = 0;
    const char *error = json_to_mp((const char *)data, size, &mp, &offset);
    EXPECT((error == NULL) == is_json((const char *)data, size));
    if (error) {
        EXPECT(offset <= size && mp.len == 0);
        expect_same_walk(data, size, NULL);
    } else {
        struct mp_rules rules = {.flags = 0};
        struct fault fault;
        EXPECT(mp_check(mp.data, mp.len, &rules, NULL, &fault) == 0);
        expect_same_as_cjson(data, size, &mp);
        expect_same_walk(data, size, &mp);
        expect_way_back(&mp);
    }
    buf_deinit(&mp);
    return 0;
}
