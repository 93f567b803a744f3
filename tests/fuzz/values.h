#ifndef SLUICE_FUZZ_VALUES_H
#define SLUICE_FUZZ_VALUES_H

/* values: an input as values one after the other: JSON texts with white space between them, or MessagePack
 * behind the byte 'm', which can also say bin, ext and wrong keys. */

#include "wire/json.h"
#include "wire/mp.h"

struct values {
    struct buf bytes[3];
    unsigned count;
};

static inline void values_deinit(struct values *v)
{
    for (unsigned i = 0; i < 3; i++) {
        buf_deinit(&v->bytes[i]);
    }
}

static inline void values_read_json(struct values *v, const char *text, size_t len)
{
    struct json_reader r = json_reader(text, len);
    while (v->count < 3 && json_value(&r, &v->bytes[v->count])) {
        v->count++;
    }
}

static inline void values_read_mp(struct values *v, const uint8_t *bytes, size_t len)
{
    static const struct mp_rules anything = {
        MP_ALLOW_BIN | MP_ALLOW_EXT | MP_ALLOW_NONFINITE | MP_ALLOW_ANY_KEYS, 0, CODE_BAD_REQUEST};
    struct mp_reader r = mp_reader(bytes, len);
    const uint8_t *value;
    size_t value_len;
    struct fault fault;
    while (v->count < 3 && mp_raw(&r, &value, &value_len) &&
           mp_check(value, value_len, &anything, NULL, &fault) == 0) {
        buf_put(&v->bytes[v->count++], value, value_len);
    }
}

/* What the input holds; v->count values of it. Give it to values_deinit(). */
static inline void values_read(struct values *v, const uint8_t *data, size_t len)
{
    *v = (struct values){.count = 0};
    if (len > 0 && data[0] == 'm') {
        values_read_mp(v, data + 1, len - 1);
    } else {
        values_read_json(v, (const char *)data, len);
    }
}

#endif
