#ifndef SLUICE_CLIENT_DOC_H
#define SLUICE_CLIENT_DOC_H

/* doc: sluice_doc()'s notation to MessagePack. JSON with bare keys and single quotes, where conversions in
 * the way of printf stand for values. A conversion writes one value and can be nothing else: there is no text
 * to break out of. */

#include <stdarg.h>

#include "event.h"

/* A va_list that can be passed on by address. */
struct doc_args {
    va_list list;
};

struct doc {
    struct sluice_event *event;
    const char *format;
    const char *at;
    struct doc_args *args;
    struct buf *out;   /* client->text */
    struct buf *holes; /* client->holes: of struct hole */
    struct buf *piece; /* client->piece */
    unsigned depth;
    bool has_nested; /* a %p: the depth must be looked at */
    bool is_exists;  /* the value to come is the operand of $exists */
};

/* Parse @format with @args into a value of @event. NULL with the event's fault. */
const struct sluice_value *doc_make(struct sluice_event *event, const char *format, struct doc_args *args);

/* What is wrong where the parser is: sets the event's fault, returns false. */
bool doc_wrong(struct doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Take the conversion at doc->at (its '%') and write its value. */
bool doc_convert(struct doc *doc);

/* Note that the value from @offset on came from a conversion. */
void doc_add_hole(struct doc *doc, size_t offset, bool is_foreign);

/* Append @value to @out as a filter: where it has conversions, {"$arg": "0"}; and append the pairs "0": value
 * to @args, counted in *@count. */
void doc_put_filter(const struct sluice_value *value, struct buf *out, struct buf *args, uint32_t *count);

#endif
