/* sluice: the broker's operations from a shell, through libsluice. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/sluice.h>

#include "cli.h"

static const char help[] =
    "Usage: sluice [OPTIONS] call JSON     run an operation, or a list of them, and print the result\n"
    "       sluice [OPTIONS] stats         print the broker's counters, and its groups with their members\n"
    "       sluice [OPTIONS] inspect GROUP print the events of a group that wait or are held, and where\n"
    "       sluice [OPTIONS] dead GROUP    print the events of a group that were given up, and why\n"
    "       sluice [OPTIONS] watch PATTERN print events as JSON, a line each, until stopped\n"
    "\n"
    "JSON is one operation of docs/protocol-handlers.md or an array of them (one request); - reads it from\n"
    "the standard input. Exit status: 0, 1 when an operation was refused or the broker gave no reply, 2 "
    "when\n"
    "the command line is wrong.\n"
    "\n"
    "Options:\n"
    "  -b, --broker ADDRESS   the broker's `calls` address, ipc:///path or tcp://host:port\n"
    "                         (default: $SLUICE_BROKER, or else the broker of this user)\n"
    "  -k, --key KEY          the secret that the broker asks for over TCP (default: $SLUICE_KEY)\n"
    "  -t, --timeout MS       how long to wait for a reply (default: 5000)\n"
    "  -V, --version          print the version\n"
    "  -h, --help             print this\n"
    "\n"
    "Examples:\n"
    "  sluice call '{\"op\": \"count\", \"filter\": {}}'\n"
    "  sluice call '{\"op\": \"send\", \"filter\": {\"room\": \"lobby\"}, \"event\": \"news\", \"payload\": "
    "\"tea!\"}'\n"
    "  sluice call '[{\"op\": \"find\", \"filter\": {}, \"limit\": 10}, {\"op\": \"stats\"}]'\n"
    "  echo '{\"op\": \"close\", \"filter\": {\"banned\": true}, \"code\": 4500}' | sluice call -\n"
    "  sluice watch 'chat:*'\n";

struct settings {
    const char *broker;
    const char *key;
    int timeout_ms;
};

static int read_timeout(const char *text, int *timeout_ms)
{
    char *end;
    long value = strtol(text, &end, 10);

    if (end == text || *end || value < 1 || value > 86400000) {
        fprintf(stderr, "sluice: --timeout %s: a number of milliseconds from 1 on\n", text);
        return -1;
    }
    *timeout_ms = (int)value;
    return 0;
}

/* 0: go on; 1: done; -1: wrong. */
static int read_options(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"broker", required_argument, NULL, 'b'},  {"key", required_argument, NULL, 'k'},
        {"timeout", required_argument, NULL, 't'}, {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "b:k:t:Vh", options, NULL)) != -1) {
        switch (option) {
        case 'b':
            settings->broker = optarg;
            break;
        case 'k':
            settings->key = optarg;
            break;
        case 't':
            if (read_timeout(optarg, &settings->timeout_ms) < 0)
                return -1;
            break;
        case 'V':
            printf("sluice %s\n", sluice_version());
            return 1;
        case 'h':
            fputs(help, stdout);
            return 1;
        default:
            return -1;
        }
    }
    return 0;
}

static int run(sluice_client *client, int count, char **words)
{
    if (count == 2 && strcmp(words[0], "call") == 0)
        return cli_call(client, words[1]);
    if (count == 1 && strcmp(words[0], "stats") == 0)
        return cli_stats(client);
    if (count == 2 && strcmp(words[0], "inspect") == 0)
        return cli_inspect(client, words[1]);
    if (count == 2 && strcmp(words[0], "dead") == 0)
        return cli_dead(client, words[1]);
    if (count == 2 && strcmp(words[0], "watch") == 0)
        return cli_watch(client, words[1]);
    fputs("sluice: call JSON, stats, inspect GROUP, dead GROUP or watch PATTERN; try sluice --help\n",
          stderr);
    return CLI_USAGE;
}

int cli_fault(sluice_client *client)
{
    const sluice_fault *fault = sluice_client_fault(client);
    const char *at = sluice_fault_at(fault);

    fprintf(stderr, "sluice: %s%s%s%s\n", sluice_fault_message(fault), *at ? " (at " : "", at,
            *at ? ")" : "");
    return CLI_FAILED;
}

int main(int argc, char **argv)
{
    struct settings settings = {.key = getenv("SLUICE_KEY"), .timeout_ms = 5000};
    int option = read_options(argc, argv, &settings), status;
    sluice_client *client;

    if (option != 0)
        return option > 0 ? 0 : CLI_USAGE;
    client = sluice_client_new("sluice", sluice_version());
    if (!client) {
        fputs("sluice: out of memory\n", stderr);
        return CLI_FAILED;
    }
    sluice_set_timeout(client, settings.timeout_ms);
    if (sluice_set_key(client, settings.key) < 0 || sluice_connect(client, settings.broker) < 0)
        status = cli_fault(client);
    else
        status = run(client, argc - optind, argv + optind);
    sluice_client_free(client);
    return status;
}
