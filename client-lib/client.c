#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "address.h"
#include "clock.h"
#include "doc.h"
#include "signals.h"
#include "wire/event_name.h"

#define TIMEOUT_MS    5000
#define DRAIN_MS      10000
#define FREE_FLUSH_MS 1000 /* what sluice_client_free() waits for effects under way */

/* ---- Telling the user ---- */

void client_log(struct sluice_client *client, char level, const char *format, ...)
{
    char message[512];
    va_list args;

    if (!client->on_log)
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    client->on_log(client, level, message, client->on_log_arg);
}

static void print_fault(const struct sluice_fault *fault, const struct sluice_event *event)
{
    fprintf(stderr, "sluice:%s%s %s: %s%s%s%s\n", event && event->name[0] ? " " : "",
            event ? event->name : "", fault->code[0] ? fault->code : sluice_strerror(fault->error),
            fault->message, fault->at[0] ? " (at " : "", fault->at, fault->at[0] ? ")" : "");
}

void client_fail(struct sluice_client *client, const struct sluice_fault *fault, struct sluice_event *event)
{
    bool was_in_function = client->is_in_function;

    if (fault != &client->fault)
        client->fault = *fault;
    if (!client->on_error) {
        print_fault(fault, event);
        return;
    }
    client->is_in_function = true;
    client->on_error(client, &client->fault, event, client->on_error_arg);
    client->is_in_function = was_in_function;
}

int client_no_reply(struct sluice_client *client, struct sluice_fault *fault)
{
    if (!link_state(client->link).calls_up)
        return error_set(fault, SLUICE_E_TIMEOUT, "no broker at %.200s within %d ms", client->address,
                         client->timeout_ms);
    return error_set(fault, SLUICE_E_TIMEOUT, "the broker at %.200s gave no reply within %d ms",
                     client->address, client->timeout_ms);
}

/* ---- Life ---- */

static bool client_make_id(struct sluice_client *client)
{
    unsigned char random[16];

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return false;
    for (size_t i = 0; i < sizeof(random); i++)
        snprintf(client->id + 2 * i, 3, "%02x", random[i]);
    return true;
}

/* *@to becomes a copy of @text, which may be NULL. */
static bool copy_text(char **to, const char *text)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        return false;
    free(*to);
    *to = copy;
    return true;
}

sluice_client *sluice_client_new(const char *name, const char *version)
{
    struct sluice_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->timeout_ms = TIMEOUT_MS;
    client->drain_ms = DRAIN_MS;
    client->next_id = 1;
    contact_init(&client->contact);
    if (waker_init(&client->waker) < 0) {
        free(client);
        return NULL;
    }
    if (!client_make_id(client) || !copy_text(&client->name, name) || !copy_text(&client->version, version)) {
        sluice_client_free(client);
        return NULL;
    }
    return client;
}

static void client_free_events(struct sluice_client *client)
{
    outbox_deinit(client);
    while (client->groups) {
        struct group *group = client->groups;
        client->groups = group->next;
        group_free(group);
    }
    while (client->open)
        event_free(client->open);
    event_free_spare(client);
    while (client->taken) {
        struct packet *packet = client->taken;
        client->taken = packet->next;
        packet_unref(packet);
    }
}

void sluice_client_free(sluice_client *client)
{
    if (!client || client->is_in_function)
        return;
    signals_forget(client);
    if (client->link && !outbox_idle(&client->outbox))
        outbox_flush(client, clock_ms() + FREE_FLUSH_MS);
    link_close(client->link);
    client_free_events(client);
    contact_deinit(&client->contact);
    gaps_reset(&client->gaps);
    for (size_t i = 0; i < client->subscription_count; i++)
        free(client->subscriptions[i].pattern);
    free(client->subscriptions);
    buf_deinit(&client->request);
    buf_deinit(&client->text);
    buf_deinit(&client->holes);
    buf_deinit(&client->piece);
    waker_deinit(&client->waker);
    free(client->address);
    free(client->name);
    free(client->version);
    free(client->key);
    free(client);
}

/* ---- Settings ---- */

int sluice_set_key(sluice_client *client, const char *key)
{
    if (!client)
        return SLUICE_E_ARGUMENT;
    return copy_text(&client->key, key) ? 0 : error_nomem(&client->fault);
}

int sluice_set_timeout(sluice_client *client, int timeout_ms)
{
    if (!client)
        return SLUICE_E_ARGUMENT;
    if (timeout_ms < 1)
        return error_set(&client->fault, SLUICE_E_ARGUMENT, "a timeout of %d ms: it is 1 at least",
                         timeout_ms);
    client->timeout_ms = timeout_ms;
    return 0;
}

int sluice_set_drain(sluice_client *client, int drain_ms)
{
    if (!client)
        return SLUICE_E_ARGUMENT;
    if (drain_ms < 0)
        return error_set(&client->fault, SLUICE_E_ARGUMENT, "a drain of %d ms: it is 0 at least", drain_ms);
    client->drain_ms = drain_ms;
    return 0;
}

int sluice_on_error(sluice_client *client, sluice_error_fn *fn, void *arg)
{
    if (!client)
        return SLUICE_E_ARGUMENT;
    client->on_error = fn;
    client->on_error_arg = arg;
    return 0;
}

int sluice_on_gap(sluice_client *client, sluice_gap_fn *fn, void *arg)
{
    if (!client)
        return SLUICE_E_ARGUMENT;
    client->on_gap = fn;
    client->on_gap_arg = arg;
    return 0;
}

int sluice_on_log(sluice_client *client, sluice_log_fn *fn, void *arg)
{
    if (!client)
        return SLUICE_E_ARGUMENT;
    client->on_log = fn;
    client->on_log_arg = arg;
    return 0;
}

