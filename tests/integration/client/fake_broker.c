#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>

#include "fake_broker.h"
#include "wire/json.h"
#include "wire/mp.h"

#define POLL_MS 20

/* @json as MessagePack, with @from replaced by @to. */
static void put_json(struct buf *out, const char *json, const char *from, const char *to)
{
    struct buf text = BUF_INIT;
    const char *hit;
    size_t offset;

    while ((hit = strstr(json, from))) {
        buf_put(&text, json, (size_t)(hit - json));
        buf_put_text(&text, to);
        json = hit + strlen(from);
    }
    buf_put_text(&text, json);
    if (json_to_mp((const char *)text.data, text.len, out, &offset)) {
        fprintf(stderr, "fake broker: bad JSON at %zu: %.*s\n", offset, (int)text.len, (char *)text.data);
        abort();
    }
    buf_deinit(&text);
}

/* ---- Requests ---- */

static uint64_t id_of(const void *body, size_t len, uint32_t *ops, char *first_op, size_t size)
{
    struct mp_reader at, op;
    struct mp_token token, id = {0};
    const char *text;
    size_t text_len;

    *ops = 0;
    first_op[0] = '\0';
    if (mp_map_get(mp_reader(body, len), "id", 2, &at))
        mp_next(&at, &id);
    if (mp_map_get(mp_reader(body, len), "ops", 3, &at) && mp_next(&at, &token))
        *ops = token.count;
    if (*ops && mp_map_get(at, "op", 2, &op) && mp_str(&op, &text, &text_len) && text_len < size)
        snprintf(first_op, size, "%.*s", (int)text_len, text);
    return id.uint;
}

/* The results as JSON: of `hello` if the request has one, else all are ok. */
static void put_results(struct fake *fake, struct buf *json, uint32_t ops, const char *first_op)
{
    buf_put_text(json, "[");
    for (uint32_t i = 0; i < ops; i++) {
        if (strcmp(first_op, "hello") == 0 && fake->hello_reply[0])
            buf_put_text(json, fake->hello_reply);
        else if (strcmp(first_op, "hello") == 0)
            buf_printf(
                json,
                "{\"ok\":true,\"v\":1,\"addresses\":{\"calls\":[\"%s\"],\"events\":[\"%s\"]},\"limits\":%s}",
                fake->calls, fake->events, fake->limits);
        else
            buf_put_text(json, "{\"ok\":true,\"matched\":1,\"of_the_future\":{}}");
        buf_put_text(json, i + 1 < ops ? "," : "");
    }
    buf_put_text(json, "]");
}

static void reply_with(struct fake *fake, uint64_t id, uint32_t ops, const char *first_op, enum fake_act act)
{
    struct buf json = BUF_INIT, out = BUF_INIT;
    char number[24];

    snprintf(number, sizeof(number), "%llu", (unsigned long long)id);
    if (act == FAKE_GARBAGE) {
        buf_put(&out, "\xc1garbage", 8);
    } else if (act == FAKE_REPLY) {
        put_json(&out, fake->reply, "$ID", number);
    } else {
        buf_printf(&json, "{\"v\":1,\"id\":%s,\"epoch\":\"%s\",\"new\":null,\"results\":", number,
                   fake->epoch);
        put_results(fake, &json, ops, first_op);
        buf_put_text(&json, "}");
        buf_put_byte(&json, 0);
        put_json(&out, (const char *)json.data, "$", "$");
    }
    nng_send(fake->rep, out.data, out.len, 0);
    buf_deinit(&json);
    buf_deinit(&out);
}

static void keep_announcement(struct fake *fake, const void *body, size_t len)
{
    struct mp_reader at, events;
    struct mp_token list;
    const uint8_t *raw;
    size_t raw_len;
    struct buf json = BUF_INIT;

    if (mp_map_get(mp_reader(body, len), "ops", 3, &at) && mp_next(&at, &list) &&
        mp_map_get(at, "events", 6, &events) && mp_raw(&events, &raw, &raw_len) &&
        mp_to_json(raw, raw_len, &json))
        snprintf(fake->last_announcement, sizeof(fake->last_announcement), "%.*s", (int)json.len,
                 (char *)json.data);
    buf_deinit(&json);
}

static enum fake_act next_act(struct fake *fake)
{
    enum fake_act act = FAKE_OK;

    if (fake->act_count > 0) {
        act = fake->acts[0];
        memmove(fake->acts, fake->acts + 1, --fake->act_count * sizeof(act));
    }
    return act;
}

