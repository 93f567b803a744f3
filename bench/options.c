#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"

enum { WINDOW_MAX = 65536, CLOSED_WINDOW = 1, OPEN_WINDOW = 256, EVENT_MAX = 128 };

static const double seconds_max = 3600, rate_max = 1e8;

static const char help[] =
    "Usage: wsload [options] ws://HOST:PORT[/PATH]\n"
    "Loads a WebSocket server that echoes {\"e\":EVENT,\"p\":...} and checks every echo. PATH: /ws by "
    "default.\n"
    "\n"
    "  -c, --connections N        (1)\n"
    "  -n, --in-flight N          messages under way per connection (1); each echo sends the next one.\n"
    "                             With --rate: the most of them (256); later ones wait, which counts\n"
    "  -r, --rate N               open loop: N messages per second in all, whatever the server does; "
    "latency\n"
    "                             counts from the time at which a message was meant to be sent\n"
    "  -m, --messages N           for each connection, then stop; --duration is the most it may take\n"
    "      --cast                 the first connection sends, and every one must get each message, in "
    "order,\n"
    "                             alone or in batches: a rate of deliveries, and the latency of the last\n"
    "  -e, --event NAME           (echo)\n"
    "  -p, --payload BYTES        JSON text of the payload, at least 33 (64)\n"
    "  -t, --text plain|mixed     what fills it: x, or escapes and non-ASCII characters (plain)\n"
    "  -q, --question             send questions (\"i\"); Sluice allows 64 open ones per connection\n"
    "  -s, --subprotocol NAME     offer this one, e.g. sluice.v1.json (none)\n"
    "  -w, --warmup SECONDS       before measuring (0.5)\n"
    "  -d, --duration SECONDS     of measuring (2)\n"
    "      --drain SECONDS        that the last echoes may take (5)\n"
    "      --connect-timeout SECONDS  for all handshakes (10)\n"
    "      --sources N            come from N addresses, 127.0.0.1 and the following ones\n"
    "      --stepwise             say 'connected', and start when a line 'go' comes on standard input; say\n"
    "                             'finished', and do it again on the next 'go'; any other line is the end\n"
    "      --chop BYTES           move only 1 to BYTES (random) per recv and send: frames cut anywhere\n"
    "  -j, --json FILE            results as JSON too (-: standard output, and no text)\n"
    "  -h, --help                 this text\n"
    "\n"
    "Exit status: 0 all echoes right, 1 some wrong, out of order or missing (or an error), 2 bad usage,\n"
    "3 no connection.\n";

