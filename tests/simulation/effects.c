/* What the core does is written down, to be looked at when the model has been told the input. */

#include <string.h>

#include "sim.h"
#include "wire/mp.h"

static struct effect *note(struct sim *sim, int kind)
{
    struct effect *effect = arena_add(&sim->model.arena, sim, effects);
    memset(effect, 0, sizeof *effect);
    effect->kind = kind;
    return effect;
}

/* Effects come in the middle of the core's work, from where nobody must jump away. */
static void note_wrong(struct sim *sim, const char *text)
{
    note(sim, EFFECT_WRONG)->text = text;
}

static const uint8_t *copy(struct sim *sim, const void *bytes, size_t len)
{
    uint8_t *copied = arena_get(&sim->model.arena, len + 1);
    memcpy(copied, bytes, len);
    return copied;
}

/* -- deliveries ---------------------------------------------------------------------------------------- */

/* The map of a message, taken apart. */
struct parts {
    const char *event;
    size_t event_len;
    struct mp_reader payload;
    bool has_payload;
    uint64_t i;
};

static bool take_apart(const struct message *message, struct parts *parts)
{
    struct mp_reader r = mp_reader(message->body->data, message->body->len);
    struct mp_token token;
    const char *key;
    size_t key_len;
    *parts = (struct parts){0};
    if (!mp_next(&r, &token) || token.type != MP_MAP)
        return false;
    for (uint32_t left = token.count; left; left--) {
        if (!mp_str(&r, &key, &key_len) || key_len != 1)
            return false;
        parts->payload = *key == 'p' ? r : parts->payload;
        parts->has_payload |= *key == 'p';
        if (*key == 'e' && !mp_str(&r, &parts->event, &parts->event_len))
            return false;
        if (*key == 'i' && (!mp_next(&r, &token) || token.type != MP_UINT))
            return false;
        parts->i = *key == 'i' ? token.uint : parts->i;
        if (*key == 'p' && !mp_skip(&r))
            return false;
    }
    return parts->event != NULL;
}

static bool field(struct mp_reader map, const char *key, struct mp_token *token)
{
    struct mp_reader r;
    return mp_map_get(map, key, strlen(key), &r) && mp_next(&r, token);
}

/* An `@error`, of the broker or of a member: `sorry`, with a number as message. */
static bool read_error(const struct parts *parts, struct m_expect *got)
{
    struct mp_token code, event, message;
    char text[64];
    if (!field(parts->payload, "code", &code) || code.type != MP_STR || code.len >= sizeof text ||
        !field(parts->payload, "message", &message) || message.type != MP_STR)
        return false;
    got->kind = EXPECT_ERROR;
    got->event = EVENT_COUNT;
    if (field(parts->payload, "event", &event) && event.type == MP_STR)
        got->event = event_from(event.bytes, event.len);
    if (mp_is(&code, "sorry")) {
        for (uint32_t i = 0; i < message.len; i++)
            got->token = got->token * 10 + (uint64_t)(message.bytes[i] - '0');
        return true;
    }
    memcpy(text, code.bytes, code.len);
    text[code.len] = '\0';
    got->code = code_from_text(text);
    return got->code != CODE_COUNT;
}

static enum word_push push_from(const char *name, size_t len)
{
    unsigned push = 0;
    while (push < PUSH_COUNT && (strlen(PUSHES[push]) != len || memcmp(PUSHES[push], name, len) != 0))
        push++;
    return (enum word_push)push;
}

static bool read_batch(struct sim *sim, const struct parts *parts, struct effect *effect)
{
    struct mp_reader list;
    struct mp_token token;
    effect->kind = EFFECT_DELIVER_BATCH;
    effect->push = push_from(parts->event + 6, parts->event_len - 6);
    effect->tokens = sim->tokens_count;
    if (effect->push == PUSH_COUNT || !parts->has_payload || !mp_map_get(parts->payload, "d", 1, &list) ||
        !mp_next(&list, &token) || token.type != MP_ARRAY)
        return false;
    for (uint32_t left = token.count; left; left--) {
        if (!mp_next(&list, &token) || token.type != MP_UINT)
            return false;
        *arena_add(&sim->model.arena, sim, tokens) = token.uint;
        effect->tokens_count++;
    }
    return effect->tokens_count > 0;
}

