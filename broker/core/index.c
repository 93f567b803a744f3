#include "core/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/hash.h"
#include "core/scalar.h"

#define FIRST_SLOTS 64

/* -- fields -------------------------------------------------------------------------------------------- */

static struct index_field *field_find(const struct index *index, const char *name, size_t len)
{
    struct index_field *field;
    HASH_FIND(hh, index->fields, name, len, field);
    return field;
}

static struct index_field *field_add(struct index *index, const char *name, size_t len)
{
    struct index_field *field = calloc(1, sizeof(*field));
    char *copy = malloc(len + 1);
    if (!field || !copy)
        goto refused;
    memcpy(copy, name, len);
    field->name = copy;
    field->len = len;
    field->id = (uint16_t)HASH_COUNT(index->fields);
    HASH_ADD_KEYPTR(hh, index->fields, field->name, field->len, field);
    if (field->hh.tbl)
        return field;

refused:
    free(copy);
    free(field);
    return NULL;
}

/* The field that values are put into, or NULL: it is not indexed. */
static struct index_field *field_use(struct index *index, const char *name, size_t len)
{
    struct index_field *field = field_find(index, name, len);
    if (field || index->is_restricted)
        return field;
    if (!index->has_missed && HASH_COUNT(index->fields) < INDEX_FIELDS)
        field = field_add(index, name, len);
    if (!field)
        index->has_missed = true; /* from now on nobody knows who has it */
    return field;
}

int index_init(struct index *index, const char *const *fields, const uint64_t key[2],
               struct counters *counters)
{
    *index = (struct index){.is_restricted = fields != NULL, .key = key, .counters = counters};
    for (; fields && *fields; fields++) {
        if (!field_find(index, *fields, strlen(*fields)) && !field_add(index, *fields, strlen(*fields))) {
            index_deinit(index);
            return -ENOMEM;
        }
    }
    return 0;
}

void index_deinit(struct index *index)
{
    struct index_field *field, *next;
    HASH_ITER (hh, index->fields, field, next) {
        HASH_DEL(index->fields, field);
        free(field->name);
        free(field);
    }
    free(index->slots);
    index->slots = NULL;
}

bool index_covers(const struct index *index, const char *name, size_t len)
{
    return field_find(index, name, len) || (!index->is_restricted && !index->has_missed);
}

/* -- postings ------------------------------------------------------------------------------------------ */

/* A value in a field, in the form that it is looked up by. */
struct term {
    uint16_t field;
    uint16_t len;
    uint64_t hash;
    uint8_t form[SCALAR_MAX];
};

static bool term_init(const struct index *index, struct term *term, uint16_t field,
                      const struct mp_token *value)
{
    term->field = field;
    term->len = (uint16_t)scalar_form(value, term->form);
    term->hash = hash_bytes(index->key, term->form, term->len) ^ hash_number(field + UINT64_C(1));
    return term->len > 0;
}

static struct posting **slot_find(const struct index *index, const struct term *term)
{
    size_t mask = index->slot_count - 1;
    for (size_t i = (size_t)term->hash & mask;; i = (i + 1) & mask) {
        struct posting *posting = index->slots[i];
        if (!posting || (posting->hash == term->hash && posting->field == term->field &&
                         posting->len == term->len && memcmp(posting->form, term->form, term->len) == 0))
            return &index->slots[i];
    }
}

static void slot_fill(struct index *index, struct posting *posting)
{
    size_t mask = index->slot_count - 1, i = (size_t)posting->hash & mask;
    while (index->slots[i])
        i = (i + 1) & mask;
    index->slots[i] = posting;
}

/* Between an eighth and a half of the slots are used. */
static bool resize(struct index *index, size_t slot_count)
{
    struct posting **old = index->slots;
    size_t old_count = index->slot_count;
    struct posting **slots = calloc(slot_count, sizeof(*slots));
    if (!slots)
        return false;
    index->slots = slots;
    index->slot_count = slot_count;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i])
            slot_fill(index, old[i]);
    }
    free(old);
    return true;
}

static struct posting *posting_use(struct index *index, const struct term *term)
{
    if (index->used * 2 >= index->slot_count &&
        !resize(index, index->slot_count ? index->slot_count * 2 : FIRST_SLOTS))
        return NULL;
    struct posting **slot = slot_find(index, term);
    if (*slot)
        return *slot;
    struct posting *posting = malloc(sizeof(*posting) + term->len);
    if (!posting)
        return NULL;
    *posting = (struct posting){.hash = term->hash, .cap = 1, .field = term->field, .len = term->len};
    posting->members = &posting->only;
    memcpy(posting->form, term->form, term->len);
    *slot = posting;
    index->used++;
    index->counters->index_values = index->used;
    return posting;
}

