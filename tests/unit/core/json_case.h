#ifndef SLUICE_TESTS_CORE_JSON_CASE_H
#define SLUICE_TESTS_CORE_JSON_CASE_H

/* json_case: rows of tables as JSON with ' for ", so that they read well in C. Include cmocka.h before. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/fault.h"
#include "wire/json.h"

/* Append the MessagePack of @text. */
static inline void case_put(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    size_t offset;
    char *json = malloc(len + 1);
    memcpy(json, text, len + 1);
    for (char *at = json; *at; at++) {
        *at = *at == '\'' ? '"' : *at;
    }
    const char *error = json_to_mp(json, len, out, &offset);
    free(json);
    if (error) {
        fail_msg("%s: %s at %zu", text, error, offset);
    }
}

/* A copy of the very size, so that the address sanitizer sees a byte too many. */
static inline void *case_exact(const struct buf *b)
{
    void *copy = malloc(b->len ? b->len : 1);
    return b->len ? memcpy(copy, b->data, b->len) : copy;
}

/* "code place" as the tables write a fault, or "ok". */
static inline const char *case_fault(const struct fault *fault, char *out, size_t size)
{
    if (fault->code == CODE_OK) {
        snprintf(out, size, "ok");
    } else {
        snprintf(out, size, "%s %s", code_text(fault->code), fault->at);
    }
    return out;
}

#endif
