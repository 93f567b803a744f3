/* What updates make of documents. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/doc.h"
#include "core/update.h"
#include "support/failing_alloc.h"
#include "unit/core/json_case.h"
#include "wire/mp.h"

#define LIMIT 65536

struct row {
    const char *update;
    const char *doc;
    const char *result; /* a document, "same" (not changed), or the fault's code and place */
};

static const struct row set_and_unset[] = {
    {"{'$set': {'a': 1}}", "{}", "{'a': 1}"},
    {"{'$set': {'a': 1}}", "{'a': 2, 'b': 3}", "{'a': 1, 'b': 3}"},
    {"{'$set': {'a': 1}}", "{'a': 1}", "same"},
    {"{'$set': {'a': 1.0}}", "{'a': 1}", "{'a': 1.0}"},
    {"{'$set': {'a': null}}", "{'a': 1}", "{'a': null}"},
    {"{'$set': {'a': {'b': [1, {'c': 2}]}}}", "{'a': 1}", "{'a': {'b': [1, {'c': 2}]}}"},
    {"{'$set': {'a': {'x': 1, 'y': 2}}}", "{'a': {'y': 2, 'x': 1}}", "{'a': {'x': 1, 'y': 2}}"},
    {"{'$set': {'a.b.c': 1}}", "{}", "{'a': {'b': {'c': 1}}}"},
    {"{'$set': {'a.b': 1}}", "{'a': {'c': 2}}", "{'a': {'c': 2, 'b': 1}}"},
    {"{'$set': {'a.b': 1, 'a.c': 2}}", "{}", "{'a': {'b': 1, 'c': 2}}"},
    {"{'$set': {'c': 1, 'a': 2, '10': 3, '9': 4}}", "{'b': 0}", "{'b': 0, '9': 4, '10': 3, 'a': 2, 'c': 1}"},
    {"{'$set': {'a.0': 1}}", "{}", "{'a': {'0': 1}}"},
    {"{'$set': {'a.0': 1}}", "{'a': [7, 8]}", "{'a': [1, 8]}"},
    {"{'$set': {'a.2': 1}}", "{'a': [7, 8]}", "{'a': [7, 8, 1]}"},
    {"{'$set': {'a.4': 1}}", "{'a': [7, 8]}", "{'a': [7, 8, null, null, 1]}"},
    {"{'$set': {'a.3': 1, 'a.1': 2, 'a.10': 3}}", "{'a': []}",
     "{'a': [null, 2, null, 1, null, null, null, null, null, null, 3]}"},
    {"{'$set': {'a.1.b': 1}}", "{'a': [7]}", "{'a': [7, {'b': 1}]}"},
    {"{'$set': {'a.0.b': 1}}", "{'a': [{'c': 2}]}", "{'a': [{'c': 2, 'b': 1}]}"},
    {"{'$set': {'a.0.1': 1}}", "{'a': [[7]]}", "{'a': [[7, 1]]}"},
    {"{'$set': {'a.b': 1}}", "{'a': [7]}", "update_failed u.$set.a.b"},
    {"{'$set': {'a.01': 1}}", "{'a': [7]}", "update_failed u.$set.a.01"},
    {"{'$set': {'a.b': 1}}", "{'a': 7}", "update_failed u.$set.a.b"},
    {"{'$set': {'a.b': 1}}", "{'a': null}", "update_failed u.$set.a.b"},
    {"{'$set': {'a.b': 1}}", "{'a': 'x'}", "update_failed u.$set.a.b"},
    {"{'$set': {'a.0.b': 1}}", "{'a': [null]}", "update_failed u.$set.a.0.b"},
    {"{'$set': {'a.65536': 1}}", "{'a': []}", "session_too_large u"},
    {"{'$set': {'a.999999999': 1}}", "{'a': []}", "session_too_large u"},
    {"{'$set': {'a.99999999999999999999': 1}}", "{'a': []}", "session_too_large u"},
    {"{'$set': {'a.65530': 1}}", "{'a': []}", "session_too_large u"},
    {"{'$set': {}}", "{'a': 1}", "same"},
    {"{'$set': {}, '$inc': {}}", "{}", "same"},
    {"{'$unset': {'a': 1}}", "{'a': 1, 'b': 2}", "{'b': 2}"},
    {"{'$unset': {'a': ''}}", "{'b': 2}", "same"},
    {"{'$unset': {'a': {'$x': null}}}", "{'a': 1}", "{}"}, /* what stands there means nothing */
    {"{'$unset': {'a.b': 1}}", "{'a': {'b': 1}}", "{'a': {}}"},
    {"{'$unset': {'a.b': 1}}", "{'a': {}}", "same"},
    {"{'$unset': {'a.b': 1}}", "{}", "same"},
    {"{'$unset': {'a.b': 1}}", "{'a': 5}", "same"},
    {"{'$unset': {'a.b': 1}}", "{'a': [5]}", "same"},
    {"{'$unset': {'a.1': 1}}", "{'a': [5, 6, 7]}", "{'a': [5, null, 7]}"},
    {"{'$unset': {'a.1': 1}}", "{'a': [5]}", "same"},
    {"{'$unset': {'a.0.b': 1}}", "{'a': [{'b': 1, 'c': 2}]}", "{'a': [{'c': 2}]}"},
    {"{'$set': {'a.x': 1}, '$unset': {'a.y': 1, 'b.z': 1}}", "{'a': {'y': 2}}", "{'a': {'x': 1}}"},
    {"{'$set': {'a.x': 1}, '$unset': {'a.y': 1}}", "{}", "{'a': {'x': 1}}"},
};

