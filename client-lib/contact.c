#include "contact.h"

#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "client.h"
#include "clock.h"
#include "member.h"
#include "reply.h"

#define RETRY_MS       5000 /* after a refusal */
#define ENTRIES_MIN    256  /* what every broker takes in a turn */
#define SILENCE_MIN_MS 1000

/* Three @alive that did not come are a dead link; three announcements fit in the time that one holds. */
static int64_t silence_ms(const struct contact *contact)
{
    int64_t silence = 3 * contact->limits.alive_ms;

    return silence < SILENCE_MIN_MS ? SILENCE_MIN_MS : silence;
}

void contact_init(struct contact *contact)
{
    contact->limits = (struct limits){.max_ops = 1024,
                                      .max_entries = ENTRIES_MIN,
                                      .max_request_bytes = 1023 * 1024,
                                      .alive_ms = 5000,
                                      .announce_ms = 60000};
}

void contact_epoch(struct sluice_client *client, const char *epoch, size_t len)
{
    struct contact *contact = &client->contact;

    if (len >= sizeof(contact->epoch) ||
        (strlen(contact->epoch) == len && memcmp(contact->epoch, epoch, len) == 0))
        return;
    if (contact->epoch[0])
        client_log(client, 'i', "the broker was started anew, epoch %.*s", (int)len, epoch);
    memcpy(contact->epoch, epoch, len);
    contact->epoch[len] = '\0';
    gaps_reset(&client->gaps);
    contact->want_hello = true;
    contact->is_announced = false;
}

void contact_alive(struct sluice_client *client)
{
    client->contact.heard_ms = clock_ms();
}

void contact_changed(struct sluice_client *client)
{
    struct contact *contact = &client->contact;

    if (!contact->events_address)
        contact->want_hello = true;
    contact->want_announce = true;
    contact->is_announced = false;
}

void contact_deinit(struct contact *contact)
{
    free(contact->events_address);
    contact->events_address = NULL;
}

/* ---- What we say ---- */

static void put_text_pair(struct buf *out, const char *key, const char *text)
{
    mp_put_text(out, key);
    mp_put_text(out, text);
}

void contact_put_hello(struct sluice_client *client, struct buf *out)
{
    mp_put_map(out, 3u + (client->name != NULL) + (client->version != NULL));
    put_text_pair(out, "op", "hello");
    put_text_pair(out, "language", "c");
    if (client->name)
        put_text_pair(out, "name", client->name);
    if (client->version)
        put_text_pair(out, "version", client->version);
    mp_put_text(out, "speaks");
    mp_put_array(out, 1);
    mp_put_uint(out, 1);
}

static void put_announcement(struct sluice_client *client, struct buf *out)
{
    mp_put_map(out, 2);
    put_text_pair(out, "op", "subscribe");
    mp_put_text(out, "events");
    mp_put_array(out, (uint32_t)client->subscription_count);
    for (size_t i = 0; i < client->subscription_count; i++)
        mp_put_text(out, client->subscriptions[i].pattern);
}

static void contact_say(struct sluice_client *client, enum contact_talk talk)
{
    struct contact *contact = &client->contact;

    client_begin_request(client, NULL, &contact->talk_id);
    mp_put_array(&client->request, 1);
    if (talk == TALK_HELLO) {
        contact_put_hello(client, &client->request);
        contact->want_hello = false;
    } else {
        put_announcement(client, &client->request);
        contact->want_announce = false;
    }
    if (client->request.failed ||
        link_request(client->link, LINK_CONTROL, client->request.data, client->request.len) < 0) {
        contact->want_hello |= talk == TALK_HELLO;
        contact->want_announce |= talk == TALK_ANNOUNCE;
        contact->retry_ms = clock_ms() + RETRY_MS;
        return;
    }
    contact->talk = talk;
}

/* ---- What we hear ---- */

static uint64_t limit(struct mp_reader limits, const char *name, uint64_t otherwise)
{
    struct mp_reader at;
    struct mp_token token;

    return mp_map_get(limits, name, strlen(name), &at) && mp_next(&at, &token) && token.type == MP_UINT &&
                   token.uint > 0 && token.uint < UINT32_MAX
               ? token.uint
               : otherwise;
}

void contact_take_limits(struct contact *contact, struct mp_reader result)
{
    struct limits *limits = &contact->limits;
    struct mp_reader at;
    struct mp_token token;

    limits->is_known = true;
    if (!mp_map_get(result, "limits", 6, &at) || !mp_next(&(struct mp_reader){at.at, at.end}, &token) ||
        token.type != MP_MAP)
        return;
    limits->max_ops = (unsigned)limit(at, "max_ops", limits->max_ops);
    limits->max_entries = (unsigned)limit(at, "max_entries", limits->max_entries);
    limits->max_request_bytes = (size_t)limit(at, "max_request_bytes", limits->max_request_bytes);
    limits->alive_ms = (int64_t)limit(at, "alive_ms", (uint64_t)limits->alive_ms);
    limits->announce_ms = (int64_t)limit(at, "announce_ms", (uint64_t)limits->announce_ms);
}

