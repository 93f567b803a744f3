#include "wire/utf8.h"

#include <stdint.h>
#include <string.h>

static bool is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The table of RFC 3629, section 4. The second byte alone tells overlong forms, surrogates and what is too
 * large. */
static inline size_t char_len(const uint8_t *p, size_t left)
{
    uint8_t lead = p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return left >= 2 && is_tail(p[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !is_tail(p[1]) || !is_tail(p[2]))
            return 0;
        bool overlong = lead == 0xe0 && p[1] < 0xa0;
        bool surrogate = lead == 0xed && p[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (lead > 0xf4 || left < 4 || !is_tail(p[1]) || !is_tail(p[2]) || !is_tail(p[3]))
        return 0;
    bool overlong = lead == 0xf0 && p[1] < 0x90;
    bool too_large = lead == 0xf4 && p[1] >= 0x90;
    return overlong || too_large ? 0 : 4;
}

size_t utf8_char(const void *bytes, size_t len)
{
    return len > 0 ? char_len(bytes, len) : 0;
}

size_t utf8_prefix(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    size_t at = 0;
    while (at < len) {
        if (p[at] < 0x80) {
            /* Mostly it is all ASCII: eight bytes a step. */
            uint64_t word;
            while (len - at >= sizeof(word)) {
                memcpy(&word, p + at, sizeof(word));
                if (word & 0x8080808080808080u)
                    break;
                at += sizeof(word);
            }
            while (at < len && p[at] < 0x80)
                at++;
            continue;
        }
        size_t n = char_len(p + at, len - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

bool utf8_valid(const void *bytes, size_t len)
{
    return utf8_prefix(bytes, len) == len;
}

size_t utf8_encode(unsigned code_point, char out[4])
{
    unsigned c = code_point;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd;
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

size_t utf8_cut(const void *bytes, size_t len, size_t limit)
{
    const uint8_t *p = bytes;
    if (len <= limit)
        return len;
    while (limit > 0 && is_tail(p[limit]))
        limit--;
    return limit;
}