static const struct row numbers[] = {
    {"{'$inc': {'a': 2}}", "{'a': 1}", "{'a': 3}"},
    {"{'$inc': {'a': 2}}", "{}", "{'a': 2}"},
    {"{'$inc': {'a.b': 2}}", "{}", "{'a': {'b': 2}}"},
    {"{'$inc': {'a.1': 2}}", "{'a': [1, 1]}", "{'a': [1, 3]}"},
    {"{'$inc': {'a': -2}}", "{'a': 1}", "{'a': -1}"},
    {"{'$inc': {'a': 2}}", "{'a': -1}", "{'a': 1}"},
    {"{'$inc': {'a': -2}}", "{'a': -1}", "{'a': -3}"},
    {"{'$inc': {'a': 0}}", "{'a': 1}", "same"},
    {"{'$inc': {'a': 0.0}}", "{'a': 1}", "{'a': 1.0}"},
    {"{'$inc': {'a': 0.5}}", "{'a': 1}", "{'a': 1.5}"},
    {"{'$inc': {'a': 1}}", "{'a': 0.5}", "{'a': 1.5}"},
    {"{'$inc': {'a': -1}}", "{'a': 0.5}", "{'a': -0.5}"},
    {"{'$inc': {'a': 1}}", "{'a': 9223372036854775807}", "{'a': 9223372036854775808}"},
    {"{'$inc': {'a': 1}}", "{'a': 18446744073709551614}", "{'a': 18446744073709551615}"},
    {"{'$inc': {'a': -18}}", "{'a': 18446744073709551615}", "{'a': 18446744073709551597}"},
    {"{'$inc': {'a': 9223372036854775808}}", "{'a': -9223372036854775808}", "{'a': 0}"},
    {"{'$inc': {'a': -9223372036854775808}}", "{'a': 1}", "{'a': -9223372036854775807}"},
    {"{'$inc': {'a': -9223372036854775808}}", "{'a': 0}", "{'a': -9223372036854775808}"},
    {"{'$inc': {'a': 1}}", "{'a': 18446744073709551615}", "update_failed u.$inc.a"},
    {"{'$inc': {'a': -1}}", "{'a': -9223372036854775808}", "update_failed u.$inc.a"},
    {"{'$inc': {'a': 1e308}}", "{'a': 1e308}", "update_failed u.$inc.a"},
    {"{'$inc': {'a': 1}}", "{'a': '1'}", "update_failed u.$inc.a"},
    {"{'$inc': {'a': 1}}", "{'a': null}", "update_failed u.$inc.a"},
    {"{'$inc': {'a': 1}}", "{'a': [1]}", "update_failed u.$inc.a"},
    {"{'$min': {'a': 1}}", "{}", "{'a': 1}"},
    {"{'$min': {'a': 1}}", "{'a': 2}", "{'a': 1}"},
    {"{'$min': {'a': 2}}", "{'a': 1}", "same"},
    {"{'$min': {'a': 1.0}}", "{'a': 1}", "same"},
    {"{'$min': {'a': 1.5}}", "{'a': 2}", "{'a': 1.5}"},
    {"{'$min': {'a': 1}}", "{'a': 'x'}", "{'a': 1}"},
    {"{'$min': {'a': 1}}", "{'a': null}", "same"},
    {"{'$min': {'a': 'b'}}", "{'a': 'c'}", "{'a': 'b'}"},
    {"{'$min': {'a': {'x': 1}}}", "{'a': [1]}", "{'a': {'x': 1}}"},
    {"{'$max': {'a': 1}}", "{}", "{'a': 1}"},
    {"{'$max': {'a': 1}}", "{'a': 2}", "same"},
    {"{'$max': {'a': 2}}", "{'a': 1}", "{'a': 2}"},
    {"{'$max': {'a': 1}}", "{'a': null}", "{'a': 1}"},
    {"{'$max': {'a': 'a'}}", "{'a': 99}", "{'a': 'a'}"},
    {"{'$max': {'a': true}}", "{'a': [9]}", "{'a': true}"},
    {"{'$max': {'a': 9007199254740993}}", "{'a': 9007199254740992.0}", "{'a': 9007199254740993}"},
    {"{'$max': {'a.b': 1}}", "{'a': 5}", "update_failed u.$max.a.b"},
};