/* Free the slot and move up what probing put behind it (Knuth, volume 3, 6.4, algorithm R). */
static void slot_free(struct index *index, const struct posting *posting)
{
    size_t mask = index->slot_count - 1, hole = (size_t)posting->hash & mask;
    while (index->slots[hole] != posting)
        hole = (hole + 1) & mask;
    for (size_t i = (hole + 1) & mask; index->slots[i]; i = (i + 1) & mask) {
        size_t home = (size_t)index->slots[i]->hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            index->slots[hole] = index->slots[i];
            hole = i;
        }
    }
    index->slots[hole] = NULL;
}

static void posting_free(struct index *index, struct posting *posting)
{
    slot_free(index, posting);
    index->used--;
    index->counters->index_values = index->used;
    if (posting->members != &posting->only)
        free(posting->members);
    free(posting);
    if (index->slot_count > FIRST_SLOTS && index->used * 8 < index->slot_count)
        resize(index, index->slot_count / 2); /* refused: it stays as large as it is */
}

static bool members_resize(struct posting *posting, uint32_t cap)
{
    struct member *members =
        realloc(posting->members == &posting->only ? NULL : posting->members, cap * sizeof(*members));
    if (!members)
        return false;
    if (posting->members == &posting->only)
        members[0] = posting->only;
    posting->members = members;
    posting->cap = cap;
    return true;
}

/* Half as much again: what is unused stays small where postings are many. */
static bool members_grow(struct posting *posting)
{
    return posting->count < posting->cap || members_resize(posting, posting->cap + posting->cap / 2 + 1);
}

static void members_shrink(struct posting *posting)
{
    if (posting->members != &posting->only && posting->cap > 8 && posting->count < posting->cap / 4)
        members_resize(posting, posting->cap / 2);
}

/* -- a connection's entries ---------------------------------------------------------------------------- */

static bool entries_grow(struct index_part *part)
{
    if (part->count < part->cap)
        return true;
    uint32_t cap = part->cap + part->cap / 2 + 2;
    struct index_entry *entries = realloc(part->entries, cap * sizeof(*entries));
    if (!entries)
        return false;
    part->entries = entries;
    part->cap = cap;
    return true;
}

/* Take the posting's member at @place out; the last one takes the place. */
static void member_remove(struct index *index, struct posting *posting, uint32_t place)
{
    struct member last = posting->members[--posting->count];
    if (place < posting->count) {
        posting->members[place] = last;
        last.conn->index.entries[last.entry].place = place;
    }
    if (!posting->count)
        posting_free(index, posting);
    else
        members_shrink(posting);
}

static void entry_remove(struct index *index, struct conn *conn, uint32_t at)
{
    struct index_part *part = &conn->index;
    struct index_entry entry = part->entries[at];
    uint32_t last = --part->count;
    member_remove(index, entry.posting, entry.place);
    if (at < last) {
        part->entries[at] = part->entries[last];
        part->entries[at].posting->members[part->entries[at].place].entry = at;
    }
    index->counters->index_entries--;
}

static void entries_clear(struct index *index, struct conn *conn)
{
    while (conn->index.count)
        entry_remove(index, conn, conn->index.count - 1);
    free(conn->index.entries);
    conn->index.entries = NULL;
    conn->index.cap = 0;
}

/* Whether an entry from @first on is for this posting: an array may have a value twice. */
static bool has_entry(const struct conn *conn, uint32_t first, const struct posting *posting)
{
    for (uint32_t i = first; i < conn->index.count; i++) {
        if (conn->index.entries[i].posting == posting)
            return true;
    }
    return false;
}

/* @first: the entries from there on are of the field that is being put in. */
static bool entry_add(struct index *index, struct conn *conn, uint32_t first, const struct term *term)
{
    struct index_part *part = &conn->index;
    if (part->count >= INDEX_VALUES || !entries_grow(part))
        return false;
    struct posting *posting = posting_use(index, term);
    if (!posting)
        return false;
    if (has_entry(conn, first, posting))
        return true;
    if (!members_grow(posting)) /* it has members then, and stays */
        return false;
    part->entries[part->count] = (struct index_entry){posting, posting->count};
    posting->members[posting->count++] = (struct member){conn, part->count++};
    index->counters->index_entries++;
    return true;
}

/* -- sessions ------------------------------------------------------------------------------------------ */

static bool put_value(struct index *index, struct conn *conn, uint16_t field, uint32_t first,
                      const struct mp_token *value)
{
    struct term term;
    return !term_init(index, &term, field, value) || entry_add(index, conn, first, &term);
}

