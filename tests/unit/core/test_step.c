#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/op_run.h"
#include "core/stored_event.h"
#include "support/failing_alloc.h"
#include "support/world.h"
#include "wire/json.h"

/* Operations run in a step that the test opens and ends, as a turn does with those of an entry. */

#define SET(conn, fields) "{\"op\":\"update\",\"conn\":\"" conn "\",\"update\":{\"$set\":" fields "}}"
#define COUNT(filter)     "{\"op\":\"count\",\"filter\":" filter "}"
#define SEND(to, payload) "{\"op\":\"send\"," to ",\"event\":\"tick\",\"payload\":" payload "}"
#define ALL               "\"filter\":{}"
#define ALICE             "\"conn\":\"epoch1.1\""
#define BATCH(args)       "{\"op\":\"batch\",\"event\":\"tick\"," args "}"
#define CLOSE(to)         "{\"op\":\"close\"," to ",\"code\":4000,\"reason\":\"bye\"}"
#define GET(conn)         "{\"op\":\"get\",\"conn\":\"" conn "\"}"

static struct conn *alice, *bob;
static struct stored_event *entry_event; /* of the entry whose operations run; NULL: none */

static int setup(void **state)
{
    world_setup(state);
    alice = world_open(&w, "alice", "");
    bob = world_open(&w, "bob", "");
    core_subscribers(w.core, 1);
    entry_event = NULL;
    world_call(&w, "[" SET("epoch1.1", "{\"room\":\"lobby\",\"n\":1}") "," SET("epoch1.2",
                                                                               "{\"room\":\"lobby\"}") "]");
    world_trace(&w);
    return 0;
}

#define STEP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

/* The operation as MessagePack, in memory of the test's own. */
static struct buf packed(const char *op)
{
    struct buf mp = BUF_INIT;
    size_t offset;
    const char *wrong = json_to_mp(op, strlen(op), &mp, &offset);
    if (wrong)
        fail_msg("bad JSON in the test: %s at %zu of %s", wrong, offset, op);
    return mp;
}

static int run_packed(const struct buf *mp, struct buf *out, struct fault *fault)
{
    static const struct request request = {.client = "test-client-0001", .client_len = 16};
    struct call call = {
        .core = w.core, .request = &request, .at = NULL, .event = entry_event, .out = out, .fault = fault};
    return op_run(&call, mp->data, mp->len);
}

/* Run an operation in the open step. Returns its result, or "code at", as JSON; valid until the next call. */
static const char *run(const char *op)
{
    static char text[4096];
    struct fault fault = {.code = CODE_OK};
    struct buf mp = packed(op), out = BUF_INIT, json = BUF_INIT;
    if (run_packed(&mp, &out, &fault) < 0) {
        snprintf(text, sizeof(text), "%s %s", code_text(fault.code), fault.at);
    } else {
        assert_true(mp_to_json(out.data, out.len, &json));
        assert_true(json.len < sizeof(text));
        memcpy(text, json.data, json.len);
        text[json.len] = '\0';
    }
    buf_deinit(&mp);
    buf_deinit(&out);
    buf_deinit(&json);
    return text;
}

#define expect_run(op, text) assert_string_equal(run(op), text)

/* -- sessions ------------------------------------------------------------------------------------------ */

#define LOBBY       COUNT("{\"room\":\"lobby\"}")
#define ATTIC       COUNT("{\"room\":\"attic\"}")
#define ALICE_AS_IS "{\"ok\":true,\"found\":true,\"session\":{\"n\":1,\"room\":\"lobby\"},\"version\":2}"

static void test_later_operations_see_the_new_session_and_undo_brings_the_old_one(void **state)
{
    (void)state;
    step_begin(w.core);
    expect_run(SET("epoch1.1", "{\"room\":\"attic\"}"),
               "{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":3}");
    expect_run(ATTIC, "{\"ok\":true,\"count\":1}");
    expect_run(LOBBY, "{\"ok\":true,\"count\":1}");
    expect_run(SET("epoch1.1", "{\"room\":\"cellar\",\"tags\":[1,2,3]}"),
               "{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":4}");
    expect_run(COUNT("{\"tags\":2}"), "{\"ok\":true,\"count\":1}");
    step_undo(w.core);
    expect_call(&w, "[" GET("epoch1.1") "]", "[" ALICE_AS_IS "]");
    expect_call(&w, "[" ATTIC "," LOBBY "," COUNT("{\"tags\":2}") "," COUNT("{\"n\":1}") "]",
                "[{\"ok\":true,\"count\":0},{\"ok\":true,\"count\":2},{\"ok\":true,\"count\":0},{\"ok\":true,"
                "\"count\":1}]");
    assert_int_equal(w.counters.index_entries, 3); /* two rooms and n */
}

