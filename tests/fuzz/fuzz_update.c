/* An update and a document, whatever they are. What comes out can be stored: within the limit, good values,
 * as deep as allowed. Nothing before it in the buffer is touched, `changed` is right, and all but $inc and
 * $push change nothing when applied again. */

#include <stdlib.h>
#include <string.h>

#include "core/doc.h"
#include "core/update_tree.h"
#include "fuzz/expect.h"
#include "fuzz/values.h"

#define BEFORE "before"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_session(struct doc_value value)
{
    struct fault fault;
    struct mp_token map;
    struct mp_reader r = mp_reader(value.bytes, value.len);
    return mp_next(&r, &map) && map.type == MP_MAP &&
           doc_check_value(value.bytes, value.len, NULL, &fault) == 0;
}

static bool is_repeatable(const struct update *update)
{
    for (unsigned i = 0; i < update->op_count; i++) {
        if (update->ops[i].kind == UPDATE_INC || update->ops[i].kind == UPDATE_PUSH) {
            return false;
        }
    }
    return true;
}

static void check_apply_fault(const struct fault *fault)
{
    EXPECT(fault->code == CODE_UPDATE_FAILED || fault->code == CODE_SESSION_TOO_LARGE ||
           fault->code == CODE_BAD_VALUE);
    EXPECT(fault->message[0]);
}

static void apply_again(const struct update *update, struct doc_value doc, size_t limit)
{
    struct buf out = BUF_INIT;
    struct fault fault;
    bool changed = true;
    EXPECT(update_apply(update, doc.bytes, doc.len, limit, &out, &changed, NULL, &fault) == 0);
    EXPECT(!changed);
    buf_deinit(&out);
}

static void apply(const struct update *update, struct doc_value doc, size_t limit)
{
    struct buf out = BUF_INIT;
    struct fault fault = {.code = CODE_OK};
    bool changed = false;
    buf_put_text(&out, BEFORE);
    if (update_apply(update, doc.bytes, doc.len, limit, &out, &changed, NULL, &fault) < 0) {
        check_apply_fault(&fault);
        /* It went no further than what was to be seen as too large, plus one value. */
        EXPECT(out.len <= strlen(BEFORE) + 2 * limit + 65536);
    } else {
        struct doc_value result = {out.data + strlen(BEFORE), out.len - strlen(BEFORE)};
        EXPECT(memcmp(out.data, BEFORE, strlen(BEFORE)) == 0);
        EXPECT(result.len <= limit);
        EXPECT(is_session(result));
        EXPECT(changed == !doc_identical(doc, result));
        if (is_repeatable(update)) {
            apply_again(update, result, limit);
        }
    }
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values v;
    struct update *update;
    struct fault fault = {.code = CODE_OK};
    values_read(&v, data, size);
    struct doc_value doc = {v.bytes[1].data, v.bytes[1].len};
    if (v.count >= 2 && is_session(doc)) {
        if (update_compile(&update, v.bytes[0].data, v.bytes[0].len, NULL, &fault) < 0) {
            EXPECT(fault.code == CODE_BAD_UPDATE || fault.code == CODE_BAD_VALUE);
            EXPECT(fault.message[0]);
        } else {
            apply(update, doc, doc.len + 16); /* small, so that limits are met */
            apply(update, doc, 65536);
            update_free(update);
        }
    }
    values_deinit(&v);
    return 0;
}
