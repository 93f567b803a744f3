#include "core/message.h"

#include <stdlib.h>
#include <string.h>

#include "wire/mp.h"

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

static struct message *message_from(struct buf *body)
{
    struct message *m = body->failed ? NULL : calloc(1, sizeof(*m));
    if (m) {
        m->refs = 1;
        m->body = blob_new(body->data, body->len);
        if (!m->body) {
            free(m);
            m = NULL;
        }
    }
    buf_deinit(body);
    return m;
}

struct message *message_new(const char *event, size_t event_len, const void *mp, size_t mp_len,
                            const struct question_id *id)
{
    struct buf body = BUF_INIT;
    buf_reserve(&body, event_len + mp_len + QUESTION_TEXT_MAX + 24);
    put_head(&body, event, event_len, mp != NULL, id);
    if (mp) {
        mp_put_text(&body, "p");
        buf_put(&body, mp, mp_len);
    }
    put_tail(&body, id);
    return message_from(&body);
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
    return message_from(&body);
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
    free(m);
}
