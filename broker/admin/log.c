#include "admin/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "wire/utf8.h"

/* A line is made on the stack and written at once, so that lines of several threads never mix and logging
 * works when memory is refused. What is longer is cut, and says so by "...". */
#define LINE_MAX_BYTES   8192
#define VALUE_MAX_BYTES  1024
#define FORMAT_MAX_BYTES 512
#define CUT              "..."

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

static void line_put_pair(struct text *line, const char *pair, size_t len)
{
    char bytes[VALUE_MAX_BYTES + sizeof CUT];
    const char *equals = memchr(pair, '=', len);
    size_t key_len = equals ? (size_t)(equals + 1 - pair) : 0;
    struct text value = {bytes, 0, sizeof bytes, false};
    bool is_long = len - key_len > VALUE_MAX_BYTES;
    text_put(line, " ", 1);
    text_put(line, pair, key_len);
    text_put(&value, pair + key_len, is_long ? VALUE_MAX_BYTES : len - key_len);
    if (is_long)
        text_put(&value, CUT, sizeof CUT - 1);
    text_put_value(line, value.bytes, value.len);
}

/* What the first @len bytes of @format make of the arguments, into @text. As vsnprintf() returns. */
static int format_part(char *text, size_t size, const char *format, size_t len, va_list args)
{
    char part[FORMAT_MAX_BYTES];
    va_list copy;
    if (len >= sizeof part)
        return -1;
    memcpy(part, format, len);
    part[len] = '\0';
    va_copy(copy, args);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start() is the caller's */
    int made = vsnprintf(text, size, part, copy);
    va_end(copy);
    return made;
}

/* A value may contain anything, also what looks like the next pair. So the text is not searched for pairs;
 * what each of them makes is what the format up to its end makes more than the format up to its begin. */
static void line_put_pairs(struct text *line, const char *format, va_list args)
{
    char text[LINE_MAX_BYTES];
    size_t done = 0; /* bytes of text that the pairs before have made */
    const char *at = format;
    while (!line->is_cut) {
        size_t spaces = strspn(at, " ");
        at += spaces;
        if (!*at)
            return;
        at += strcspn(at, " ");
        int made = format_part(text, sizeof text, format, (size_t)(at - format), args);
        line->is_cut = made < 0;
        if (made < 0)
            return;
        bool is_whole = (size_t)made < sizeof text;
        size_t len = is_whole ? (size_t)made : sizeof text - 1;
        line_put_pair(line, text + done + spaces, len - done - spaces);
        line->is_cut = line->is_cut || !is_whole;
        done = len;
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
    va_list args;
    int saved_errno = errno;
    if (!log_enabled(level))
        return;
    line_put_time(&line);
    text_put_string(&line, level_names[level]);
    text_put(&line, " ", 1);
    text_put_string(&line, area);
    text_put(&line, " ", 1);
    text_put_quoted(&line, message, strlen(message));
    va_start(args, format);
    line_put_pairs(&line, format, args);
    va_end(args);
    if (line.is_cut) {
        memcpy(bytes + line.len, CUT, sizeof CUT - 1);
        line.len += sizeof CUT - 1;
    }
    bytes[line.len++] = '\n';
    ssize_t n;
    do
        n = write(STDERR_FILENO, bytes, line.len);
    while (n < 0 && errno == EINTR);
    errno = saved_errno;
}
