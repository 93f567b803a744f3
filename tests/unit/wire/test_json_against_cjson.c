#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Random documents, read by us and by cJSON. It is no judge of what is refused (it takes much that is no
 * JSON), nor of \u0000 and integers beyond 2^53; what both accept must mean the same. */

#include "support/against_cjson.h"
#include "support/random.h"
#include "wire/json.h"
#include "wire/mp.h"

static void put_space(struct random *r, struct buf *out)
{
    static const char spaces[] = " \t\r\n";
    while (random_below(r, 4) == 0)
        buf_put_byte(out, (uint8_t)spaces[random_below(r, 4)]);
}

static void put_string(struct random *r, struct buf *out)
{
    static const char *const parts[] = {"a",
                                        "chat",
                                        " ",
                                        "0123456789abcdef",
                                        "\\n",
                                        "\\\"",
                                        "\\\\",
                                        "\\/",
                                        "\\t",
                                        "\\b",
                                        "\\f",
                                        "\\r",
                                        "'",
                                        "\x7f",
                                        "\\u00e9",
                                        "\\u20AC",
                                        "\\ud83d\\ude00",
                                        "\\u0001",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80"};
    buf_put_byte(out, '"');
    for (uint64_t n = random_below(r, 8); n > 0; n--)
        buf_put_text(out, parts[random_below(r, sizeof(parts) / sizeof(parts[0]))]);
    buf_put_byte(out, '"');
}

static void put_number(struct random *r, struct buf *out)
{
    uint64_t bits = random_next(r) >> random_below(r, 64);
    const char *sign = random_below(r, 2) ? "-" : "";
    switch (random_below(r, 4)) {
    case 0:
        buf_printf(out, "%s%llu", sign, (unsigned long long)bits);
        break;
    case 1:
        buf_printf(out, "%s%llu.%llu", sign, (unsigned long long)(bits >> 32),
                   (unsigned long long)bits % 100000);
        break;
    case 2:
        buf_printf(out, "%s%llue%d", sign, (unsigned long long)(bits >> 20), (int)random_below(r, 400) - 200);
        break;
    default:
        buf_printf(out, "%s%llu.%04lluE+%d", sign, (unsigned long long)(bits >> 40),
                   (unsigned long long)bits % 10000, (int)random_below(r, 300));
        break;
    }
}

static void put_document(struct random *r, struct buf *out, unsigned depth)
{
    uint64_t kind = random_below(r, depth > 0 ? 8 : 6);
    uint64_t n = random_below(r, 10) == 0 ? random_below(r, 300) : random_below(r, 5);
    put_space(r, out);
    if (kind == 0) {
        static const char *const words[] = {"null", "true", "false"};
        buf_put_text(out, words[random_below(r, 3)]);
    } else if (kind <= 2) {
        put_string(r, out);
    } else if (kind <= 5) {
        put_number(r, out);
    } else {
        buf_put_byte(out, kind == 6 ? '[' : '{');
        for (uint64_t i = 0; i < n; i++) {
            if (i > 0)
                buf_put_byte(out, ',');
            if (kind == 7) {
                put_space(r, out);
                put_string(r, out);
                put_space(r, out);
                buf_put_byte(out, ':');
            }
            put_document(r, out, n > 5 ? 0 : depth - 1);
        }
        buf_put_byte(out, kind == 6 ? ']' : '}');
    }
    put_space(r, out);
}

static void fail_with(const char *what, const struct buf *text)
{
    fail_msg("%s: %.*s", what, (int)text->len, (const char *)text->data);
}

static void test_valid_documents_mean_the_same_and_survive_the_way_back(void **state)
{
    (void)state;
    struct random r = random_new("json");
    struct buf text = BUF_INIT;
    struct buf mp = BUF_INIT;
    struct buf back = BUF_INIT;
    struct buf again = BUF_INIT;
    for (int i = 0; i < 20000; i++) {
        size_t offset;
        buf_reset(&text);
        buf_reset(&mp);
        buf_reset(&back);
        buf_reset(&again);
        put_document(&r, &text, 6);
        cJSON *tree = cJSON_ParseWithLength((const char *)text.data, text.len);
        const char *error = json_to_mp((const char *)text.data, text.len, &mp, &offset);
        if (error || !tree)
            fail_with(error ? error : "cJSON refuses", &text);
        struct mp_reader reader = mp_reader(mp.data, mp.len);
        if (!against_cjson(&reader, tree) || reader.at != reader.end)
            fail_with("it means something else", &text);
        cJSON_Delete(tree);

        struct mp_rules rules = {.flags = 0};
        struct fault fault;
        assert_int_equal(mp_check(mp.data, mp.len, &rules, NULL, &fault), 0);
        assert_true(mp_to_json(mp.data, mp.len, &back));
        if (json_to_mp((const char *)back.data, back.len, &again, &offset))
            fail_with("our own text is refused", &back);
        if (again.len != mp.len || memcmp(again.data, mp.data, mp.len) != 0)
            fail_with("the way back changes it", &text);
        tree = cJSON_ParseWithLength((const char *)back.data, back.len);
        reader = mp_reader(mp.data, mp.len);
        if (!tree || !against_cjson(&reader, tree))
            fail_with("our text means something else", &back);
        cJSON_Delete(tree);
    }
    buf_deinit(&text);
    buf_deinit(&mp);
    buf_deinit(&back);
    buf_deinit(&again);
}

static void test_changed_documents_are_never_taken_for_more_than_they_are(void **state)
{
    (void)state;
    static const char likely[] = "{}[],:\"\\0123456789.eE+-truefalsn \n\x01\x80\xff";
    struct random r = random_new("json");
    struct buf text = BUF_INIT;
    struct buf mp = BUF_INIT;
    int accepted = 0;
    for (int i = 0; i < 50000; i++) {
        size_t offset;
        buf_reset(&text);
        buf_reset(&mp);
        put_document(&r, &text, 3);
        for (uint64_t n = 1 + random_below(&r, 3); n > 0 && text.len > 1; n--) {
            size_t at = random_below(&r, text.len);
            if (random_below(&r, 2))
                text.data[at] = (uint8_t)likely[random_below(&r, sizeof(likely) - 1)];
            else if (random_below(&r, 2))
                text.len = at + 1;
            else
                memmove(text.data + at, text.data + at + 1, --text.len - at);
        }
        uint8_t *copy = malloc(text.len);
        memcpy(copy, text.data, text.len);
        const char *error = json_to_mp((const char *)copy, text.len, &mp, &offset);
        free(copy);
        if (error) {
            assert_true(offset <= text.len);
            assert_int_equal(mp.len, 0);
            continue;
        }
        accepted++;
        if (against_cjson_is_beyond(text.data, text.len))
            continue;
        cJSON *tree = cJSON_ParseWithLength((const char *)text.data, text.len);
        struct mp_reader reader = mp_reader(mp.data, mp.len);
        if (!tree || !against_cjson(&reader, tree))
            fail_with("it means something else", &text);
        cJSON_Delete(tree);
    }
    assert_true(accepted > 100 && accepted < 49000);
    buf_deinit(&text);
    buf_deinit(&mp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid_documents_mean_the_same_and_survive_the_way_back),
        cmocka_unit_test(test_changed_documents_are_never_taken_for_more_than_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
