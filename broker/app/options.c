#include "app/options.h"

#include <stdlib.h>
#include <string.h>

#include "app/settings.h"
#include "wire/nearest.h"

#define HELP_WIDTH  100
#define HELP_INDENT 8

static const struct origin line_origin = {.from = ORIGIN_LINE};

/* The row for the option @name[@len] (without dashes), or NULL. */
static const struct setting *find(const char *name, size_t len)
{
    char option[64];
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        setting_option(&SETTINGS[i], option, sizeof option);
        if (strlen(option) == len && memcmp(option, name, len) == 0)
            return &SETTINGS[i];
    }
    return NULL;
}

static int unknown(struct config *c, const char *name, size_t len)
{
    char options[CONFIG_SETTINGS_MAX][64];
    const char *known[CONFIG_SETTINGS_MAX + 1];
    size_t count = 0;
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (SETTINGS[i].place == SETTING_FILE_ONLY)
            continue;
        setting_option(&SETTINGS[i], options[count], sizeof options[count]);
        known[count] = options[count];
        count++;
    }
    known[count] = NULL;
    const char *meant = nearest(name, len, known);
    if (meant)
        return config_fault(c, line_origin, "unknown option --%.*s; did you mean --%s?", (int)len, name,
                            meant);
    return config_fault(c, line_origin, "unknown option --%.*s; see sluiced --help", (int)len, name);
}

static int set_flag(struct config *c, const struct setting *s, const char *value)
{
    if (!value || strcmp(value, "true") == 0)
        return setting_set_flag(c, s, line_origin, true);
    if (strcmp(value, "false") == 0)
        return setting_set_flag(c, s, line_origin, false);
    return setting_fault(c, s, line_origin, "must be true or false, not \"%s\"", value);
}

static int set_value(struct config *c, const struct setting *s, const char *value)
{
    char *end;
    if (s->kind != SETTING_UNSIGNED && s->kind != SETTING_SIZE)
        return setting_set_text(c, s, line_origin, value);
    double number = strtod(value, &end);
    if (*value == '\0' || strspn(value, "-.0123456789") != strlen(value) || *end != '\0')
        return setting_fault(c, s, line_origin, "must be a number, not \"%s\"", value);
    return setting_set_number(c, s, line_origin, number);
}

/* Read the option argv[*@i] and move on to the last argument that belongs to it. */
static int read_one(struct config *c, char **argv, int *i)
{
    const char *name = argv[*i] + 2;
    size_t len = strcspn(name, "=");
    const char *value = name[len] == '=' ? name + len + 1 : NULL;
    const struct setting *s = find(name, len);
    if (!s)
        return unknown(c, name, len);
    if (s->place == SETTING_FILE_ONLY)
        return setting_fault(c, s, line_origin, "can be set in the config file only");
    if (s->kind == SETTING_FLAG)
        return set_flag(c, s, value);
    if (!value)
        value = argv[*i + 1];
    else
        return set_value(c, s, value);
    if (!value)
        return setting_fault(c, s, line_origin, "needs a value: %s", s->value);
    ++*i;
    return set_value(c, s, value);
}

int options_read(struct config *c, int argc, char **argv)
{
    int result = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0)
            c->wants_help = true;
        else if (strcmp(argv[i], "-V") == 0)
            c->wants_version = true;
        else if (strncmp(argv[i], "--", 2) == 0 && argv[i][2] != '\0')
            result |= read_one(c, argv, &i);
        else
            result |= config_fault(c, line_origin, "unexpected argument \"%s\"; see sluiced --help", argv[i]);
    }
    return result;
}

/* @text in lines of at most HELP_WIDTH, each after HELP_INDENT spaces. */
static void put_wrapped(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strlen(text);
        size_t room = HELP_WIDTH - HELP_INDENT;
        if (len > room)
            for (len = room; len > 1 && text[len] != ' '; len--)
                ;
        fprintf(out, "%*s%.*s\n", HELP_INDENT, "", (int)len, text);
        text += len;
        text += strspn(text, " ");
    }
}

static void put_setting(FILE *out, const struct setting *s, const struct config *defaults)
{
    char option[64];
    char value[256];
    char range[64];
    setting_option(s, option, sizeof option);
    setting_format(s, defaults, value, sizeof value);
    setting_range(s, range, sizeof range);
    fprintf(out, "  --%s%s%s", option, *s->value ? " " : "", s->value);
    if (*value || *range)
        fprintf(out, "  [%s%s%s]", value, *value && *range ? ", " : "", range);
    fputc('\n', out);
    put_wrapped(out, s->help);
}

void options_help(FILE *out)
{
    struct config defaults;
    const char *group = "";
    config_init(&defaults);
    fputs("sluiced " SLUICE_VERSION ": a WebSocket broker whose handlers are programs of their own\n\n"
          "Usage: sluiced [--OPTION VALUE]...\n\n"
          "Each option is shown with its [default, range]. In the config file it is a key, with _ for -.\n",
          out);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (SETTINGS[i].place == SETTING_FILE_ONLY)
            continue;
        if (strcmp(group, SETTINGS[i].group) != 0)
            fprintf(out, "\n%s\n", group = SETTINGS[i].group);
        put_setting(out, &SETTINGS[i], &defaults);
    }
    fputs(
        "\nExamples\n"
        "  sluiced                                       clients at ws://127.0.0.1:8080/ws, handlers by IPC\n"
        "  sluiced --listen 0.0.0.0:8080 --static web    clients from everywhere, and the files of web/\n"
        "  sluiced --calls tcp://127.0.0.1:5555 --events tcp://127.0.0.1:5556\n"
        "  sluiced --config sluice.json --check          is the file right?\n\n"
        "A config file: {\"listen\": \"[::]:8080\", \"headers\": [\"cookie\"], // and so on\n"
        "                \"batches\": [{\"event\": \"cursor\", \"interval_ms\": 50, \"keep\": "
        "\"latest\"}],\n"
        "                \"groups\": {\"chat\": {\"events\": [\"chat:*\", \"@disconnect\"]}}}\n\n"
        "It ends with 0 after SIGTERM or SIGINT, 1 when it cannot start, 2 for a wrong command line.\n",
        out);
    config_deinit(&defaults);
}
