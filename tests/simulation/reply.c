#include "reply.h"

#include <string.h>

#include "fail.h"

/* -- values -------------------------------------------------------------------------------------------- */

bool key_is(const char *key, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(key, text, len) == 0;
}

uint64_t uint_from(struct mp_reader r)
{
    struct mp_token token;
    must(mp_next(&r, &token) && token.type == MP_UINT, "a number of the core is none");
    return token.uint;
}

bool bool_from(struct mp_reader r)
{
    struct mp_token token;
    must(mp_next(&r, &token) && token.type == MP_BOOL, "a boolean of the core is none");
    return token.boolean;
}

uint32_t map_from(struct mp_reader *r)
{
    struct mp_token token;
    must(mp_next(r, &token) && token.type == MP_MAP, "a map of the core is none");
    return token.count;
}

uint32_t list_from(struct mp_reader *r)
{
    struct mp_token token;
    must(mp_next(r, &token) && token.type == MP_ARRAY, "a list of the core is none");
    return token.count;
}

void text_from(struct mp_reader r, char *out, size_t size)
{
    const char *text;
    size_t len;
    must(mp_str(&r, &text, &len) && len < size, "a string of the core is none, or too long");
    memcpy(out, text, len);
    out[len] = '\0';
}

enum code code_from(struct mp_reader r)
{
    char text[64];
    text_from(r, text, sizeof text);
    enum code code = code_from_text(text);
    must(code != CODE_COUNT, "the core tells of a code `%s`", text);
    return code;
}

bool pair_next(struct mp_reader *r, uint32_t *left, const char **key, size_t *key_len,
               struct mp_reader *value)
{
    const uint8_t *raw;
    size_t len;
    if (!*left)
        return false;
    --*left;
    must(mp_str(r, key, key_len) && mp_raw(r, &raw, &len), "a map of the core is cut");
    *value = mp_reader(raw, len);
    return true;
}

uint64_t conn_number_from(const char *id, size_t len, const char *epoch)
{
    size_t at = strlen(epoch);
    uint64_t number = 0;
    must(len > at + 1 && memcmp(id, epoch, at) == 0 && id[at] == '.', "a connection's id is none");
    while (++at < len)
        number = number * 10 + (uint64_t)(id[at] - '0');
    return number;
}

/* -- events -------------------------------------------------------------------------------------------- */

static void read_session(struct seen_event *seen, struct mp_reader r)
{
    const char *key;
    size_t len;
    struct mp_reader value;
    struct mp_token token;
    uint32_t left = map_from(&r);
    while (pair_next(&r, &left, &key, &len, &value)) {
        enum word_key field = key_from(key, len);
        must(field != KEY_COUNT && !(seen->keys & 1u << field),
             "a session has a field twice, or one too many");
        must(mp_next(&value, &token), "a session is cut");
        seen->keys |= 1u << field;
        seen->values[field] = token.type == MP_STR ? (int64_t)token.len : (int64_t)token.uint;
    }
}

static uint64_t token_from(struct mp_reader r)
{
    struct mp_token token;
    must(mp_next(&r, &token), "a payload is cut");
    if (token.type == MP_ARRAY) /* the filler is behind it */
        must(mp_next(&r, &token), "a payload is cut");
    must(token.type == MP_UINT, "a payload is another one");
    return token.uint;
}

static void read_event(struct seen_event *seen, const char *epoch, struct mp_reader *r)
{
    const uint8_t *begin = r->at;
    const char *key, *text;
    size_t len, text_len;
    struct mp_reader value;
    uint32_t left = map_from(r);
    *seen = (struct seen_event){.event = EVENT_COUNT};
    while (pair_next(r, &left, &key, &len, &value)) {
        if (key_is(key, len, "event") && mp_str(&value, &text, &text_len))
            seen->event = event_from(text, text_len);
        else if (key_is(key, len, "conn") && mp_str(&value, &text, &text_len))
            seen->conn = conn_number_from(text, text_len, epoch);
        else if (key_is(key, len, "seq"))
            seen->seq = uint_from(value);
        else if (key_is(key, len, "attempt"))
            seen->attempt = uint_from(value);
        else if (key_is(key, len, "version"))
            seen->version = uint_from(value);
        else if (key_is(key, len, "time_ms"))
            seen->time_ms = uint_from(value);
        else if (key_is(key, len, "i"))
            seen->i = uint_from(value);
        else if (key_is(key, len, "session"))
            read_session(seen, value);
        else if (key_is(key, len, "payload")) {
            seen->has_payload = true;
            seen->token = token_from(value);
        }
    }
    seen->bytes = (size_t)(r->at - begin);
}

/* -- replies ------------------------------------------------------------------------------------------- */

static enum then then_from(struct mp_reader r)
{
    char text[16];
    text_from(r, text, sizeof text);
    must(strcmp(text, "none") == 0 || strcmp(text, "again") == 0 || strcmp(text, "dead") == 0,
         "`then` says `%s`", text);
    return *text == 'n' ? THEN_NONE : *text == 'a' ? THEN_AGAIN : THEN_DEAD;
}

