#ifndef SLUICE_TESTS_SUPPORT_AGAINST_CJSON_H
#define SLUICE_TESTS_SUPPORT_AGAINST_CJSON_H

/* against_cjson: whether our MessagePack means what cJSON made of the same text. cJSON is no judge of what is
 * refused (it takes much that is no JSON), nor of \u0000, lone surrogates, integers beyond 2^53 and numbers
 * of 64 characters. */

#include <cJSON.h>
#include <string.h>

#include "wire/mp.h"

static inline bool against_cjson_number(const struct mp_token *token, double want)
{
    double got = token->type == MP_UINT  ? (double)token->uint
                 : token->type == MP_INT ? (double)token->sint
                                         : token->real;
    return memcmp(&got, &want, sizeof(got)) == 0 || (got == 0 && want == 0);
}

static inline bool against_cjson_text(const char *text, size_t len, const char *want)
{
    return strlen(want) == len && memcmp(text, want, len) == 0;
}

/* Compare the value that is next in @r with @want, and pass over it. */
static inline bool against_cjson(struct mp_reader *r, const cJSON *want)
{
    struct mp_token token;
    if (!mp_next(r, &token))
        return false;
    switch (token.type) {
    case MP_NIL:
        return cJSON_IsNull(want);
    case MP_BOOL:
        return token.boolean ? cJSON_IsTrue(want) : cJSON_IsFalse(want);
    case MP_UINT:
    case MP_INT:
    case MP_FLOAT:
        return cJSON_IsNumber(want) && against_cjson_number(&token, want->valuedouble);
    case MP_STR:
        return cJSON_IsString(want) && against_cjson_text(token.bytes, token.len, want->valuestring);
    case MP_ARRAY:
    case MP_MAP:
        break;
    default:
        return false;
    }
    bool is_map = token.type == MP_MAP;
    if (!(is_map ? cJSON_IsObject(want) : cJSON_IsArray(want)))
        return false;
    const cJSON *child = want->child;
    for (uint32_t left = token.count; left > 0; left--, child = child->next) {
        const char *key;
        size_t len;
        if (!child || (is_map && (!mp_str(r, &key, &len) || !against_cjson_text(key, len, child->string))))
            return false;
        if (!against_cjson(r, child))
            return false;
    }
    return child == NULL;
}

/* Whether @text may run into cJSON's own limits. */
static inline bool against_cjson_is_beyond(const uint8_t *text, size_t len)
{
    size_t run = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\\' && i + 1 < len && text[i + 1] == 'u')
            return true; /* maybe half a surrogate pair or \u0000 */
        run = text[i] == '"' || text[i] == ',' ? 0 : run + 1;
        if (run > 60)
            return true; /* maybe a number that it cuts */
    }
    return false;
}

#endif
