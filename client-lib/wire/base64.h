#ifndef SLUICE_WIRE_BASE64_H
#define SLUICE_WIRE_BASE64_H

#include "wire/buf.h"

/* Append @len bytes as base64 text with padding (RFC 4648, section 4). */
void base64_put(struct buf *out, const void *bytes, size_t len);

#endif
