#include "doc.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "wire/json.h"
#include "wire/utf8.h"

#define SHOWN_MAX 120 /* bytes of the format in a message */

static bool doc_value(struct doc *doc);

bool doc_wrong(struct doc *doc, const char *format, ...)
{
    char what[128];
    va_list args;

    if (doc->out->failed || doc->holes->failed ||
        doc->piece->failed) { /* and what is missing now was there */
        error_nomem(&doc->event->fault);
        return false;
    }
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    error_set(&doc->event->fault, SLUICE_E_DOC, "document \"%.*s\", column %zu: %s",
              (int)utf8_cut(doc->format, strlen(doc->format), SHOWN_MAX), doc->format,
              (size_t)(doc->at - doc->format) + 1, what);
    return false;
}

static void skip_space(struct doc *doc)
{
    doc->at += strspn(doc->at, " \t\r\n");
}

/* ---- Strings ---- */

static bool hex4(const char *text, unsigned *out)
{
    unsigned value = 0;

    for (int i = 0; i < 4; i++) {
        char c = text[i];
        if (c >= '0' && c <= '9')
            value = value * 16 + (unsigned)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            value = value * 16 + (unsigned)((c | 32) - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

/* \uXXXX, at its 'u'. */
static bool doc_unicode(struct doc *doc)
{
    unsigned code_point, low;
    char bytes[4];

    if (!hex4(doc->at + 1, &code_point))
        return doc_wrong(doc, "\\u needs four hexadecimal digits");
    doc->at += 5;
    if (code_point >= 0xd800 && code_point < 0xdc00 && doc->at[0] == '\\' && doc->at[1] == 'u' &&
        hex4(doc->at + 2, &low) && low >= 0xdc00 && low < 0xe000) {
        code_point = 0x10000 + ((code_point - 0xd800) << 10) + (low - 0xdc00);
        doc->at += 6;
    }
    buf_put(doc->piece, bytes, utf8_encode(code_point, bytes));
    return true;
}

/* A backslash and what it stands for. */
static bool doc_escape(struct doc *doc)
{
    static const char names[] = "\"'\\/bfnrt", meanings[] = "\"'\\/\b\f\n\r\t";
    const char *name;

    doc->at++;
    if (*doc->at == 'u')
        return doc_unicode(doc);
    name = *doc->at ? strchr(names, *doc->at) : NULL;
    if (!name)
        return doc_wrong(doc, "no such escape");
    buf_put_byte(doc->piece, (uint8_t)meanings[name - names]);
    doc->at++;
    return true;
}

/* A quoted string, decoded into doc->piece. */
static bool doc_quoted(struct doc *doc)
{
    char quote = *doc->at++;

    buf_reset(doc->piece);
    while (*doc->at != quote) {
        if (*doc->at == '\0')
            return doc_wrong(doc, "the string has no end");
        if ((unsigned char)*doc->at < 0x20)
            return doc_wrong(doc, "control character in a string");
        if (*doc->at == '\\') {
            if (!doc_escape(doc))
                return false;
            continue;
        }
        if (*doc->at == '%' && *++doc->at != '%') {
            doc->at--;
            return doc_wrong(doc, "a conversion stands for a whole value, not for a part of a string");
        }
        buf_put_byte(doc->piece, (uint8_t)*doc->at++);
    }
    doc->at++;
    return true;
}

/* ---- Keys ---- */

static bool is_bare(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("_$@.-", c));
}

/* A key with its colon, written to doc->out. */
static bool doc_key(struct doc *doc)
{
    skip_space(doc);
    if (*doc->at == '"' || *doc->at == '\'') {
        if (!doc_quoted(doc))
            return false;
    } else {
        buf_reset(doc->piece);
        while (is_bare(*doc->at))
            buf_put_byte(doc->piece, (uint8_t)*doc->at++);
        if (*doc->at == '%')
            return doc_wrong(doc, "a key cannot be converted");
        if (doc->piece->len == 0)
            return doc_wrong(doc, "a key is missing");
    }
    doc->is_exists = doc->piece->len == 7 && memcmp(doc->piece->data, "$exists", 7) == 0;
    mp_put_str(doc->out, (const char *)doc->piece->data, doc->piece->len);
    skip_space(doc);
    if (*doc->at != ':')
        return doc_wrong(doc, "a colon is missing after the key");
    doc->at++;
    return true;
}

/* ---- Maps and lists ---- */

/* A closed header is shorter than the room left for it: what is behind has moved. */
static void doc_close(struct doc *doc, size_t mark, uint32_t count, bool is_map, size_t first_hole)
{
    struct hole *holes = (struct hole *)(void *)doc->holes->data;
    size_t before = doc->out->len, moved;

    if (is_map)
        mp_close_map(doc->out, mark, count);
    else
        mp_close_array(doc->out, mark, count);
    moved = before - doc->out->len;
    for (size_t i = first_hole; i < doc->holes->len / sizeof(*holes); i++)
        holes[i].offset -= moved;
}

static bool doc_container(struct doc *doc, bool is_map)
{
    char end = is_map ? '}' : ']';
    size_t first_hole = doc->holes->len / sizeof(struct hole);
    size_t mark = mp_open(doc->out);
    uint32_t count = 0;

    if (++doc->depth > MP_DEPTH)
        return doc_wrong(doc, "deeper than %d", MP_DEPTH);
    doc->at++;
    skip_space(doc);
    while (*doc->at != end || count > 0) {
        doc->is_exists = false;
        if (is_map && !doc_key(doc))
            return false;
        if (!doc_value(doc))
            return false;
        count++;
        skip_space(doc);
        if (*doc->at == end)
            break;
        if (*doc->at != ',')
            return doc_wrong(doc, *doc->at ? "a comma or %c is missing" : "%c is missing", end);
        doc->at++;
    }
    doc->at++;
    doc->depth--;
    doc_close(doc, mark, count, is_map, first_hole);
    return true;
}

/* ---- Values ---- */

static bool doc_word(struct doc *doc)
{
    size_t len = 0;

    while (is_bare(doc->at[len]))
        len++;
    if (len == 4 && memcmp(doc->at, "true", 4) == 0)
        mp_put_bool(doc->out, true);
    else if (len == 5 && memcmp(doc->at, "false", 5) == 0)
        mp_put_bool(doc->out, false);
    else if (len == 4 && memcmp(doc->at, "null", 4) == 0)
        mp_put_nil(doc->out);
    else
        return doc_wrong(doc, len ? "a string needs quotes" : "a value is missing");
    doc->at += len;
    return true;
}

static bool doc_number(struct doc *doc)
{
    size_t len = strspn(doc->at, "-+.0123456789eE"), offset;
    const char *wrong = json_to_mp(doc->at, len, doc->out, &offset);

    if (wrong && !doc->out->failed)
        return doc_wrong(doc, "%s", wrong);
    doc->at += len;
    return true;
}

static bool doc_value(struct doc *doc)
{
    skip_space(doc);
    switch (*doc->at) {
    case '{':
        return doc_container(doc, true);
    case '[':
        return doc_container(doc, false);
    case '%':
        return doc_convert(doc);
    case '"':
    case '\'':
        if (!doc_quoted(doc))
            return false;
        mp_put_str(doc->out, (const char *)doc->piece->data, doc->piece->len);
        return true;
    default:
        return *doc->at == '-' || (*doc->at >= '0' && *doc->at <= '9') ? doc_number(doc) : doc_word(doc);
    }
}

/* ---- The whole ---- */

/* What %p brings counts, too. */
static bool doc_depth_fits(const struct doc *doc)
{
    const struct mp_rules any = {
        .flags = MP_ALLOW_BIN | MP_ALLOW_EXT | MP_ALLOW_NONFINITE | MP_ALLOW_ANY_KEYS,
        .code = CODE_BAD_VALUE,
    };
    struct fault fault;

    return !doc->has_nested || doc->out->failed ||
           mp_check(doc->out->data, doc->out->len, &any, NULL, &fault) == 0;
}

static bool doc_parse(struct doc *doc)
{
    if (!utf8_valid(doc->format, strlen(doc->format)))
        return doc_wrong(doc, "the format is not UTF-8");
    if (!doc_value(doc))
        return false;
    skip_space(doc);
    if (*doc->at)
        return doc_wrong(doc, "something stands behind the value");
    return doc_depth_fits(doc) || doc_wrong(doc, "with what %%p brings, deeper than %d", MP_DEPTH);
}

static const struct sluice_value *doc_finish(struct doc *doc)
{
    struct sluice_event *event = doc->event;
    struct sluice_value *value;
    void *holes = NULL;

    if (doc->out->failed || doc->holes->failed || doc->piece->failed) {
        error_nomem(&event->fault);
        return NULL;
    }
    value = value_copy(event, doc->out->data, doc->out->len, false);
    if (!value || doc->holes->len == 0)
        return value;
    holes = arena_alloc(&event->arena, doc->holes->len);
    if (!holes) {
        error_nomem(&event->fault);
        return NULL;
    }
    memcpy(holes, doc->holes->data, doc->holes->len);
    value->holes = holes;
    value->hole_count = doc->holes->len / sizeof(struct hole);
    value->is_foreign = value->holes[0].is_foreign && value->holes[0].len == value->len; /* "%p" alone */
    return value;
}

const struct sluice_value *doc_make(struct sluice_event *event, const char *format, struct doc_args *args)
{
    struct sluice_client *client = event->client;
    struct doc doc = {.event = event,
                      .format = format,
                      .at = format,
                      .args = args,
                      .out = &client->text,
                      .holes = &client->holes,
                      .piece = &client->piece};

    buf_reset(doc.out);
    buf_reset(doc.holes);
    buf_reset(doc.piece);
    return doc_parse(&doc) ? doc_finish(&doc) : NULL;
}

const sluice_value *sluice_doc(sluice_event *event, const char *format, ...)
{
    const struct sluice_value *value;
    struct doc_args args;

    if (event_check(event) < 0)
        return NULL;
    if (!format) {
        error_set(&event->fault, SLUICE_E_ARGUMENT, "sluice_doc: there is no format");
        return NULL;
    }
    va_start(args.list, format);
    value = doc_make(event, format, &args);
    va_end(args.list);
    return value;
}

/* ---- As a filter ---- */

void doc_put_filter(const struct sluice_value *value, struct buf *out, struct buf *args, uint32_t *count)
{
    size_t at = 0;
    char name[12];

    for (size_t i = 0; i < value->hole_count; i++) {
        const struct hole *hole = &value->holes[i];
        if (hole->is_fixed)
            continue;
        snprintf(name, sizeof(name), "%u", (unsigned)*count);
        buf_put(out, value->bytes + at, hole->offset - at);
        mp_put_map(out, 1);
        mp_put_text(out, "$arg");
        mp_put_text(out, name);
        mp_put_text(args, name);
        buf_put(args, value->bytes + hole->offset, hole->len);
        at = hole->offset + hole->len;
        (*count)++;
    }
    buf_put(out, value->bytes + at, value->len - at);
}
