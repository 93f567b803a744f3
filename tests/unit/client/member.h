#ifndef SLUICE_TESTS_UNIT_CLIENT_MEMBER_H
#define SLUICE_TESTS_UNIT_CLIENT_MEMBER_H

/* A member without a broker that events come to. Include after cmocka.h, instead of step.h. */

#include "group.h"
#include "step.h"
#include "verdict.h"
#include "wire/json.h"

static struct group *the_group;
static struct packet the_packet;
static struct buf came[512]; /* event maps that came in this test */
static size_t came_count;

static inline int member_teardown(void **state)
{
    int result = step_teardown(state);

    while (came_count > 0)
        buf_deinit(&came[--came_count]);
    the_group = NULL;
    return result;
}

/* Subscribe @fn to everything as a member that may hold so many events of one connection. */
static inline void handle_all(sluice_handler_fn *fn, int per_conn)
{
    assert_int_equal(sluice_subscribe(the_client, "*", fn, NULL, "{group: 'g', per_conn: %d}", per_conn), 0);
    the_group = the_client->groups;
    the_group->lease_ms = 30000; /* as the broker would have said */
}

/* A reply with the events of the JSON list. */
static inline void events_come(const char *list)
{
    struct buf *bytes = &came[came_count++];
    struct mp_token token;
    struct mp_reader r;
    size_t offset;

    assert_true(came_count <= sizeof(came) / sizeof(came[0]));
    assert_null(json_to_mp(list, strlen(list), bytes, &offset));
    r = mp_reader(bytes->data, bytes->len);
    assert_true(mp_next(&r, &token));
    the_packet = (struct packet){.refs = 1000};
    strcpy(the_group->epoch, "epoch1");
    group_take(the_group, &the_packet, r, token.count);
}

/* Event @seq of connection @conn comes. */
static inline void event_comes(unsigned seq, const char *conn, const char *more)
{
    char json[512];

    snprintf(json, sizeof(json),
             "[{\"event\":\"say\",\"conn\":\"%s\",\"session\":{},\"version\":1,\"seq\":%u,\"attempt\":1%s}]",
             conn, seq, more);
    events_come(json);
}

/* The entries that could be sent now, as JSON; they are gone with that. */
static inline const char *entries(void)
{
    static char text[4096];
    struct buf out = BUF_INIT, json = BUF_INIT;
    struct sluice_event *event = held_sendable(&the_group->finished, NULL), *next;
    uint32_t count = 0;

    for (; event; event = next ? held_sendable(&the_group->finished, next) : NULL) {
        held_unchain(event);
        next = event->held.next;
        verdict_put(event, &out);
        event_free(event);
        count++;
    }
    struct buf list = BUF_INIT;
    mp_put_array(&list, count);
    buf_put(&list, out.data, out.len);
    assert_true(mp_to_json(list.data, list.len, &json));
    snprintf(text, sizeof(text), "%.*s", (int)json.len, (char *)json.data);
    buf_deinit(&out);
    buf_deinit(&list);
    buf_deinit(&json);
    return text;
}

#endif
