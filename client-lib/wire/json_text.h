#ifndef SLUICE_WIRE_JSON_TEXT_H
#define SLUICE_WIRE_JSON_TEXT_H

/* json_text: the inner loops of JSON strings, eight bytes a step, shared by reader and writer.
 *
 * Long runs are looked at as words. Where runs are short, one byte after the other is faster: the next word's
 * place is then known from branches, which are guessed, and not from the arithmetic on this one. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_TEXT_STEP       8
#define JSON_TEXT_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))
#define JSON_TEXT_HIGH       JSON_TEXT_EACH(0x80)

/* The high bit of each byte of @word below @limit (at most 0x80); right up to and with the lowest such byte.
 */
static inline uint64_t json_text_below(uint64_t word, unsigned limit)
{
    return (word - JSON_TEXT_EACH(limit)) & ~word & JSON_TEXT_HIGH;
}

/* The eight bytes at @p, the first one lowest. */
static inline uint64_t json_text_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Bits, right up to and with the lowest, for the bytes of @word that cannot stand in a JSON string as they
 * are:
 * '"', '\\', control characters. */
static inline uint64_t json_text_stops(uint64_t word)
{
    return json_text_below(word, 0x20) | json_text_below(word ^ JSON_TEXT_EACH('"'), 1) |
           json_text_below(word ^ JSON_TEXT_EACH('\\'), 1);
}

/* The first byte of @p up to @end that cannot stand in a JSON string as it is.
 * *@high gets bits set when a byte before it is not ASCII. */
static inline const uint8_t *json_text_run(const uint8_t *p, const uint8_t *end, uint64_t *high)
{
    while (end - p >= JSON_TEXT_STEP) {
        uint64_t word = json_text_word(p);
        uint64_t stops = json_text_stops(word);
        if (stops) {
            uint64_t lowest = stops & (0 - stops);
            *high |= word & (lowest - 1) & JSON_TEXT_HIGH;
            return p + (__builtin_ctzll(stops) >> 3);
        }
        *high |= word & JSON_TEXT_HIGH;
        p += JSON_TEXT_STEP;
    }
    for (; p < end && *p >= 0x20 && *p != '"' && *p != '\\'; p++)
        *high |= *p & 0x80;
    return p;
}

/* How many of the eight bytes at @p, from the first on, @stops says 0 of. Spelled out, so that each answer
 * has a branch of its own. */
static inline size_t json_text_plain(const uint8_t *p, const uint8_t stops[256])
{
    if (stops[p[0]])
        return 0;
    if (stops[p[1]])
        return 1;
    if (stops[p[2]])
        return 2;
    if (stops[p[3]])
        return 3;
    if (stops[p[4]])
        return 4;
    if (stops[p[5]])
        return 5;
    if (stops[p[6]])
        return 6;
    return stops[p[7]] ? 7 : JSON_TEXT_STEP;
}

#endif
