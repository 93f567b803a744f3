/* Which updates are refused before any document is looked at, with which code at which place. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/update.h"
#include "unit/core/json_case.h"
#include "wire/mp.h"

struct row {
    const char *update;
    const char *outcome;
    const char *says;
};

static const struct row rows[] = {
    {"null", "bad_update u", "map of operators, not nil"},
    {"[]", "bad_update u", "map of operators, not an array"},
    {"{}", "bad_update u", "no operator"},
    {"{'a': 1}", "bad_update u.a", "{\"$set\": {\"a\": ...}}"},
    {"{'$set': {'a': 1}, 'b': 1}", "bad_update u.b", "{\"$set\": {\"b\": ...}}"},
    {"{'': 1}", "bad_update u[\"\"]", "operators, not fields"},
    {"{'$sett': {'a': 1}}", "bad_update u.$sett", "did you mean `$set`?"},
    {"{'$addtoset': {'a': 1}}", "bad_update u.$addtoset", "did you mean `$addToSet`?"},
    {"{'$mul': {'a': 1}}", "bad_update u.$mul", "no operator `$mul`"},
    {"{'$set': 1}", "bad_update u.$set", "map of paths, not an integer"},
    {"{'$inc': null}", "bad_update u.$inc", "map of paths, not nil"},
    {"{'$set': {'a': 1}, '$set': {'b': 1}}", "bad_update u.$set", "twice"},
    /* Paths. */
    {"{'$set': {'': 1}}", "bad_update u.$set[\"\"]", "the path is empty"},
    {"{'$set': {'a.': 1}}", "bad_update u.$set.a.", "a part of the path is empty"},
    {"{'$set': {'a..b': 1}}", "bad_update u.$set.a..b", "a part of the path is empty"},
    {"{'$set': {'a.$': 1}}", "bad_update u.$set.a.$", "begins with `$`"},
    {"{'$set': {'a.$[].b': 1}}", "bad_update u.$set.a.$[].b", "begins with `$`"},
    {"{'$set': {'@conn': 1}}", "bad_update u.$set.@conn", "begins with `@`"},
    {"{'$unset': {'$a': 1}}", "bad_update u.$unset.$a", "begins with `$`"},
    {"{'$set': {'1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g.h': 1}}",
     "bad_update u.$set.1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g.h", "at most 16 parts"},
    /* Conflicts. */
    {"{'$set': {'a': 1, 'a': 2}}", "bad_update u.$set.a", "conflicts with `a` of `$set`"},
    {"{'$set': {'a': 1, 'a.b': 2}}", "bad_update u.$set.a.b", "conflicts with `a` of `$set`"},
    {"{'$set': {'a.b.c': 1}, '$inc': {'a.b': 2}}", "bad_update u.$set.a.b.c",
     "conflicts with `a.b` of `$inc`"},
    {"{'$set': {'a.b': 1, 'a-b': 2, 'a': 3}}", "bad_update u.$set.a.b", "conflicts with `a` of `$set`"},
    {"{'$push': {'a': 1}, '$pull': {'a': 2}}", "bad_update u.", "conflicts with `a`"},
    {"{'$rename': {'a': 'b'}, '$set': {'b': 1}}", "bad_update u.", "conflicts with"},
    {"{'$rename': {'a': 'b'}, '$set': {'a.c': 1}}", "bad_update u.$set.a.c",
     "conflicts with `a` of `$rename`"},
    {"{'$rename': {'a': 'b', 'c': 'b'}}", "bad_update u.$rename.", "conflicts with"},
    {"{'$rename': {'a': 'b', 'b': 'c'}}", "bad_update u.$rename.", "conflicts with"},
    {"{'$rename': {'a': 'a'}}", "bad_update u.$rename.a", "conflicts with"},
    {"{'$rename': {'a': 'a.b'}}", "bad_update u.$rename.a", "conflicts with"},
    {"{'$rename': {'a.b': 'a'}}", "bad_update u.$rename.a.b", "conflicts with"},
    {"{'$rename': {'a': 1}}", "bad_update u.$rename.a", "as a string"},
    {"{'$rename': {'a': null}}", "bad_update u.$rename.a", "as a string"},
    {"{'$rename': {'a': 'b..c'}}", "bad_update u.$rename.a", "a part of the path is empty"},
    {"{'$rename': {'a': '$b'}}", "bad_update u.$rename.a", "begins with `$`"},
    /* Values. */
    {"{'$set': {'a': {'$b': 1}}}", "bad_value u.$set.a.$b", "begins with `$`"},
    {"{'$set': {'a': {'$arg': 'x'}}}", "bad_value u.$set.a.$arg", "begins with `$`"},
    {"{'$set': {'a': [{'@b': 1}]}}", "bad_value u.$set.a[0].@b", "begins with `@`"},
    {"{'$set': {'a': {'b.c': 1}}}", "bad_value u.$set.a.b.c", "`.`"},
    {"{'$set': {'a': {'b': {'': 1}}}}", "bad_value u.$set.a.b[\"\"]", "empty name"},
    {"{'$set': {'a': {'b': 1, 'b': 2}}}", "bad_value u.$set.a.b", "twice"},
    {"{'$min': {'a': {'$b': 1}}}", "bad_value u.$min.a.$b", "begins with `$`"},
    {"{'$max': {'a': {'$b': 1}}}", "bad_value u.$max.a.$b", "begins with `$`"},
    {"{'$inc': {'a': '1'}}", "bad_update u.$inc.a", "needs a number"},
    {"{'$inc': {'a': null}}", "bad_update u.$inc.a", "needs a number"},
    {"{'$inc': {'a': [1]}}", "bad_update u.$inc.a", "needs a number"},
    {"{'$set': {'a.b': [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}}", "ok", ""},
    {"{'$set': {'a.b': [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}}", "bad_value u.$set.a.b", "at most 16 deep"},
    {"{'$push': {'a.b': [[[[[[[[[[[[[1]]]]]]]]]]]]]}}", "ok", ""},
    {"{'$push': {'a.b': [[[[[[[[[[[[[[1]]]]]]]]]]]]]]}}", "bad_value u.$push.a.b", "at most 16 deep"},
    {"{'$set': {'1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g': 1}}", "ok", ""},
    {"{'$push': {'1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g': 1}}", "bad_value u.$push.1.2.3.4.5.6.7.8.9.a.b.c.d.e.f.g",
     "at most 16 deep"},
    /* Modifiers. */
    {"{'$push': {'a': {'$each': 1}}}", "bad_update u.$push.a.$each", "needs a list"},
    {"{'$push': {'a': {'$each': [1], '$each': [2]}}}", "bad_update u.$push.a.$each", "twice"},
    {"{'$push': {'a': {'$each': [1], '$slice': 1, '$slice': 2}}}", "bad_update u.$push.a.$slice", "twice"},
    {"{'$push': {'a': {'$slice': 3}}}", "bad_update u.$push.a", "`$slice` needs `$each`"},
    {"{'$push': {'a': {'$each': [1], '$slice': 1.5}}}", "bad_update u.$push.a.$slice", "whole number"},
    {"{'$push': {'a': {'$each': [1], '$slice': null}}}", "bad_update u.$push.a.$slice", "whole number"},
    {"{'$push': {'a': {'$each': [1], '$sort': 1}}}", "bad_update u.$push.a.$sort", "no `$sort`"},
    {"{'$push': {'a': {'$each': [1], '$slce': 1}}}", "bad_update u.$push.a.$slce", "did you mean `$slice`?"},
    {"{'$push': {'a': {'$each': [1], 'b': 1}}}", "bad_update u.$push.a.b", "no `b`"},
    {"{'$push': {'a': {'b': 1, '$each': [1]}}}", "bad_update u.$push.a.b", "no `b`"},
    {"{'$push': {'a': {'$each': [1, {'$b': 1}]}}}", "bad_value u.$push.a.$each[1].$b", "begins with `$`"},
    {"{'$addToSet': {'a': {'$each': [1], '$slice': 1}}}", "bad_update u.$addToSet.a.$slice", "no `$slice`"},
    {"{'$addToSet': {'a': {'$each': {}}}}", "bad_update u.$addToSet.a.$each", "needs a list"},
    {"{'$addToSet': {'a': {'$eahc': [1]}}}", "bad_update u.$addToSet.a.$eahc", "did you mean `$each`?"},
    /* Conditions of $pull. */
    {"{'$pull': {'a': [1, 2]}}", "bad_update u.$pull.a", "{\"$in\": [...]}"},
    {"{'$pull': {'a': {'$gtt': 1}}}", "bad_update u.$pull.a.$gtt", "did you mean `$gt`?"},
    {"{'$pull': {'a': {'$gt': null}}}", "bad_update u.$pull.a.$gt", "null is not compared with"},
    {"{'$pull': {'a': {'b': null}}}", "bad_update u.$pull.a.b", "null is not compared with"},
    {"{'$pull': {'a': {'$or': [{'b': {'c': 1}}]}}}", "bad_update u.$pull.a.$or[0].b",
     "a map is not compared"},
    {"{'$pull': {'a': {'$gt': 1, 'b': 2}}}", "bad_update u.$pull.a", "mixed"},
    {"{'$pull': {'a': {'@conn': 'x'}}}", "bad_update u.$pull.a.@conn", "begins with `@`"},
    {"{'$pull': {'a': {'$arg': 'x'}}}", "bad_update u.$pull.a.$arg", "no place in an update"},
    {"{'$pull': {'a': {'$gt': {'$arg': 'x'}}}}", "bad_update u.$pull.a.$gt", "no place in an update"},
    {"{'$pull': {'a': {'b': 1, 'b': 2}}}", "bad_update u.$pull.a.b", "twice"},
};