static const struct row arrays[] = {
    {"{'$push': {'a': 1}}", "{}", "{'a': [1]}"},
    {"{'$push': {'a': 1}}", "{'a': [1]}", "{'a': [1, 1]}"},
    {"{'$push': {'a': [1, 2]}}", "{'a': [0]}", "{'a': [0, [1, 2]]}"},
    {"{'$push': {'a': {'b': 1}}}", "{'a': []}", "{'a': [{'b': 1}]}"},
    {"{'$push': {'a': null}}", "{'a': []}", "{'a': [null]}"},
    {"{'$push': {'a.b.c': 1}}", "{}", "{'a': {'b': {'c': [1]}}}"},
    {"{'$push': {'a.0': 1}}", "{'a': [[0]]}", "{'a': [[0, 1]]}"},
    {"{'$push': {'a': {'$each': [1, 2]}}}", "{'a': [0]}", "{'a': [0, 1, 2]}"},
    {"{'$push': {'a': {'$each': []}}}", "{'a': [0]}", "same"},
    {"{'$push': {'a': {'$each': []}}}", "{}", "{'a': []}"},
    {"{'$push': {'a': {'$each': [3, 4], '$slice': -3}}}", "{'a': [1, 2]}", "{'a': [2, 3, 4]}"},
    {"{'$push': {'a': {'$each': [3, 4], '$slice': -1}}}", "{'a': [1, 2]}", "{'a': [4]}"},
    {"{'$push': {'a': {'$slice': -9, '$each': [3]}}}", "{'a': [1, 2]}", "{'a': [1, 2, 3]}"},
    {"{'$push': {'a': {'$each': [3, 4], '$slice': 3}}}", "{'a': [1, 2]}", "{'a': [1, 2, 3]}"},
    {"{'$push': {'a': {'$each': [3, 4], '$slice': 1}}}", "{'a': [1, 2]}", "{'a': [1]}"},
    {"{'$push': {'a': {'$each': [3], '$slice': 2}}}", "{'a': [1, 2]}", "same"},
    {"{'$push': {'a': {'$each': [3, 4], '$slice': 0}}}", "{'a': [1, 2]}", "{'a': []}"},
    {"{'$push': {'a': {'$each': [], '$slice': -1}}}", "{'a': [1, 2]}", "{'a': [2]}"},
    {"{'$push': {'a': {'$each': [1], '$slice': -2.0}}}", "{}", "{'a': [1]}"},
    {"{'$push': {'a': {'$each': [1], '$slice': -9223372036854775808}}}", "{}", "{'a': [1]}"},
    {"{'$push': {'a': {'$each': [1], '$slice': 18446744073709551615}}}", "{}", "{'a': [1]}"},
    {"{'$push': {'a': 1}}", "{'a': 1}", "update_failed u.$push.a"},
    {"{'$push': {'a': 1}}", "{'a': null}", "update_failed u.$push.a"},
    {"{'$push': {'a': 1}}", "{'a': {}}", "update_failed u.$push.a"},
    {"{'$addToSet': {'a': 1}}", "{}", "{'a': [1]}"},
    {"{'$addToSet': {'a': 1}}", "{'a': [1]}", "same"},
    {"{'$addToSet': {'a': 1.0}}", "{'a': [1]}", "same"},
    {"{'$addToSet': {'a': '1'}}", "{'a': [1]}", "{'a': [1, '1']}"},
    {"{'$addToSet': {'a': [1]}}", "{'a': [1]}", "{'a': [1, [1]]}"},
    {"{'$addToSet': {'a': {'x': 1, 'y': 2}}}", "{'a': [{'x': 1.0, 'y': 2}]}", "same"},
    {"{'$addToSet': {'a': {'x': 1, 'y': 2}}}", "{'a': [{'y': 2, 'x': 1}]}",
     "{'a': [{'y': 2, 'x': 1}, {'x': 1, 'y': 2}]}"},
    {"{'$addToSet': {'a': {'$each': [3, 1, 3.0, 'x', 2, 1]}}}", "{'a': [2, 2]}", "{'a': [2, 2, 3, 1, 'x']}"},
    {"{'$addToSet': {'a': {'$each': [3, 1, 3.0]}}}", "{}", "{'a': [3, 1]}"},
    {"{'$addToSet': {'a': {'$each': []}}}", "{}", "{'a': []}"},
    {"{'$addToSet': {'a': {'$each': []}}}", "{'a': [1]}", "same"},
    {"{'$addToSet': {'a': 1}}", "{'a': 'x'}", "update_failed u.$addToSet.a"},
    {"{'$pull': {'a': 1}}", "{'a': [1, 2, 1.0, '1', [1]]}", "{'a': [2, '1', [1]]}"},
    {"{'$pull': {'a': 'x'}}", "{'a': ['y']}", "same"},
    {"{'$pull': {'a': 'x'}}", "{}", "same"},
    {"{'$pull': {'a.b': 'x'}}", "{'a': {}}", "same"},
    {"{'$pull': {'a': null}}", "{'a': [null, 0, false]}", "{'a': [0, false]}"},
    {"{'$pull': {'a': {'$gte': 5}}}", "{'a': [4, 5, 6.5, '7', [8], {'b': 9}]}", "{'a': [4, '7', {'b': 9}]}"},
    {"{'$pull': {'a': {'$gte': 2, '$lt': 4}}}", "{'a': [1, 2, 3, 4]}", "{'a': [1, 4]}"},
    {"{'$pull': {'a': {'$in': ['x', 2]}}}", "{'a': ['x', 'y', 2.0]}", "{'a': ['y']}"},
    {"{'$pull': {'a': {'$ne': 1}}}", "{'a': [1, 2, null, {}]}", "{'a': [1]}"},
    {"{'$pull': {'a': {'$not': {'$gt': 1}}}}", "{'a': [1, 2]}", "{'a': [2]}"},
    {"{'$pull': {'a': {'b': 1}}}", "{'a': [{'b': 1, 'c': 2}, {'b': 2}, 1, [{'b': 1}]]}",
     "{'a': [{'b': 2}, 1, [{'b': 1}]]}"},
    {"{'$pull': {'a': {'b': {'$gte': 2}, 'c.d': 'x'}}}", "{'a': [{'b': 3, 'c': {'d': 'x'}}, {'b': 3}]}",
     "{'a': [{'b': 3}]}"},
    {"{'$pull': {'a': {'$or': [{'b': 1}, {'b': 3}]}}}", "{'a': [{'b': 1}, {'b': 2}, {'b': 3}, 3]}",
     "{'a': [{'b': 2}, 3]}"},
    {"{'$pull': {'a': {}}}", "{'a': [{}, {'b': 1}, 1]}", "{'a': [1]}"},
    {"{'$pull': {'a.0.b': 1}}", "{'a': [{'b': [1, 2]}]}", "{'a': [{'b': [2]}]}"},
    {"{'$pull': {'a': 1}}", "{'a': 1}", "update_failed u.$pull.a"},
    {"{'$pull': {'a.b': 1}}", "{'a': 1}", "update_failed u.$pull.a.b"},
    {"{'$pull': {'a.b': 1}}", "{'a': [1]}", "update_failed u.$pull.a.b"},
};

