#include "admin/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/utf8.h"

/* A line is made on the stack and written at once, so that lines of several threads never mix and logging
 * works when memory is refused. What is longer is cut, and says so by "...". */
#define LINE_MAX_BYTES  8192
#define VALUE_MAX_BYTES 1024
#define CUT             "..."

struct text {
    char *bytes;
    size_t len;
    size_t cap;
    bool is_cut;
};

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};

static atomic_int max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store(&max_level, (int)level);
}

int log_level_from_text(const char *text)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(text, level_names[i]) == 0)
            return (int)i;
    return -1;
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load(&max_level);
}

/* All or nothing, so that no escape and no character is cut in two. */
static void text_put(struct text *t, const char *bytes, size_t len)
{
    if (t->is_cut || len > t->cap - t->len) {
        t->is_cut = true;
        return;
    }
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
}

static void text_put_string(struct text *t, const char *string)
{
    text_put(t, string, strlen(string));
}

/* Bytes of the character that begins at @at, 0 if it is not UTF-8. */
static size_t character_len(const char *at, size_t left)
{
    unsigned char lead = (unsigned char)*at;
    size_t len = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    return len <= left && utf8_valid(at, len) ? len : 0;
}

/* U+0080 to U+009F: terminals obey them. */
static bool is_c1_control(const char *at, size_t len)
{
    return len == 2 && (unsigned char)at[0] == 0xC2 && (unsigned char)at[1] < 0xA0;
}

static void text_put_character(struct text *t, const char *at, size_t len)
{
    unsigned code = (unsigned char)at[len - 1]; /* of controls: U+0000 to U+001F, U+007F, U+0080 to U+009F */
    char escape[8];
    if (*at == '"' || *at == '\\') {
        text_put(t, (char[]){'\\', *at}, 2);
    } else if (*at == '\n') {
        text_put(t, "\\n", 2);
    } else if ((len == 1 && (code < 0x20 || code == 0x7F)) || is_c1_control(at, len)) {
        snprintf(escape, sizeof escape, "\\u%04x", code);
        text_put(t, escape, 6);
    } else {
        text_put(t, at, len);
    }
}

/* As a JSON string; what is not UTF-8 becomes U+FFFD. */
static void text_put_quoted(struct text *t, const char *bytes, size_t len)
{
    text_put(t, "\"", 1);
    for (size_t i = 0; i < len;) {
        size_t n = character_len(bytes + i, len - i);
        if (n == 0) {
            text_put(t, "\xEF\xBF\xBD", 3);
            n = 1;
        } else {
            text_put_character(t, bytes + i, n);
        }
        i += n;
    }
    text_put(t, "\"", 1);
}

static void text_put_value(struct text *t, const char *bytes, size_t len)
{
    bool is_plain = len > 0;
    for (size_t i = 0; i < len && is_plain; i++) {
        unsigned char c = (unsigned char)bytes[i];
        is_plain = c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '=';
    }
    if (is_plain)
        text_put(t, bytes, len);
    else
        text_put_quoted(t, bytes, len);
}

/* One conversion of printf: where it ends, and how long its argument is. */
struct conversion {
    char spec[32]; /* the conversion alone, to hand to snprintf() */
    const char *end;
    char length; /* 'H' for hh, 'h', 'l', 'L' for ll, 'z', 'j', 't', 0 */
    char kind;
    unsigned stars; /* width and precision that are arguments */
};

static bool conversion_read(struct conversion *c, const char *at)
{
    const char *p = at + 1;
    *c = (struct conversion){0};
    while (*p && strchr("-+ #0123456789.*", *p))
        c->stars += *p++ == '*';
    while (*p && strchr("hlzjt", *p)) {
        c->length = c->length == 'h' && *p == 'h' ? 'H' : c->length == 'l' && *p == 'l' ? 'L' : *p;
        p++;
    }
    c->kind = *p;
    if (*p == '\0' || (size_t)(p + 1 - at) >= sizeof c->spec || c->stars > 2)
        return false;
    memcpy(c->spec, at, (size_t)(p + 1 - at));
    c->end = p + 1;
    return true;
}

/* The list travels in a struct: an array type cannot be handed on by address in a portable way. */
struct arguments {
    va_list list;
};

#define FORMAT(value)                                                                                        \
    (c->stars == 0   ? snprintf(out, cap, c->spec, value)                                                    \
     : c->stars == 1 ? snprintf(out, cap, c->spec, star[0], value)                                           \
                     : snprintf(out, cap, c->spec, star[0], star[1], value))

