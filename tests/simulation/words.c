#include "words.h"

#include <string.h>

const char *const EVENT_NAMES[EVENT_COUNT] = {
    "@connect", "@disconnect", "chat:say", "chat:room:move", "ask", "job", "rare:x", "unheard",
};

const char *const PATTERNS[PATTERN_COUNT] = {
    "*",        "chat:*",      "chat:say", "chat:room:*", "ask",    "@*",
    "@connect", "@disconnect", "job",      "rare:*",      "rare:x",
};

const char *const KEYS[KEY_COUNT] = {"n", "o", "f", "last", "room", "t", "s"};
const char *const PUSHES[PUSH_COUNT] = {"out", "b0", "b1"};

static const uint32_t PATTERNS_OF[EVENT_COUNT] = {
    [EVENT_CONNECT] = 1u << 5 | 1u << 6,
    [EVENT_DISCONNECT] = 1u << 5 | 1u << 7,
    [EVENT_SAY] = 1u << 0 | 1u << 1 | 1u << 2,
    [EVENT_MOVE] = 1u << 0 | 1u << 1 | 1u << 3,
    [EVENT_ASK] = 1u << 0 | 1u << 4,
    [EVENT_JOB] = 1u << 0 | 1u << 8,
    [EVENT_RARE] = 1u << 0 | 1u << 9 | 1u << 10,
    [EVENT_UNHEARD] = 1u << 0,
};

uint32_t patterns_of(enum word_event event)
{
    return PATTERNS_OF[event];
}

static unsigned word_from(const char *const *words, unsigned count, const char *name, size_t len)
{
    unsigned i = 0;
    while (i < count && (strncmp(words[i], name, len) != 0 || words[i][len] != '\0'))
        i++;
    return i;
}

enum word_event event_from(const char *name, size_t len)
{
    return (enum word_event)word_from(EVENT_NAMES, EVENT_COUNT, name, len);
}

enum word_key key_from(const char *name, size_t len)
{
    return (enum word_key)word_from(KEYS, KEY_COUNT, name, len);
}
