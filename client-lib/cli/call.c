/* sluice call: JSON in, JSON out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define INPUT_MAX ((size_t)16 * 1024 * 1024) /* JSON of a request of 1 MiB is never larger */

/* The standard input as text; the caller frees it. NULL with a message. */
static char *read_input(void)
{
    size_t len = 0, cap = 65536, got;
    char *text = malloc(cap);

    while (text && (got = fread(text + len, 1, cap - len - 1, stdin)) > 0) {
        char *larger;
        len += got;
        if (cap - len > 1)
            continue;
        larger = cap < INPUT_MAX ? realloc(text, cap * 2) : NULL;
        if (!larger) {
            free(text);
            text = NULL;
            break;
        }
        text = larger;
        cap *= 2;
    }
    if (!text || memchr(text, '\0', len)) {
        fputs(text ? "sluice: the input is not text\n" : "sluice: the input is too large\n", stderr);
        free(text);
        return NULL;
    }
    text[len] = '\0';
    return text;
}

static int call(sluice_client *client, sluice_event *step, const char *json)
{
    const sluice_value *op = sluice_json(step, json), *result = NULL;
    int error = sluice_call(step, op, &result);

    if (result)
        puts(sluice_to_json(result));
    if (error < 0 && !result)
        return cli_fault(client);
    return error < 0 ? CLI_FAILED : CLI_OK;
}

int cli_call(sluice_client *client, const char *json)
{
    char *input = strcmp(json, "-") == 0 ? read_input() : NULL;
    sluice_event *step;
    int status;

    if (!input && strcmp(json, "-") == 0)
        return CLI_FAILED;
    step = sluice_begin(client);
    status = call(client, step, input ? input : json);
    sluice_cancel(step);
    free(input);
    return status;
}
