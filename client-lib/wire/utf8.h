#ifndef SLUICE_WIRE_UTF8_H
#define SLUICE_WIRE_UTF8_H

/* utf8: UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, at most U+10FFFF. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Whether all @len bytes are UTF-8. */
bool utf8_valid(const void *bytes, size_t len);

/* How many of the @len bytes, from the first on, are whole characters of valid UTF-8. */
size_t utf8_prefix(const void *bytes, size_t len);

/* Whether @byte continues a character. */
static inline bool utf8_is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* How many bytes (1..4) the character at @bytes takes; 0 when none is there.
 *
 * The table of RFC 3629, section 4. The second byte alone tells overlong forms, surrogates and what is too
 * large. */
static inline size_t utf8_char(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    if (len == 0)
        return 0;
    uint8_t lead = p[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0;
    if (lead < 0xe0)
        return len >= 2 && utf8_is_tail(p[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (len < 3 || !utf8_is_tail(p[1]) || !utf8_is_tail(p[2]))
            return 0;
        bool overlong = lead == 0xe0 && p[1] < 0xa0;
        bool surrogate = lead == 0xed && p[1] >= 0xa0;
        return overlong || surrogate ? 0 : 3;
    }
    if (lead > 0xf4 || len < 4 || !utf8_is_tail(p[1]) || !utf8_is_tail(p[2]) || !utf8_is_tail(p[3]))
        return 0;
    bool overlong = lead == 0xf0 && p[1] < 0x90;
    bool too_large = lead == 0xf4 && p[1] >= 0x90;
    return overlong || too_large ? 0 : 4;
}

/* The same where four bytes can be read and the first is not ASCII: they are looked at as one word. */
static inline size_t utf8_tailed(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    if ((word & 0xc0e0) == 0x80c0)
        return (word & 0x1e) ? 2 : 0;
    if ((word & 0xc0c0f0) == 0x8080e0) {
        uint32_t second = word & 0x200f; /* with the lead's low bits: overlong, or a surrogate? */
        return second == 0 || second == 0x200d ? 0 : 3;
    }
    if ((word & 0xc0c0c0f8) == 0x808080f0) {
        uint32_t second = word & 0x3007; /* overlong, or too large? */
        return second == 0 || (second & 7) > 4 || ((second & 7) == 4 && second != 4) ? 0 : 4;
    }
    return 0;
}

/* Append-style encoder: writes the 1..4 bytes of @code_point to @out, returns how many. What is no code point
 * of its own (a surrogate, more than U+10FFFF) becomes U+FFFD. */
size_t utf8_encode(unsigned code_point, char out[4]);

/* The longest length <= @limit that does not cut a character of the valid UTF-8 @bytes[@len]. */
size_t utf8_cut(const void *bytes, size_t len, size_t limit);

#endif
