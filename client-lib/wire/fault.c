#include "wire/fault.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

/* Steps of a place that are shown: values nest 64 deep, requests add a few. */
#define STEPS_MAX 96

/* Text that grows in a fixed array; `full` once something did not fit. */
struct text {
    char *out;
    size_t size;
    size_t len;
    bool full;
};

static void text_put(struct text *t, const char *bytes, size_t n)
{
    if (t->full || t->size - t->len <= n) { /* one byte stays for the zero */
        t->full = true;
        return;
    }
    memcpy(t->out + t->len, bytes, n);
    t->len += n;
}

/* C0 and C1 controls, and what turns the reading direction or breaks a line: a log reader should not obey
 * them. */
static bool is_printable(const uint8_t *c, size_t len)
{
    if (len == 1)
        return c[0] >= 0x20 && c[0] != 0x7f;
    if (len == 2)
        return c[0] != 0xc2 || c[1] >= 0xa0;
    if (len == 3 && c[0] == 0xe2 && c[1] == 0x80) /* U+2028..202E */
        return c[2] < 0xa8 || c[2] > 0xae;
    if (len == 3 && c[0] == 0xe2 && c[1] == 0x81) /* U+2066..2069 */
        return c[2] < 0xa6 || c[2] > 0xa9;
    return true;
}

static struct text text_in(char *out, size_t size)
{
    return (struct text){.out = out, .size = size, .full = size == 0};
}

/* Append somebody else's bytes, '?' for each that cannot be shown. */
static void text_put_foreign(struct text *t, const char *bytes, size_t len)
{
    const uint8_t *p = (const uint8_t *)bytes;
    for (size_t at = 0; at < len && !t->full;) {
        size_t n = utf8_char(p + at, len - at);
        if (n > 0 && is_printable(p + at, n))
            text_put(t, bytes + at, n);
        else
            text_put(t, "?", 1);
        at += n > 0 ? n : 1;
    }
}

/* End the text; what was cut ends with dots. */
static void text_end(struct text *t)
{
    static const char dots[] = "...";
    if (t->full && t->size > sizeof(dots)) {
        size_t room = t->size - sizeof(dots);
        if (t->len > room)
            t->len = utf8_cut(t->out, t->len, room);
        memcpy(t->out + t->len, dots, sizeof(dots) - 1);
        t->len += sizeof(dots) - 1;
    }
    if (t->size > 0)
        t->out[t->len] = '\0';
}

static void put_step(struct text *t, const struct place *step)
{
    if (!step->key) {
        char index[32];
        int n = snprintf(index, sizeof(index), "[%zu]", step->index);
        text_put(t, index, (size_t)n);
    } else if (step->key_len == 0) {
        text_put(t, "[\"\"]", 4);
    } else {
        if (t->len > 0)
            text_put(t, ".", 1);
        text_put_foreign(t, step->key, step->key_len);
    }
}

void place_format(const struct place *at, char *out, size_t size)
{
    const struct place *steps[STEPS_MAX];
    size_t n = 0;
    struct text t = text_in(out, size);
    for (; at && n < STEPS_MAX; at = at->up)
        steps[n++] = at;
    if (at)
        text_put(&t, "...", 3);
    while (n > 0)
        put_step(&t, steps[--n]);
    text_end(&t);
}

int fault_set(struct fault *f, enum code code, const struct place *at, const char *format, ...)
{
    /* At most three bytes become one '?', so this is enough to fill the message. */
    char raw[3 * sizeof(f->message) + 4];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(raw, sizeof(raw), format, args);
    va_end(args);
    struct text t = text_in(f->message, sizeof(f->message));
    f->code = code;
    if (len > 0)
        text_put_foreign(&t, raw, (size_t)len < sizeof(raw) ? (size_t)len : sizeof(raw) - 1);
    text_end(&t);
    place_format(at, f->at, sizeof(f->at));
    return -1;
}

struct place place_key(const struct place *up, const char *key, size_t len)
{
    return (struct place){.up = up, .key = key ? key : "", .key_len = len};
}

struct place place_index(const struct place *up, size_t index)
{
    return (struct place){.up = up, .index = index};
}
