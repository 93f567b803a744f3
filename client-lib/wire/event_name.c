#include "wire/event_name.h"

#include <stdint.h>
#include <string.h>

/* 1: may stand in a part of a name. 2: separates parts. */
static const uint8_t kinds[256] = {
    ['-'] = 1, ['.'] = 1, ['/'] = 1, ['_'] = 1, [':'] = 2, ['0'] = 1, ['1'] = 1, ['2'] = 1, ['3'] = 1,
    ['4'] = 1, ['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1,
    ['D'] = 1, ['E'] = 1, ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1,
    ['M'] = 1, ['N'] = 1, ['O'] = 1, ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,
    ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1, ['d'] = 1,
    ['e'] = 1, ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1, ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1, ['v'] = 1,
    ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

const char *event_name_fault(const char *name, size_t len)
{
    if (len == 0)
        return "an event name may not be empty";
    if (len > EVENT_NAME_MAX)
        return "an event name has at most 128 bytes";
    if (name[0] == '@')
        return "names that begin with '@' are the broker's own";
    unsigned before = 2; /* as if a ':' stood before the name */
    for (size_t i = 0; i < len; i++) {
        unsigned kind = kinds[(uint8_t)name[i]];
        if (kind == 0)
            return "an event name is made of A-Z a-z 0-9 _ - . / and ':'";
        if (kind == 2 && before == 2)
            return "an event name may not have an empty part";
        before = kind;
    }
    return before == 2 ? "an event name may not have an empty part" : NULL;
}

static bool ends_with_star(const char *pattern, size_t len)
{
    return len >= 2 && pattern[len - 2] == ':' && pattern[len - 1] == '*';
}

const char *event_pattern_fault(const char *pattern, size_t len)
{
    if (len == 0)
        return "an event pattern may not be empty";
    if (len > EVENT_NAME_MAX)
        return "an event pattern has at most 128 bytes";
    if (pattern[len - 1] == '*') {
        if (len == 1 || (len == 2 && pattern[0] == '@'))
            return NULL;
        if (!ends_with_star(pattern, len))
            return "a '*' stands alone, after a ':' at the end, or after '@'";
        return event_name_fault(pattern, len - 2);
    }
    if (memchr(pattern, '*', len))
        return "a '*' stands alone, after a ':' at the end, or after '@'";
    if (pattern[0] == '@')
        return event_name_fault(pattern + 1, len - 1);
    return event_name_fault(pattern, len);
}

bool event_pattern_matches(const char *pattern, size_t pattern_len, const char *name, size_t len)
{
    if (pattern_len == 0 || len == 0)
        return false;
    if (pattern_len == 1 && pattern[0] == '*')
        return name[0] != '@';
    if (pattern_len == 2 && pattern[0] == '@' && pattern[1] == '*')
        return name[0] == '@';
    if (ends_with_star(pattern, pattern_len))
        return len >= pattern_len && memcmp(name, pattern, pattern_len - 1) == 0;
    return len == pattern_len && memcmp(name, pattern, len) == 0;
}
