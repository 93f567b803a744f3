/* sluice stats, inspect, dead: groups as tables. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define PAGE 1000

static const char *text_of(const sluice_value *map, const char *key)
{
    return sluice_get_str(map, key, "-");
}

static int64_t number_of(const sluice_value *map, const char *key)
{
    return sluice_get_int(map, key, 0);
}

/* A duration for people, in one of a few buffers: "12 ms", "3.4 s", "5 min". */
static const char *time_of(const sluice_value *map, const char *key)
{
    static char texts[4][32];
    static unsigned next;
    char *text = texts[next++ % 4];
    int64_t ms = sluice_get_int(map, key, -1);

    if (ms < 0)
        snprintf(text, sizeof(texts[0]), "-");
    else if (ms < 1000)
        snprintf(text, sizeof(texts[0]), "%" PRId64 " ms", ms);
    else if (ms < 120000)
        snprintf(text, sizeof(texts[0]), "%.1f s", (double)ms / 1000);
    else
        snprintf(text, sizeof(texts[0]), "%" PRId64 " min", ms / 60000);
    return text;
}

/* ---- stats ---- */

static void print_numbers(const sluice_value *group, const char *const *keys)
{
    const char *before = "    ";

    for (; *keys; keys++) {
        char name[32];
        snprintf(name, sizeof(name), "%s", *keys);
        for (char *at = name; *at; at++)
            if (*at == '_')
                *at = ' ';
        printf("%s%s %" PRId64, before, name, number_of(group, *keys));
        before = ", ";
    }
    putchar('\n');
}

static void print_member(const sluice_value *member)
{
    printf("    %-24s %-16s %-8s %-8s %8" PRId64 " %6" PRId64 " %10" PRId64 " %9s %9s %s\n",
           text_of(member, "member"), text_of(member, "name"), text_of(member, "language"),
           text_of(member, "version"), number_of(member, "pid"), number_of(member, "held"),
           number_of(member, "handled"), time_of(member, "age_ms"), time_of(member, "heard_ms"),
           sluice_get_bool(member, "asking", false) ? "asks" : "busy");
}

static void print_group(const sluice_value *group)
{
    static const char *const now[] = {"backlog", "backlog_bytes", "held", "paused_connections", "dead_listed",
                                      NULL},
                             *const done[] = {"received", "handled",    "refused",
                                              "retried",  "overloaded", NULL},
                             *const again[] = {"attempts", "redeliveries", "lease_expired", "stale",
                                               "failed",   "dead",         "pauses",        NULL};
    const sluice_value *events = sluice_get_value(group, "events"),
                       *members = sluice_get_value(group, "members");

    printf("\ngroup %s%s, full: %s, oldest %s, %.1f/s in, %.1f/s handled\n", text_of(group, "group"),
           sluice_get_bool(group, "declared", false) ? " (declared)" : "", text_of(group, "full"),
           time_of(group, "oldest_ms"), sluice_get_double(group, "received_per_s", 0),
           sluice_get_double(group, "handled_per_s", 0));
    printf("    events");
    for (size_t i = 0; i < sluice_size(events); i++)
        printf(" %s", text_of(sluice_item(events, i), ""));
    putchar('\n');
    print_numbers(group, now);
    print_numbers(group, done);
    print_numbers(group, again);
    if (sluice_size(members) == 0) {
        puts("    no members");
        return;
    }
    printf("    %-24s %-16s %-8s %-8s %8s %6s %10s %9s %9s\n", "member", "name", "language", "version", "pid",
           "held", "handled", "age", "heard");
    for (size_t i = 0; i < sluice_size(members); i++)
        print_member(sluice_item(members, i));
}

void cli_print_groups(const sluice_value *stats)
{
    const sluice_value *groups = sluice_get_value(stats, "groups");

    for (size_t i = 0; i < sluice_size(groups); i++)
        print_group(sluice_item(groups, i));
}

/* ---- inspect, dead ---- */

static void print_waiting(const sluice_value *event)
{
    printf("%-10" PRId64 " %-24s %-24s %-8s %7" PRId64 " %9s %8" PRId64 "  ", number_of(event, "seq"),
           text_of(event, "event"), text_of(event, "conn"), text_of(event, "state"),
           number_of(event, "attempt"), time_of(event, "age_ms"), number_of(event, "bytes"));
    if (sluice_get_type(event, "member") != SLUICE_NONE)
        printf("by %s, lease %s", text_of(event, "member"), time_of(event, "lease_ms"));
    if (sluice_get_type(event, "due_ms") != SLUICE_NONE)
        printf("in %s", time_of(event, "due_ms"));
    puts(sluice_get_bool(event, "suspect", false) ? " suspect" : "");
}

static void print_dead(const sluice_value *event)
{
    const sluice_value *payload = sluice_get_value(event, "payload");
    const char *json = payload ? sluice_to_json(payload) : NULL;

    printf("%-10" PRId64 " %-24s %-24s %-18s %8" PRId64 "  %s\n", number_of(event, "seq"),
           text_of(event, "event"), text_of(event, "conn"), text_of(event, "code"),
           number_of(event, "attempts"), text_of(event, "message"));
    if (json)
        printf("           %s\n", json);
}

/* Print all pages of a list, with @head above. Returns the exit status. */
static int print_pages(sluice_client *client, const char *op, const char *group, const char *head,
                       void (*print)(const sluice_value *event))
{
    uint64_t after = 0;
    bool is_more = true;

    while (is_more) {
        sluice_event *step = sluice_begin(client);
        const sluice_value *result = NULL, *events;
        int error = sluice_call(step,
                                sluice_doc(step, "{op: %s, group: %s, limit: %d, after: %llu}", op, group,
                                           PAGE, (unsigned long long)after),
                                &result);
        if (error < 0) {
            sluice_cancel(step);
            return cli_fault(client);
        }
        if (head)
            puts(head);
        head = NULL;
        events = sluice_get_value(result, "events");
        for (size_t i = 0; i < sluice_size(events); i++)
            print(sluice_item(events, i));
        is_more = sluice_get_type(result, "next") == SLUICE_INT;
        after = sluice_get_uint(result, "next", 0);
        sluice_cancel(step);
    }
    return CLI_OK;
}

int cli_inspect(sluice_client *client, const char *group)
{
    char head[128];

    snprintf(head, sizeof(head), "%-10s %-24s %-24s %-8s %7s %9s %8s", "seq", "event", "conn", "state",
             "attempt", "age", "bytes");
    return print_pages(client, "inspect", group, head, print_waiting);
}

int cli_dead(sluice_client *client, const char *group)
{
    char head[128];

    snprintf(head, sizeof(head), "%-10s %-24s %-24s %-18s %8s  %s", "seq", "event", "conn", "code",
             "attempts", "message");
    return print_pages(client, "dead", group, head, print_dead);
}
