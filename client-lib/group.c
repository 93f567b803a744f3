#include "group.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "clock.h"
#include "verdict.h"

#define FUNCTIONS_MAX 64
#define SLICE_US      5000   /* what is finished waits no longer than this for what comes after it */
#define AHEAD_US      100000 /* events are fetched for so long; others may have the rest */
#define COST_FIRST_US 6000   /* of a function that was never called: few are fetched at first */
#define COST_WEIGHT   8
#define SHORT_US      20 /* of functions that take less, several are timed together */
#define SHORT_CALLS   4

static int64_t clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- Groups and their functions ---- */

static struct group *group_find(struct sluice_client *client, const char *name, unsigned *count)
{
    *count = 0;
    for (struct group *group = client->groups; group; group = group->next) {
        if (strcmp(group->options.group, name) == 0)
            return group;
        ++*count;
    }
    return NULL;
}

static struct group *group_new(struct sluice_client *client, const char *name, unsigned index)
{
    struct group *group, **end = &client->groups;

    if (index >= LINK_GROUPS) {
        error_set(&client->fault, SLUICE_E_ARGUMENT, "a client is a member of at most %d groups",
                  LINK_GROUPS);
        return NULL;
    }
    group = calloc(1, sizeof(*group));
    if (!group) {
        error_nomem(&client->fault);
        return NULL;
    }
    group->client = client;
    memcpy(group->options.group, name, strlen(name) + 1);
    group->cost_us = COST_FIRST_US;
    group->talk_slot = (enum link_slot)(LINK_TALKS + index);
    for (unsigned i = 0; i < 2; i++)
        group->turns[i].slot = (enum link_slot)(LINK_TURNS + 2 * index + i);
    while (*end)
        end = &(*end)->next;
    *end = group;
    return group;
}

struct group *group_need(struct sluice_client *client, const struct group_options *options)
{
    unsigned count;
    struct group *group = group_find(client, options->group, &count);
    bool changed;

    if (!group)
        group = group_new(client, options->group, count);
    if (!group)
        return NULL;
    if (group_options_merge(&group->options, options, &changed, &client->fault) < 0) {
        group_drop(group);
        return NULL;
    }
    group->is_changed |= changed;
    return group;
}

void group_drop(struct group *group)
{
    struct group **at = &group->client->groups;

    if (group->function_count > 0)
        return;
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    group_free(group);
}

int group_add(struct group *group, const char *pattern, sluice_handler_fn *fn, void *arg)
{
    struct sluice_client *client = group->client;
    struct group_function *list;
    char *copy;

    for (size_t i = 0; i < group->function_count; i++)
        if (strcmp(group->functions[i].pattern, pattern) == 0)
            return error_set(&client->fault, SLUICE_E_ARGUMENT,
                             "group %s: %s has a function already, and an event is handled once",
                             group->options.group, pattern);
    if (group->function_count == FUNCTIONS_MAX)
        return error_set(&client->fault, SLUICE_E_ARGUMENT, "group %s: at most %d patterns",
                         group->options.group, FUNCTIONS_MAX);
    list = realloc(group->functions, (group->function_count + 1) * sizeof(*list));
    if (!list)
        return error_nomem(&client->fault);
    group->functions = list;
    copy = strdup(pattern);
    if (!copy)
        return error_nomem(&client->fault);
    list[group->function_count++] = (struct group_function){copy, fn, arg};
    group->is_changed = true;
    return 0;
}

static struct group_function *function_for(struct group *group, const char *name)
{
    for (size_t i = 0; i < group->function_count; i++) {
        const char *pattern = group->functions[i].pattern;
        if (event_pattern_matches(pattern, strlen(pattern), name, strlen(name)))
            return &group->functions[i];
    }
    return NULL;
}

/* ---- Forgetting ---- */

/* A function keeps it and may go on reading it; its end goes nowhere. */
static void forget_kept(struct sluice_event *event)
{
    held_leave(event);
    event->held.hold = HOLD_LOST;
}

/* It leaves its list first: then what is behind it stays where it is, and whoever walks the list may do so
 * during this. */
static void forget(struct sluice_event *event)
{
    held_remove(event);
    if (event->held.hold == HOLD_LATER || event->held.hold == HOLD_RUNNING)
        forget_kept(event);
    else
        event_free(event);
}

void group_forget_after(struct group *group, struct sluice_event *event)
{
    struct sluice_event *after = event->held.after;

    (void)group;
    while (after) {
        struct sluice_event *next = after->held.after;
        forget(after);
        after = next;
    }
}

static void forget_in(struct held_list *list, const char *conn)
{
    struct sluice_event *event = list->first;

    while (event) {
        struct sluice_event *next = event->held.next;
        if (strcmp(event->conn, conn) == 0)
            forget(event);
        event = next;
    }
}

void group_forget_conn(struct group *group, const char *conn)
{
    forget_in(&group->waiting, conn);
    forget_in(&group->later, conn);
    forget_in(&group->finished, conn);
}

static void forget_all(struct held_list *list)
{
    while (list->first)
        forget(list->first);
}

void group_forget(struct group *group)
{
    if (group->later.count > 0)
        client_log(group->client, 'i', "group %s: %u events that functions keep belong to others now",
                   group->options.group, group->later.count);
    forget_all(&group->waiting);
    forget_all(&group->later);
    forget_all(&group->finished);
    for (unsigned i = 0; i < 2; i++)
        forget_all(&group->turns[i].events);
}

