#include "ws/head.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_token_char(uint8_t c)
{
    return isalnum(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_value_char(uint8_t c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

/* Empty lines before a request are to be overlooked. */
static size_t empty_lines(const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    while (at < len && (bytes[at] == '\r' || bytes[at] == '\n'))
        at++;
    return at;
}

bool head_may_begin(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t i = empty_lines(at, len);
    while (i < len && is_token_char(at[i]))
        i++;
    return i == len || (i > 0 && at[i] == ' ' && is_token_char(at[i - 1]));
}

size_t head_end(const void *bytes, size_t len)
{
    const uint8_t *begin = bytes;
    for (size_t at = empty_lines(bytes, len); at < len;) {
        const uint8_t *lf = memchr(begin + at, '\n', len - at);
        if (!lf)
            return 0;
        at = (size_t)(lf - begin) + 1;
        if (at < len && begin[at] == '\n')
            return at + 1;
        if (at + 1 < len && begin[at] == '\r' && begin[at + 1] == '\n')
            return at + 2;
    }
    return 0;
}

/* Cut the next line off, without its end. NULL at the end of the text. */
static char *next_line(char **text)
{
    char *line = *text;
    char *lf = strchr(line, '\n');
    if (!lf)
        return NULL;
    *text = lf + 1;
    if (lf > line && lf[-1] == '\r')
        lf--;
    *lf = '\0';
    return line;
}

static const char *read_request_line(struct head *head, char *line)
{
    static const char fault[] = "this is no HTTP request";
    char *method_end = strchr(line, ' ');
    char *target = method_end ? method_end + 1 : NULL;
    char *target_end = target ? strchr(target, ' ') : NULL;
    if (!target_end || target_end == target || method_end == line)
        return fault;
    for (const char *c = line; c < method_end; c++)
        if (!is_token_char((uint8_t)*c))
            return fault;
    for (const char *c = target; c < target_end; c++)
        if (!is_value_char((uint8_t)*c) || *c == '\t')
            return fault;
    const char *version = target_end + 1;
    if (strncmp(version, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)version[7]) || version[8] != '\0')
        return "only HTTP/1 is spoken here";
    *method_end = *target_end = '\0';
    head->method = line;
    head->path = target;
    head->query = target_end;
    head->minor = (unsigned)(version[7] - '0');
    char *mark = strchr(target, '?');
    if (mark) {
        *mark = '\0';
        head->query = mark + 1;
    }
    return NULL;
}

/* Move name and value of a line to @out, which is at or before it, and on past them. */
static const char *read_field(char **out, char *line)
{
    char *at = line;
    while (is_token_char((uint8_t)*at))
        at++;
    if (at == line || *at != ':')
        return "a header has no name";
    size_t name_len = (size_t)(at++ - line);
    at += strspn(at, " \t");
    size_t value_len = strlen(at);
    while (value_len > 0 && (at[value_len - 1] == ' ' || at[value_len - 1] == '\t'))
        value_len--;
    for (size_t i = 0; i < value_len; i++)
        if (!is_value_char((uint8_t)at[i]))
            return "a header has a value with control characters";
    memmove(*out, line, name_len);
    (*out)[name_len] = '\0';
    *out += name_len + 1;
    memmove(*out, at, value_len);
    (*out)[value_len] = '\0';
    *out += value_len + 1;
    return NULL;
}

static const char *read_text(struct head *head)
{
    char *at = head->text;
    char *line = next_line(&at);
    const char *fault = line ? read_request_line(head, line) : "this is no HTTP request";
    if (fault)
        return fault;
    char *out = at;
    head->fields = out;
    while ((line = next_line(&at)) && *line != '\0') {
        fault = read_field(&out, line);
        if (fault)
            return fault;
        head->field_count++;
    }
    return NULL;
}

int head_new(struct head **out, const void *bytes, size_t len, const char **fault)
{
    size_t skip = empty_lines(bytes, len);
    *fault = "a header has a value with control characters";
    if (memchr(bytes, '\0', len))
        return -1;
    struct head *head = calloc(1, sizeof(*head) + len - skip + 1);
    *fault = NULL;
    if (!head)
        return -1;
    memcpy(head->text, (const char *)bytes + skip, len - skip);
    *fault = read_text(head);
    if (*fault) {
        free(head);
        return -1;
    }
    *out = head;
    return 0;
}

size_t head_put(const struct head *head, const char *name, struct buf *out)
{
    const char *separator = strcasecmp(name, "cookie") == 0 ? "; " : ", ";
    const char *at = head->fields;
    size_t count = 0;
    for (size_t i = 0; i < head->field_count; i++) {
        const char *value = at + strlen(at) + 1;
        if (strcasecmp(at, name) == 0) {
            if (count++ > 0)
                buf_put_text(out, separator);
            buf_put_text(out, value);
        }
        at = value + strlen(value) + 1;
    }
    return count;
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

bool head_decode(const char *text, struct buf *out)
{
    for (const char *c = text; *c; c++) {
        if (*c != '%') {
            buf_put_byte(out, (uint8_t)*c);
            continue;
        }
        int high = digit(c[1]);
        int low = high < 0 ? -1 : digit(c[2]);
        if (low < 0 || high + low == 0)
            return false;
        buf_put_byte(out, (uint8_t)(high << 4 | low));
        c += 2;
    }
    return true;
}