static void test_update_of_all_is_undone_for_all(void **state)
{
    (void)state;
    step_begin(w.core);
    expect_run("{\"op\":\"update\"," ALL ",\"update\":{\"$set\":{\"room\":\"attic\"}}}",
               "{\"ok\":true,\"matched\":2,\"modified\":2}");
    step_undo(w.core);
    expect_call(&w, "[" ATTIC "," LOBBY "]", "[{\"ok\":true,\"count\":0},{\"ok\":true,\"count\":2}]");
    assert_int_equal(alice->version, 2);
    assert_int_equal(bob->version, 2);
}

static void test_committed_session_stays(void **state)
{
    (void)state;
    step_begin(w.core);
    run(SET("epoch1.1", "{\"room\":\"attic\"}"));
    run(SET("epoch1.1", "{\"n\":2}"));
    assert_int_equal(step_commit(w.core), 0);
    expect_call(&w, "[" GET("epoch1.1") "," ATTIC "]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"n\":2,\"room\":\"attic\"},\"version\":4},"
                "{\"ok\":true,\"count\":1}]");
}

static void test_step_knows_whose_session_it_changed(void **state)
{
    (void)state;
    step_begin(w.core);
    assert_false(step_changed(w.core, alice));
    run(SET("epoch1.1", "{\"n\":1}")); /* as it is already */
    assert_false(step_changed(w.core, alice));
    run("{\"op\":\"update\"," ALICE ",\"ttl_ms\":1000,\"update\":{\"$set\":{\"n\":1}}}");
    assert_false(step_changed(w.core, alice));
    run(SET("epoch1.1", "{\"n\":2}"));
    assert_true(step_changed(w.core, alice));
    assert_false(step_changed(w.core, bob));
    step_undo(w.core);
    step_begin(w.core);
    assert_false(step_changed(w.core, alice));
    step_undo(w.core);
}

/* -- messages ------------------------------------------------------------------------------------------ */

static void test_messages_leave_with_the_commit_in_order(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    world_trace(&w);
    step_begin(w.core);
    run(SEND(ALL, "1"));
    run("{\"op\":\"answer\"," ALICE ",\"i\":7,\"payload\":2}");
    run(SEND(ALICE, "3"));
    run(CLOSE(ALICE));
    run(SEND(ALL, "4"));
    expect_trace(&w, "");
    assert_int_equal(step_commit(w.core), 0);
    const char *trace = world_trace(&w);
    const char *published = strstr(trace, "publish @disconnect");
    assert_non_null(published);
    assert_int_equal(strncmp(trace,
                             "alice <- {\"e\":\"tick\",\"p\":1}\nbob <- {\"e\":\"tick\",\"p\":1}\n"
                             "alice <- {\"e\":\"ask\",\"p\":2,\"i\":7}\nalice <- {\"e\":\"tick\",\"p\":3}\n"
                             "alice closed 4000 bye\nbob <- {\"e\":\"tick\",\"p\":4}\n",
                             (size_t)(published - trace)),
                     0);
    assert_int_equal(w.counters.deliveries, 5);
    assert_int_equal(w.counters.questions_answered, 1);
}

static void test_undone_messages_are_never_sent(void **state)
{
    (void)state;
    step_begin(w.core);
    run(SEND(ALL, "1"));
    run(SEND(ALICE, "2"));
    step_undo(w.core);
    expect_trace(&w, "");
    step_begin(w.core);
    step_commit(w.core);
    expect_trace(&w, "");
    assert_int_equal(w.counters.deliveries, 0);
}

static void test_commit_tells_how_many_deliveries_were_refused(void **state)
{
    (void)state;
    w.full_peer = "bob";
    step_begin(w.core);
    expect_run(SEND(ALL, "1"), "{\"ok\":true,\"matched\":2,\"refused\":0}"); /* nobody knows yet */
    run(SEND(ALL, "2"));
    assert_int_equal(step_commit(w.core), 2);
    assert_int_equal(w.counters.deliveries_refused, 2);
    expect_call(&w, "[" SEND(ALL, "1") "]", "[{\"ok\":true,\"matched\":2,\"refused\":1}]");
}

static void test_send_that_passes_a_batch_is_refused_once(void **state)
{
    (void)state;
    w.full_peer = "bob";
    expect_call(
        &w, "[" BATCH("\"interval_ms\":100") "," SEND(ALL, "1") "," SEND(ALL ",\"unbatched\":true", "2") "]",
        "[{\"ok\":true},{\"ok\":true,\"matched\":2,\"refused\":0},{\"ok\":true,\"matched\":2,"
        "\"refused\":1}]");
    assert_int_equal(w.counters.deliveries_refused, 2); /* the batch and the message */
}

