#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "group_case.h"
#include "support/random.h"

/* Random inputs, from seeds. After each, all that groups consist of is walked over. The model of what groups
 * promise is another test's (tests/simulation): here it is lists, counts and memory. */

#define CONNS   6
#define CLIENTS 5
#define STEPS   250

static const char *const NAMES[] = {"a", "b", "c:x"};
static const char *const LISTS[] = {"\"a\",\"b\",\"c:*\"", "\"a\"", "\"b\",\"c:*\"",
                                    "\"*\",\"@connect\",\"@disconnect\"",
                                    "\"a\",\"b\",\"c:*\",\"@disconnect\""};

struct play {
    struct random random;
    struct conn *conns[CONNS];
    struct member *members[CLIENTS]; /* may be gone: looked up by their ids */
    char ids[CLIENTS][MEMBER_ID_MAX + 1];
};

static unsigned below(struct play *play, unsigned n)
{
    return (unsigned)random_below(&play->random, n);
}

static struct member *member_of(struct play *play, unsigned client)
{
    return member_find(w.core, play->ids[client], strlen(play->ids[client]));
}

static void come_or_go(struct play *play)
{
    static const char *const names[CONNS] = {"alice", "bob", "carol", "dave", "erin", "frank"};
    static const struct opening opening = {.path = "/", .query = "", .remote = "", .subprotocol = ""};
    unsigned i = below(play, CONNS);
    if (play->conns[i]) {
        world_close(&w, play->conns[i], 1000, "bye");
        play->conns[i] = NULL;
    } else {
        play->conns[i] = world_open_at(&w, names[i], &opening);
    }
}

static void speak(struct play *play)
{
    static const char *const ids[] = {NULL, NULL, "1", "2", "3"};
    struct conn *conn = play->conns[below(play, CONNS)];
    for (unsigned n = 1 + below(play, 4); conn && n; n--)
        world_say(&w, conn, NAMES[below(play, 3)], "1", ids[below(play, 5)]);
}

static void join_some(struct play *play)
{
    unsigned client = below(play, CLIENTS);
    char name[24], ops[256];
    client_name(name, client + 1);
    snprintf(ops, sizeof(ops), "[{\"op\":\"join\",\"group\":\"%s\",\"events\":[%s],\"per_conn\":%u}]",
             below(play, 3) ? "g" : "h", LISTS[below(play, 5)], 1 + below(play, 3));
    w.is_tcp = below(play, 2);
    w.client = name;
    w.link = client + 1;
    const char *reply = world_call(&w, ops);
    const char *id = strstr(reply, "\"member\":\"");
    if (id)
        sscanf(id, "\"member\":\"%40[^\"]", play->ids[client]);
}

static void put_entry(struct play *play, struct buf *out, const struct job *job)
{
    static const char *const kinds[] = {
        "\"ops\":[]",
        "\"ops\":[{\"op\":\"update\",\"conn\":\"%s\",\"update\":{\"$inc\":{\"n\":1}}}]",
        "\"ops\":[{\"op\":\"close\",\"filter\":{\"n\":3},\"code\":4000}]",
        "\"ops\":[{\"op\":\"update\",\"conn\":\"%s\",\"if_version\":99,\"update\":{\"$inc\":{\"n\":1}}}]",
        "\"ops\":[{\"op\":\"send\",\"filter\":{\"$bad\":1},\"event\":\"x\"}]",
        "\"error\":{\"code\":\"no\"}",
        "\"retry_ms\":0",
        "\"retry_ms\":700",
    };
    unsigned kind = below(play, 12);
    buf_printf(out, "%s{\"seq\":%llu,", out->data[out->len - 1] == '[' ? "" : ",",
               (unsigned long long)job->seq);
    if (kind >= 8)
        kind = 0;
    if (kind == 2 && below(play, 4))
        kind = 1;
    const char *hole = strstr(kinds[kind], "%s");
    if (hole)
        buf_printf(out, "%.*s%s%s}", (int)(hole - kinds[kind]), kinds[kind], job->event->conn->id, hole + 2);
    else
        buf_printf(out, "%s}", kinds[kind]);
}

