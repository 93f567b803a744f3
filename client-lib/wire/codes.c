#include "wire/codes.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *text;
    bool temporary;
    const char *help;
} table[] = {
#define X(name, text, temporary, help) {text, temporary, help},
    CODES(X)
#undef X
};

const char *code_text(enum code code)
{
    return (unsigned)code < CODE_COUNT ? table[code].text : NULL;
}

bool code_temporary(enum code code)
{
    return (unsigned)code < CODE_COUNT && table[code].temporary;
}

const char *code_help(enum code code)
{
    return (unsigned)code < CODE_COUNT ? table[code].help : NULL;
}

enum code code_from_text(const char *text)
{
    unsigned code = 0;
    while (code < CODE_COUNT && strcmp(table[code].text, text) != 0)
        code++;
    return (enum code)code;
}