static void test_many_refused_are_told_in_full(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++)
        world_open(&w, "carol", "");
    w.full_peer = "carol";
    expect_call(&w, "[" SEND(ALL, "1") "," LOBBY "]",
                "[{\"ok\":true,\"matched\":302,\"refused\":300},{\"ok\":true,\"count\":2}]");
}

/* -- batches ------------------------------------------------------------------------------------------- */

static void test_undone_payloads_are_not_batched(void **state)
{
    (void)state;
    world_call(&w, "[" BATCH("\"interval_ms\":100") "," SEND(ALICE, "0") "]");
    step_begin(w.core);
    run(SEND(ALL, "1"));
    run(SEND(ALICE ",\"unbatched\":true", "2"));
    step_undo(w.core);
    expect_trace(&w, "");
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[0]}}\n");
    assert_int_equal(w.counters.batch_items, 1);
}

static void test_undone_batch_is_off_again(void **state)
{
    (void)state;
    step_begin(w.core);
    run(BATCH("\"interval_ms\":100"));
    run(SEND(ALICE, "1"));
    step_undo(w.core);
    assert_null(w.core->batches.by_event);
    assert_int_equal(w.core->batches.count, 0);
    world_call(&w, "[" SEND(ALICE, "2") "]");
    expect_trace(&w, "alice <- {\"e\":\"tick\",\"p\":2}\n");
}

static void test_undone_change_of_a_batch_leaves_rule_and_what_waits(void **state)
{
    (void)state;
    world_call(&w, "[" BATCH("\"interval_ms\":100,\"keep\":\"latest\"") "," SEND(ALICE, "1") "]");
    step_begin(w.core);
    run(BATCH("\"interval_ms\":10,\"latest_by\":\"u\""));
    run(BATCH("\"interval_ms\":0"));
    run(SEND(ALICE, "2"));
    run(BATCH("\"interval_ms\":20"));
    step_undo(w.core);
    world_advance(&w, 99);
    expect_trace(&w, "");
    world_call(&w, "[" SEND(ALICE, "3") "]");
    world_advance(&w, 1);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[3]}}\n");
    assert_int_equal(w.core->batches.count, 1);
}

static void test_batch_goes_on_and_off_in_one_step(void **state)
{
    (void)state;
    step_begin(w.core);
    run(SEND(ALICE, "0"));
    run(BATCH("\"interval_ms\":100"));
    run(SEND(ALICE, "1"));
    run(SEND(ALICE, "2"));
    run(BATCH("\"interval_ms\":0"));
    run(SEND(ALICE, "3"));
    run(BATCH("\"interval_ms\":200"));
    run(SEND(ALICE, "4"));
    step_commit(w.core);
    expect_trace(&w, "alice <- {\"e\":\"tick\",\"p\":0}\n"
                     "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1,2]}}\n"
                     "alice <- {\"e\":\"tick\",\"p\":3}\n");
    world_advance(&w, 199);
    expect_trace(&w, "");
    world_advance(&w, 1);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[4]}}\n");
    step_begin(w.core);
    run(BATCH("\"interval_ms\":0"));
    run(BATCH("\"interval_ms\":0"));
    run(BATCH("\"interval_ms\":50"));
    run(BATCH("\"interval_ms\":0"));
    step_commit(w.core);
    assert_null(w.core->batches.by_event);
}

static void test_payload_is_batched_under_the_rule_of_its_moment(void **state)
{
    (void)state;
    step_begin(w.core);
    run(BATCH("\"interval_ms\":100,\"max_items\":2"));
    run(SEND(ALICE, "1"));
    run(SEND(ALICE, "2"));
    run(BATCH("\"interval_ms\":100"));
    run(SEND(ALICE, "3"));
    run(SEND(ALICE, "4"));
    run(SEND(ALICE, "5"));
    run(BATCH("\"interval_ms\":50,\"keep\":\"latest\""));
    step_commit(w.core);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1,2]}}\n");
    world_advance(&w, 50); /* the shorter interval counts for what waits */
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[3,4,5]}}\n");
}

static void test_one_payload_may_go_into_two_batches(void **state)
{
    (void)state;
    struct blob *payload = blob_new("\x01", 1);
    world_call(
        &w, "[" BATCH("\"interval_ms\":100") ",{\"op\":\"batch\",\"event\":\"tock\",\"interval_ms\":100}]");
    step_begin(w.core);
    assert_int_equal(step_batch_add(w.core, batches_find(&w.core->batches, "tick", 4), alice, payload), 0);
    assert_int_equal(step_batch_add(w.core, batches_find(&w.core->batches, "tock", 4), alice, payload), 0);
    blob_unref(payload);
    step_commit(w.core);
    world_advance(&w, 100);
    expect_trace(&w, "alice <- {\"e\":\"batch_tick\",\"p\":{\"d\":[1]}}\n"
                     "alice <- {\"e\":\"batch_tock\",\"p\":{\"d\":[1]}}\n");
}

