#include "wire/nearest.h"

#include <string.h>

/* Longer words are no key or operation of ours; the bound keeps the rows on the stack. */
#define WORD_MAX 64

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* The distance by rows: row[i % 3][j] is that of the first i bytes of @a to the first j of @b. A swap of
 * neighbours looks two rows back. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t row[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *now = row[i % 3];
        const size_t *last = row[(i - 1) % 3];
        const size_t *older = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            char x = lower(a[i - 1]);
            char y = lower(b[j - 1]);
            now[j] = min3(last[j] + 1, now[j - 1] + 1, last[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y && older[j - 2] + 1 < now[j])
                now[j] = older[j - 2] + 1;
        }
    }
    return row[a_len % 3][b_len];
}

const char *nearest(const char *word, size_t len, const char *const *known)
{
    const char *best = NULL;
    size_t best_distance = 0;
    if (len == 0 || len > WORD_MAX)
        return NULL;
    for (; *known; known++) {
        size_t known_len = strlen(*known);
        if (known_len > WORD_MAX)
            continue;
        size_t longer = len > known_len ? len : known_len;
        size_t limit = longer < 3 ? 1 : longer / 3;
        size_t d = distance(word, len, *known, known_len);
        if (d <= limit && d < longer && (!best || d < best_distance)) {
            best = *known;
            best_distance = d;
        }
    }
    return best;
}
