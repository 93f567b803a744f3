/* The conversions of sluice_doc(): what printf's format attribute checks, as typed values. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "client.h"
#include "doc.h"
#include "wire/utf8.h"

enum length { LENGTH_INT, LENGTH_LONG, LENGTH_LLONG, LENGTH_SIZE, LENGTH_MAX, LENGTH_PTRDIFF };

struct conversion {
    enum length length;
    bool has_length;
    long precision; /* -1: none */
    bool is_exact;  /* the precision came as an argument: it is the length of a string */
};

static bool take_precision(struct doc *doc, struct conversion *c)
{
    c->precision = -1;
    if (*doc->at != '.')
        return true;
    doc->at++;
    if (*doc->at == '*') {
        c->precision = va_arg(doc->args->list, int);
        c->is_exact = c->precision >= 0;
        doc->at++;
        return true;
    }
    for (c->precision = 0; *doc->at >= '0' && *doc->at <= '9'; doc->at++) {
        c->precision = c->precision * 10 + (*doc->at - '0');
        if (c->precision > INT32_MAX)
            return doc_wrong(doc, "this precision is too large");
    }
    return true;
}

static void take_length(struct doc *doc, struct conversion *c)
{
    static const struct {
        const char *text;
        enum length length;
    } lengths[] = {
        {"hh", LENGTH_INT}, {"h", LENGTH_INT}, {"ll", LENGTH_LLONG},  {"l", LENGTH_LONG},
        {"z", LENGTH_SIZE}, {"j", LENGTH_MAX}, {"t", LENGTH_PTRDIFF},
    };

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t len = strlen(lengths[i].text);
        if (strncmp(doc->at, lengths[i].text, len) == 0) {
            c->length = lengths[i].length;
            c->has_length = true;
            doc->at += len;
            return;
        }
    }
}

static void put_signed(struct doc *doc, enum length length)
{
    int64_t value = 0;

    switch (length) {
    case LENGTH_INT: /* narrower ones arrive as int, and with their own value */
        value = va_arg(doc->args->list, int);
        break;
    case LENGTH_LONG:
        value = va_arg(doc->args->list, long);
        break;
    case LENGTH_LLONG:
        value = va_arg(doc->args->list, long long);
        break;
    case LENGTH_SIZE:
    case LENGTH_PTRDIFF:
        value = va_arg(doc->args->list, ptrdiff_t);
        break;
    case LENGTH_MAX:
        value = va_arg(doc->args->list, intmax_t);
        break;
    }
    mp_put_int(doc->out, value);
}

static void put_unsigned(struct doc *doc, enum length length)
{
    uint64_t value = 0;

    switch (length) {
    case LENGTH_INT:
        value = va_arg(doc->args->list, unsigned);
        break;
    case LENGTH_LONG:
        value = va_arg(doc->args->list, unsigned long);
        break;
    case LENGTH_LLONG:
        value = va_arg(doc->args->list, unsigned long long);
        break;
    case LENGTH_SIZE:
    case LENGTH_PTRDIFF:
        value = va_arg(doc->args->list, size_t);
        break;
    case LENGTH_MAX:
        value = va_arg(doc->args->list, uintmax_t);
        break;
    }
    mp_put_uint(doc->out, value);
}

static bool put_double(struct doc *doc)
{
    double value = va_arg(doc->args->list, double);

    if (!isfinite(value))
        return doc_wrong(doc, "the number is not finite");
    mp_put_double(doc->out, value);
    return true;
}

static bool put_string(struct doc *doc, const struct conversion *c)
{
    const char *text = va_arg(doc->args->list, const char *);
    size_t len;

    if (!text)
        return doc_wrong(doc, "the string for %%s is NULL");
    len = c->is_exact        ? (size_t)c->precision
          : c->precision < 0 ? strlen(text)
                             : strnlen(text, (size_t)c->precision);
    if (c->precision >= 0 && !c->is_exact && len == (size_t)c->precision) {
        size_t whole = utf8_prefix(text, len); /* the last character may have been cut */
        if (len - whole < 4)
            len = whole;
    }
    if (!utf8_valid(text, len))
        return doc_wrong(doc, "the string for %%s is not UTF-8");
    mp_put_str(doc->out, text, len);
    return true;
}

static bool put_char(struct doc *doc)
{
    int value = va_arg(doc->args->list, int);
    char c = (char)value;

    if (value < 0 || value > 127)
        return doc_wrong(doc, "the character for %%c is not ASCII");
    mp_put_str(doc->out, &c, 1);
    return true;
}

void doc_add_hole(struct doc *doc, size_t offset, bool is_foreign)
{
    struct hole hole = {.offset = offset,
                        .len = doc->out->len - offset,
                        .is_foreign = is_foreign,
                        .is_fixed = doc->is_exists};

    buf_put(doc->holes, &hole, sizeof(hole));
}

/* A value of the program's own keeps the conversions that it was made with; one from outside is a hole as a
 * whole. */
static bool put_value(struct doc *doc)
{
    const struct sluice_value *value = va_arg(doc->args->list, const void *);
    size_t offset = doc->out->len;

    if (!value)
        return doc_wrong(doc, "the value for %%p is NULL");
    if (!event_owns_value(doc->event->client, value))
        return doc_wrong(doc, "%%p is no value of an event that is being handled");
    doc->has_nested = true;
    buf_put(doc->out, value->bytes, value->len);
    if (value->is_foreign)
        doc_add_hole(doc, offset, true);
    for (size_t i = 0; i < value->hole_count; i++) {
        struct hole hole = value->holes[i];
        hole.offset += offset;
        hole.is_fixed |= doc->is_exists;
        buf_put(doc->holes, &hole, sizeof(hole));
    }
    return true;
}

bool doc_convert(struct doc *doc)
{
    struct conversion c = {.length = LENGTH_INT};
    const char *start = doc->at++;
    size_t offset = doc->out->len;
    bool ok = true;
    char kind;

    if (!take_precision(doc, &c))
        return false;
    take_length(doc, &c);
    kind = *doc->at;
    if (c.precision >= 0 && kind != 's') {
        doc->at = start;
        return doc_wrong(doc, "only %%s has a precision");
    }
    if (kind && strchr("scp", kind) && c.has_length)
        kind = '\0';
    switch (kind) {
    case 'd':
    case 'i':
        put_signed(doc, c.length);
        break;
    case 'u':
        put_unsigned(doc, c.length);
        break;
    case 'f':
    case 'g':
    case 'e':
        ok = put_double(doc);
        break;
    case 's':
        ok = put_string(doc, &c);
        break;
    case 'c':
        ok = put_char(doc);
        break;
    case 'p':
        ok = put_value(doc);
        break;
    default:
        doc->at = start;
        return doc_wrong(
            doc, "there is no such conversion (of %%s %%c %%d %%i %%u %%f %%g %%e %%p, without width)");
    }
    if (ok && kind != 'p')
        doc_add_hole(doc, offset, false);
    doc->at++;
    return ok;
}