static void test_batch_that_ends_in_a_step_makes_room_for_another(void **state)
{
    (void)state;
    world_stop(&w);
    w.options.max_batches = 1;
    world_start(&w);
    expect_call(&w, "[" BATCH("\"interval_ms\":100") "]", "[{\"ok\":true}]");
    step_begin(w.core);
    expect_run("{\"op\":\"batch\",\"event\":\"tock\",\"interval_ms\":100}", "limit ");
    step_undo(w.core);
    step_begin(w.core);
    run(BATCH("\"interval_ms\":0"));
    expect_run("{\"op\":\"batch\",\"event\":\"tock\",\"interval_ms\":100}", "{\"ok\":true}");
    expect_run(BATCH("\"interval_ms\":100"), "limit ");
    step_undo(w.core);
    expect_call(&w,
                "[{\"op\":\"batch\",\"event\":\"tock\",\"interval_ms\":100}," BATCH("\"interval_ms\":50") "]",
                "[{\"ok\":false,\"code\":\"limit\",\"message\":\"there are 1 batches already\"},"
                "{\"ok\":true}]");
}

/* -- expiry -------------------------------------------------------------------------------------------- */

#define TTL(ms, fields) "{\"op\":\"update\"," ALICE ",\"ttl_ms\":" ms ",\"update\":{\"$set\":" fields "}}"

static void test_undone_expiry_leaves_the_times_as_they_were(void **state)
{
    (void)state;
    world_call(&w, "[" TTL("1000", "{\"a\":1,\"b\":1}") "]");
    step_begin(w.core);
    run(TTL("5000", "{\"a\":2,\"c\":1}"));
    run(SET("epoch1.1", "{\"a\":3,\"b\":3,\"c\":3}")); /* for ever */
    run(TTL("10", "{\"n\":5}"));
    step_undo(w.core);
    world_advance(&w, 999);
    expect_call(&w, "[" GET("epoch1.1") "]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"n\":1,\"room\":\"lobby\",\"a\":1,\"b\":1},"
                "\"version\":3}]");
    world_advance(&w, 1);
    expect_call(&w, "[" GET("epoch1.1") "]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"n\":1,\"room\":\"lobby\"},\"version\":4}]");
    world_advance(&w, 10000);
    assert_int_equal(alice->version, 4);
}

static void test_committed_expiry_counts(void **state)
{
    (void)state;
    world_call(&w, "[" TTL("1000", "{\"a\":1,\"b\":1}") "]");
    step_begin(w.core);
    run(TTL("2000", "{\"a\":2}"));
    run(SET("epoch1.1", "{\"b\":2}"));
    step_commit(w.core);
    world_advance(&w, 1999);
    assert_int_equal(alice->version, 5);
    world_advance(&w, 1);
    expect_call(&w, "[" GET("epoch1.1") "]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"n\":1,\"room\":\"lobby\",\"b\":2},"
                "\"version\":6}]");
}

static void test_too_many_expiring_fields_are_refused_and_undone(void **state)
{
    (void)state;
    char op[8192];
    world_call(&w, "[" TTL("1000", "{\"a\":1}") "]");
    size_t len = (size_t)sprintf(op, "{\"op\":\"update\"," ALICE ",\"ttl_ms\":50,\"update\":{\"$set\":{");
    for (int i = 0; i < 256; i++)
        len += (size_t)sprintf(op + len, "%s\"f%d\":1", i ? "," : "", i);
    strcpy(op + len, "}}}");
    step_begin(w.core);
    expect_run(op, "limit ttl_ms");
    step_undo(w.core);
    assert_int_equal(alice->version, 3);
    world_advance(&w, 1000);
    expect_call(&w, "[" GET("epoch1.1") "]",
                "[{\"ok\":true,\"found\":true,\"session\":{\"n\":1,\"room\":\"lobby\"},\"version\":4}]");
}

/* -- questions ----------------------------------------------------------------------------------------- */

#define ANSWER(payload) "{\"op\":\"answer\"," ALICE ",\"i\":7,\"payload\":" payload "}"
#define FIRST           "{\"ok\":true,\"first\":true}"
#define NOT_FIRST       "{\"ok\":true,\"first\":false}"