/* Connect to where `events` is. */
static int take_addresses(struct sluice_client *client, struct mp_reader result, struct sluice_fault *fault)
{
    struct contact *contact = &client->contact;
    char told[512], *address;
    struct mp_reader at;
    struct mp_token token;
    const char *text;
    size_t len;
    int error;

    if (!mp_map_get(result, "addresses", 9, &at) || !mp_map_get(at, "events", 6, &at) ||
        !mp_next(&at, &token) || token.type != MP_ARRAY || token.count == 0 || !mp_str(&at, &text, &len) ||
        len >= sizeof(told))
        return error_set(fault, SLUICE_E_PROTOCOL, "the broker does not tell where its events are");
    memcpy(told, text, len);
    told[len] = '\0';
    address = address_events(told, client->address);
    if (!address)
        return error_nomem(fault);
    if (contact->events_address && strcmp(contact->events_address, address) == 0) {
        free(address);
        return 0;
    }
    error = link_dial_events(client->link, address, fault);
    if (error < 0) {
        free(address);
        return error;
    }
    free(contact->events_address);
    contact->events_address = address;
    return 0;
}

static void heard_hello(struct sluice_client *client, struct mp_reader result, struct sluice_fault *fault)
{
    struct contact *contact = &client->contact;

    if (take_addresses(client, result, fault) < 0) {
        client_fail(client, fault, NULL);
        contact->want_hello = true;
        contact->retry_ms = clock_ms() + RETRY_MS;
        return;
    }
    contact_take_limits(contact, result);
    contact->want_announce = true;
}

static void heard_announced(struct sluice_client *client)
{
    struct contact *contact = &client->contact;

    contact->announce_ms = clock_ms() + contact->limits.announce_ms / 3;
    if (contact->want_hello || contact->want_announce)
        return;
    if (!contact->is_announced)
        client_log(client, 'i', "ready: the broker at %s knows %zu subscriptions", client->address,
                   client->subscription_count);
    contact->is_announced = true;
}

static void contact_refused(struct sluice_client *client, enum contact_talk talk,
                            const struct sluice_fault *fault)
{
    struct contact *contact = &client->contact;

    client_fail(client, fault, NULL);
    contact->want_hello |= talk == TALK_HELLO;
    contact->want_announce |= talk == TALK_ANNOUNCE;
    contact->is_announced = false;
    contact->retry_ms = clock_ms() + RETRY_MS;
}

static void contact_hear(struct sluice_client *client)
{
    struct contact *contact = &client->contact;
    enum contact_talk talk = contact->talk;
    struct sluice_fault fault;
    struct reply reply;
    const uint8_t *raw;
    const void *bytes;
    size_t len, raw_len;
    int got = link_reply(client->link, LINK_CONTROL, &bytes, &len), error;

    if (got == 0)
        return;
    contact->talk = TALK_NONE;
    if (got < 0) {
        error = error_set(&fault, SLUICE_E_SYSTEM, "a request could not be sent");
    } else {
        error = reply_read(&reply, bytes, len, contact->talk_id, &fault);
        if (reply.epoch) {
            contact_epoch(client, reply.epoch, reply.epoch_len);
            contact->want_hello &= talk != TALK_HELLO; /* this was it */
        }
        if (error == 0)
            error = reply_result(&reply.results, &raw, &raw_len, &fault);
    }
    if (error < 0)
        contact_refused(client, talk, &fault);
    else if (talk == TALK_HELLO)
        heard_hello(client, mp_reader(raw, raw_len), &fault);
    else
        heard_announced(client);
    link_finish(client->link, LINK_CONTROL);
}

/* ---- The links ---- */

static void contact_links(struct sluice_client *client, int64_t now_ms)
{
    struct contact *contact = &client->contact;
    struct link_state state = link_state(client->link);

    if (state.calls_count != contact->calls_count) {
        client_log(client, 'i', "connected to %s", client->address);
        contact->want_hello |= contact->calls_count > 0; /* whoever is there now may be another one */
        contact->calls_count = state.calls_count;
    }
    if (state.events_count != contact->events_count) {
        contact->events_count = state.events_count;
        contact->heard_ms = now_ms;
        contact->want_announce = true;
        contact->is_announced = false;
    }
    if (contact->is_events_up && !state.events_up) {
        client_log(client, 'w', "the link to %s is gone", contact->events_address);
        contact->is_announced = false;
    }
    contact->is_events_up = state.events_up;
    if (contact->is_events_up && now_ms - contact->heard_ms >= silence_ms(contact)) {
        client_log(client, 'w', "nothing heard for %lld ms: connecting anew", (long long)silence_ms(contact));
        contact->heard_ms = now_ms;
        contact->is_announced = false;
        link_drop(client->link);
    }
}

int64_t contact_step(struct sluice_client *client, int64_t now_ms)
{
    struct contact *contact = &client->contact;
    int64_t next = CLOCK_NEVER;

    if (client->subscription_count == 0)
        return CLOCK_NEVER;
    contact_links(client, now_ms);
    if (contact->talk != TALK_NONE)
        contact_hear(client);
    if (contact->is_announced && now_ms >= contact->announce_ms)
        contact->want_announce = true;
    if (contact->talk == TALK_NONE && now_ms >= contact->retry_ms) {
        if (contact->want_hello)
            contact_say(client, TALK_HELLO);
        else if (contact->want_announce && contact->is_events_up)
            contact_say(client, TALK_ANNOUNCE);
    }
    if (contact->is_events_up)
        next = contact->heard_ms + silence_ms(contact);
    if (contact->talk == TALK_NONE && now_ms < contact->retry_ms)
        next = earlier(next, contact->retry_ms);
    return contact->is_announced ? earlier(next, contact->announce_ms) : next;
}

bool sluice_is_ready(const sluice_client *client)
{
    return client && (client->contact.is_announced || client->subscription_count == 0) &&
           member_all(client, MEMBER_IN) && (client->subscription_count > 0 || client->groups);
}