void group_free(struct group *group)
{
    group_forget(group);
    for (size_t i = 0; i < group->function_count; i++)
        free(group->functions[i].pattern);
    free(group->functions);
    group_options_deinit(&group->options);
    free(group);
}

/* ---- Events that came ---- */

/* An earlier attempt of the same event that is still here is nobody's any more. One that was taken back
 * together with an event before it did not count as an attempt. */
static void forget_earlier_attempt(struct group *group, const struct sluice_event *event)
{
    struct held_list *lists[] = {&group->waiting, &group->later, &group->finished};
    struct sluice_event *earlier = NULL;

    if (group->options.per_conn > 1)
        earlier = held_find_chained(&group->tails, event->conn, event->seq);
    else if (event->held.attempt > 1)
        for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]) && !earlier; i++)
            earlier = held_find(lists[i], event->seq);
    if (earlier)
        forget(earlier);
}

/* Where it stands among those of its connection. What a function keeps beyond its lease holds up nobody. */
static void chain(struct group *group, struct sluice_event *event)
{
    struct sluice_event *kept = group->later.first;
    int64_t now = clock_ms();

    while (kept) {
        struct sluice_event *next = kept->held.next;
        if (now - kept->held.lease_ms > group->lease_ms && strcmp(kept->conn, event->conn) == 0)
            forget(kept);
        kept = next;
    }
    held_chain(&group->tails, event);
}

static bool take_name(struct sluice_event *event, const struct slice *name)
{
    struct mp_reader r = mp_reader(name->bytes, name->len);
    const char *text;
    size_t len;

    if (!name->bytes || !mp_str(&r, &text, &len) || len >= sizeof(event->own_name))
        return false;
    memcpy(event->own_name, text, len);
    event->own_name[len] = '\0';
    event->name = event->own_name;
    return true;
}

static bool take_event(struct group *group, struct packet *packet, const struct event_parts *parts)
{
    struct sluice_event *event = event_new(group->client);

    if (!event)
        return false;
    if (!event_fill(event, packet, "", group->epoch, strlen(group->epoch), parts) ||
        !take_name(event, &parts->name)) {
        event_free(event);
        return false;
    }
    event_unlink(event); /* open when its function runs */
    forget_earlier_attempt(group, event);
    event->held.hold = HOLD_WAITING;
    event->held.group = group;
    event->held.lease_ms = clock_ms();
    if (group->options.per_conn > 1)
        chain(group, event);
    held_append(&group->waiting, event);
    return true;
}

void group_take(struct group *group, struct packet *packet, struct mp_reader events, uint32_t count)
{
    struct event_parts parts;

    for (uint32_t i = 0; i < count; i++)
        if (!event_parse(&events, &parts) || !take_event(group, packet, &parts))
            client_log(group->client, 'w', "group %s: an event could not be taken and comes again later",
                       group->options.group);
}

/* ---- Functions ---- */

void group_finish(struct sluice_event *event, int result)
{
    struct group *group = event->held.group;

    event->held.hold = HOLD_FINISHED; /* also for on_error */
    verdict_settle(event, result);
    if (event->held.verdict == VERDICT_RETRY)
        group_forget_after(group, event);
    held_append(&group->finished, event);
}

static void after_function(struct sluice_event *event, int result)
{
    struct held *held = &event->held;

    if (held->is_finished_inside)
        result = held->result_inside;
    if (held->hold == HOLD_LOST && (result != SLUICE_LATER || held->is_finished_inside)) {
        event_free(event);
    } else if (held->hold == HOLD_LOST) {
        return;
    } else if (result == SLUICE_LATER) {
        held->hold = HOLD_LATER;
        held_append(&held->group->later, event);
    } else {
        group_finish(event, result);
    }
}

static void call_function(struct group *group, struct sluice_event *event)
{
    struct sluice_client *client = group->client;
    struct group_function *function = function_for(group, event->name), copy;
    int result;

    held_remove(event);
    event_link(event);
    event->held.hold = HOLD_RUNNING;
    if (!function) { /* of a pattern that somebody else in this group lists */
        after_function(event, SLUICE_RETRY);
        return;
    }
    copy = *function; /* it may subscribe, and the list move */
    error_clear(&client->fault);
    client->is_in_function = true;
    result = copy.fn(event, copy.arg);
    client->is_in_function = false;
    client->function_calls++;
    after_function(event, result);
}

void group_work(struct group *group)
{
    int64_t begin = clock_us(), before = begin;

    while (group->waiting.count > 0 && before - begin < SLICE_US) {
        int64_t most = group->cost_us < SHORT_US ? SHORT_CALLS : 1, calls = 0, now;
        for (; calls < most && group->waiting.count > 0; calls++)
            call_function(group, group->waiting.first);
        now = clock_us();
        group->cost_us += ((now - before) / calls - group->cost_us) / COST_WEIGHT;
        before = now;
    }
}

unsigned group_held(const struct group *group)
{
    return group->waiting.count + group->later.count + group->finished.count;
}

unsigned group_wants(const struct group *group)
{
    unsigned max = group->options.max ? group->options.max : GROUP_MAX_HELD;
    unsigned kept = group->later.count + group->finished.count;
    int64_t ahead = group->cost_us > 0 ? AHEAD_US / group->cost_us : max;

    if (ahead < 1)
        ahead = 1;
    if (ahead < group->waiting.count)
        ahead = group->waiting.count;
    return ahead + kept < max ? (unsigned)ahead + kept : max;
}
