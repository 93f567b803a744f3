#ifndef SLUICE_WIRE_JSON_TEXT_H
#define SLUICE_WIRE_JSON_TEXT_H

/* json_text: what JSON strings are searched for, shared by reader and writer: eight bytes at once, or 64. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define JSON_TEXT_STEP       8
#define JSON_TEXT_EACH(byte) (0x0101010101010101u * (uint64_t)(byte))
#define JSON_TEXT_HIGH       JSON_TEXT_EACH(0x80)

/* The high bit of each byte of @word below @limit (at most 0x80); right up to and with the lowest such
 * byte. */
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
 * are: '"', '\\', control characters. */
static inline uint64_t json_text_stops(uint64_t word)
{
    return json_text_below(word, 0x20) | json_text_below(word ^ JSON_TEXT_EACH('"'), 1) |
           json_text_below(word ^ JSON_TEXT_EACH('\\'), 1);
}

#define JSON_TEXT_BLOCK 64

/* A bit for each of the 64 bytes at @p, the first one lowest. */
struct json_text_bits {
    uint64_t stops;       /* cannot stand in a JSON string as it is */
    uint64_t backslashes; /* of these */
    uint64_t high;        /* is not ASCII */
};

/* The high bits of a word, as the eight lowest bits. */
static inline uint64_t json_text_gather(uint64_t word)
{
    return (word >> 7) * 0x0102040810204080u >> 56;
}

/* json_text_block() by words, for all processors. Here each byte is judged alone, not up to the lowest. */
static inline struct json_text_bits json_text_block_words(const uint8_t *p)
{
    const uint64_t low = ~JSON_TEXT_HIGH;
    struct json_text_bits bits = {0, 0, 0};
    for (unsigned i = 0; i < JSON_TEXT_BLOCK; i += JSON_TEXT_STEP) {
        uint64_t word = json_text_word(p + i);
        uint64_t below = (word & low) + JSON_TEXT_EACH(0x80 - 0x20); /* no byte carries into the next */
        uint64_t quote = ((word & low) ^ JSON_TEXT_EACH('"')) + low;
        uint64_t backslash = ((word & low) ^ JSON_TEXT_EACH('\\')) + low;
        bits.stops |= json_text_gather(~((below & quote & backslash) | word) & JSON_TEXT_HIGH) << i;
        bits.backslashes |= json_text_gather(~(backslash | word) & JSON_TEXT_HIGH) << i;
        bits.high |= json_text_gather(word & JSON_TEXT_HIGH) << i;
    }
    return bits;
}

#ifdef __SSE2__
static inline struct json_text_bits json_text_block(const uint8_t *p)
{
    struct json_text_bits bits = {0, 0, 0};
    for (unsigned i = 0; i < JSON_TEXT_BLOCK; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i control = _mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8(0x1f)), _mm_set1_epi8(0x1f));
        __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        __m128i stops = _mm_or_si128(control, _mm_or_si128(quote, backslash));
        bits.stops |= (uint64_t)(unsigned)_mm_movemask_epi8(stops) << i;
        bits.backslashes |= (uint64_t)(unsigned)_mm_movemask_epi8(backslash) << i;
        bits.high |= (uint64_t)(unsigned)_mm_movemask_epi8(bytes) << i;
    }
    return bits;
}
#else
static inline struct json_text_bits json_text_block(const uint8_t *p)
{
    return json_text_block_words(p);
}
#endif

/* The first byte of @p up to @end that cannot stand in a JSON string as it is.
 * *@high gets bits set when a byte before it is not ASCII. */
static inline const uint8_t *json_text_run(const uint8_t *p, const uint8_t *end, uint64_t *high)
{
    while (end - p >= JSON_TEXT_BLOCK) {
        struct json_text_bits bits = json_text_block(p);
        if (bits.stops) {
            *high |= bits.high & ((bits.stops & (0 - bits.stops)) - 1);
            return p + __builtin_ctzll(bits.stops);
        }
        *high |= bits.high;
        p += JSON_TEXT_BLOCK;
    }
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

/* What text is copied by. */
#define JSON_TEXT_COPY 16

/* Copy @len bytes; up to JSON_TEXT_COPY more are read and written. */
static inline void json_text_copy(uint8_t *to, const uint8_t *from, size_t len)
{
    memcpy(to, from, JSON_TEXT_COPY);
    for (size_t i = JSON_TEXT_COPY; i < len; i += JSON_TEXT_COPY)
        memcpy(to + i, from + i, JSON_TEXT_COPY);
}

#endif
