#include "bench/frame.h"

#include <errno.h>
#include <string.h>

enum { BIT_FINAL = 0x80, BITS_RESERVED = 0x70, BITS_OPCODE = 0x0f, BIT_MASKED = 0x80, BITS_LENGTH = 0x7f };
enum { LENGTH_16 = 126, LENGTH_64 = 127 };

static uint64_t read_big_endian(const uint8_t *in, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 8 | in[i];
    return value;
}

static bool is_control(enum frame_opcode opcode)
{
    return opcode >= FRAME_CLOSE;
}

/* What the first two bytes alone show to be wrong. */
static int check_head(const uint8_t *in)
{
    enum frame_opcode opcode = in[0] & BITS_OPCODE;

    if (in[0] & BITS_RESERVED)
        return -EPROTO;
    if (opcode > FRAME_PONG || (opcode > FRAME_BINARY && opcode < FRAME_CLOSE))
        return -EPROTO;
    if (is_control(opcode) && (!(in[0] & BIT_FINAL) || (in[1] & BITS_LENGTH) > FRAME_CONTROL_MAX))
        return -EPROTO;
    return 0;
}

int frame_read(struct frame *f, const uint8_t *in, size_t len, size_t limit)
{
    size_t length_bytes, key_bytes;
    uint64_t payload;

    if (len < 2)
        return FRAME_E_MORE;
    if (check_head(in) != 0)
        return -EPROTO;
    payload = in[1] & BITS_LENGTH;
    length_bytes = payload == LENGTH_16 ? 2 : payload == LENGTH_64 ? 8 : 0;
    f->is_masked = in[1] & BIT_MASKED;
    key_bytes = f->is_masked ? 4 : 0;
    if (len < 2 + length_bytes + key_bytes)
        return FRAME_E_MORE;
    if (length_bytes > 0) {
        payload = read_big_endian(in + 2, length_bytes);
        if (payload < LENGTH_16 || (length_bytes == 8 && payload <= UINT16_MAX))
            return -EPROTO; /* the shortest form is the only one */
    }
    if (payload > limit)
        return -EMSGSIZE;
    f->opcode = in[0] & BITS_OPCODE;
    f->is_final = in[0] & BIT_FINAL;
    memcpy(f->key, in + 2 + length_bytes, key_bytes);
    f->header_bytes = 2 + length_bytes + key_bytes;
    f->payload_bytes = (size_t)payload;
    return len - f->header_bytes < f->payload_bytes ? FRAME_E_MORE : 0;
}

size_t frame_write_header(uint8_t *out, enum frame_opcode opcode, bool is_final, size_t payload_bytes,
                          const uint8_t *key)
{
    size_t length_bytes = payload_bytes < LENGTH_16 ? 0 : payload_bytes <= UINT16_MAX ? 2 : 8;
    size_t short_form = length_bytes == 0 ? payload_bytes : length_bytes == 2 ? LENGTH_16 : LENGTH_64;

    out[0] = (uint8_t)(opcode | (is_final ? BIT_FINAL : 0));
    out[1] = (uint8_t)(short_form | (key ? BIT_MASKED : 0));
    for (size_t i = 0; i < length_bytes; i++)
        out[2 + i] = (uint8_t)((uint64_t)payload_bytes >> (8 * (length_bytes - 1 - i)));
    if (key)
        memcpy(out + 2 + length_bytes, key, 4);
    return 2 + length_bytes + (key ? 4 : 0);
}

void frame_mask(uint8_t *out, const uint8_t *in, size_t n, const uint8_t key[4])
{
    uint8_t twice[8] = {key[0], key[1], key[2], key[3], key[0], key[1], key[2], key[3]};
    uint64_t wide_key, word;
    size_t i = 0;

    memcpy(&wide_key, twice, sizeof(wide_key));
    for (; i + sizeof(word) <= n; i += sizeof(word)) {
        memcpy(&word, in + i, sizeof(word));
        word ^= wide_key;
        memcpy(out + i, &word, sizeof(word));
    }
    for (; i < n; i++)
        out[i] = in[i] ^ key[i & 3];
}