static const struct row renames[] = {
    {"{'$rename': {'a': 'b'}}", "{'a': 1, 'c': 2}", "{'c': 2, 'b': 1}"},
    {"{'$rename': {'a': 'b'}}", "{'a': 1, 'b': 2}", "{'b': 1}"},
    {"{'$rename': {'a': 'b'}}", "{'b': 2}", "same"},
    {"{'$rename': {'a': 'b.c.d'}}", "{'a': [1]}", "{'b': {'c': {'d': [1]}}}"},
    {"{'$rename': {'a.b': 'c'}}", "{'a': {'b': 1}}", "{'a': {}, 'c': 1}"},
    {"{'$rename': {'a.b': 'a.c'}}", "{'a': {'b': 1, 'x': 2}}", "{'a': {'x': 2, 'c': 1}}"},
    {"{'$rename': {'a.b': 'c.d'}}", "{'x': 1}", "same"},
    {"{'$rename': {'a.b': 'c'}}", "{'a': 1}", "update_failed u.$rename.a.b"},
    {"{'$rename': {'a.0': 'c'}}", "{'a': [1]}", "update_failed u.$rename.a.0"},
    {"{'$rename': {'a.1': 'c'}}", "{'a': [1]}", "same"},
    {"{'$rename': {'a.0.b': 'c'}}", "{'a': [{'b': 1}]}", "update_failed u.$rename.a.0.b"},
    {"{'$rename': {'a': 'c.0'}}", "{'a': 1, 'c': [5]}", "update_failed u.$rename.a"},
    {"{'$rename': {'a': 'c.1'}}", "{'a': 1, 'c': [5]}", "update_failed u.$rename.a"},
    {"{'$rename': {'a': 'c.x'}}", "{'a': 1, 'c': [5]}", "update_failed u.$rename.a"},
    {"{'$rename': {'a': 'c.x'}}", "{'c': [5]}", "same"},
    {"{'$rename': {'a.b': 'c', 'a.d': 'e'}, '$set': {'a.x': 0}}", "{'a': {'d': 2, 'b': 1}}",
     "{'a': {'x': 0}, 'c': 1, 'e': 2}"},
    {"{'$rename': {'a.d': 'e'}, '$set': {'a.b': 0}}", "{'a': {'d': 2, 'b': 1}}", "{'a': {'b': 0}, 'e': 2}"},
    {"{'$rename': {'a.d': 'e'}, '$unset': {'a.b': 0}}", "{'a': 5}", "update_failed u.$rename.a.d"},
    {"{'$rename': {'a.b': 'c', 'a.0': 'd'}}", "{'a': [[1]]}", "update_failed u.$rename.a.0"},
    {"{'$rename': {'a.b': 'c'}}", "{'a': [1]}", "update_failed u.$rename.a.b"},
    {"{'$rename': {'a.0.b.c': 'd'}}", "{'a': [{'b': 5}]}", "update_failed u.$rename.a.0.b.c"},
    {"{'$rename': {'a': 'c.x'}}", "{'a': 1, 'c': 5}", "update_failed u.$rename.a"},
    {"{'$rename': {'a': 'b', 'c': 'd'}}", "{'a': 1, 'c': 2}", "{'b': 1, 'd': 2}"},
    {"{'$rename': {'a': 'b'}, '$inc': {'c': 1}}", "{'a': 1, 'c': 2}", "{'c': 3, 'b': 1}"},
    {"{'$rename': {'a': 'o.b'}, '$set': {'o.c': 2}}", "{'a': 1}", "{'o': {'b': 1, 'c': 2}}"},
    {"{'$rename': {'a': 'o.b'}, '$set': {'o.c': 2}}", "{}", "{'o': {'c': 2}}"},
    {"{'$rename': {'a': 'b.c.d.e.f.g.h.i.j.k.l.m.n.o.p'}}", "{'a': [[1]]}", "bad_value u"},
};

