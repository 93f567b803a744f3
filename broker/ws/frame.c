#include "ws/frame.h"

#include <string.h>

#include "wire/json.h"
#include "wire/utf8.h"

#define FIN 0x80

size_t frame_header(uint8_t out[FRAME_HEADER_MAX], enum frame_opcode opcode, size_t len)
{
    out[0] = (uint8_t)(FIN | opcode);
    unsigned bytes = len < 126 ? 0 : len <= UINT16_MAX ? 2 : 8;
    out[1] = (uint8_t)(bytes == 0 ? len : bytes == 2 ? 126 : 127);
    for (unsigned i = 0; i < bytes; i++)
        out[2 + i] = (uint8_t)((uint64_t)len >> (8 * (bytes - 1 - i)));
    return 2 + bytes;
}

static struct blob *frame_new(enum frame_opcode opcode, const void *payload, size_t len)
{
    uint8_t header[FRAME_HEADER_MAX];
    size_t header_len = frame_header(header, opcode, len);
    struct blob *frame = blob_new(NULL, header_len + len);
    if (!frame)
        return NULL;
    memcpy(frame->data, header, header_len);
    memcpy(frame->data + header_len, payload, len);
    return frame;
}

const struct blob *frame_of(struct message *m, enum encoding encoding, struct buf *scratch)
{
    if (m->frame[encoding])
        return m->frame[encoding];
    if (encoding == ENCODING_MSGPACK) {
        m->frame[encoding] = frame_new(FRAME_BINARY, m->body->data, m->body->len);
        return m->frame[encoding];
    }
    buf_reset(scratch);
    if (mp_to_json(m->body->data, m->body->len, scratch) && !scratch->failed)
        m->frame[encoding] = frame_new(FRAME_TEXT, scratch->data, scratch->len);
    return m->frame[encoding];
}

struct blob *frame_close(unsigned code, const char *reason, size_t reason_len)
{
    uint8_t payload[2 + FRAME_REASON_MAX] = {(uint8_t)(code >> 8), (uint8_t)code};
    size_t len = 0;
    if (reason_len > 0 && utf8_valid(reason, reason_len)) {
        len = utf8_cut(reason, reason_len, FRAME_REASON_MAX);
        memcpy(payload + 2, reason, len);
    }
    return frame_new(FRAME_CLOSE, payload, 2 + len);
}