static void handle(struct fake *fake, nng_msg *msg)
{
    const void *body = nng_msg_body(msg);
    size_t len = nng_msg_len(msg);
    char op[32];
    uint32_t ops;
    uint64_t id = id_of(body, len, &ops, op, sizeof(op));
    enum fake_act act = FAKE_OK;

    if (strcmp(op, "hello") == 0) {
        fake->hellos++;
    } else if (strcmp(op, "subscribe") == 0) {
        fake->announcements++;
        keep_announcement(fake, body, len);
    } else {
        fake->requests++;
        if (fake->seen_count < FAKE_SEEN_MAX)
            buf_put(&fake->seen[fake->seen_count++], body, len);
        act = next_act(fake);
    }
    if (act == FAKE_HANG_UP)
        nng_pipe_close(nng_msg_get_pipe(msg));
    else if (act != FAKE_IGNORE)
        reply_with(fake, id, ops, op, act);
}

static void *serve(void *arg)
{
    struct fake *fake = arg;
    bool is_ending = false;

    while (!is_ending) {
        nng_msg *msg;
        int error = nng_recvmsg(fake->rep, &msg, 0);
        pthread_mutex_lock(&fake->lock);
        if (error == 0) {
            handle(fake, msg);
            nng_msg_free(msg);
        }
        is_ending = fake->is_ending || error == NNG_ECLOSED;
        pthread_mutex_unlock(&fake->lock);
    }
    return NULL;
}

/* ---- For the test ---- */

void fake_come_back(struct fake *fake)
{
    fake->is_ending = false;
    assert_int_equal(nng_rep0_open(&fake->rep), 0);
    assert_int_equal(nng_pub0_open(&fake->pub), 0);
    assert_int_equal(nng_socket_set_ms(fake->rep, NNG_OPT_RECVTIMEO, POLL_MS), 0);
    assert_int_equal(nng_listen(fake->rep, fake->calls, NULL, 0), 0);
    assert_int_equal(nng_listen(fake->pub, fake->events, NULL, 0), 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

void fake_go_away(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_ending = true;
    pthread_mutex_unlock(&fake->lock);
    pthread_join(fake->thread, NULL);
    nng_close(fake->rep);
    nng_close(fake->pub);
}

void fake_start(struct fake *fake)
{
    memset(fake, 0, sizeof(*fake));
    pthread_mutex_init(&fake->lock, NULL);
    snprintf(fake->dir, sizeof(fake->dir), "/tmp/sluice-fake-XXXXXX");
    assert_non_null(mkdtemp(fake->dir));
    snprintf(fake->calls, sizeof(fake->calls), "ipc://%s/calls", fake->dir);
    snprintf(fake->events, sizeof(fake->events), "ipc://%s/events", fake->dir);
    snprintf(fake->epoch, sizeof(fake->epoch), "epoch1");
    snprintf(fake->limits, sizeof(fake->limits), "{}");
    fake_come_back(fake);
}

void fake_stop(struct fake *fake)
{
    char path[128];

    fake_go_away(fake);
    for (size_t i = 0; i < FAKE_SEEN_MAX; i++)
        buf_deinit(&fake->seen[i]);
    snprintf(path, sizeof(path), "%s/calls", fake->dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/events", fake->dir);
    unlink(path);
    rmdir(fake->dir);
    pthread_mutex_destroy(&fake->lock);
}

void fake_next(struct fake *fake, enum fake_act act)
{
    pthread_mutex_lock(&fake->lock);
    fake->acts[fake->act_count++] = act;
    pthread_mutex_unlock(&fake->lock);
}

void fake_publish_raw(struct fake *fake, const void *bytes, size_t len)
{
    nng_send(fake->pub, (void *)bytes, len, 0);
}

void fake_publish(struct fake *fake, const char *topic, const char *json)
{
    struct buf out = BUF_INIT;

    buf_put(&out, topic, strlen(topic) + 1);
    put_json(&out, json, "$EPOCH", fake->epoch);
    fake_publish_raw(fake, out.data, out.len);
    buf_deinit(&out);
}

const char *fake_seen(struct fake *fake, size_t index)
{
    static char text[65536];
    struct buf json = BUF_INIT;

    pthread_mutex_lock(&fake->lock);
    if (index < fake->seen_count)
        mp_to_json(fake->seen[index].data, fake->seen[index].len, &json);
    pthread_mutex_unlock(&fake->lock);
    snprintf(text, sizeof(text), "%.*s", (int)json.len, json.data ? (char *)json.data : "");
    buf_deinit(&json);
    return text;
}

unsigned fake_count(struct fake *fake, const unsigned *counter)
{
    unsigned count;

    pthread_mutex_lock(&fake->lock);
    count = *counter;
    pthread_mutex_unlock(&fake->lock);
    return count;
}
