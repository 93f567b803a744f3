#include "summary.h"

#include <string.h>

static const struct {
    const char *text;
    bool is_wanted;
} COUNT_TEXTS[COUNT_COUNT] = {
#define X(name, text, wanted) {text, wanted},
    COUNTS(X)
#undef X
};

/* Codes that a core without its edges, and with memory, tells nobody. */
static bool is_refusal(enum code code)
{
    return code != CODE_OK && code != CODE_BAD_MESSAGE && code != CODE_BAD_ID && code != CODE_UNLISTED &&
           code != CODE_TOO_OLD;
}

/* How often events must have died by @code; 0: they need not. */
static uint64_t deaths_wanted(enum code code)
{
    switch (code) {
    case CODE_FAILED:
    case CODE_UNLISTED:
    case CODE_TOO_OLD:
    case CODE_BAD_ARGUMENT:
    case CODE_UNKNOWN_KEY:
        return 1000;
    case CODE_UNKNOWN_OP:
    case CODE_BAD_FILTER:
    case CODE_BAD_UPDATE:
    case CODE_BAD_VALUE:
    case CODE_UPDATE_FAILED:
    case CODE_SESSION_TOO_LARGE:
    case CODE_MESSAGE_TOO_LARGE:
    case CODE_TOO_COSTLY:
        return 100;
    default:
        return 0;
    }
}

void summary_add(struct summary *to, const struct summary *from)
{
    for (unsigned i = 0; i < COUNT_COUNT; i++)
        to->counts[i] += from->counts[i];
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        to->refusals[i] += from->refusals[i];
        to->deads[i] += from->deads[i];
    }
}

static void print_line(FILE *out, const char *text, uint64_t number)
{
    fprintf(out, "  %-58s %10llu\n", text, (unsigned long long)number);
}

void summary_print(const struct summary *summary, FILE *out)
{
    char text[80];
    for (unsigned i = 0; i < COUNT_COUNT; i++)
        print_line(out, COUNT_TEXTS[i].text, summary->counts[i]);
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        snprintf(text, sizeof text, "event: dead by %s", code_text((enum code)i));
        if (summary->deads[i])
            print_line(out, text, summary->deads[i]);
    }
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        snprintf(text, sizeof text, "refused: %s", code_text((enum code)i));
        if (is_refusal((enum code)i) || summary->refusals[i])
            print_line(out, text, summary->refusals[i]);
    }
}

static bool is_missing(FILE *out, const char *kind, const char *text, uint64_t number, uint64_t wanted)
{
    if (number >= wanted)
        return false;
    fprintf(out, "too seldom: %s%s, %llu times of %llu\n", kind, text, (unsigned long long)number,
            (unsigned long long)wanted);
    return true;
}

unsigned summary_missing(const struct summary *summary, FILE *out)
{
    unsigned missing = 0;
    for (unsigned i = 0; i < COUNT_COUNT; i++)
        missing +=
            COUNT_TEXTS[i].is_wanted && is_missing(out, "", COUNT_TEXTS[i].text, summary->counts[i], 1000);
    for (unsigned i = 0; i < CODE_COUNT; i++) {
        const char *text = code_text((enum code)i);
        missing += is_refusal((enum code)i) && is_missing(out, "refused: ", text, summary->refusals[i], 100);
        missing += is_missing(out, "dead by ", text, summary->deads[i], deaths_wanted((enum code)i));
    }
    return missing;
}