static const struct option long_options[] = {
    {"connections", required_argument, NULL, 'c'},
    {"in-flight", required_argument, NULL, 'n'},
    {"rate", required_argument, NULL, 'r'},
    {"messages", required_argument, NULL, 'm'},
    {"cast", no_argument, NULL, 'A'},
    {"sources", required_argument, NULL, 'S'},
    {"stepwise", no_argument, NULL, 'W'},
    {"event", required_argument, NULL, 'e'},
    {"payload", required_argument, NULL, 'p'},
    {"text", required_argument, NULL, 't'},
    {"question", no_argument, NULL, 'q'},
    {"subprotocol", required_argument, NULL, 's'},
    {"warmup", required_argument, NULL, 'w'},
    {"duration", required_argument, NULL, 'd'},
    {"drain", required_argument, NULL, 'D'},
    {"connect-timeout", required_argument, NULL, 'C'},
    {"chop", required_argument, NULL, 'x'},
    {"json", required_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int complain(const char *format, ...)
{
    va_list args;

    fputs("wsload: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs(" (see --help)\n", stderr);
    return -EINVAL;
}

/* A number from @least to @most. */
static int read_number(const char *what, const char *text, double least, double most, double *out)
{
    char *end;

    errno = 0;
    *out = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(*out >= least && *out <= most))
        return complain("%s takes a number from %g to %g, not '%s'", what, least, most, text);
    return 0;
}

static int read_count(const char *what, const char *text, double least, double most, uint32_t *out)
{
    double number;

    if (read_number(what, text, least, most, &number) < 0)
        return -EINVAL;
    *out = (uint32_t)number;
    return (double)*out == number ? 0 : complain("%s takes a whole number, not '%s'", what, text);
}

static int read_seconds(const char *what, const char *text, double least, uint64_t *out)
{
    double seconds;

    if (read_number(what, text, least, seconds_max, &seconds) < 0)
        return -EINVAL;
    *out = (uint64_t)(seconds * NS_PER_S);
    return 0;
}

static int read_payload(struct message_options *m, const char *text)
{
    uint32_t bytes;

    if (read_count("--payload", text, MESSAGE_PAYLOAD_MIN, MESSAGE_PAYLOAD_MAX, &bytes) < 0)
        return -EINVAL;
    m->payload_bytes = bytes;
    return 0;
}

static int read_filler(struct message_options *m, const char *text)
{
    m->filler = strcmp(text, "mixed") == 0 ? MESSAGE_MIXED : MESSAGE_PLAIN;
    if (m->filler == MESSAGE_PLAIN && strcmp(text, "plain") != 0)
        return complain("--text takes plain or mixed, not '%s'", text);
    return 0;
}

static int read_event(struct message_options *m, const char *text)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:";

    m->event = text;
    if (*text == '\0' || strlen(text) > EVENT_MAX || text[strspn(text, allowed)] != '\0')
        return complain("--event takes an event name, not '%s'", text);
    return 0;
}

static int read_option(struct options *o, int option, const char *text)
{
    struct load_options *l = &o->load;

    switch (option) {
    case 'c':
        return read_count("--connections", text, 1, MESSAGE_CONNECTIONS_MAX, &l->connections);
    case 'n':
        return read_count("--in-flight", text, 1, WINDOW_MAX, &l->window);
    case 'r':
        return read_number("--rate", text, 0.001, rate_max, &l->rate);
    case 'm':
        return read_count("--messages", text, 1, MESSAGE_SEQ_MAX, &l->messages);
    case 'A':
        l->is_cast = true;
        return 0;
    case 'S':
        return read_count("--sources", text, 1, 250, &l->sources);
    case 'W':
        l->is_stepwise = true;
        return 0;
    case 'e':
        return read_event(&l->message, text);
    case 'p':
        return read_payload(&l->message, text);
    case 't':
        return read_filler(&l->message, text);
    case 'q':
        l->message.is_question = true;
        return 0;
    case 's':
        l->subprotocol = text;
        return 0;
    case 'w':
        return read_seconds("--warmup", text, 0, &l->warmup_ns);
    case 'd':
        return read_seconds("--duration", text, 0.001, &l->duration_ns);
    case 'D':
        return read_seconds("--drain", text, 0, &l->drain_ns);
    case 'C':
        return read_seconds("--connect-timeout", text, 0.001, &l->connect_ns);
    case 'x':
        return read_count("--chop", text, 1, 1 << 20, &l->chop_bytes);
    case 'j':
        o->json_path = text;
        return 0;
    default: /* getopt has said what is wrong */
        fputs("(see --help)\n", stderr);
        return -EINVAL;
    }
}

/* Cut ws://HOST:PORT/PATH; HOST may be an IPv6 address in brackets. */
static int read_url(struct options *o, const char *url)
{
    static const char scheme[] = "ws://";
    size_t prefix = sizeof(scheme) - 1;
    char *authority = o->url, *slash, *colon;

    if (strncmp(url, scheme, prefix) != 0 || strlen(url) >= sizeof(o->url) || strpbrk(url, " \r\n\t"))
        return complain("ws://HOST:PORT/PATH is needed, not '%s'", url);
    snprintf(o->url, sizeof(o->url), "%s", url + prefix);
    slash = strchr(authority, '/');
    o->load.path = slash ? url + prefix + (slash - authority) : "/ws";
    if (slash)
        *slash = '\0';
    colon = strrchr(authority, ':');
    if (colon == NULL || colon == authority || colon[1] == '\0')
        return complain("the address needs a host and a port: '%s'", url);
    *colon = '\0';
    if (authority[0] == '[' && colon[-1] == ']') {
        authority++;
        colon[-1] = '\0';
    }
    o->load.host = authority;
    o->load.port = colon + 1;
    return 0;
}

int options_read(struct options *o, int argc, char **argv)
{
    struct load_options *l = &o->load;
    int option;

    memset(o, 0, sizeof(*o));
    l->message = (struct message_options){.event = "echo", .payload_bytes = 64};
    l->connections = 1;
    l->connect_ns = 10ULL * NS_PER_S;
    l->warmup_ns = NS_PER_S / 2;
    l->duration_ns = 2ULL * NS_PER_S;
    l->drain_ns = 5ULL * NS_PER_S;
    while ((option = getopt_long(argc, argv, "c:n:r:m:e:p:t:qs:w:d:j:h", long_options, NULL)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return OPTIONS_E_DONE;
        }
        if (read_option(o, option, optarg) < 0)
            return -EINVAL;
    }
    if (l->window == 0)
        l->window = l->rate > 0 ? OPEN_WINDOW : CLOSED_WINDOW;
    if (l->rate > 0 && (l->is_cast || l->messages > 0))
        return complain("--rate goes with neither --cast nor --messages");
    if (argc - optind != 1)
        return complain("exactly one address is needed: ws://HOST:PORT/PATH");
    return read_url(o, argv[optind]);
}