/* Format one argument into @out. As snprintf() returns. */
static int conversion_format(const struct conversion *c, struct arguments *args, char *out, size_t cap)
{
    int star[2] = {0, 0};
    for (unsigned i = 0; i < c->stars; i++)
        star[i] = va_arg(args->list, int);
    if (strchr("eEfFgGaA", c->kind))
        return FORMAT(va_arg(args->list, double));
    if (c->kind == 'p')
        return FORMAT(va_arg(args->list, void *));
    if (c->kind == 's') {
        const char *string = va_arg(args->list, const char *);
        if (!string)
            string = "";
        return FORMAT(string);
    }
    if (!strchr("diuxXoc", c->kind))
        return -1;
    switch (c->length) {
    case 'l':
        return FORMAT(va_arg(args->list, long));
    case 'L':
        return FORMAT(va_arg(args->list, long long));
    case 'z':
        return FORMAT(va_arg(args->list, size_t));
    case 'j':
        return FORMAT(va_arg(args->list, intmax_t));
    case 't':
        return FORMAT(va_arg(args->list, ptrdiff_t));
    default:
        return FORMAT(va_arg(args->list, int));
    }
}

/* Format what stands between @format and @end into @value. False if the rest of the line cannot be trusted.
 */
static bool value_format(struct text *value, const char *format, const char *end, struct arguments *args)
{
    struct conversion c;
    while (format < end) {
        if (*format != '%') {
            text_put(value, format++, 1);
            continue;
        }
        if (format[1] == '%') {
            text_put(value, "%", 1);
            format += 2;
            continue;
        }
        size_t room = value->cap - value->len;
        int n =
            conversion_read(&c, format) ? conversion_format(&c, args, value->bytes + value->len, room) : -1;
        if (n < 0)
            return false;
        value->is_cut = value->is_cut || (size_t)n >= room;
        if ((size_t)n < room)
            value->len += (size_t)n;
        else if (room > 0)
            value->len += room - 1; /* snprintf() ends with a zero byte */
        format = c.end;
    }
    return true;
}

/* Where the pair that begins at @pair ends: at a space outside of a conversion, or at the end. */
static const char *pair_end(const char *pair)
{
    struct conversion c;
    while (*pair && *pair != ' ')
        pair = *pair == '%' && pair[1] != '%' && conversion_read(&c, pair) ? c.end
               : *pair == '%' && pair[1] == '%'                            ? pair + 2
                                                                           : pair + 1;
    return pair;
}

/* Formatted pair by pair, since a value may contain anything, also what looks like the next pair. */
static void line_put_pairs(struct text *line, const char *format, struct arguments *args)
{
    char bytes[VALUE_MAX_BYTES + sizeof CUT];
    while (*(format += strspn(format, " "))) {
        struct text value = {bytes, 0, VALUE_MAX_BYTES, false};
        const char *end = pair_end(format);
        const char *equals = memchr(format, '=', (size_t)(end - format));
        text_put(line, " ", 1);
        if (equals) {
            text_put(line, format, (size_t)(equals + 1 - format));
            format = equals + 1;
        }
        if (!value_format(&value, format, end, args))
            return;
        if (value.is_cut) {
            memcpy(bytes + value.len, CUT, sizeof CUT - 1);
            value.len += sizeof CUT - 1;
        }
        text_put_value(line, bytes, value.len);
        format = end;
    }
}

static void line_put_time(struct text *line)
{
    struct timespec now;
    struct tm utc;
    char text[64];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    n += (size_t)snprintf(text + n, sizeof text - n, ".%03dZ ", (int)(now.tv_nsec / 1000000));
    text_put(line, text, n);
}

void log_line(enum log_level level, const char *area, const char *message, const char *format, ...)
{
    char bytes[LINE_MAX_BYTES + sizeof CUT];
    struct text line = {bytes, 0, LINE_MAX_BYTES, false};
    struct arguments args;
    int saved_errno = errno;
    if (!log_enabled(level))
        return;
    line_put_time(&line);
    text_put_string(&line, level_names[level]);
    text_put(&line, " ", 1);
    text_put_string(&line, area);
    text_put(&line, " ", 1);
    text_put_quoted(&line, message, strlen(message));
    va_start(args.list, format);
    line_put_pairs(&line, format, &args);
    va_end(args.list);
    if (line.is_cut) {
        memcpy(bytes + line.len, CUT, sizeof CUT - 1);
        line.len += sizeof CUT - 1;
    }
    bytes[line.len++] = '\n';
    while (write(STDERR_FILENO, bytes, line.len) < 0 && errno == EINTR)
        continue;
    errno = saved_errno;
}
