#include "core/expiry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "wire/mp.h"

#define RETRY_MS 1000

struct field {
    uint64_t at_ms;
    struct blob *path;
};

struct expiry {
    struct timer timer;
    struct conn *conn;
    size_t count;
    struct field fields[];
};

static void field_remove(struct expiry *expiry, size_t index)
{
    blob_unref(expiry->fields[index].path);
    expiry->fields[index] = expiry->fields[--expiry->count];
}

/* Whether one path is the other, or a place inside it. */
static bool paths_touch(const struct blob *a, const char *b, size_t b_len)
{
    size_t shared = a->len < b_len ? a->len : b_len;
    if (memcmp(a->data, b, shared) != 0)
        return false;
    return a->len == b_len || (a->len < b_len ? b[shared] : (char)a->data[shared]) == '.';
}

static uint64_t first_end(const struct expiry *expiry)
{
    uint64_t at_ms = UINT64_MAX;
    for (size_t i = 0; i < expiry->count; i++)
        at_ms = expiry->fields[i].at_ms < at_ms ? expiry->fields[i].at_ms : at_ms;
    return at_ms;
}

/* {"$unset": {path: "", ...}} of the fields whose time has come. */
static void put_unset(const struct expiry *expiry, uint64_t now_ms, struct buf *out)
{
    uint32_t count = 0;
    mp_put_map(out, 1);
    mp_put_text(out, "$unset");
    size_t mark = mp_open(out);
    for (size_t i = 0; i < expiry->count; i++) {
        const struct field *field = &expiry->fields[i];
        if (field->at_ms > now_ms)
            continue;
        mp_put_str(out, (const char *)field->path->data, field->path->len);
        mp_put_text(out, "");
        count++;
    }
    mp_close_map(out, mark, count);
}

/* They are gone, or refused memory puts it off. */
static void settle(struct expiry *expiry, uint64_t now_ms, bool is_done)
{
    for (size_t i = expiry->count; i-- > 0;) {
        if (expiry->fields[i].at_ms > now_ms)
            continue;
        if (is_done)
            field_remove(expiry, i);
        else
            expiry->fields[i].at_ms = now_ms + RETRY_MS;
    }
}

/* False when memory was refused: nothing has changed. */
static bool unset_fields(struct core *core, struct conn *conn, const struct buf *spec)
{
    struct update *update = NULL;
    struct buf next = BUF_INIT;
    struct fault fault = {.code = CODE_OK};
    bool changed = false, is_done = !spec->failed;
    if (!spec->failed && update_compile(&update, spec->data, spec->len, NULL, &fault) == 0 &&
        update_apply(update, conn->session->data, conn->session->len, core->options.max_session_bytes, &next,
                     &changed, NULL, &fault) == 0 &&
        changed) {
        struct blob *session = blob_new(next.data, next.len);
        if (session)
            core_session_set(core, conn, session);
        is_done = session != NULL;
    }
    update_free(update);
    buf_deinit(&next);
    return is_done && fault.code != CODE_OVERLOADED;
}

static void fire(struct timer *timer, void *arg)
{
    struct expiry *expiry = (struct expiry *)((char *)timer - offsetof(struct expiry, timer));
    struct core *core = arg;
    struct buf spec = BUF_INIT;
    put_unset(expiry, core->now.mono_ms, &spec);
    settle(expiry, core->now.mono_ms, unset_fields(core, expiry->conn, &spec));
    buf_deinit(&spec);
    if (expiry->count)
        timer_start(&core->timers, timer, first_end(expiry), fire); /* in the place that it has just left */
    else
        expiry_drop(&core->timers, expiry->conn);
}

/* The change of what expires by one update. */
struct noting {
    struct expiry *expiry; /* as it is, then as it becomes */
    uint64_t at_ms;
    size_t paths;
    bool touches; /* what expires already */
    bool failed;
};

static void look_at_path(void *arg, const char *path, size_t len)
{
    struct noting *noting = arg;
    const struct expiry *expiry = noting->expiry;
    noting->paths++;
    for (size_t i = 0; expiry && i < expiry->count && !noting->touches; i++)
        noting->touches = paths_touch(expiry->fields[i].path, path, len);
}

static void note_path(void *arg, const char *path, size_t len)
{
    struct noting *noting = arg;
    struct expiry *expiry = noting->expiry;
    for (size_t i = expiry->count; i-- > 0;) {
        if (paths_touch(expiry->fields[i].path, path, len))
            field_remove(expiry, i);
    }
    if (noting->at_ms == UINT64_MAX)
        return;
    struct blob *copy = blob_new(path, len);
    if (copy)
        expiry->fields[expiry->count++] = (struct field){.at_ms = noting->at_ms, .path = copy};
    else
        noting->failed = true;
}

/* A copy with room for @more fields. */
static struct expiry *expiry_copy(struct conn *conn, size_t more)
{
    const struct expiry *expiry = conn->expiry;
    size_t count = expiry ? expiry->count : 0;
    struct expiry *copy = calloc(1, sizeof(*copy) + (count + more) * sizeof(copy->fields[0]));
    if (!copy)
        return NULL;
    copy->conn = conn;
    copy->count = count;
    for (size_t i = 0; i < count; i++) {
        copy->fields[i] = expiry->fields[i];
        blob_ref(copy->fields[i].path);
    }
    return copy;
}

int expiry_after(struct timers *timers, struct conn *conn, const struct update *update, uint64_t at_ms,
                 struct expiry **next)
{
    struct noting noting = {.expiry = conn->expiry, .at_ms = at_ms};
    *next = conn->expiry;
    if (!conn->expiry && at_ms == UINT64_MAX)
        return 0;
    update_each_set(update, look_at_path, &noting);
    if (!noting.touches && (at_ms == UINT64_MAX || !noting.paths))
        return 0;
    noting.expiry = expiry_copy(conn, at_ms == UINT64_MAX ? 0 : noting.paths);
    if (!noting.expiry)
        return -ENOMEM;
    update_each_set(update, note_path, &noting);
    noting.failed |= timers_reserve(timers, timers->count + 1) < 0;
    if (!noting.failed && noting.expiry->count && noting.expiry->count <= EXPIRY_FIELDS) {
        *next = noting.expiry;
        return 0;
    }
    bool too_many = noting.expiry->count > EXPIRY_FIELDS;
    expiry_free(noting.expiry);
    *next = noting.failed || too_many ? conn->expiry : NULL;
    return noting.failed ? -ENOMEM : too_many;
}

/* One goes for one, or into the room that expiry_after() reserved, or that it had before: the heap never
 * gives up room. */
struct expiry *expiry_swap(struct timers *timers, struct conn *conn, struct expiry *next)
{
    struct expiry *before = conn->expiry;
    if (before)
        timer_stop(timers, &before->timer);
    conn->expiry = next;
    if (next)
        timer_start(timers, &next->timer, first_end(next), fire);
    return before;
}

void expiry_free(struct expiry *expiry)
{
    if (!expiry)
        return;
    while (expiry->count)
        field_remove(expiry, expiry->count - 1);
    free(expiry);
}

void expiry_drop(struct timers *timers, struct conn *conn)
{
    expiry_free(expiry_swap(timers, conn, NULL));
}
