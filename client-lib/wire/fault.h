#ifndef SLUICE_WIRE_FAULT_H
#define SLUICE_WIRE_FAULT_H

/* fault: what is wrong with somebody's input: a code for programs, a message for people, and the
 * place (`ops[1].filter.$or[0].level`) where it stands. */

#include <stddef.h>

#include "wire/codes.h"

/* One step of the way down to a value. Lives on the stack of whoever walks down. */
struct place {
    const struct place *up; /* NULL at the root */
    const char *key;        /* a map key (borrowed, not terminated), or NULL for an index */
    size_t key_len;
    size_t index;
};

struct fault {
    enum code code; /* CODE_OK while nothing is wrong */
    char message[256];
    char at[192]; /* empty when the place is the whole */
};

/* Nothing is wrong. */
static inline void fault_clear(struct fault *f)
{
    f->code = CODE_OK;
    f->message[0] = f->at[0] = '\0';
}

/* Describe what is wrong. @at may be NULL. Long texts are cut at a character's end; bytes of the
 * input that are not printable UTF-8 are replaced. Always returns -1, so that callers can return it. */
int fault_set(struct fault *f, enum code code, const struct place *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "ops[1].filter.$or" into @out (always terminated). */
void place_format(const struct place *at, char *out, size_t size);

/* A place below @up, for a key or for an index. */
struct place place_key(const struct place *up, const char *key, size_t len);
struct place place_index(const struct place *up, size_t index);

#endif