static void forget_closed(struct play *play)
{
    for (unsigned i = 0; i < CONNS; i++) {
        size_t place = 0;
        struct conn *conn = NULL;
        while (play->conns[i] && (conn = conn_table_walk(&w.core->conns, &place)) && conn != play->conns[i])
            ;
        if (!conn)
            play->conns[i] = NULL;
    }
}

static void take_turn(struct play *play)
{
    struct member *member = member_of(play, below(play, CLIENTS));
    struct buf entries = BUF_INIT;
    unsigned done_of_8 = below(play, 9);
    if (!member)
        return;
    buf_put_text(&entries, "[");
    for (const struct job *job = member->held; job; job = job->held_next) {
        if (below(play, 8) < done_of_8)
            put_entry(play, &entries, job);
    }
    buf_put_text(&entries, "]");
    buf_put_byte(&entries, 0);
    turn_with(member, (const char *)entries.data, below(play, 8), below(play, 2) ? 0 : 5000);
    buf_deinit(&entries);
    forget_closed(play);
}

static void leave(struct play *play)
{
    struct member *member = member_of(play, below(play, CLIENTS));
    char name[24], ops[128];
    if (!member)
        return;
    snprintf(name, sizeof(name), "%.*s", (int)member->client_len, member->client);
    snprintf(ops, sizeof(ops), "[{\"op\":\"leave\",\"member\":\"%s\"}]", member->id);
    w.client = name;
    world_call(&w, ops);
}

static void step(struct play *play)
{
    static const unsigned times[] = {1, 50, 500, 3000, 20000, 61000};
    unsigned dice = below(play, 40);
    if (dice < 4)
        come_or_go(play);
    else if (dice < 16)
        speak(play);
    else if (dice < 19)
        join_some(play);
    else if (dice < 33)
        take_turn(play);
    else if (dice < 34)
        leave(play);
    else if (dice < 35)
        world_link_down(&w, 1 + below(play, CLIENTS));
    else if (dice < 37)
        world_advance(&w, times[below(play, below(play, 4) ? 3 : 6)]);
    else
        world_flush(&w);
    groups_check(w.core);
}

static void check_accounts(void)
{
    for (struct group *group = w.core->groups.by_name; group; group = group->hh.next) {
        const struct group_counters *c = &group->counters;
        assert_int_equal(c->received, c->handled + c->refused + c->dead + group->job_count);
        assert_true(c->attempts >= c->redeliveries);
    }
}

static void play_seed(uint64_t seed, bool refuses)
{
    struct play play = {.random = {seed}};
    w.options.group_backlog = 4 + below(&play, 12);
    w.options.group_lease_ms = 2000;
    w.options.group_dead = 3;
    world_start(&w);
    core_subscribers(w.core, below(&play, 2));
    for (unsigned i = 0; i < STEPS; i++) {
        w.refuse_memory = refuses && below(&play, 3) == 0;
        w.refuse_at = below(&play, 12);
        step(&play);
        w.refuse_memory = false;
        w.trace.len = 0;
    }
    check_accounts();
    world_stop(&w);
}

static void play_seeds(uint64_t first, unsigned count, bool refuses)
{
    for (uint64_t seed = first; seed < first + count; seed++) {
        world_init(&w);
        play_seed(seed, refuses);
    }
    world_init(&w);
    world_start(&w);
}

static void test_random_inputs_leave_everything_consistent(void **state)
{
    (void)state;
    world_stop(&w);
    play_seeds(1, 150, false);
}

static void test_random_refused_memory_leaves_everything_consistent(void **state)
{
    (void)state;
    world_stop(&w);
    play_seeds(1001, 150, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_random_inputs_leave_everything_consistent),
        WORLD_TEST(test_random_refused_memory_leaves_everything_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
