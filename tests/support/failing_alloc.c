#include "support/failing_alloc.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

/* Names that the linker's --wrap gives to the library's own functions and to ours. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t limit);

static _Thread_local bool is_on;
static _Thread_local bool was_refused;
static _Thread_local unsigned long granted;

void failing_alloc_start(unsigned long n)
{
    granted = n;
    was_refused = false;
    is_on = true;
}

bool failing_alloc_stop(void)
{
    is_on = false;
    return was_refused;
}

static bool refuse(void)
{
    if (!is_on)
        return false;
    if (granted > 0) {
        granted--;
        return false;
    }
    is_on = false;
    was_refused = true;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return refuse() ? NULL : __real_realloc(old, size);
}

char *__wrap_strndup(const char *text, size_t limit)
{
    size_t len = strnlen(text, limit);
    char *copy = __wrap_malloc(len + 1);
    if (copy) {
        memcpy(copy, text, len);
        copy[len] = '\0';
    }
    return copy;
}

char *__wrap_strdup(const char *text)
{
    return __wrap_strndup(text, strlen(text));
}
