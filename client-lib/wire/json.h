#ifndef SLUICE_WIRE_JSON_H
#define SLUICE_WIRE_JSON_H

/* json: strict JSON (RFC 8259) to MessagePack and back, in one pass, without a tree.
 *
 * Integers that fit 64 bits (-2^63 to 2^64-1) stay exact, larger ones become doubles; a number that no double
 * can hold is refused. `-0` is the double -0.0: no integer keeps its sign. Depth is at most MP_DEPTH. A lone
 * surrogate escape becomes U+FFFD, \u0000 stays a character; text that is no UTF-8 is refused. Of a key that
 * stands twice in an object both members are kept. A refused allocation is no error of the text: ask the buf.
 */

#include <stdbool.h>
#include <stddef.h>

#include "wire/buf.h"

struct json_reader {
    const char *start;
    const char *at;
    const char *end;
    unsigned depth;    /* objects entered by json_object() */
    bool is_first;     /* json_object() was just read: no comma is due */
    const char *error; /* NULL, or what is wrong at `at` ("control character in a string") */
};

struct json_reader json_reader(const char *text, size_t len);

/* Transcode the next value and append it to @out. False on an error. */
bool json_value(struct json_reader *r, struct buf *out);

/* Walk an object's members: json_object() reads '{'; then json_member() reads the next key, decoded,
 * into @key (which is reset first), up to and with its colon; the caller then reads the value. After the last
 * one json_member() returns false without an error. */
bool json_object(struct json_reader *r);
bool json_member(struct json_reader *r, struct buf *key);

/* Nothing but white space is left. */
bool json_end(struct json_reader *r);

/* What is wrong and where: byte offset from the start, and line and column (from 1; columns in bytes). */
size_t json_offset(const struct json_reader *r);
void json_line_column(const struct json_reader *r, size_t *line, size_t *column);

/* All of the above for one whole text. Returns NULL, or what is wrong with *@offset of it; @out is then cut
 * back to where it was. */
const char *json_to_mp(const char *text, size_t len, struct buf *out, size_t *offset);

/* Append the checked MessagePack value at @mp as JSON text without white space. bin becomes base64 text (RFC
 * 4648, section 4); doubles are the shortest text that reads back as the same double, always with a fraction
 * or exponent where they are whole ("1.0"), so that the type survives. Non-string keys, ext and non-finite
 * numbers must have been refused before (mp_check); here they become null. Returns false only when @mp is
 * malformed or more than one value; @out is then cut back to where it was. */
bool mp_to_json(const void *mp, size_t len, struct buf *out);

#endif
