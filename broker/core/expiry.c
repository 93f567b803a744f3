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
    size_t len;
    char *path;
};

struct expiry {
    struct timer timer;
    struct conn *conn;
    size_t count, cap;
    struct field fields[];
};

static void field_remove(struct expiry *expiry, size_t index)
{
    free(expiry->fields[index].path);
    expiry->fields[index] = expiry->fields[--expiry->count];
}

/* Whether one path is the other, or a place inside it. */
static bool paths_touch(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t shared = a_len < b_len ? a_len : b_len;
    if (memcmp(a, b, shared) != 0)
        return false;
    return a_len == b_len || (a_len < b_len ? b[shared] : a[shared]) == '.';
}

static void fire(struct timer *timer, void *arg);

/* Start the timer for the field that ends first. The heap has had room for it since expiry_reserve(). */
static void arm(struct timers *timers, struct expiry *expiry)
{
    uint64_t at_ms = UINT64_MAX;
    for (size_t i = 0; i < expiry->count; i++)
        at_ms = expiry->fields[i].at_ms < at_ms ? expiry->fields[i].at_ms : at_ms;
    if (expiry->count)
        timer_start(timers, &expiry->timer, at_ms, fire);
    else
        expiry_drop(timers, expiry->conn);
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
        mp_put_str(out, field->path, field->len);
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
    arm(&core->timers, expiry);
}

/* How many fields will expire when an update has been noted, and how many at most while it is. */
struct census {
    const struct expiry *expiry; /* NULL: none yet */
    size_t count;
    size_t room;
};

static void count_path(void *arg, const char *path, size_t len)
{
    struct census *census = arg;
    census->count++;
    census->room++;
    for (size_t i = 0; census->expiry && i < census->expiry->count; i++) {
        const struct field *field = &census->expiry->fields[i];
        census->count -= field->len == len && memcmp(field->path, path, len) == 0;
    }
}

int expiry_reserve(struct timers *timers, size_t others, struct conn *conn, const struct update *update)
{
    struct expiry *expiry = conn->expiry;
    struct census census = {.expiry = expiry};
    census.count = census.room = expiry ? expiry->count : 0;
    update_each_set(update, count_path, &census);
    if (census.count > EXPIRY_FIELDS)
        return 1;
    if (timers_reserve(timers, timers->count + others + 1) < 0)
        return -ENOMEM;
    if (expiry && expiry->cap >= census.room)
        return 0;
    /* A running timer's address is in the heap, so it must not run while it moves. */
    uint64_t at_ms = expiry && timer_running(&expiry->timer) ? expiry->timer.at_ms : 0;
    if (at_ms)
        timer_stop(timers, &expiry->timer);
    struct expiry *grown = realloc(expiry, sizeof(*expiry) + census.room * sizeof(expiry->fields[0]));
    if (grown) {
        if (!expiry)
            memset(grown, 0, sizeof(*grown));
        grown->conn = conn;
        grown->cap = census.room;
        conn->expiry = grown;
    }
    if (at_ms)
        timer_start(timers, &conn->expiry->timer, at_ms, fire);
    return grown ? 0 : -ENOMEM;
}

struct note {
    struct expiry *expiry;
    uint64_t at_ms;
};

static void note_path(void *arg, const char *path, size_t len)
{
    struct note *note = arg;
    struct expiry *expiry = note->expiry;
    for (size_t i = expiry->count; i-- > 0;) {
        if (paths_touch(expiry->fields[i].path, expiry->fields[i].len, path, len))
            field_remove(expiry, i);
    }
    char *copy = note->at_ms == UINT64_MAX ? NULL : strndup(path, len);
    if (copy)
        expiry->fields[expiry->count++] = (struct field){.at_ms = note->at_ms, .len = len, .path = copy};
}

void expiry_note(struct timers *timers, struct conn *conn, const struct update *update, uint64_t at_ms)
{
    struct note note = {.expiry = conn->expiry, .at_ms = at_ms};
    if (!conn->expiry)
        return;
    update_each_set(update, note_path, &note);
    arm(timers, conn->expiry);
}

void expiry_drop(struct timers *timers, struct conn *conn)
{
    struct expiry *expiry = conn->expiry;
    if (!expiry)
        return;
    timer_stop(timers, &expiry->timer);
    while (expiry->count)
        field_remove(expiry, expiry->count - 1);
    free(expiry);
    conn->expiry = NULL;
}
