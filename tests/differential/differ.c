/* differ: what the core makes of filters and updates, for tests/differential/oracle to compare with mingo.
 *
 * Reads one case per line and prints one line for each:
 *   {"doc": {...}, "filter": {...}}                       -> {"match": true}
 *   {"doc": ..., "filter": ..., "with_args": {...}, "args": {...}}  the same filter with arguments in the
 * place of constants -> {"match": true, "with_args": true}
 *   {"doc": {...}, "update": {...}}                       -> {"doc": {...}, "changed": true}
 *   what is refused                                       -> {"code": "bad_filter", "at": "filter.$or[0]"}
 * An empty line asks for all answers so far. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/doc.h"
#include "core/filter.h"
#include "core/update.h"
#include "indexed.h"
#include "wire/json.h"

#define LIMIT_BYTES 65536

enum { KEY_DOC, KEY_FILTER, KEY_WITH_ARGS, KEY_ARGS, KEY_UPDATE, KEY_COUNT };

static const char *const keys[KEY_COUNT] = {"doc", "filter", "with_args", "args", "update"};

/* One case; what it does not have is empty. */
struct input {
    struct buf values[KEY_COUNT]; /* MessagePack */
};

/* oracle/subject.js has the same. */
static const struct subject stranger = {.conn = "k3v9x0q2ap.17",
                                        .remote = "10.0.0.7",
                                        .subprotocol = "",
                                        .path = "/ws",
                                        .connected_ms = 1700000000000};

static _Noreturn void stop(const char *line, const char *why)
{
    fprintf(stderr, "differ: %s: %s\n", why, line);
    exit(2);
}

static struct buf *value_of(struct input *input, const struct buf *key)
{
    for (int i = 0; i < KEY_COUNT; i++) {
        if (key->len == strlen(keys[i]) && memcmp(key->data, keys[i], key->len) == 0)
            return &input->values[i];
    }
    return NULL;
}

static void read_input(struct input *input, const char *line, size_t len)
{
    struct json_reader r = json_reader(line, len);
    struct buf key = BUF_INIT;
    for (int i = 0; i < KEY_COUNT; i++)
        buf_reset(&input->values[i]);
    if (!json_object(&r))
        stop(line, "not an object");
    while (json_member(&r, &key)) {
        struct buf *value = value_of(input, &key);
        if (!value || !json_value(&r, value))
            stop(line, r.error ? r.error : "unknown key");
    }
    buf_deinit(&key);
    if (r.error)
        stop(line, r.error);
}

static void put_fault(struct buf *out, const struct fault *fault)
{
    mp_put_map(out, 3);
    mp_put_text(out, "code");
    mp_put_text(out, code_text(fault->code));
    mp_put_text(out, "at");
    mp_put_text(out, fault->at);
    mp_put_text(out, "message");
    mp_put_text(out, fault->message);
}

/* 1, 0, or -1 with a fault. */
static int match(const struct buf *query, const struct buf *arguments, const struct buf *doc,
                 struct fault *fault)
{
    const struct place filter_at = place_key(NULL, "filter", 6);
    const struct place args_at = place_key(NULL, "args", 4);
    struct subject subject = stranger;
    struct filter *filter;
    struct filter_args *args;
    if (filter_compile(&filter, query->data, query->len, &filter_at, fault) < 0)
        return -1;
    const void *given = arguments->len > 0 ? arguments->data : NULL;
    if (filter_bind(&args, filter, given, arguments->len, &args_at, fault) < 0) {
        filter_free(filter);
        return -1;
    }
    subject.session = doc->data;
    subject.session_len = doc->len;
    int result = filter_matches(filter, args, &subject);
    filter_args_free(args);
    filter_free(filter);
    return result;
}

static void answer_filter(const struct input *input, struct buf *out)
{
    static const struct buf none;
    const struct buf *values = input->values;
    bool has_variant = values[KEY_WITH_ARGS].len > 0;
    struct fault fault = {.code = CODE_OK};
    int plain = match(&values[KEY_FILTER], &none, &values[KEY_DOC], &fault);
    int bound = has_variant && plain >= 0
                    ? match(&values[KEY_WITH_ARGS], &values[KEY_ARGS], &values[KEY_DOC], &fault)
                    : 0;
    if (plain < 0 || bound < 0) {
        put_fault(out, &fault);
        return;
    }
    const struct buf *asked = &values[has_variant ? KEY_WITH_ARGS : KEY_FILTER];
    mp_put_map(out, has_variant ? 3 : 2);
    mp_put_text(out, "match");
    mp_put_bool(out, plain);
    mp_put_text(out, "index");
    mp_put_bool(out, indexed_agrees(asked, &values[KEY_ARGS], &values[KEY_DOC]));
    if (has_variant) {
        mp_put_text(out, "with_args");
        mp_put_bool(out, bound);
    }
}

static void answer_update(const struct input *input, struct buf *out)
{
    const struct place at = place_key(NULL, "update", 6);
    const struct buf *text = &input->values[KEY_UPDATE];
    const struct buf *doc = &input->values[KEY_DOC];
    struct buf successor = BUF_INIT;
    struct fault fault = {.code = CODE_OK};
    struct update *update = NULL;
    bool changed = false;
    if (update_compile(&update, text->data, text->len, &at, &fault) < 0 ||
        update_apply(update, doc->data, doc->len, LIMIT_BYTES, &successor, &changed, &at, &fault) < 0) {
        put_fault(out, &fault);
    } else {
        mp_put_map(out, 2);
        mp_put_text(out, "doc");
        buf_put(out, successor.data, successor.len);
        mp_put_text(out, "changed");
        mp_put_bool(out, changed);
    }
    update_free(update);
    buf_deinit(&successor);
}

static void answer(struct input *input, const char *line, struct buf *out, struct buf *text)
{
    const struct buf *doc = &input->values[KEY_DOC];
    struct fault fault = {.code = CODE_OK};
    buf_reset(out);
    buf_reset(text);
    if (doc_check_value(doc->data, doc->len, NULL, &fault) < 0) {
        put_fault(out, &fault); /* no session can be so */
    } else if (input->values[KEY_UPDATE].len > 0) {
        answer_update(input, out);
    } else {
        answer_filter(input, out);
    }
    if (out->failed || !mp_to_json(out->data, out->len, text) || text->failed)
        stop(line, "no memory for the answer");
    buf_put_byte(text, '\n');
    fwrite(text->data, 1, text->len, stdout);
}

int main(void)
{
    struct input input = {0};
    struct buf out = BUF_INIT;
    struct buf text = BUF_INIT;
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    while ((len = getline(&line, &size, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[--len] = 0;
        if (len == 0) {
            fflush(stdout);
            continue;
        }
        read_input(&input, line, (size_t)len);
        answer(&input, line, &out, &text);
    }
    free(line);
    indexed_end();
    buf_deinit(&out);
    buf_deinit(&text);
    for (int i = 0; i < KEY_COUNT; i++)
        buf_deinit(&input.values[i]);
    return 0;
}
