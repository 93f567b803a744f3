#include "app/json_text.h"

#include <stdbool.h>
#include <string.h>

/* Blank [*from, to) but for its line ends. */
static void blank(char *text, size_t from, size_t to)
{
    for (; from < to; from++)
        if (text[from] != '\n' && text[from] != '\r')
            text[from] = ' ';
}

/* The end of the comment that begins at @at, or @len + 1 when it has none. */
static size_t comment_end(const char *text, size_t at, size_t len)
{
    if (text[at + 1] == '/') {
        const char *end = memchr(text + at, '\n', len - at);
        return end ? (size_t)(end - text) : len;
    }
    const char *end = len - at > 3 ? memmem(text + at + 2, len - at - 2, "*/", 2) : NULL;
    return end ? (size_t)(end + 2 - text) : len + 1;
}

const char *json_text_blank(char *text, size_t len, size_t *offset)
{
    bool in_string = false;
    for (size_t at = 0; at < len;) {
        size_t next = at + 1;
        *offset = at;
        if (in_string && text[at] == '\\') {
            if (len - at >= 6 && memcmp(text + at, "\\u0000", 6) == 0)
                return "a zero character in a string";
            next = at + 2;
        } else if (text[at] == '"') {
            in_string = !in_string;
        } else if (!in_string && text[at] == '/' && next < len && (text[next] == '/' || text[next] == '*')) {
            next = comment_end(text, at, len);
            if (next > len)
                return "a comment without an end";
            blank(text, at, next);
        }
        at = next;
    }
    return NULL;
}

/* A walk through text and tree side by side. */
struct finder {
    const char *at;
    const cJSON *item; /* wanted */
    const char *key;
    const char *value; /* NULL until found */
};

static void skip_space(struct finder *f)
{
    f->at += strspn(f->at, " \t\r\n");
}

static void skip_string(struct finder *f)
{
    for (f->at++; *f->at && *f->at != '"'; f->at++)
        if (*f->at == '\\' && f->at[1])
            f->at++;
    if (*f->at)
        f->at++;
}

static void skip_char(struct finder *f)
{
    skip_space(f);
    if (*f->at)
        f->at++;
}

/* Depth is bounded by the strict reader, which the text has passed. */
static void walk(struct finder *f, const cJSON *item, const char *key)
{
    skip_space(f);
    if (item == f->item) {
        f->value = f->at;
        f->key = key ? key : f->at;
        return;
    }
    if (cJSON_IsString(item)) {
        skip_string(f);
        return;
    }
    if (!cJSON_IsObject(item) && !cJSON_IsArray(item)) {
        f->at += strcspn(f->at, ",]} \t\r\n");
        return;
    }
    skip_char(f); /* the bracket */
    for (const cJSON *child = item->child; child && !f->value; child = child->next) {
        const char *child_key = NULL;
        if (cJSON_IsObject(item)) {
            skip_space(f);
            child_key = f->at;
            skip_string(f);
            skip_char(f); /* the colon */
        }
        walk(f, child, child_key);
        if (!f->value && child->next)
            skip_char(f); /* the comma */
    }
    if (!f->value)
        skip_char(f);
}

size_t json_text_find(const char *text, const cJSON *root, const cJSON *item, size_t *key)
{
    struct finder f = {.at = text, .item = item};
    walk(&f, root, NULL);
    if (key)
        *key = f.value ? (size_t)(f.key - text) : 0;
    return f.value ? (size_t)(f.value - text) : 0;
}

void json_text_position(const char *text, size_t offset, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < offset; i++) {
        ++*column;
        if (text[i] == '\n') {
            ++*line;
            *column = 1;
        }
    }
}
