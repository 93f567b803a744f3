#include "core/turn_failed.h"

#include <errno.h>
#include <string.h>

#include "core/pairs.h"

#define HEADERS  16 /* of the list */
#define MESSAGES 4096

/* Let @failed write into @blob, where @len bytes of it stand already. */
static void use(struct turn_failed *failed, struct blob *blob, size_t len)
{
    failed->blob = blob;
    failed->out = (struct buf){.data = blob->data, .len = len, .cap = blob->len};
}

int turn_failed_init(struct turn_failed *failed, uint32_t entries, size_t limit)
{
    *failed = (struct turn_failed){.limit = limit, .unsaid = entries};
    if (!entries)
        return 0;
    struct blob *blob = blob_new(NULL, HEADERS + (size_t)entries * TURN_FAILED_MIN + MESSAGES);
    if (!blob)
        return -ENOMEM;
    use(failed, blob, 0);
    failed->mark = mp_open(&failed->out);
    return 0;
}

/* Whether @size bytes may be written, and all entries that may come still find their place. */
static bool has_room(const struct turn_failed *failed, size_t size)
{
    size_t kept = HEADERS + (size_t)failed->unsaid * TURN_FAILED_MIN;
    return failed->out.len + size + kept <= failed->out.cap;
}

/* Double the room, as far as the limit and memory allow. */
static void grow(struct turn_failed *failed)
{
    size_t cap = failed->out.cap * 2 < failed->limit ? failed->out.cap * 2 : failed->limit;
    struct blob *blob = cap > failed->out.cap ? blob_new(NULL, cap) : NULL;
    if (!blob)
        return;
    memcpy(blob->data, failed->out.data, failed->out.len);
    blob_unref(failed->blob);
    use(failed, blob, failed->out.len);
}

static const char *const THEN[] = {[THEN_AGAIN] = "again", [THEN_DEAD] = "dead", [THEN_NONE] = "none"};

void turn_failed_skip(struct turn_failed *failed)
{
    failed->unsaid--;
}

void turn_failed_add(struct turn_failed *failed, uint64_t seq, const struct fault *fault, enum turn_then then)
{
    struct buf *out = &failed->out;
    size_t texts = strlen(fault->message) + strlen(fault->at) + 16; /* keys and headers */
    failed->unsaid--;
    failed->count++;
    if (!has_room(failed, TURN_FAILED_MIN + texts))
        grow(failed);
    bool is_short = !has_room(failed, TURN_FAILED_MIN + texts);
    bool has_at = *fault->at && !is_short;
    mp_put_map(out, has_at ? 5 : 4);
    mp_put_text(out, "seq");
    mp_put_uint(out, seq);
    put_pair(out, "code", code_text(fault->code));
    put_pair(out, "message", is_short ? "" : fault->message);
    if (has_at)
        put_pair(out, "at", fault->at);
    put_pair(out, "then", THEN[then]);
}

struct blob *turn_failed_take(struct turn_failed *failed)
{
    struct blob *blob = failed->blob;
    if (blob && failed->count) {
        mp_close_array(&failed->out, failed->mark, failed->count);
        blob->len = (uint32_t)failed->out.len;
    } else if (blob) {
        blob_unref(blob);
        blob = NULL;
    }
    *failed = (struct turn_failed){.blob = NULL};
    return blob;
}