static void test_question_is_answered_once_in_a_step_and_open_again_after_undo(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    world_trace(&w);
    step_begin(w.core);
    expect_run(ANSWER("1"), FIRST);
    expect_run(ANSWER("2"), NOT_FIRST);
    step_undo(w.core);
    expect_trace(&w, "");
    assert_int_equal(w.counters.questions_answered, 0);
    step_begin(w.core);
    expect_run(ANSWER("3"), FIRST);
    step_commit(w.core);
    expect_trace(&w, "alice <- {\"e\":\"ask\",\"p\":3,\"i\":7}\n");
    expect_call(&w, "[" ANSWER("4") "]", "[" NOT_FIRST "]");
}

/* The event of the question that @conn has just asked with 7. */
static struct stored_event *event_of(struct conn *conn)
{
    static struct stored_event event;
    const struct question_id id = {.kind = QUESTION_NUMBER, .number = 7};
    const struct question *question = question_find(conn, &id);
    event =
        (struct stored_event){.refs = 1, .conn = conn, .id = id, .question = question ? question->serial : 0};
    return &event;
}

static void test_answer_of_an_entry_defaults_to_its_own_question(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    world_say(&w, bob, "ask", NULL, "7");
    world_trace(&w);
    entry_event = event_of(alice);
    step_begin(w.core);
    expect_run("{\"op\":\"answer\",\"payload\":1}", FIRST);
    expect_run("{\"op\":\"answer\",\"payload\":2}", NOT_FIRST);
    expect_run("{\"op\":\"answer\",\"conn\":\"epoch1.2\",\"i\":7,\"payload\":3}", FIRST);
    step_commit(w.core);
    expect_trace(&w, "alice <- {\"e\":\"ask\",\"p\":1,\"i\":7}\nbob <- {\"e\":\"ask\",\"p\":3,\"i\":7}\n");
}

static void test_entry_never_answers_a_newer_question_with_the_same_i(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    entry_event = event_of(alice);
    world_call(&w, "[" ANSWER("1") "]");
    world_say(&w, alice, "again", NULL, "7");
    world_trace(&w);
    step_begin(w.core);
    expect_run("{\"op\":\"answer\",\"payload\":2}", NOT_FIRST);
    expect_run(ANSWER("3"), NOT_FIRST); /* written out it is the same */
    step_commit(w.core);
    expect_trace(&w, "");
    expect_call(&w, "[" ANSWER("4") "]", "[" FIRST "]");
}

static void test_answer_of_an_entry_needs_both_or_neither(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    entry_event = event_of(alice);
    step_begin(w.core);
    expect_run("{\"op\":\"answer\"," ALICE "}", "bad_argument i");
    expect_run("{\"op\":\"answer\",\"i\":7}", "bad_argument conn");
    entry_event->question = 0;
    expect_run("{\"op\":\"answer\"}", "bad_argument i");
    step_undo(w.core);
    expect_call(&w, "[{\"op\":\"answer\"},{\"op\":\"answer\"," ALICE "}]",
                "[{\"ok\":false,\"code\":\"bad_argument\",\"message\":\"this key is missing\","
                "\"at\":\"ops[0].conn\"},"
                "{\"ok\":false,\"code\":\"bad_argument\",\"message\":\"this key is missing\","
                "\"at\":\"ops[1].i\"}]");
}

static void test_entry_that_closes_its_connection_answers_no_more(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    entry_event = event_of(alice);
    step_begin(w.core);
    run(CLOSE(ALICE));
    expect_run("{\"op\":\"answer\",\"payload\":1}", NOT_FIRST);
    step_undo(w.core);
}

/* -- closes -------------------------------------------------------------------------------------------- */

static void expect_alice_is_gone(void)
{
    expect_run(GET("epoch1.1"), "{\"ok\":true,\"found\":false}");
    expect_run(COUNT("{}"), "{\"ok\":true,\"count\":1}");
    expect_run(LOBBY, "{\"ok\":true,\"count\":1}");
    expect_run(COUNT("{\"n\":{\"$gt\":0}}"), "{\"ok\":true,\"count\":0}");
    expect_run(COUNT("{\"@conn\":\"epoch1.1\"}"), "{\"ok\":true,\"count\":0}");
    expect_run("{\"op\":\"count\",\"distinct\":\"n\"}", "{\"ok\":true,\"count\":0}");
    expect_run("{\"op\":\"find\",\"filter\":{\"n\":1}}", "{\"ok\":true,\"sessions\":[]}");
    expect_run(SEND(ALICE, "1"), "{\"ok\":true,\"matched\":0,\"refused\":0}");
    expect_run(SEND(ALL, "1"), "{\"ok\":true,\"matched\":1,\"refused\":0}");
    expect_run(SET("epoch1.1", "{\"n\":2}"), "{\"ok\":true,\"matched\":0,\"modified\":0}");
    expect_run(ANSWER("1"), NOT_FIRST);
    expect_run(CLOSE(ALICE), "{\"ok\":true,\"matched\":0}");
}

