#ifndef SLUICE_WS_HEAD_H
#define SLUICE_WS_HEAD_H

/* head: the head of an HTTP/1 request, read strictly (RFC 9112; lines may end with a bare LF): its method,
 * what it asks for, and its fields. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/buf.h"

struct head {
    const char *method;
    const char *path;  /* as it came, percent-encoded: "/ws", but also "*" or "host:80" */
    const char *query; /* behind the '?', likewise; "" for none */
    unsigned minor;    /* of HTTP/1.minor */
    size_t field_count;
    const char *fields; /* name and value in turn, each with a zero byte */
    char text[];
};

/* Whether a request may begin with these bytes. */
bool head_may_begin(const void *bytes, size_t len);

/* How many of the bytes are the head, its empty line included; 0 when that has not come yet. */
size_t head_end(const void *bytes, size_t len);

/* Read a whole head. 0 with *@out to be freed with free(); -1 with *@fault, a sentence for the client, or
 * NULL when memory is refused. */
int head_new(struct head **out, const void *bytes, size_t len, const char **fault);

/* Append the values of the field @name (case does not matter); several are one list. Returns how many there
 * are. */
size_t head_put(const struct head *head, const char *name, struct buf *out);

/* Append @text of a target without its percent-encoding. False when that is wrong or hides a zero byte. */
bool head_decode(const char *text, struct buf *out);

#endif
