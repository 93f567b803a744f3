#ifndef SLUICE_TESTS_INTEGRATION_CLIENT_MEMBER_H
#define SLUICE_TESTS_INTEGRATION_CLIENT_MEMBER_H

/* member: members of the group `g` with the real broker, and what it says of them. Include after cmocka.h, in
 * one file of a program. */

#include <stdio.h>
#include <string.h>

#include "fixture.h"

static sluice_event *kept[64];
static unsigned kept_count;
static unsigned calls, attempts_beyond_one;
static int result;
static char names[1024], logged[4096];

static inline void keep_log(sluice_client *client, char level, const char *message, void *arg)
{
    size_t len = strlen(logged);

    (void)client;
    (void)arg;
    snprintf(logged + len, sizeof(logged) - len, "%c %s\n", level, message);
}

static inline int setup(void **state)
{
    memset(kept, 0, sizeof(kept));
    kept_count = calls = attempts_beyond_one = 0;
    names[0] = logged[0] = '\0';
    result = SLUICE_DONE;
    return fixture_setup(state);
}

/* The number at @path in the broker's stats. */
static inline int64_t stats_number(sluice_client *client, const char *path)
{
    sluice_event *step = sluice_begin(client);
    const sluice_value *stats = NULL;
    int64_t number;

    assert_int_equal(sluice_call(step, sluice_doc(step, "{op: 'stats'}"), &stats), 0);
    number = sluice_get_int(stats, path, -1);
    sluice_cancel(step);
    return number;
}

/* The broker's view of group `g`: a number in it, or among its only member's. */
static inline int64_t of_group(sluice_client *client, const char *path)
{
    char whole[64];

    snprintf(whole, sizeof(whole), "groups.0.%s", path);
    return stats_number(client, whole);
}

static inline int64_t counter(sluice_client *client, const char *name)
{
    char path[64];

    snprintf(path, sizeof(path), "counters.%s", name);
    return stats_number(client, path);
}

static inline int on_echo(sluice_event *event, void *arg)
{
    (void)arg;
    calls++;
    attempts_beyond_one += sluice_event_attempt(event) != 1;
    if (sluice_event_is_question(event))
        return sluice_answer(event, sluice_event_payload(event), NULL);
    return sluice_send(event, sluice_event_conn(event), "back", sluice_event_payload(event), NULL);
}

static inline int on_keep(sluice_event *event, void *arg)
{
    (void)arg;
    attempts_beyond_one += sluice_event_attempt(event) != 1;
    kept[kept_count++] = event;
    return SLUICE_LATER;
}

static inline sluice_client *new_member(sluice_handler_fn *fn, const char *pattern)
{
    sluice_client *client = new_client();

    sluice_on_log(client, keep_log, NULL);
    assert_int_equal(sluice_subscribe(client, pattern, fn, NULL, "{group: 'g'}"), 0);
    until_ready(client);
    return client;
}

#endif