static void test_connection_that_is_to_be_closed_is_found_by_nobody(void **state)
{
    (void)state;
    world_say(&w, alice, "ask", NULL, "7");
    world_trace(&w);
    step_begin(w.core);
    expect_run(CLOSE("\"filter\":{\"n\":1}"), "{\"ok\":true,\"matched\":1}");
    expect_alice_is_gone();
    step_undo(w.core);
    expect_trace(&w, "");
    expect_call(&w, "[" GET("epoch1.1") "," COUNT("{}") "," ANSWER("1") "]",
                "[" ALICE_AS_IS ",{\"ok\":true,\"count\":2}," FIRST "]");
}

static void test_all_are_closed_once(void **state)
{
    (void)state;
    step_begin(w.core);
    expect_run(CLOSE("\"filter\":{\"room\":{\"$in\":[\"lobby\",\"attic\"]}}"), "{\"ok\":true,\"matched\":2}");
    expect_run(CLOSE(ALL), "{\"ok\":true,\"matched\":0}");
    step_commit(w.core);
    assert_int_equal(core_conn_count(w.core), 0);
    const char *trace = world_trace(&w);
    assert_non_null(strstr(trace, "alice closed 4000 bye\n"));
    assert_non_null(strstr(trace, "bob closed 4000 bye\n"));
}

static void test_closed_connection_is_kept_for_its_events(void **state)
{
    (void)state;
    alice->events = 1; /* as if it waited in a group */
    step_begin(w.core);
    run(CLOSE(ALICE));
    expect_run(GET("epoch1.1"), ALICE_AS_IS);
    expect_run(SET("epoch1.1", "{\"n\":2}"), "{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":3}");
    expect_run(SEND(ALICE, "1"), "{\"ok\":true,\"matched\":0,\"refused\":0}");
    expect_run(COUNT("{\"n\":2}"), "{\"ok\":true,\"count\":0}");
    step_undo(w.core);
    alice->events = 0;
    expect_call(&w, "[" GET("epoch1.1") "," COUNT("{\"n\":1}") "]",
                "[" ALICE_AS_IS ",{\"ok\":true,\"count\":1}]");
}

static void test_session_of_an_ended_connection_changes_outside_of_the_filters(void **state)
{
    (void)state;
    world_call(&w, "[{\"op\":\"join\",\"group\":\"g\",\"events\":[\"say\"]}]");
    world_say(&w, alice, "say", NULL, NULL);
    world_close(&w, alice, 1000, "");
    uint64_t entries = w.counters.index_entries;
    step_begin(w.core);
    expect_run(SET("epoch1.1", "{\"room\":\"attic\"}"),
               "{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":3}");
    expect_run(TTL("1000", "{\"a\":1}"), "{\"ok\":true,\"matched\":1,\"modified\":1,\"version\":4}");
    expect_run(ATTIC, "{\"ok\":true,\"count\":0}");
    expect_run("{\"op\":\"update\"," ALL ",\"update\":{\"$set\":{\"b\":1}}}",
               "{\"ok\":true,\"matched\":1,\"modified\":1}");
    expect_run(SEND(ALICE, "1"), "{\"ok\":true,\"matched\":0,\"refused\":0}");
    expect_run(CLOSE(ALICE), "{\"ok\":true,\"matched\":0}");
    step_undo(w.core);
    assert_int_equal(w.counters.index_entries, entries);
    expect_call(&w, "[" GET("epoch1.1") "," LOBBY "]", "[" ALICE_AS_IS ",{\"ok\":true,\"count\":1}]");
    world_call(&w, "[" TTL("1000", "{\"a\":1}") "]");
    world_advance(&w, 1000);
    assert_int_equal(alice->version, 4);
    assert_int_equal(w.counters.index_entries, entries);
}

/* -- refused memory ------------------------------------------------------------------------------------ */

/* One of each kind. */
static const char *const EFFECTS[] = {
    SET("epoch1.1", "{\"room\":\"attic\",\"tags\":[1,2,\"x\"]}"),
    TTL("20", "{\"room\":\"cellar\",\"a\":9,\"z\":1}"),
    "{\"op\":\"update\"," ALL ",\"update\":{\"$inc\":{\"n\":1},\"$set\":{\"a\":7}}}",
    SEND(ALL, "1"),
    BATCH("\"interval_ms\":10,\"latest_by\":\"u\""),
    SEND(ALL, "{\"u\":1}"),
    "{\"op\":\"batch\",\"event\":\"tock\",\"interval_ms\":0}",
    "{\"op\":\"batch\",\"event\":\"new\",\"interval_ms\":10}",
    "{\"op\":\"send\"," ALL ",\"event\":\"tock\",\"payload\":1}",
    "{\"op\":\"send\"," ALL ",\"event\":\"new\",\"payload\":{\"n\":1}}",
    SEND(ALL ",\"unbatched\":true", "2"),
    ANSWER("{\"fine\":true}"),
    CLOSE("\"filter\":{\"@conn\":\"epoch1.2\"}"),
    BATCH("\"interval_ms\":0"),
};
#define EFFECT_COUNT (sizeof(EFFECTS) / sizeof(EFFECTS[0]))