const sluice_fault *sluice_client_fault(const sluice_client *client)
{
    static const struct sluice_fault none = {.error = SLUICE_E_ARGUMENT, .message = "there is no client"};

    return client ? &client->fault : &none;
}

/* ---- Connecting and subscribing ---- */

/* What the messages begin with that a pattern means: see "events" in docs/protocol-handlers.md. */
static int subscribe_link(struct sluice_client *client, const char *pattern)
{
    size_t len = strlen(pattern);

    if (len > 0 && pattern[len - 1] == '*')
        len--;
    else
        len++; /* the zero byte ends an exact name */
    return link_subscribe(client->link, pattern, len) < 0 ? error_nomem(&client->fault) : 0;
}

static int subscribe_all(struct sluice_client *client)
{
    int error = client->subscription_count ? subscribe_link(client, "@alive") : 0;

    for (size_t i = 0; i < client->subscription_count && error == 0; i++)
        error = subscribe_link(client, client->subscriptions[i].pattern);
    return error;
}

int sluice_connect(sluice_client *client, const char *addresses)
{
    int error;

    if (!client)
        return SLUICE_E_ARGUMENT;
    if (client->link)
        return error_set(&client->fault, SLUICE_E_STATE, "the client is connected already");
    error = address_calls(addresses, &client->address, &client->fault);
    if (error == 0)
        error = link_open(&client->link, &client->waker, &client->fault);
    if (error == 0)
        error = subscribe_all(client);
    if (error == 0)
        error = link_dial_calls(client->link, client->address, &client->fault);
    if (error == 0)
        return 0;
    link_close(client->link);
    client->link = NULL;
    free(client->address);
    client->address = NULL;
    client->connect_fault = client->fault;
    return error;
}

int client_need_link(struct sluice_client *client)
{
    if (client->link)
        return 0;
    if (client->connect_fault.error) {
        client->fault = client->connect_fault;
        return client->fault.error;
    }
    return sluice_connect(client, NULL);
}

/* Caller frees them with group_options_deinit(), also after an error. */
static int read_options(struct sluice_client *client, struct group_options *options, const char *format,
                        struct doc_args *args)
{
    struct sluice_event *step = event_new(client);
    const struct sluice_value *map;
    int error;

    if (!step)
        return error_nomem(&client->fault);
    map = doc_make(step, format, args);
    if (map) {
        error = group_options_read(options, map, &client->fault);
    } else {
        client->fault = step->fault;
        error = step->fault.error;
    }
    event_free(step);
    return error;
}

static int add_subscription(struct sluice_client *client, const char *pattern, sluice_handler_fn *fn,
                            void *arg)
{
    struct subscription *list =
        realloc(client->subscriptions, (client->subscription_count + 1) * sizeof(*list));
    char *copy;

    if (!list)
        return error_nomem(&client->fault);
    client->subscriptions = list;
    copy = strdup(pattern);
    if (!copy)
        return error_nomem(&client->fault);
    list[client->subscription_count++] = (struct subscription){.pattern = copy, .fn = fn, .arg = arg};
    contact_changed(client);
    gaps_reset(&client->gaps); /* the new one has no past */
    if (!client->link)
        return 0;
    return client->subscription_count == 1 ? subscribe_all(client) : subscribe_link(client, copy);
}

static int add_handler(struct sluice_client *client, const char *pattern, sluice_handler_fn *fn, void *arg,
                       const struct group_options *options)
{
    struct group *group = group_need(client, options);

    int error = group ? group_add(group, pattern, fn, arg) : client->fault.error;

    if (group)
        group_drop(group);
    return error;
}

int sluice_subscribe(sluice_client *client, const char *pattern, sluice_handler_fn *fn, void *arg,
                     const char *options, ...)
{
    struct group_options found = {.group = ""};
    const char *wrong;
    int error = 0;

    if (!client)
        return SLUICE_E_ARGUMENT;
    if (!pattern || !fn)
        return error_set(&client->fault, SLUICE_E_ARGUMENT,
                         "sluice_subscribe: a pattern and a function are needed");
    wrong = event_pattern_fault(pattern, strlen(pattern));
    if (wrong)
        return error_set(&client->fault, SLUICE_E_ARGUMENT, "sluice_subscribe: \"%.140s\": %s", pattern,
                         wrong);
    if (options) {
        struct doc_args args;
        va_start(args.list, options);
        error = read_options(client, &found, options, &args);
        va_end(args.list);
    }
    if (error == 0)
        error = found.group[0] ? add_handler(client, pattern, fn, arg, &found)
                               : add_subscription(client, pattern, fn, arg);
    group_options_deinit(&found);
    return error;
}

/* ---- Requests ---- */

void client_begin_head(struct sluice_client *client, const char *epoch, unsigned more, uint64_t *id)
{
    struct buf *out = &client->request;
    bool has_epoch = epoch && *epoch;

    *id = client->next_id++;
    buf_reset(out);
    mp_put_map(out, 3u + more + has_epoch + (client->key != NULL));
    mp_put_text(out, "v");
    mp_put_uint(out, 1);
    mp_put_text(out, "client");
    mp_put_text(out, client->id);
    mp_put_text(out, "id");
    mp_put_uint(out, *id);
    if (has_epoch) {
        mp_put_text(out, "epoch");
        mp_put_text(out, epoch);
    }
    if (client->key) {
        mp_put_text(out, "key");
        mp_put_text(out, client->key);
    }
}

void client_begin_request(struct sluice_client *client, const char *epoch, uint64_t *id)
{
    client_begin_head(client, epoch, 1, id);
    mp_put_text(&client->request, "ops");
}
