#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "support/world.h"

/* Whatever allocation is refused: an input is refused as a whole or works, and the core goes on. */

static const char *const REQUESTS[] = {
    "[{\"op\":\"hello\"}]",
    "[{\"op\":\"subscribe\",\"events\":[\"a\",\"b:*\"]}]",
    "[{\"op\":\"stats\"}]",
    "[{\"op\":\"get\",\"conn\":\"epoch1.1\",\"keys\":[\"room\"]}]",
    "[{\"op\":\"update\",\"filter\":{\"room\":{\"$in\":[\"lobby\",{\"$arg\":\"r\"}]}},\"args\":{\"r\":\"x\"},"
    "\"ttl_ms\":50,"
    "\"update\":{\"$set\":{\"x.y\":[1,2]},\"$inc\":{\"n\":1},\"$push\":{\"l\":{\"$each\":[3,1]}}}}]",
    "[{\"op\":\"count\",\"distinct\":\"room\"}]",
    "[{\"op\":\"find\",\"filter\":{\"room\":\"lobby\"},\"limit\":1}]",
    "[{\"op\":\"send\",\"filter\":{\"room\":\"lobby\"},\"event\":\"hi\",\"payload\":{\"a\":1},\"fill\":{"
    "\"n\":{}}}]",
    "[{\"op\":\"send\",\"filter\":{},\"event\":\"tick\",\"payload\":1}]",
    "[{\"op\":\"send\",\"filter\":{},\"event\":\"tick\",\"payload\":2,\"unbatched\":true}]",
    "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7,\"error\":{\"code\":\"no\"}}]",
    "[{\"op\":\"answer\",\"conn\":\"epoch1.1\",\"i\":7,\"payload\":{},\"fill\":{\"n\":{\"room\":\"lobby\"}}}"
    "]",
    "[{\"op\":\"batch\",\"event\":\"other\",\"interval_ms\":50,\"latest_by\":\"u\"}]",
    "[{\"op\":\"close\",\"filter\":{\"room\":\"lobby\"},\"code\":4000}]",
    "[{\"op\":\"nonsense\"},{\"op\":\"count\",\"filter\":{\"a\":{\"$x\":1}}}]",
};

static struct conn *begin(void)
{
    world_init(&w);
    world_start(&w);
    struct conn *alice = world_open(&w, "alice", "sluice.v1.json");
    world_open(&w, "bob", "");
    core_subscribers(w.core, 1);
    world_call(&w, "[{\"op\":\"update\",\"filter\":{},\"update\":{\"$set\":{\"room\":\"lobby\"}}},"
                   "{\"op\":\"batch\",\"event\":\"tick\",\"interval_ms\":100},"
                   "{\"op\":\"send\",\"filter\":{},\"event\":\"tick\",\"payload\":0}]");
    world_say(&w, alice, "ask", NULL, "7");
    world_trace(&w);
    return alice;
}

static void expect_health(void)
{
    w.refuse_memory = false;
    world_open(&w, "carol", "");
    assert_non_null(
        strstr(world_call(&w, "[{\"op\":\"count\",\"filter\":{\"@path\":\"/ws\"}}]"), "\"count\":"));
    world_advance(&w, 40000);
    world_trace(&w);
    world_stop(&w);
}

static void test_requests_survive_refused_memory(void **state)
{
    (void)state;
    unsigned long refusals = 0;
    for (size_t i = 0; i < sizeof(REQUESTS) / sizeof(REQUESTS[0]); i++) {
        for (unsigned long n = 0;; n++) {
            begin();
            w.refuse_memory = true;
            w.refuse_at = n;
            world_call(&w, REQUESTS[i]);
            bool was_refused = w.was_refused;
            expect_health();
            refusals += was_refused;
            if (!was_refused)
                break;
            assert_true(n < 1000);
        }
    }
    assert_true(refusals > 50);
}

static void test_request_that_was_refused_memory_may_be_repeated_or_is_too_old(void **state)
{
    (void)state;
    const char *request =
        "{\"v\":1,\"client\":\"0123456789abcdef\",\"id\":1,\"ops\":[{\"op\":\"update\",\"filter\":{},"
        "\"update\":{\"$inc\":{\"n\":1}}}]}";
    for (unsigned long n = 0;; n++) {
        begin();
        w.refuse_memory = true;
        w.refuse_at = n;
        world_request(&w, request);
        bool was_refused = w.was_refused;
        w.refuse_memory = false;
        world_request(&w, request);
        expect_call(&w, "[{\"op\":\"count\",\"filter\":{\"n\":{\"$gt\":1}}}]", "[{\"ok\":true,\"count\":0}]");
        expect_health();
        if (!was_refused)
            break;
        assert_true(n < 1000);
    }
}

static void test_messages_survive_refused_memory(void **state)
{
    (void)state;
    for (unsigned long n = 0;; n++) {
        struct conn *alice = begin();
        w.refuse_memory = true;
        w.refuse_at = n;
        world_say(&w, alice, "say", "{\"text\":\"hi\"}", "8");
        bool was_refused = w.was_refused;
        w.refuse_memory = false;
        const char *trace = world_trace(&w);
        /* the event is on its way, or the client knows that it is not */
        assert_true(strstr(trace, "publish say") || strstr(trace, "\"code\":\"overloaded\"") || n < 2);
        expect_health();
        if (!was_refused)
            break;
        assert_true(n < 100);
    }
}

static void test_connections_survive_refused_memory(void **state)
{
    (void)state;
    const struct opening opening = {
        .path = "/ws", .query = "", .remote = "r", .subprotocol = "sluice.v1.json"};
    for (unsigned long n = 0;; n++) {
        begin();
        w.refuse_memory = true;
        w.refuse_at = n;
        struct conn *conn = world_open_at(&w, "dora", &opening);
        if (conn)
            core_conn_closed(w.core, conn, 1000, "", 0);
        bool was_refused = w.was_refused;
        expect_health();
        if (!was_refused)
            break;
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_survive_refused_memory),
        cmocka_unit_test(test_request_that_was_refused_memory_may_be_repeated_or_is_too_old),
        cmocka_unit_test(test_messages_survive_refused_memory),
        cmocka_unit_test(test_connections_survive_refused_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