static int compile(const struct buf *bytes, struct fault *fault)
{
    struct place at = place_key(NULL, "u", 1);
    struct update *update = NULL;
    void *exact = case_exact(bytes);
    *fault = (struct fault){.code = CODE_OK};
    int result = update_compile(&update, exact, bytes->len, &at, fault);
    free(exact);
    update_free(update);
    return result;
}

/* An outcome that ends with a dot is only how the place begins: which of two conflicting paths is named is
 * open. */
static bool is_outcome(const char *got, const char *want)
{
    size_t len = strlen(want);
    return want[len - 1] == '.' ? strncmp(got, want, len) == 0 : strcmp(got, want) == 0;
}

static void test_bad_updates_are_refused_at_their_place(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf bytes = BUF_INIT;
        struct fault fault;
        char outcome[256];
        case_put(&bytes, rows[i].update);
        int result = compile(&bytes, &fault);
        assert_int_equal(result, fault.code == CODE_OK ? 0 : -1);
        case_fault(&fault, outcome, sizeof outcome);
        if ((!is_outcome(outcome, rows[i].outcome) && strcmp(outcome, rows[i].outcome) != 0) ||
            !strstr(fault.message, rows[i].says)) {
            print_error("%s: %s: %s, not %s: %s\n", rows[i].update, outcome, fault.message, rows[i].outcome,
                        rows[i].says);
            wrong++;
        }
        buf_deinit(&bytes);
    }
    assert_int_equal(wrong, 0);
}