/* A batch with something in it, an open question, a field that expires. */
static void prepare(void)
{
    void *state = NULL;
    setup(&state);
    world_say(&w, alice, "ask", NULL, "7");
    world_call(&w, "[{\"op\":\"batch\",\"event\":\"tock\",\"interval_ms\":100}," TTL(
                       "1000", "{\"a\":1}") ","
                                            "{\"op\":\"send\"," ALL ",\"event\":\"tock\",\"payload\":0}]");
    world_trace(&w);
}

/* Whatever can be seen of what steps change, now and later. */
static void expect_as_prepared(void)
{
    expect_trace(&w, "");
    assert_int_equal(w.core->batches.count, 1);
    assert_int_equal(HASH_COUNT(w.core->batches.by_event), 1);
    assert_int_equal(alice->version, 3);
    assert_int_equal(bob->version, 2);
    expect_call(
        &w,
        "[" GET("epoch1.1") "," GET("epoch1.2") "," LOBBY "," COUNT("{}") "," COUNT("{\"a\":1}") "," COUNT(
            "{\"tags\":1}") "," COUNT("{\"n\":1}") "]",
        "[{\"ok\":true,\"found\":true,\"session\":{\"n\":1,\"room\":\"lobby\",\"a\":1},\"version\":3},"
        "{\"ok\":true,\"found\":true,\"session\":{\"room\":\"lobby\"},\"version\":2},"
        "{\"ok\":true,\"count\":2},{\"ok\":true,\"count\":2},{\"ok\":true,\"count\":1},"
        "{\"ok\":true,\"count\":0},{\"ok\":true,\"count\":1}]");
    expect_call(&w, "[" ANSWER("1") "]", "[" FIRST "]");
    expect_trace(&w, "alice <- {\"e\":\"ask\",\"p\":1,\"i\":7}\n");
    world_advance(&w, 99);
    expect_trace(&w, "");
    world_advance(&w, 1);
    expect_trace(&w, "alice <- {\"e\":\"batch_tock\",\"p\":{\"d\":[0]}}\n"
                     "bob <- {\"e\":\"batch_tock\",\"p\":{\"d\":[0]}}\n");
    world_advance(&w, 900);
    assert_int_equal(alice->version, 4);
    expect_call(&w, "[" COUNT("{\"a\":1}") "]", "[{\"ok\":true,\"count\":0}]");
}

static void test_every_kind_of_effect_is_undone(void **state)
{
    (void)state;
    for (size_t until = 0; until <= EFFECT_COUNT; until++) {
        prepare();
        step_begin(w.core);
        for (size_t i = 0; i < until; i++) {
            if (strncmp(run(EFFECTS[i]), "{\"ok\":true", 10) != 0)
                fail_msg("%s: %s", EFFECTS[i], run(EFFECTS[i]));
        }
        step_undo(w.core);
        expect_as_prepared();
        world_stop(&w);
    }
}

/* Run them all with one allocation refused behind @granted. 0, or -1 when an operation failed. */
static int run_refused(const struct buf *ops, unsigned long granted, bool *was_refused)
{
    struct buf out = BUF_INIT;
    struct fault fault = {.code = CODE_OK};
    int r = 0;
    step_begin(w.core);
    failing_alloc_start(granted);
    for (size_t i = 0; r == 0 && i < EFFECT_COUNT; i++) {
        r = run_packed(&ops[i], &out, &fault);
        if (!r && out.failed) /* what is to be told of it is cut */
            r = -1;
        buf_reset(&out);
    }
    *was_refused = failing_alloc_stop();
    if (r < 0 && fault.code != CODE_OK)
        assert_int_equal(fault.code, CODE_OVERLOADED);
    buf_deinit(&out);
    return r;
}

static void test_step_that_is_refused_memory_leaves_the_old_state(void **state)
{
    (void)state;
    struct buf ops[EFFECT_COUNT];
    unsigned failed = 0;
    bool was_refused = true;
    for (size_t i = 0; i < EFFECT_COUNT; i++)
        ops[i] = packed(EFFECTS[i]);
    for (unsigned long n = 0; was_refused; n++) {
        assert_true(n < 1000);
        prepare();
        int r = run_refused(ops, n, &was_refused);
        failed += r < 0;
        failing_alloc_start(n % 3); /* nor does it need memory to go back */
        step_undo(w.core);
        failing_alloc_stop();
        expect_as_prepared();
        world_stop(&w);
    }
    assert_true(failed > 40);
    for (size_t i = 0; i < EFFECT_COUNT; i++)
        buf_deinit(&ops[i]);
}