static void read_failed(struct seen_failed *failed, struct mp_reader *r)
{
    const char *key;
    size_t len;
    struct mp_reader value;
    uint32_t left = map_from(r);
    while (pair_next(r, &left, &key, &len, &value)) {
        if (key_is(key, len, "seq"))
            failed->seq = uint_from(value);
        else if (key_is(key, len, "code"))
            failed->code = code_from(value);
        else if (key_is(key, len, "then"))
            failed->then = then_from(value);
    }
}

static void read_turn(struct reply_seen *seen, const char *epoch, const char *key, size_t len,
                      struct mp_reader value)
{
    uint32_t count;
    if (key_is(key, len, "turn")) {
        seen->has_turn = true;
        seen->turn = uint_from(value);
    } else if (key_is(key, len, "released")) {
        seen->is_released = bool_from(value);
    } else if (key_is(key, len, "pause_ms")) {
        seen->is_pausing = uint_from(value) == 1000;
    } else if (key_is(key, len, "failed")) {
        count = list_from(&value);
        for (; seen->failed_count < count && seen->failed_count < SEEN_MAX; seen->failed_count++)
            read_failed(&seen->failed[seen->failed_count], &value);
    } else if (key_is(key, len, "events")) {
        count = list_from(&value);
        for (; seen->events_count < count && seen->events_count < SEEN_MAX; seen->events_count++)
            read_event(&seen->events[seen->events_count], epoch, &value);
    }
}

void reply_read(struct reply_seen *seen, const char *epoch, const uint8_t *body, size_t body_len)
{
    struct mp_reader r = mp_reader(body, body_len), value;
    const char *key;
    char text[24];
    size_t len;
    uint32_t left = map_from(&r);
    seen->is_refusal = seen->has_turn = seen->has_results = seen->is_released = seen->is_pausing = false;
    seen->id = seen->turn = 0;
    seen->failed_count = seen->events_count = 0;
    while (pair_next(&r, &left, &key, &len, &value)) {
        if (key_is(key, len, "id")) {
            seen->id = uint_from(value);
        } else if (key_is(key, len, "epoch")) {
            text_from(value, text, sizeof text);
            must(strcmp(text, epoch) == 0, "a reply tells of epoch %s", text);
        } else if (key_is(key, len, "ok")) {
            seen->is_refusal = !bool_from(value);
        } else if (key_is(key, len, "code")) {
            seen->code = code_from(value);
        } else if (key_is(key, len, "results")) {
            seen->has_results = true;
            seen->results_count = list_from(&value);
            seen->results = seen->all = value;
        } else {
            read_turn(seen, epoch, key, len, value);
        }
    }
}

void result_read(struct result_seen *seen, struct mp_reader *r)
{
    const char *key;
    size_t len;
    struct mp_reader value;
    const uint8_t *begin = r->at;
    uint32_t left = map_from(r);
    const struct {
        const char *key;
        uint64_t *value;
        bool *has;
    } numbers[] = {
        {"matched", &seen->matched, &seen->has_matched},
        {"version", &seen->version, &seen->has_version},
        {"turn", &seen->turn, NULL},
        {"lease_ms", &seen->lease_ms, NULL},
        {"attempts", &seen->attempts, NULL},
        {"extended", &seen->extended, NULL},
        {"returned", &seen->returned, NULL},
    };
    const struct {
        const char *key;
        bool *value, *has;
    } booleans[] = {
        {"ok", &seen->is_ok, NULL},
        {"found", &seen->found, NULL},
        {"first", &seen->first, &seen->has_first},
        {"created", &seen->created, NULL},
        {"left", &seen->left, NULL},
    };
    *seen = (struct result_seen){.is_ok = false};
    while (pair_next(r, &left, &key, &len, &value)) {
        for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
            if (!key_is(key, len, numbers[i].key))
                continue;
            struct mp_reader peek = value;
            struct mp_token token;
            if (!mp_next(&peek, &token) || token.type != MP_UINT)
                continue; /* `version` of stats is a string */
            *numbers[i].value = token.uint;
            if (numbers[i].has)
                *numbers[i].has = true;
        }
        for (size_t i = 0; i < sizeof booleans / sizeof booleans[0]; i++) {
            if (!key_is(key, len, booleans[i].key))
                continue;
            *booleans[i].value = bool_from(value);
            if (booleans[i].has)
                *booleans[i].has = true;
        }
        if (key_is(key, len, "code"))
            seen->code = code_from(value);
        else if (key_is(key, len, "member"))
            text_from(value, seen->member, sizeof seen->member);
        else if (key_is(key, len, "session")) {
            seen->has_session = true;
            read_session(&seen->session, value);
        }
    }
    seen->raw = mp_reader(begin, (size_t)(r->at - begin));
}
