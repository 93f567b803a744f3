#include "core/scalar.h"

#include <math.h>
#include <string.h>

static size_t put_bits(uint8_t *out, char kind, const void *bits)
{
    out[0] = (uint8_t)kind;
    memcpy(out + 1, bits, 8);
    return 9;
}

/* A float with an integer's value takes the integer's form; what fits no 64 bits equals no integer. */
static size_t real_form(double value, uint8_t *out)
{
    if (value == floor(value) && value >= 0 && value < 18446744073709551616.0) {
        uint64_t integer = (uint64_t)value;
        return put_bits(out, '+', &integer);
    }
    if (value == floor(value) && value < 0 && value >= -9223372036854775808.0) {
        int64_t integer = (int64_t)value;
        return put_bits(out, '-', &integer);
    }
    return put_bits(out, '.', &value);
}

size_t scalar_form(const struct mp_token *token, uint8_t out[SCALAR_MAX])
{
    switch (token->type) {
    case MP_BOOL:
        out[0] = token->boolean ? 't' : 'f';
        return 1;
    case MP_UINT:
        return put_bits(out, '+', &token->uint);
    case MP_INT:
        return put_bits(out, '-', &token->sint);
    case MP_FLOAT:
        return real_form(token->real, out);
    case MP_STR:
        if (token->len > SCALAR_TEXT_MAX)
            return 0;
        out[0] = '"';
        memcpy(out + 1, token->bytes, token->len);
        return token->len + 1;
    default:
        return 0;
    }
}