/* "same", a document as JSON, or the fault. */
static void outcome_of(const char *update_text, const char *doc_text, struct buf *out, char *outcome,
                       size_t size)
{
    struct place at = place_key(NULL, "u", 1);
    struct buf update_bytes = BUF_INIT;
    struct buf doc = BUF_INIT;
    struct update *update = NULL;
    struct fault fault = {.code = CODE_OK};
    bool changed = false;
    case_put(&update_bytes, update_text);
    case_put(&doc, doc_text);
    void *exact_update = case_exact(&update_bytes);
    void *exact_doc = case_exact(&doc);
    int result = update_compile(&update, exact_update, update_bytes.len, &at, &fault);
    free(exact_update); /* the update has its own copy */
    if (result == 0) {
        result = update_apply(update, exact_doc, doc.len, LIMIT, out, &changed, &at, &fault);
    }
    case_fault(&fault, outcome, size);
    if (result == 0 && !changed) {
        snprintf(outcome, size, "same");
        assert_int_equal(out->len, doc.len);
        assert_memory_equal(out->data, doc.data, doc.len);
    }
    update_free(update);
    free(exact_doc);
    buf_deinit(&update_bytes);
    buf_deinit(&doc);
}

/* Bytes: an integer is not a float here. */
static bool is_row_right(const struct row *row)
{
    struct buf out = BUF_INIT;
    struct buf want = BUF_INIT;
    char outcome[256];
    outcome_of(row->update, row->doc, &out, outcome, sizeof outcome);
    bool is_right = strcmp(outcome, row->result) == 0;
    if (row->result[0] == '{') {
        struct buf text = BUF_INIT;
        case_put(&want, row->result);
        is_right = strcmp(outcome, "ok") == 0 && out.data && out.len == want.len &&
                   memcmp(out.data, want.data, want.len) == 0;
        if (!is_right && strcmp(outcome, "ok") == 0 && mp_to_json(out.data, out.len, &text)) {
            print_error("got %.*s\n", (int)text.len, (const char *)text.data);
        }
        buf_deinit(&text);
    }
    if (!is_right) {
        print_error("%s on %s: %s, not %s\n", row->update, row->doc, outcome, row->result);
    }
    buf_deinit(&out);
    buf_deinit(&want);
    return is_right;
}

