#include "core/value_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/hash.h"
#include "core/scalar.h"
#include "wire/mp.h"

void value_set_init(struct value_set *set, const uint64_t key[2])
{
    *set = (struct value_set){.key = key};
}

void value_set_deinit(struct value_set *set)
{
    free(set->slots);
    buf_deinit(&set->bytes);
}

/* Append the value in the form that equal values share. Maps, arrays and long strings count as the bytes they
 * are. */
static void put_form(struct buf *out, const void *mp, size_t len)
{
    struct mp_reader r = mp_reader(mp, len);
    struct mp_token token;
    uint8_t form[SCALAR_MAX];
    size_t form_len = mp_next(&r, &token) ? scalar_form(&token, form) : 0;
    if (form_len)
        buf_put(out, form, form_len);
    else
        buf_put(out, mp, len);
}

static struct value_slot *find_slot(const struct value_set *set, const struct value_slot *wanted)
{
    size_t mask = set->cap - 1;
    for (size_t i = (size_t)wanted->hash & mask;; i = (i + 1) & mask) {
        struct value_slot *slot = &set->slots[i];
        if (!slot->len || (slot->hash == wanted->hash && slot->len == wanted->len &&
                           memcmp(set->bytes.data + slot->at, set->bytes.data + wanted->at, slot->len) == 0))
            return slot;
    }
}

static int grow(struct value_set *set)
{
    struct value_set old = *set;
    if (set->count * 2 < set->cap)
        return 0;
    set->cap = old.cap ? old.cap * 2 : 64;
    set->slots = calloc(set->cap, sizeof(set->slots[0]));
    if (!set->slots) {
        *set = old;
        return -ENOMEM;
    }
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].len)
            *find_slot(set, &old.slots[i]) = old.slots[i];
    }
    free(old.slots);
    return 0;
}

int value_set_add(struct value_set *set, const void *mp, size_t len)
{
    struct value_slot fresh = {.at = set->bytes.len};
    if (grow(set) < 0)
        return -ENOMEM;
    put_form(&set->bytes, mp, len);
    if (set->bytes.failed)
        return -ENOMEM;
    fresh.len = set->bytes.len - fresh.at;
    fresh.hash = hash_bytes(set->key, set->bytes.data + fresh.at, fresh.len);
    struct value_slot *slot = find_slot(set, &fresh);
    if (slot->len) {
        set->bytes.len = fresh.at; /* it was there */
        return 0;
    }
    *slot = fresh;
    set->count++;
    return 0;
}