/* Put the value at @r, or each scalar of an array there, into the index. False when it cannot be. */
static bool put_field(struct index *index, struct conn *conn, const struct mp_token *name, struct mp_reader r)
{
    struct mp_token value;
    uint32_t first = conn->index.count;
    if (!mp_next(&r, &value) || value.type == MP_MAP || value.type == MP_NIL)
        return true;
    const struct index_field *field = field_use(index, name->bytes, name->len);
    if (!field)
        return true;
    if (value.type != MP_ARRAY)
        return put_value(index, conn, field->id, first, &value);
    for (uint32_t left = value.count; left > 0; left--) {
        struct mp_reader element = r;
        if (!mp_next(&element, &value) || !put_value(index, conn, field->id, first, &value))
            return false;
        if (!mp_skip(&r))
            return false;
    }
    return true;
}

static void take_field(struct index *index, struct conn *conn, const struct mp_token *name)
{
    const struct index_field *field = field_find(index, name->bytes, name->len);
    if (!field)
        return;
    for (uint32_t i = conn->index.count; i-- > 0;) {
        if (conn->index.entries[i].posting->field == field->id)
            entry_remove(index, conn, i);
    }
}

/* A map's pairs, one after the other. */
struct pairs {
    struct mp_reader r;
    uint32_t left;
    struct mp_token name;
    const uint8_t *value;
    size_t len;
};

static struct pairs pairs_of(const struct blob *session)
{
    struct pairs pairs = {.r = mp_reader(session->data, session->len)};
    struct mp_token map;
    if (mp_next(&pairs.r, &map) && map.type == MP_MAP)
        pairs.left = map.count;
    return pairs;
}

static bool pairs_next(struct pairs *pairs)
{
    if (!pairs->left)
        return false;
    pairs->left--;
    return mp_next(&pairs->r, &pairs->name) && mp_raw(&pairs->r, &pairs->value, &pairs->len);
}

static bool same_name(const struct mp_token *a, const struct mp_token *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* Take out the rest of @before, put in the rest of @next. */
static bool change_rest(struct index *index, struct conn *conn, struct pairs *before, struct pairs *next,
                        bool has_before, bool has_next)
{
    for (; has_before; has_before = pairs_next(before))
        take_field(index, conn, &before->name);
    for (; has_next; has_next = pairs_next(next)) {
        if (!put_field(index, conn, &next->name, mp_reader(next->value, next->len)))
            return false;
    }
    return true;
}

/* An update leaves most fields as they are and where they are: walk side by side, and change only what
 * differs. From the first name on that differs, everything is taken out and put in anew. */
static bool change(struct index *index, struct conn *conn, const struct blob *old, const struct blob *fresh)
{
    struct pairs before = pairs_of(old), next = pairs_of(fresh);
    for (;;) {
        bool has_before = pairs_next(&before), has_next = pairs_next(&next);
        if (!has_before || !has_next || !same_name(&before.name, &next.name))
            return change_rest(index, conn, &before, &next, has_before, has_next);
        if (before.len == next.len && memcmp(before.value, next.value, next.len) == 0)
            continue;
        take_field(index, conn, &before.name);
        if (!put_field(index, conn, &next.name, mp_reader(next.value, next.len)))
            return false;
    }
}

static void loose_add(struct index *index, struct conn *conn)
{
    entries_clear(index, conn);
    conn->index.is_loose = true;
    DL_APPEND2(index->loose, conn, index.prev, index.next);
    index->counters->sessions_loose++;
}

static void loose_remove(struct index *index, struct conn *conn)
{
    conn->index.is_loose = false;
    DL_DELETE2(index->loose, conn, index.prev, index.next);
    index->counters->sessions_loose--;
}

void index_change(struct index *index, struct conn *conn, const struct blob *before, const struct blob *next)
{
    struct pairs none = {.left = 0}, all;
    bool is_whole;
    if (!next) {
        if (conn->index.is_loose)
            loose_remove(index, conn);
        entries_clear(index, conn);
        return;
    }
    if (conn->index.is_loose) { /* nothing of it is in a posting */
        loose_remove(index, conn);
        all = pairs_of(next);
        is_whole = change_rest(index, conn, &none, &all, false, pairs_next(&all));
    } else {
        is_whole = change(index, conn, before, next);
    }
    if (!is_whole)
        loose_add(index, conn);
}

const struct posting *index_find(const struct index *index, const char *name, size_t len,
                                 const struct mp_token *value)
{
    const struct index_field *field = field_find(index, name, len);
    struct term term;
    if (!field || !index->slot_count || !term_init(index, &term, field->id, value))
        return NULL;
    return *slot_find(index, &term);
}
