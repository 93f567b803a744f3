#include "core/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/doc.h"
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
    struct posted *members =
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

/* A session that once had many values does not keep room for them. Refused: it does. */
static void entries_shrink(struct index_part *part)
{
    uint32_t cap = part->count + part->count / 2 + 2;
    if (part->cap <= 8 || part->count >= part->cap / 4)
        return;
    struct index_entry *entries = realloc(part->entries, cap * sizeof(*entries));
    if (!entries)
        return;
    part->entries = entries;
    part->cap = cap;
}

/* Take the posting's member at @place out; the last one takes the place. */
static void member_remove(struct index *index, struct posting *posting, uint32_t place)
{
    struct posted last = posting->members[--posting->count];
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

/* Whether the connection, whose values are being put in, is in the posting. One that was put there just now
 * is the posting's last member; else it would be among the first @kept entries, which stayed. */
static bool is_member(const struct conn *conn, const struct posting *posting, uint32_t kept)
{
    if (posting->count && posting->members[posting->count - 1].conn == conn)
        return true;
    for (uint32_t i = 0; i < kept; i++) {
        if (conn->index.entries[i].posting == posting)
            return true;
    }
    return false;
}

/* @kept: how many entries there were when putting in began, if the field could be among them; else 0. */
static bool entry_add(struct index *index, struct conn *conn, const struct term *term, uint32_t kept)
{
    struct index_part *part = &conn->index;
    if (part->count >= INDEX_VALUES || !entries_grow(part))
        return false;
    struct posting *posting = posting_use(index, term);
    if (!posting)
        return false;
    if (is_member(conn, posting, kept)) /* an array may have a value twice */
        return true;
    if (!members_grow(posting)) /* it has members then, and stays */
        return false;
    part->entries[part->count] = (struct index_entry){posting, posting->count, posting->field};
    posting->members[posting->count++] = (struct posted){conn, part->count++};
    index->counters->index_entries++;
    return true;
}

/* -- a connection's fields ----------------------------------------------------------------------------- */

/* Put @count values at @r into the field. False when one cannot be. */
static bool put_values(struct index *index, struct conn *conn, uint16_t field, struct mp_reader r,
                       uint32_t count, uint32_t kept)
{
    for (; count > 0; count--) {
        struct mp_reader inside = r;
        struct mp_token value;
        struct term term;
        if (!mp_next(&inside, &value) || !doc_skip(&r))
            return false;
        if (term_init(index, &term, field, &value) && !entry_add(index, conn, &term, kept))
            return false;
    }
    return true;
}

/* Put the value at @r, or each scalar of an array there, into the index. False when it cannot be. */
static bool put_field(struct index *index, struct conn *conn, const struct mp_token *name, struct mp_reader r)
{
    struct mp_token value;
    struct mp_reader inside = r;
    if (!mp_next(&inside, &value) || value.type == MP_MAP || value.type == MP_NIL)
        return true;
    const struct index_field *field = field_use(index, name->bytes, name->len);
    if (!field)
        return true;
    return value.type == MP_ARRAY ? put_values(index, conn, field->id, inside, value.count, 0)
                                  : put_values(index, conn, field->id, r, 1, 0);
}

static void take_field(struct index *index, struct conn *conn, const struct mp_token *name)
{
    const struct index_field *field = field_find(index, name->bytes, name->len);
    if (!field)
        return;
    for (uint32_t i = conn->index.count; i-- > 0;) {
        if (conn->index.entries[i].field == field->id)
            entry_remove(index, conn, i);
    }
}

/* -- sessions as lists of pairs ------------------------------------------------------------------------- */

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

/* -- arrays that change a little ------------------------------------------------------------------------ */

/* Where the elements of an array begin, and where the last one ends. */
struct elements {
    uint32_t count;
    const uint8_t *at[INDEX_VALUES + 1];
};

/* False when the value is no array, or a longer one. */
static bool elements_of(struct elements *elements, const uint8_t *value, size_t len)
{
    struct mp_reader r = mp_reader(value, len);
    struct mp_token array;
    if (!mp_next(&r, &array) || array.type != MP_ARRAY || array.count > INDEX_VALUES)
        return false;
    elements->count = array.count;
    elements->at[0] = r.at;
    for (uint32_t i = 0; i < array.count; i++) {
        if (!doc_skip(&r))
            return false;
        elements->at[i + 1] = r.at;
    }
    return true;
}

static bool same_element(const struct elements *a, uint32_t i, const struct elements *b, uint32_t j)
{
    size_t len = (size_t)(a->at[i + 1] - a->at[i]);
    return len == (size_t)(b->at[j + 1] - b->at[j]) && memcmp(a->at[i], b->at[j], len) == 0;
}

/* Whether each of the elements has an entry of its own: then none of them stands for another one, too. */
static bool is_each_entered(const struct conn *conn, uint16_t field, uint32_t count)
{
    for (uint32_t i = 0; i < conn->index.count; i++)
        count -= conn->index.entries[i].field == field;
    return count == 0;
}

/* Take the value of one element out. */
static void take_element(struct index *index, struct conn *conn, uint16_t field, const uint8_t *at,
                         const uint8_t *end)
{
    struct mp_reader r = mp_reader(at, (size_t)(end - at));
    struct mp_token value;
    struct term term;
    if (!mp_next(&r, &value) || !term_init(index, &term, field, &value))
        return;
    const struct posting *posting = *slot_find(index, &term);
    for (uint32_t i = 0; posting && i < conn->index.count; i++) {
        if (conn->index.entries[i].posting == posting) {
            entry_remove(index, conn, i);
            return;
        }
    }
}

/* Of two arrays change only what is between the elements that both begin and end with: joining one room of
 * many costs one entry. *@done is false when the arrays are not of that kind; nothing has changed then. */
static bool change_middle(struct index *index, struct conn *conn, const struct pairs *before,
                          const struct pairs *next, bool *done)
{
    const struct index_field *field = NULL;
    struct elements old, fresh;
    uint32_t begin = 0, end = 0;
    if (elements_of(&old, before->value, before->len) && elements_of(&fresh, next->value, next->len))
        field = field_find(index, next->name.bytes, next->name.len);
    *done = field && is_each_entered(conn, field->id, old.count);
    if (!*done)
        return true;
    uint32_t shorter = old.count < fresh.count ? old.count : fresh.count;
    while (begin < shorter && same_element(&old, begin, &fresh, begin))
        begin++;
    while (end < shorter - begin && same_element(&old, old.count - 1 - end, &fresh, fresh.count - 1 - end))
        end++;
    for (uint32_t i = begin; i < old.count - end; i++)
        take_element(index, conn, field->id, old.at[i], old.at[i + 1]);
    return put_values(index, conn, field->id,
                      mp_reader(fresh.at[begin], (size_t)(fresh.at[fresh.count] - fresh.at[begin])),
                      fresh.count - end - begin, conn->index.count);
}

/* -- sessions ------------------------------------------------------------------------------------------ */

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

static bool change_field(struct index *index, struct conn *conn, const struct pairs *before,
                         const struct pairs *next)
{
    bool done, is_whole = change_middle(index, conn, before, next, &done);
    if (done)
        return is_whole;
    take_field(index, conn, &before->name);
    return put_field(index, conn, &next->name, mp_reader(next->value, next->len));
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
        if (!change_field(index, conn, &before, &next))
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
    entries_shrink(&conn->index);
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
