#ifndef SLUICE_WIRE_JSON_TEXT_H
#define SLUICE_WIRE_JSON_TEXT_H

/* json_text: the inner loop of JSON strings, eight bytes a step, shared by reader and writer. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_TEXT_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))
#define JSON_TEXT_HIGH       JSON_TEXT_EACH(0x80)

/* The high bit of each byte of @word below @limit (at most 0x80); right up to and with the lowest such byte.
 */
static inline uint64_t json_text_below(uint64_t word, unsigned limit)
{
    return (word - JSON_TEXT_EACH(limit)) & ~word & JSON_TEXT_HIGH;
}

/* The first byte of @p up to @end that cannot stand in a JSON string as it is: '"', '\\', a control
 * character.
 * *@high gets bits set when a byte before it is not ASCII. */
static inline const uint8_t *json_text_run(const uint8_t *p, const uint8_t *end, uint64_t *high)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = __builtin_bswap64(word); /* so that the first byte is the lowest */
#endif
        uint64_t stops = json_text_below(word, 0x20) | json_text_below(word ^ JSON_TEXT_EACH('"'), 1) |
                         json_text_below(word ^ JSON_TEXT_EACH('\\'), 1);
        if (stops) {
            uint64_t lowest = stops & (0 - stops);
            *high |= word & (lowest - 1) & JSON_TEXT_HIGH;
            return p + (__builtin_ctzll(stops) >> 3);
        }
        *high |= word & JSON_TEXT_HIGH;
        p += 8;
    }
    for (; p < end && *p >= 0x20 && *p != '"' && *p != '\\'; p++)
        *high |= *p & 0x80;
    return p;
}

#endif