static void check_rows(const struct row *rows, size_t count)
{
    unsigned wrong = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += !is_row_right(&rows[i]);
    }
    assert_int_equal(wrong, 0);
}

#define ROWS_TEST(name)                                                                                      \
    static void test_##name##_rows(void **state)                                                             \
    {                                                                                                        \
        (void)state;                                                                                         \
        check_rows(name, sizeof name / sizeof name[0]);                                                      \
    }

ROWS_TEST(set_and_unset)
ROWS_TEST(numbers)
ROWS_TEST(arrays)
ROWS_TEST(renames)

static struct update *compile(const struct buf *bytes)
{
    struct update *update;
    struct fault fault;
    if (update_compile(&update, bytes->data, bytes->len, NULL, &fault) < 0) {
        fail_msg("%s at '%s'", fault.message, fault.at);
    }
    return update;
}

static void test_the_limit_is_exact(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf doc = BUF_INIT;
    case_put(&bytes, "{'$set': {'b': 'xyz'}}");
    case_put(&doc, "{'a': 1}");
    struct update *update = compile(&bytes);
    size_t full = doc.len + 2 + 4; /* 'b' and 'xyz' with their lead bytes */
    for (size_t limit = full - 1; limit <= full; limit++) {
        struct buf out = BUF_INIT;
        struct fault fault = {.code = CODE_OK};
        bool changed;
        int result = update_apply(update, doc.data, doc.len, limit, &out, &changed, NULL, &fault);
        assert_int_equal(result, limit == full ? 0 : -1);
        assert_int_equal(fault.code, limit == full ? CODE_OK : CODE_SESSION_TOO_LARGE);
        buf_deinit(&out);
    }
    update_free(update);
    buf_deinit(&bytes);
    buf_deinit(&doc);
}

