#include "wire/utf8_vector.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <stdbool.h>
#include <string.h>
#include <tmmintrin.h>

#define BLOCK 16
#define SSSE3 __attribute__((target("ssse3")))

/* What can be wrong with two bytes that follow each other. A pair is wrong in one of these ways if the first
 * one's high half, its low half, and the second one's high half all allow it. */
enum {
    SHORT = 1,      /* a lead, and no tail */
    STRAY = 2,      /* ASCII, and a tail */
    OVER_2 = 4,     /* C0 or C1, and a tail: overlong */
    OVER_3 = 8,     /* E0, and less than A0: overlong */
    SURROGATE = 16, /* ED, and A0 or more */
    LARGE = 32,     /* F4 or more, and 90 or more */
    F_AND_8 = 64,   /* F0 (overlong), or F5 and more (too large), and less than 90 */
    TAILS = 128,    /* two tails: wrong unless a lead before them asks for that many */
};
#define ANY_LOW (SHORT | STRAY | TAILS)
#define F5_LOW  (ANY_LOW | LARGE | F_AND_8)
#define TAIL    (STRAY | OVER_2 | TAILS)

/* By half a byte, 0 to 15. */
#define FOUR(value) value, value, value, value
static const uint8_t first_high[BLOCK] = {FOUR(STRAY),
                                          FOUR(STRAY),
                                          FOUR(TAILS),
                                          SHORT | OVER_2,
                                          SHORT,
                                          SHORT | OVER_3 | SURROGATE,
                                          SHORT | LARGE | F_AND_8};
static const uint8_t first_low[BLOCK] = {ANY_LOW | OVER_2 | OVER_3 | F_AND_8,
                                         ANY_LOW | OVER_2,
                                         ANY_LOW,
                                         ANY_LOW,
                                         ANY_LOW | LARGE,
                                         FOUR(F5_LOW),
                                         FOUR(F5_LOW),
                                         F5_LOW | SURROGATE,
                                         F5_LOW,
                                         F5_LOW};
static const uint8_t second_high[BLOCK] = {FOUR(SHORT),
                                           FOUR(SHORT),
                                           TAIL | OVER_3 | F_AND_8,
                                           TAIL | OVER_3 | LARGE,
                                           TAIL | SURROGATE | LARGE,
                                           TAIL | SURROGATE | LARGE,
                                           FOUR(SHORT)};

static inline SSSE3 __m128i load(const void *bytes)
{
    return _mm_loadu_si128((const __m128i *)bytes);
}

static inline SSSE3 __m128i high_half(__m128i bytes)
{
    return _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
}

/* Not 0 where @block, behind @before, is wrong. */
static inline SSSE3 __m128i faults_of(__m128i block, __m128i before)
{
    __m128i first = _mm_alignr_epi8(block, before, BLOCK - 1);
    __m128i pairs = _mm_and_si128(
        _mm_and_si128(_mm_shuffle_epi8(load(first_high), high_half(first)),
                      _mm_shuffle_epi8(load(first_low), _mm_and_si128(first, _mm_set1_epi8(15)))),
        _mm_shuffle_epi8(load(second_high), high_half(block)));
    /* The high bit says that the byte two before is the lead of three or more, or the one three before of
     * four: that this is to be the second of two tails. */
    __m128i third = _mm_subs_epu8(_mm_alignr_epi8(block, before, BLOCK - 2), _mm_set1_epi8(0xe0 - 0x80));
    __m128i fourth = _mm_subs_epu8(_mm_alignr_epi8(block, before, BLOCK - 3), _mm_set1_epi8(0xf0 - 0x80));
    __m128i wanted = _mm_and_si128(_mm_or_si128(third, fourth), _mm_set1_epi8((char)0x80));
    return _mm_xor_si128(pairs, wanted);
}

static inline SSSE3 bool is_zero(__m128i bytes)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_setzero_si128())) == 0xffff;
}

/* All before @at is valid, but for a character that may be cut there. Give where that begins. */
static size_t whole_characters(const uint8_t *bytes, size_t at)
{
    for (size_t back = 1; back <= 3 && back <= at; back++) {
        uint8_t byte = bytes[at - back];
        if (byte >= 0xc0) {
            size_t size = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
            return size > back ? at - back : at;
        }
        if (byte < 0x80)
            return at;
    }
    return at;
}

static SSSE3 size_t prefix(const uint8_t *bytes, size_t len)
{
    __m128i before = _mm_setzero_si128(), block;
    size_t at = 0;
    for (; len - at >= BLOCK; at += BLOCK, before = block) {
        block = load(bytes + at);
        if (!is_zero(faults_of(block, before)))
            return whole_characters(bytes, at);
    }
    if (at < len) { /* a character that is cut is followed by zeros here, which is wrong */
        uint8_t rest[BLOCK] = {0};
        memcpy(rest, bytes + at, len - at);
        if (is_zero(faults_of(load(rest), before)))
            return len;
    }
    return whole_characters(bytes, at);
}

size_t utf8_vector_prefix(const uint8_t *bytes, size_t len)
{
    return __builtin_cpu_supports("ssse3") ? prefix(bytes, len) : 0;
}

#else

size_t utf8_vector_prefix(const uint8_t *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    return 0;
}

#endif
