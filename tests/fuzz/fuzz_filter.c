/* A filter, a session and arguments, whatever they are. What compiles is a tree as filter_tree.h says,
 * matches or misses a session the same each time, and its $nor is its opposite; what does not has a fault of
 * its code. */

#include <stdlib.h>
#include <string.h>

#include "core/doc.h"
#include "core/filter_tree.h"
#include "core/filter_value.h"
#include "fuzz/expect.h"
#include "fuzz/values.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Children end where their parents do. Returns the end of the subtree at @n. */
static unsigned check_node(const struct filter *f, unsigned n, unsigned depth)
{
    const struct filter_node *node = &f->nodes[n];
    unsigned child = n + 1;
    EXPECT(depth <= 2 * FILTER_DEPTH + 1);
    EXPECT(node->end > n && node->end <= f->node_count);
    while (child < node->end) {
        EXPECT(node->kind == FILTER_AND || node->kind == FILTER_OR);
        child = check_node(f, child, depth + 1);
    }
    EXPECT(child == node->end);
    return child;
}

static void check_values(struct filter_values values)
{
    for (uint32_t i = 0; i < values.count; i++) {
        EXPECT(filter_value_is_scalar(&values.at[i]));
        EXPECT(i == 0 || filter_value_compare(&values.at[i - 1], &values.at[i]) < 0);
    }
}

static void check_filter(const struct filter *f, const struct filter_args *args)
{
    EXPECT(f->node_count > 0 && f->node_count <= FILTER_NODES);
    EXPECT(check_node(f, 0, 0) == f->node_count);
    for (unsigned n = 0; n < f->node_count; n++) {
        const struct filter_node *node = &f->nodes[n];
        if (node->kind > FILTER_OR && node->kind != FILTER_EXISTS) {
            struct filter_values values = filter_values(f, args, node);
            check_values(values);
            EXPECT(values.count <= FILTER_IN_VALUES);
            EXPECT(node->kind == FILTER_IN || node->kind == FILTER_ALL || values.count == 1);
        }
    }
}

static void check_fault(const struct fault *fault, enum code code)
{
    EXPECT(fault->code == code);
    EXPECT(fault->message[0]);
}

/* {@operator_name: [filter]}. Adds a level, so it may be too deep. */
static struct filter *wrap(const char *operator_name, const struct buf *query)
{
    struct buf bytes = BUF_INIT;
    struct filter *filter = NULL;
    struct fault fault;
    mp_put_map(&bytes, 1);
    mp_put_text(&bytes, operator_name);
    mp_put_array(&bytes, 1);
    buf_put(&bytes, query->data, query->len);
    if (filter_compile(&filter, bytes.data, bytes.len, NULL, &fault) < 0) {
        check_fault(&fault, CODE_BAD_FILTER);
        filter = NULL;
    }
    buf_deinit(&bytes);
    return filter;
}

static void check_wrapped(const char *operator_name, const struct values *v, const struct subject *subject,
                          bool expected)
{
    struct filter *filter = wrap(operator_name, &v->bytes[0]);
    struct filter_args *args;
    struct fault fault;
    if (!filter) {
        return;
    }
    EXPECT(filter_bind(&args, filter, v->bytes[2].data, v->bytes[2].len, NULL, &fault) == 0);
    check_filter(filter, args);
    EXPECT(filter_matches(filter, args, subject) == expected);
    filter_args_free(args);
    filter_free(filter);
}

static void run(const struct values *v, const struct filter *filter)
{
    struct filter_args *args;
    struct fault fault = {.code = CODE_OK};
    if (filter_bind(&args, filter, v->bytes[2].data, v->bytes[2].len, NULL, &fault) < 0) {
        check_fault(&fault, CODE_BAD_ARGUMENT);
        return;
    }
    check_filter(filter, args);
    struct subject subject = {v->bytes[1].data, v->bytes[1].len, "k3.17", "10.0.0.7", "", "/ws",
                              1700000000000};
    bool result = filter_matches(filter, args, &subject);
    EXPECT(filter_matches(filter, args, &subject) == result);
    filter_args_free(args);
    check_wrapped("$and", v, &subject, result);
    check_wrapped("$or", v, &subject, result);
    check_wrapped("$nor", v, &subject, !result);
}

static bool is_session(const struct buf *value)
{
    struct fault fault;
    struct mp_token map;
    struct mp_reader r = mp_reader(value->data, value->len);
    return mp_next(&r, &map) && map.type == MP_MAP &&
           doc_check_value(value->data, value->len, NULL, &fault) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct values v;
    struct filter *filter;
    struct fault fault = {.code = CODE_OK};
    values_read(&v, data, size);
    if (v.count >= 2 && is_session(&v.bytes[1])) {
        if (filter_compile(&filter, v.bytes[0].data, v.bytes[0].len, NULL, &fault) < 0) {
            check_fault(&fault, CODE_BAD_FILTER);
        } else {
            run(&v, filter);
            filter_free(filter);
        }
    }
    values_deinit(&v);
    return 0;
}
