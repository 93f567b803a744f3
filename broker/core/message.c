#include "core/message.h"

#include <string.h>

#include "wire/mp.h"
#include "wire/recycler.h"

bool question_id_equal(const struct question_id *a, const struct question_id *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == QUESTION_NUMBER)
        return a->number == b->number;
    if (a->kind == QUESTION_TEXT)
        return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
    return true;
}

void question_id_put(struct buf *out, const struct question_id *id)
{
    if (id->kind == QUESTION_NUMBER)
        mp_put_uint(out, id->number);
    else
        mp_put_str(out, id->text, id->len);
}

static bool is_question(const struct question_id *id)
{
    return id && id->kind != QUESTION_NONE;
}

/* The map's header and its `e`. */
static void put_head(struct buf *out, const char *event, size_t event_len, bool has_payload,
                     const struct question_id *id)
{
    mp_put_map(out, 1 + (has_payload ? 1 : 0) + (is_question(id) ? 1 : 0));
    mp_put_text(out, "e");
    mp_put_str(out, event, event_len);
}

static void put_tail(struct buf *out, const struct question_id *id)
{
    if (!is_question(id))
        return;
    mp_put_text(out, "i");
    question_id_put(out, id);
}

/* Takes the reference @body (NULL: it was refused). */
static struct message *message_of(struct blob *body)
{
    struct message *m = body ? recycler_take(sizeof(*m)) : NULL;
    if (m)
        *m = (struct message){.refs = 1, .body = body};
    else
        blob_unref(body);
    return m;
}

struct message *message_new(const char *event, size_t event_len, const void *mp, size_t mp_len,
                            const struct question_id *id)
{
    /* Written into its blob at once: there is room for all of it, headers of 5 bytes included. */
    struct blob *blob = blob_new(NULL, event_len + mp_len + QUESTION_TEXT_MAX + 24);
    if (!blob)
        return NULL;
    struct buf body = {.data = blob->data, .cap = blob->room};
    put_head(&body, event, event_len, mp != NULL, id);
    if (mp) {
        mp_put_text(&body, "p");
        buf_put(&body, mp, mp_len);
    }
    put_tail(&body, id);
    blob_cut(blob, body.len);
    return message_of(blob);
}

struct message *message_error(enum code code, const char *text, const char *event, size_t event_len,
                              const struct question_id *id)
{
    struct buf body = BUF_INIT;
    put_head(&body, "@error", strlen("@error"), true, id);
    mp_put_text(&body, "p");
    mp_put_map(&body, event ? 4 : 3);
    mp_put_text(&body, "code");
    mp_put_text(&body, code_text(code));
    mp_put_text(&body, "message");
    mp_put_text(&body, text);
    mp_put_text(&body, "temporary");
    mp_put_bool(&body, code_temporary(code));
    if (event) {
        mp_put_text(&body, "event");
        mp_put_str(&body, event, event_len);
    }
    put_tail(&body, id);
    struct blob *blob = body.failed ? NULL : blob_new(body.data, body.len);
    buf_deinit(&body);
    return message_of(blob);
}

struct message *message_ref(struct message *m)
{
    m->refs++;
    return m;
}

void message_unref(struct message *m)
{
    if (!m || --m->refs > 0)
        return;
    blob_unref(m->body);
    for (unsigned i = 0; i < ENCODING_COUNT; i++)
        blob_unref(m->frame[i]);
    recycler_give(m, sizeof(*m));
}