/* What does not fit is seen while it is written, not after. */
static void test_what_is_too_large_is_refused_on_the_way(void **state)
{
    (void)state;
    static const char *const updates[] = {
        "{'$push': {'b': {'$each': ['0123456789', '0123456789', '0123456789']}}}",
        "{'$addToSet': {'b': {'$each': ['0123456789', '012345678', '01234567']}}}",
        "{'$set': {'o.p': '01234567890123456789'}}",
        "{'$set': {'a.9': 1, 'a.20': 2}}",
        "{'$inc': {'a.0': 1, 'b.c.d.e.f': 1.5}}",
    };
    struct buf doc = BUF_INIT;
    case_put(&doc, "{'a': [1]}");
    for (size_t i = 0; i < sizeof updates / sizeof updates[0]; i++) {
        struct buf bytes = BUF_INIT;
        struct buf out = BUF_INIT;
        struct fault fault = {.code = CODE_OK};
        bool changed;
        case_put(&bytes, updates[i]);
        struct update *update = compile(&bytes);
        assert_int_equal(update_apply(update, doc.data, doc.len, 18, &out, &changed, NULL, &fault), -1);
        assert_int_equal(fault.code, CODE_SESSION_TOO_LARGE);
        assert_true(out.len < 18 + 24);
        update_free(update);
        buf_deinit(&bytes);
        buf_deinit(&out);
    }
    buf_deinit(&doc);
}

static void test_what_is_no_map_is_refused(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf out = BUF_INIT;
    struct fault fault;
    bool changed;
    case_put(&bytes, "{'$set': {'a': 1}}");
    struct update *update = compile(&bytes);
    assert_int_equal(update_apply(update, "\x90", 1, 100, &out, &changed, NULL, &fault), -1);
    assert_int_equal(fault.code, CODE_UPDATE_FAILED);
    update_free(update);
    buf_deinit(&bytes);
    buf_deinit(&out);
}

static void test_the_result_is_appended(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf out = BUF_INIT;
    struct fault fault;
    bool changed;
    case_put(&bytes, "{'$inc': {'a': 1}}");
    struct update *update = compile(&bytes);
    buf_put_text(&out, "before");
    assert_int_equal(update_apply(update, "\x80", 1, 100, &out, &changed, NULL, &fault), 0);
    assert_true(changed);
    assert_int_equal(out.len, 6 + 4);
    assert_memory_equal(out.data,
                        "before\x81\xa1"
                        "a\x01",
                        out.len);
    update_free(update);
    buf_deinit(&bytes);
    buf_deinit(&out);
}

static void note_path(void *arg, const char *path, size_t len)
{
    struct buf *paths = arg;
    buf_put(paths, path, len);
    buf_put_byte(paths, ' ');
}

static void test_each_set_names_the_paths_of_set(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf paths = BUF_INIT;
    case_put(&bytes, "{'$set': {'b.c': 1, 'a': 2}, '$inc': {'d': 1}, '$unset': {'e': 1}}");
    struct update *update = compile(&bytes);
    update_each_set(update, note_path, &paths);
    buf_put_byte(&paths, 0);
    assert_string_equal((const char *)paths.data, "a b.c ");
    update_free(update);
    buf_deinit(&bytes);
    buf_deinit(&paths);
}

/* 256 fields at once, half of them there already, each found among many others. */
static void test_many_paths_are_one_pass(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf doc = BUF_INIT;
    struct buf out = BUF_INIT;
    struct fault fault;
    bool changed;
    char name[16];
    mp_put_map(&bytes, 1);
    mp_put_text(&bytes, "$inc");
    mp_put_map(&bytes, UPDATE_NODES);
    for (int i = UPDATE_NODES - 1; i >= 0; i--) {
        snprintf(name, sizeof name, "f%d", i);
        mp_put_text(&bytes, name);
        mp_put_uint(&bytes, 1000);
    }
    mp_put_map(&doc, 4000);
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(name, sizeof name, "f%u", i + UPDATE_NODES / 2);
        mp_put_text(&doc, name);
        mp_put_uint(&doc, i);
    }
    struct update *update = compile(&bytes);
    assert_int_equal(update_apply(update, doc.data, doc.len, LIMIT, &out, &changed, NULL, &fault), 0);
    struct mp_reader r = mp_reader(out.data, out.len);
    struct mp_token map, value;
    assert_true(mp_next(&r, &map));
    assert_int_equal(map.count, 4000 + UPDATE_NODES / 2);
    for (unsigned i = 0; i < 4000 + UPDATE_NODES / 2; i++) {
        uint64_t had = i < UPDATE_NODES / 2 ? 0 : i - UPDATE_NODES / 2;
        snprintf(name, sizeof name, "f%u", i);
        assert_true(mp_map_get(mp_reader(out.data, out.len), name, strlen(name), &r));
        assert_true(mp_next(&r, &value));
        assert_int_equal(value.uint, had + (i < UPDATE_NODES ? 1000 : 0));
    }
    update_free(update);
    buf_deinit(&bytes);
    buf_deinit(&doc);
    buf_deinit(&out);
}