static bool read_welcome(const struct sim *sim, const struct parts *parts, struct effect *effect)
{
    struct mp_token id;
    size_t len = strlen(sim->spelling.epoch);
    if (!field(parts->payload, "conn", &id) || id.type != MP_STR || id.len < len + 2)
        return false;
    for (size_t i = len + 1; i < id.len; i++)
        effect->welcomed = effect->welcomed * 10 + (uint64_t)(id.bytes[i] - '0');
    effect->got.kind = EXPECT_WELCOME;
    return true;
}

static bool read_message(struct sim *sim, const struct parts *parts, struct effect *effect)
{
    struct m_expect *got = &effect->got;
    struct mp_reader payload = parts->payload;
    struct mp_token token;
    got->i = parts->i;
    got->event = EVENT_COUNT;
    if (parts->event_len > 6 && memcmp(parts->event, "batch_", 6) == 0)
        return read_batch(sim, parts, effect);
    if (key_is(parts->event, parts->event_len, "@welcome"))
        return read_welcome(sim, parts, effect);
    if (key_is(parts->event, parts->event_len, "@error"))
        return parts->has_payload && read_error(parts, got);
    got->kind = key_is(parts->event, parts->event_len, "@ok") ? EXPECT_OK : EXPECT_PONG;
    if (*parts->event == '@')
        return true;
    if (!parts->has_payload || !mp_next(&payload, &token) || token.type != MP_UINT)
        return false;
    got->token = token.uint;
    got->event = event_from(parts->event, parts->event_len);
    got->kind = got->event == EVENT_COUNT ? EXPECT_PUSH : EXPECT_ANSWER;
    if (got->kind == EXPECT_PUSH)
        got->push = push_from(parts->event, parts->event_len);
    return got->push != PUSH_COUNT;
}

static int on_deliver(void *arg, void *peer, struct message *message, enum delivery kind)
{
    struct sim *sim = arg;
    struct effect *effect = note(sim, EFFECT_DELIVER);
    struct parts parts;
    effect->client = peer;
    if (!take_apart(message, &parts) || !read_message(sim, &parts, effect))
        note_wrong(sim, "a message to a client cannot be read");
    else if (effect->kind == EFFECT_DELIVER && kind == DELIVERY_MANY && effect->got.kind != EXPECT_PUSH)
        note_wrong(sim, "an answer is delivered as a push, or a push as an answer");
    /* A full queue refuses it; to the core that makes no difference. */
    return sim_chance(sim, sim->scene.full_queue) ? 1 : 0;
}

/* -- the others ---------------------------------------------------------------------------------------- */

static void on_close(void *arg, void *peer, unsigned code, const char *reason, size_t reason_len)
{
    (void)code, (void)reason, (void)reason_len;
    note(arg, EFFECT_CLOSED)->client = peer;
}

static void on_publish(void *arg, const void *body, size_t len)
{
    struct sim *sim = arg;
    if (len < 6 || memcmp(body, "@dead", 6) != 0)
        return;
    struct effect *effect = note(sim, EFFECT_DEAD);
    effect->body = copy(sim, (const char *)body + 6, len - 6);
    effect->len = len - 6;
}

static void on_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    struct effect *effect = note(arg, EFFECT_REPLY);
    effect->ticket = ticket;
    effect->body = copy(arg, body, len);
    effect->len = len;
}

static bool on_may_wait(void *arg, uint64_t number)
{
    struct sim *sim = arg;
    struct ticket *ticket = number < sim->tickets_count ? sim->tickets[number] : NULL;
    if (!ticket) {
        note_wrong(sim, "the core asks about a ticket that does not exist");
        return true;
    }
    ticket->was_asked_to_wait = true;
    ticket->may_wait = !sim_chance(sim, sim->scene.no_wait);
    return ticket->may_wait;
}

static void on_abandon(void *arg, uint64_t ticket)
{
    note(arg, EFFECT_ABANDON)->ticket = ticket;
}

static void on_pause(void *arg, void *peer)
{
    note(arg, EFFECT_PAUSE)->client = peer;
}

static void on_resume(void *arg, void *peer)
{
    note(arg, EFFECT_RESUME)->client = peer;
}

static void on_greeted(void *arg, const struct greeting *greeting)
{
    (void)arg, (void)greeting;
}

struct core_effects effects_for(struct sim *sim)
{
    return (struct core_effects){
        .arg = sim,
        .publish = on_publish,
        .deliver = on_deliver,
        .close = on_close,
        .reply = on_reply,
        .may_wait = on_may_wait,
        .abandon = on_abandon,
        .pause = on_pause,
        .resume = on_resume,
        .greeted = on_greeted,
    };
}