static void test_values_that_no_session_has_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[24];
        size_t len;
        enum code code;
    } updates[] = {
        {{0x81, 0xa4, '$', 's', 'e', 't', 0x81, 0xa1, 'a', 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0},
         18,
         CODE_BAD_VALUE},
        {{0x81, 0xa4, '$', 'i', 'n', 'c', 0x81, 0xa1, 'a', 0xca, 0x7f, 0x80, 0, 0}, 14, CODE_BAD_VALUE},
        {{0x81, 0xa4, '$', 's', 'e', 't', 0x81, 0xa1, 'a', 0xd4, 1, 0}, 12, CODE_BAD_VALUE},
        {{0x81, 0xa4, '$', 's', 'e', 't', 0x81, 0xa1, 'a', 0x81, 1, 1}, 12, CODE_BAD_VALUE},
        {{0x81, 0xa4, '$', 's', 'e', 't', 0x81, 0x01, 0x01}, 9, CODE_BAD_UPDATE},
        {{0x81, 0x01, 0x80}, 3, CODE_BAD_UPDATE},
        {{0x81, 0xa4, '$', 's', 'e', 't', 0x81, 0xa1, 'a', 0xc4, 1, 'x'}, 12, CODE_OK}, /* bin */
    };
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++) {
        struct buf bytes = BUF_INIT;
        struct fault fault;
        buf_put(&bytes, updates[i].bytes, updates[i].len);
        compile(&bytes, &fault);
        assert_int_equal(fault.code, updates[i].code);
        buf_deinit(&bytes);
    }
}