/* The longest $each into a long array: each of the two is looked up, not compared with all of the other. */
static void test_a_large_set_is_searched(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf doc = BUF_INIT;
    struct buf out = BUF_INIT;
    struct fault fault;
    bool changed;
    mp_put_map(&bytes, 1);
    mp_put_text(&bytes, "$addToSet");
    mp_put_map(&bytes, 1);
    mp_put_text(&bytes, "a");
    mp_put_map(&bytes, 1);
    mp_put_text(&bytes, "$each");
    mp_put_array(&bytes, 4096);
    mp_put_map(&doc, 1);
    mp_put_text(&doc, "a");
    mp_put_array(&doc, 16000);
    for (uint64_t i = 0; i < 16000; i++) {
        mp_put_uint(&doc, 2 * i);
    }
    for (unsigned i = 0; i < 4096; i++) {
        mp_put_uint(&bytes, i * 1021 % 4096); /* in no order */
    }
    struct update *update = compile(&bytes);
    assert_int_equal(update_apply(update, doc.data, doc.len, LIMIT, &out, &changed, NULL, &fault), 0);
    struct mp_reader r = mp_reader(out.data, out.len);
    struct mp_token token;
    for (int i = 0; i < 3; i++) {
        assert_true(mp_next(&r, &token));
    }
    assert_int_equal(token.count, 16000 + 2048);
    update_free(update);
    buf_deinit(&bytes);
    buf_deinit(&doc);
    buf_deinit(&out);
}

static void test_refused_memory_is_overloaded(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct buf doc = BUF_INIT;
    unsigned long n = 0;
    case_put(&bytes,
             "{'$set': {'a.b': 1}, '$addToSet': {'s': {'$each': [2, 1, 2]}}, '$pull': {'p': {'$gt': 1}},"
             "'$rename': {'x': 'y'}}");
    case_put(&doc,
             "{'a': {'c': 'some text that makes the document grow beyond its first bytes, and grow again'},"
             " 'p': [1, 2], 'x': 'another text of such a length that the result needs a second allocation'}");
    for (;; n++) {
        struct update *update = NULL;
        struct buf out = BUF_INIT;
        struct fault fault = {.code = CODE_OK};
        bool changed;
        failing_alloc_start(n);
        int result = update_compile(&update, bytes.data, bytes.len, NULL, &fault);
        if (result == 0) {
            result = update_apply(update, doc.data, doc.len, LIMIT, &out, &changed, NULL, &fault);
        }
        bool was_refused = failing_alloc_stop();
        update_free(update);
        buf_deinit(&out);
        if (!was_refused) {
            assert_int_equal(result, 0);
            break;
        }
        assert_int_equal(result, -1);
        assert_int_equal(fault.code, CODE_OVERLOADED);
        assert_true(n < 100);
    }
    assert_true(n >= 8);
    buf_deinit(&bytes);
    buf_deinit(&doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_unset_rows),
        cmocka_unit_test(test_numbers_rows),
        cmocka_unit_test(test_arrays_rows),
        cmocka_unit_test(test_renames_rows),
        cmocka_unit_test(test_the_limit_is_exact),
        cmocka_unit_test(test_what_is_too_large_is_refused_on_the_way),
        cmocka_unit_test(test_what_is_no_map_is_refused),
        cmocka_unit_test(test_the_result_is_appended),
        cmocka_unit_test(test_each_set_names_the_paths_of_set),
        cmocka_unit_test(test_many_paths_are_one_pass),
        cmocka_unit_test(test_a_large_set_is_searched),
        cmocka_unit_test(test_refused_memory_is_overloaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
