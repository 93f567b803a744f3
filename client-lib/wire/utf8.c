#include "wire/utf8.h"

#include <string.h>

#include "wire/utf8_vector.h"

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
        size_t n = len - at >= UTF8_VECTOR_MIN ? utf8_vector_prefix(p + at, len - at) : 0;
        if (n == 0)
            n = len - at >= 4 ? utf8_tailed(p + at) : utf8_char(p + at, len - at);
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
    while (limit > 0 && utf8_is_tail(p[limit]))
        limit--;
    return limit;
}