static void test_commit_that_is_refused_memory_is_done_none_the_less(void **state)
{
    (void)state;
    struct buf ops[EFFECT_COUNT];
    bool was_refused = true;
    for (size_t i = 0; i < EFFECT_COUNT; i++)
        ops[i] = packed(EFFECTS[i]);
    for (unsigned long n = 0; was_refused; n++) {
        bool ignored;
        assert_true(n < 1000);
        prepare();
        assert_int_equal(run_refused(ops, 1000000, &ignored), 0);
        buf_reserve(&w.trace, 1 << 20);
        failing_alloc_start(n);
        uint64_t refused = step_commit(w.core);
        was_refused = failing_alloc_stop();
        assert_true(refused <= 3);
        assert_int_equal(core_conn_count(w.core), 1);
        expect_call(
            &w, "[" GET("epoch1.1") "," ANSWER("1") "]",
            "[{\"ok\":true,\"found\":true,\"session\":{\"n\":2,\"room\":\"cellar\",\"a\":7,\"tags\":[1,"
            "2,\"x\"],\"z\":1},\"version\":6}," NOT_FIRST "]");
        assert_int_equal(w.core->batches.count, 1);
        world_advance(&w, 40000);
        assert_int_equal(alice->version, 7); /* room and z have expired, a has not */
        world_stop(&w);
    }
    for (size_t i = 0; i < EFFECT_COUNT; i++)
        buf_deinit(&ops[i]);
}

static void test_memory_of_a_large_step_is_given_back(void **state)
{
    (void)state;
    step_begin(w.core);
    for (int i = 0; i < 200000; i++) {
        struct message *message = message_new("tick", 4, NULL, 0, NULL);
        assert_int_equal(step_deliver(w.core, alice, message, DELIVERY_MANY), 0);
        message_unref(message);
    }
    step_undo(w.core);
    assert_int_equal(w.core->step.effects.cap, 0);
    assert_int_equal(w.core->step.targets.cap, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEP_TEST(test_later_operations_see_the_new_session_and_undo_brings_the_old_one),
        STEP_TEST(test_update_of_all_is_undone_for_all),
        STEP_TEST(test_committed_session_stays),
        STEP_TEST(test_step_knows_whose_session_it_changed),
        STEP_TEST(test_messages_leave_with_the_commit_in_order),
        STEP_TEST(test_undone_messages_are_never_sent),
        STEP_TEST(test_commit_tells_how_many_deliveries_were_refused),
        STEP_TEST(test_send_that_passes_a_batch_is_refused_once),
        STEP_TEST(test_many_refused_are_told_in_full),
        STEP_TEST(test_undone_payloads_are_not_batched),
        STEP_TEST(test_undone_batch_is_off_again),
        STEP_TEST(test_undone_change_of_a_batch_leaves_rule_and_what_waits),
        STEP_TEST(test_batch_goes_on_and_off_in_one_step),
        STEP_TEST(test_payload_is_batched_under_the_rule_of_its_moment),
        STEP_TEST(test_one_payload_may_go_into_two_batches),
        STEP_TEST(test_batch_that_ends_in_a_step_makes_room_for_another),
        STEP_TEST(test_undone_expiry_leaves_the_times_as_they_were),
        STEP_TEST(test_committed_expiry_counts),
        STEP_TEST(test_too_many_expiring_fields_are_refused_and_undone),
        STEP_TEST(test_question_is_answered_once_in_a_step_and_open_again_after_undo),
        STEP_TEST(test_answer_of_an_entry_defaults_to_its_own_question),
        STEP_TEST(test_entry_never_answers_a_newer_question_with_the_same_i),
        STEP_TEST(test_answer_of_an_entry_needs_both_or_neither),
        STEP_TEST(test_entry_that_closes_its_connection_answers_no_more),
        STEP_TEST(test_connection_that_is_to_be_closed_is_found_by_nobody),
        STEP_TEST(test_all_are_closed_once),
        STEP_TEST(test_closed_connection_is_kept_for_its_events),
        STEP_TEST(test_session_of_an_ended_connection_changes_outside_of_the_filters),
        cmocka_unit_test(test_every_kind_of_effect_is_undone),
        cmocka_unit_test(test_step_that_is_refused_memory_leaves_the_old_state),
        cmocka_unit_test(test_commit_that_is_refused_memory_is_done_none_the_less),
        STEP_TEST(test_memory_of_a_large_step_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
