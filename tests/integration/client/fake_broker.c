#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <nng/nng.h>

#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/reqrep0/rep.h>

#include "fake_broker.h"
#include "wire/json.h"
#include "wire/mp.h"

#define POLL_MS       20
#define CLOSE_LIMIT_S 2

/* Send @body as the reply to @request. */
static void send_reply(struct fake *fake, const nng_msg *request, const struct buf *body)
{
    nng_msg *reply;

    if (nng_msg_alloc(&reply, 0) != 0)
        abort();
    nng_msg_append(reply, body->data, body->len);
    nng_msg_header_append(reply, nng_msg_header((nng_msg *)request), nng_msg_header_len(request));
    nng_msg_set_pipe(reply, nng_msg_get_pipe(request));
    if (nng_sendmsg(fake->rep, reply, 0) != 0)
        nng_msg_free(reply);
}

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

static void put_join_result(struct fake *fake, struct buf *json)
{
    if (fake->join_reply)
        buf_put_text(json, fake->join_reply);
    else
        buf_printf(json, "{\"ok\":true,\"member\":\"m%u\",\"turn\":0,\"lease_ms\":%u,\"created\":true}",
                   fake->joins, fake->lease_ms ? fake->lease_ms : 30000);
}

/* The results as JSON: of `hello` if the request begins with one, and `join` behind it; else all are ok. */
static void put_results(struct fake *fake, struct buf *json, uint32_t ops, const char *first_op)
{
    buf_put_text(json, "[");
    for (uint32_t i = 0; i < ops; i++) {
        if (strcmp(first_op, "hello") == 0 && fake->hello_reply[0])
            buf_put_text(json, fake->hello_reply);
        else if (strcmp(first_op, "hello") == 0 && i == 1)
            put_join_result(fake, json);
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

static void reply_with(struct fake *fake, const nng_msg *msg, uint64_t id, uint32_t ops, const char *first_op,
                       enum fake_act act)
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
    send_reply(fake, msg, &out);
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

/* ---- Groups ---- */

/* Replies to a turn: each JSON is used once. */
static void reply_to_turn(struct fake *fake, const nng_msg *msg, uint64_t id, uint64_t turn, const char *json)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    char *copy = strdup(json), *at, *rest = copy;

    if (strcmp(json, "hang up") == 0)
        nng_pipe_close(nng_msg_get_pipe(msg));
    if (strcmp(json, "hang up") == 0 || strcmp(json, "ignore") == 0) {
        free(copy);
        return;
    }
    while ((at = strchr(rest, '$'))) {
        buf_put(&text, rest, (size_t)(at - rest));
        rest = at;
        if (strncmp(at, "$ID", 3) == 0) {
            buf_printf(&text, "%llu", (unsigned long long)id);
            rest += 3;
        } else if (strncmp(at, "$TURN", 5) == 0) {
            buf_printf(&text, "%llu", (unsigned long long)turn);
            rest += 5;
        } else if (strncmp(at, "$EPOCH", 6) == 0) {
            buf_put_text(&text, fake->epoch);
            rest += 6;
        } else {
            buf_put_byte(&text, (uint8_t)*rest++);
        }
    }
    buf_put(&text, rest, strlen(rest) + 1);
    free(copy);
    put_json(&out, (const char *)text.data, "$", "$");
    send_reply(fake, msg, &out);
    buf_deinit(&text);
    buf_deinit(&out);
}

static void end_wait(struct fake *fake, const char *json)
{
    struct fake_waiting *waiting = &fake->waiting;

    if (!waiting->is_there)
        return;
    if (strcmp(json, "late") == 0) {
        fake->late = *waiting;
        waiting->is_there = false;
        return;
    }
    reply_to_turn(fake, waiting->request, waiting->id, waiting->turn, json);
    nng_msg_free(waiting->request);
    waiting->is_there = false;
}

static uint64_t uint_of(const nng_msg *msg, const char *key)
{
    struct mp_reader at;
    struct mp_token token = {.type = MP_NIL};

    if (mp_map_get(mp_reader(nng_msg_body((nng_msg *)msg), nng_msg_len(msg)), key, strlen(key), &at))
        mp_next(&at, &token);
    return token.type == MP_UINT ? token.uint : 0;
}

/* A repeat takes over the wait; a new turn ends it. Returns whether the message was kept. */
static bool handle_turn(struct fake *fake, nng_msg *msg)
{
    static const char nothing[] =
        "{\"v\":1,\"id\":$ID,\"epoch\":\"$EPOCH\",\"turn\":$TURN,\"failed\":[],\"events\":[]}";
    struct fake_waiting *waiting = &fake->waiting;
    uint64_t id = uint_of(msg, "id"), turn = uint_of(msg, "turn");

    fake->turns++;
    if (fake->turns_seen_count < FAKE_SEEN_MAX)
        buf_put(&fake->turns_seen[fake->turns_seen_count++], nng_msg_body(msg), nng_msg_len(msg));
    if (fake->script_count > 0) {
        const char *json = fake->script[0];
        memmove(fake->script, fake->script + 1, --fake->script_count * sizeof(json));
        reply_to_turn(fake, msg, id, turn, json);
        return false;
    }
    if (waiting->is_there && waiting->turn == turn)
        nng_msg_free(waiting->request);
    else
        end_wait(fake, fake->wait_end ? fake->wait_end : nothing);
    fake->wait_end = NULL;
    *waiting = (struct fake_waiting){true, id, turn, msg};
    if (uint_of(msg, "wait_ms") == 0) {
        waiting->is_there = false;
        reply_to_turn(fake, msg, id, turn, nothing);
        return false;
    }
    return true;
}

static void keep_text(const nng_msg *msg, unsigned index, const char *key, char *out, size_t size)
{
    struct mp_reader ops, at;
    struct mp_token list;
    const uint8_t *raw;
    size_t len;
    struct buf json = BUF_INIT;

    if (!mp_map_get(mp_reader(nng_msg_body((nng_msg *)msg), nng_msg_len(msg)), "ops", 3, &ops) ||
        !mp_next(&ops, &list))
        return;
    while (index-- > 0)
        mp_skip(&ops);
    at = ops;
    if ((!key || mp_map_get(ops, key, strlen(key), &at)) && mp_raw(&at, &raw, &len) &&
        mp_to_json(raw, len, &json))
        snprintf(out, size, "%.*s", (int)json.len, (char *)json.data);
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

/* Returns whether the message was kept. */
static bool handle(struct fake *fake, nng_msg *msg)
{
    const void *body = nng_msg_body(msg);
    size_t len = nng_msg_len(msg);
    char op[32];
    uint32_t ops;
    uint64_t id = id_of(body, len, &ops, op, sizeof(op));
    enum fake_act act = FAKE_OK;

    if (ops == 0 && uint_of(msg, "turn") > 0)
        return handle_turn(fake, msg);
    if (strcmp(op, "hello") == 0) {
        fake->hellos++;
        if (ops == 2) {
            fake->joins++;
            keep_text(msg, 1, NULL, fake->last_join, sizeof(fake->last_join));
        }
    } else if (strcmp(op, "leave") == 0) {
        fake->leaves++;
        keep_text(msg, 0, "member", fake->last_leave, sizeof(fake->last_leave));
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
        reply_with(fake, msg, id, ops, op, act);
    return false;
}

static void *serve(void *arg)
{
    struct fake *fake = arg;
    bool is_ending = false;

    while (!is_ending) {
        nng_msg *msg;
        int error = nng_recvmsg(fake->rep, &msg, 0);
        pthread_mutex_lock(&fake->lock);
        if (error == 0 && !handle(fake, msg))
            nng_msg_free(msg);
        is_ending = fake->is_ending || error == NNG_ECLOSED;
        pthread_mutex_unlock(&fake->lock);
    }
    return NULL;
}

/* ---- For the test ---- */

void fake_come_back(struct fake *fake)
{
    fake->is_ending = false;
    assert_int_equal(nng_rep0_open_raw(&fake->rep), 0); /* so that replies can wait */
    assert_int_equal(nng_pub0_open(&fake->pub), 0);
    assert_int_equal(nng_socket_set_ms(fake->rep, NNG_OPT_RECVTIMEO, POLL_MS), 0);
    assert_int_equal(nng_listen(fake->rep, fake->calls, NULL, 0), 0);
    assert_int_equal(nng_listen(fake->pub, fake->events, NULL, 0), 0);
    assert_int_equal(pthread_create(&fake->thread, NULL, serve, fake), 0);
}

static void *close_socket(void *arg)
{
    nng_close(*(nng_socket *)arg);
    free(arg);
    return NULL;
}

/* Closing can hang: then a thread is left behind. */
static void close_in_time(nng_socket socket)
{
    nng_socket *copy = malloc(sizeof(*copy));
    struct timespec until;
    pthread_t thread;

    assert_non_null(copy);
    *copy = socket;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_LIMIT_S;
    assert_int_equal(pthread_create(&thread, NULL, close_socket, copy), 0);
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        pthread_detach(thread);
}

void fake_go_away(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_ending = true;
    pthread_mutex_unlock(&fake->lock);
    pthread_join(fake->thread, NULL);
    if (fake->waiting.is_there)
        nng_msg_free(fake->waiting.request);
    fake->waiting.is_there = false;
    close_in_time(fake->rep);
    close_in_time(fake->pub);
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
    for (size_t i = 0; i < FAKE_SEEN_MAX; i++) {
        buf_deinit(&fake->seen[i]);
        buf_deinit(&fake->turns_seen[i]);
    }
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

void fake_script(struct fake *fake, const char *json)
{
    pthread_mutex_lock(&fake->lock);
    if (fake->waiting.is_there)
        end_wait(fake, json);
    else
        fake->script[fake->script_count++] = json;
    pthread_mutex_unlock(&fake->lock);
}

void fake_script_next(struct fake *fake, const char *json)
{
    pthread_mutex_lock(&fake->lock);
    fake->script[fake->script_count++] = json;
    pthread_mutex_unlock(&fake->lock);
}

void fake_end_wait_with(struct fake *fake, const char *json)
{
    pthread_mutex_lock(&fake->lock);
    fake->wait_end = json;
    pthread_mutex_unlock(&fake->lock);
}

void fake_reply_late(struct fake *fake, const char *json)
{
    pthread_mutex_lock(&fake->lock);
    if (fake->late.is_there) {
        reply_to_turn(fake, fake->late.request, fake->late.id, fake->late.turn, json);
        nng_msg_free(fake->late.request);
        fake->late.is_there = false;
    }
    pthread_mutex_unlock(&fake->lock);
}

void fake_forget_waiting(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    if (fake->waiting.is_there)
        nng_msg_free(fake->waiting.request);
    fake->waiting.is_there = false;
    pthread_mutex_unlock(&fake->lock);
}

const char *fake_turn(struct fake *fake, size_t index)
{
    static const char *const keys[] = {"member", "turn", "done", "max", "wait_ms"};
    static char text[65536];
    struct buf map = BUF_INIT, json = BUF_INIT;

    text[0] = '\0';
    pthread_mutex_lock(&fake->lock);
    mp_put_map(&map, 5);
    for (size_t i = 0; i < 5 && index < fake->turns_seen_count; i++) {
        struct buf *seen = &fake->turns_seen[index];
        struct mp_reader at;
        const uint8_t *raw;
        size_t len;
        if (!mp_map_get(mp_reader(seen->data, seen->len), keys[i], strlen(keys[i]), &at) ||
            !mp_raw(&at, &raw, &len))
            break;
        mp_put_text(&map, keys[i]);
        buf_put(&map, raw, len);
    }
    if (map.len > 1 && mp_to_json(map.data, map.len, &json))
        snprintf(text, sizeof(text), "%.*s", (int)json.len, (char *)json.data);
    pthread_mutex_unlock(&fake->lock);
    buf_deinit(&map);
    buf_deinit(&json);
    return text;
}
