#include "wire/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, const void *bytes, size_t len)
{
    const uint8_t *in = bytes;
    if (len == 0)
        return;
    if (len > SIZE_MAX / 4) {
        out->failed = true;
        return;
    }
    uint8_t *text = buf_grow(out, (len + 2) / 3 * 4);
    if (!text)
        return;
    for (; len >= 3; in += 3, len -= 3, text += 4) {
        unsigned bits = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
        text[0] = (uint8_t)alphabet[bits >> 18];
        text[1] = (uint8_t)alphabet[bits >> 12 & 63];
        text[2] = (uint8_t)alphabet[bits >> 6 & 63];
        text[3] = (uint8_t)alphabet[bits & 63];
    }
    if (len == 0)
        return;
    unsigned bits = (unsigned)in[0] << 16 | (len == 2 ? (unsigned)in[1] << 8 : 0);
    text[0] = (uint8_t)alphabet[bits >> 18];
    text[1] = (uint8_t)alphabet[bits >> 12 & 63];
    text[2] = len == 2 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
    text[3] = '=';
}