static void put_sets(struct buf *bytes, uint32_t count)
{
    mp_put_map(bytes, 1);
    mp_put_text(bytes, "$set");
    mp_put_map(bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        mp_put_text(bytes, name);
        mp_put_uint(bytes, i);
    }
}

static void put_renames(struct buf *bytes, uint32_t count)
{
    mp_put_map(bytes, 1);
    mp_put_text(bytes, "$rename");
    mp_put_map(bytes, count / 2 + count % 2);
    for (uint32_t i = 0; i < count; i += 2) {
        char name[16];
        snprintf(name, sizeof name, "f%u", i);
        mp_put_text(bytes, name);
        snprintf(name, sizeof name, "f%u", i + 1);
        mp_put_text(bytes, name);
    }
}

/* One path and @count - 1 conditions. */
static void put_pull(struct buf *bytes, uint32_t count)
{
    mp_put_map(bytes, 1);
    mp_put_text(bytes, "$pull");
    mp_put_map(bytes, 1);
    mp_put_text(bytes, "a");
    mp_put_map(bytes, 1);
    mp_put_text(bytes, "$or");
    mp_put_array(bytes, count - 2);
    for (uint32_t i = 0; i < count - 2; i++) {
        mp_put_map(bytes, 1);
        mp_put_text(bytes, "a");
        mp_put_uint(bytes, i);
    }
}

static void test_too_many_parts_are_refused(void **state)
{
    (void)state;
    static void (*const put[])(struct buf *, uint32_t) = {put_sets, put_renames, put_pull};
    for (size_t i = 0; i < sizeof put / sizeof put[0]; i++) {
        struct buf bytes = BUF_INIT;
        struct fault fault;
        put[i](&bytes, UPDATE_NODES);
        assert_int_equal(compile(&bytes, &fault), 0);
        buf_reset(&bytes);
        put[i](&bytes, UPDATE_NODES + 1);
        assert_int_equal(compile(&bytes, &fault), -1);
        assert_int_equal(fault.code, CODE_BAD_UPDATE);
        assert_non_null(strstr(fault.message, "at most 256 parts"));
        buf_deinit(&bytes);
    }
}

/* $push of @count values to each of @fields fields. */
static void put_pushes(struct buf *bytes, uint32_t fields, uint32_t count)
{
    mp_put_map(bytes, 1);
    mp_put_text(bytes, "$push");
    mp_put_map(bytes, fields);
    for (uint32_t f = 0; f < fields; f++) {
        char name = (char)('a' + f);
        mp_put_str(bytes, &name, 1);
        mp_put_map(bytes, 1);
        mp_put_text(bytes, "$each");
        mp_put_array(bytes, count);
        for (uint32_t i = 0; i < count; i++) {
            mp_put_uint(bytes, 1);
        }
    }
}

static void test_too_many_values_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint32_t fields, count;
        const char *at; /* NULL: accepted */
    } updates[] = {
        {1, 4096, NULL}, {1, 4097, "u.$push.a.$each"}, {4, 4096, NULL}, {5, 4096, "u.$push.e.$each[0]"}};
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++) {
        struct buf bytes = BUF_INIT;
        struct fault fault;
        put_pushes(&bytes, updates[i].fields, updates[i].count);
        assert_int_equal(compile(&bytes, &fault), updates[i].at ? -1 : 0);
        assert_string_equal(fault.at, updates[i].at ? updates[i].at : "");
        assert_int_equal(fault.code, updates[i].at ? CODE_BAD_UPDATE : CODE_OK);
        buf_deinit(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_updates_are_refused_at_their_place),
        cmocka_unit_test(test_values_that_no_session_has_are_refused),
        cmocka_unit_test(test_too_many_parts_are_refused),
        cmocka_unit_test(test_too_many_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
