#ifndef SLUICE_TESTS_SIMULATION_MODEL_H
#define SLUICE_TESTS_SIMULATION_MODEL_H

/* model: what must be true of the broker, told in the words of the contract and kept in the simplest form
 * that answers the questions: no lists of who is ready, no timers; what it wants to know it looks for.
 *
 * It is told each input after the core has had it. What the core is free to choose (who gets which event) it
 * is told as well, and says whether that was allowed; everything else it foretells: deliveries, results,
 * refusals. What it does not accept ends the seed, see fail.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "scene.h"
#include "summary.h"
#include "wire/codes.h"
#include "words.h"

#define NEVER            UINT64_MAX
#define MEMBER_SILENT_MS 60000
#define RESUME_EVERY_MS  10

/* So long a suspect waits for a member that happens to be free. */
#define SUSPECT_PATIENCE_MS 1000

struct m_group;
struct m_member;
struct m_conn;

/* -- what clients see ---------------------------------------------------------------------------------- */

/* A message that a connection must get next. */
enum expect_kind { EXPECT_WELCOME, EXPECT_PONG, EXPECT_PUSH, EXPECT_ANSWER, EXPECT_OK, EXPECT_ERROR };

struct m_expect {
    enum expect_kind kind;
    enum word_push push;
    bool is_batched;       /* it comes in a batch of `push`, some time */
    enum word_event event; /* ANSWER, ERROR: what it is about; EVENT_COUNT: not told */
    uint64_t token;        /* payload of pushes and answers, message of a member's refusal */
    enum code code;        /* ERROR */
    bool or_timeout;       /* ERROR: its time was over as well when it failed */
    uint64_t i;            /* of a question; 0: none */
};

struct m_question {
    uint64_t serial, i;
    enum word_event event;
    uint64_t deadline_ms;
    bool is_answered; /* by the step under way */
};

struct m_session {
    bool has[KEY_COUNT];
    int64_t value[KEY_COUNT];
    uint64_t version;
    uint64_t timed_end_ms;
};

struct m_lane {
    struct m_job *first, *last;
    uint64_t changed_ms; /* since when it stands as it does */
};

struct m_conn {
    uint64_t number;
    char id[48];
    void *peer;
    bool is_open;         /* filters see it */
    bool is_leaving;      /* the step under way closes it */
    bool is_closing;      /* it has; the core must do so */
    uint64_t close_place; /* told before: among those that one operation closes, the core chooses the order */
    unsigned events;      /* that are left of it: its session lives as long */
    struct m_session session;
    struct m_question *questions; /* open ones */
    size_t questions_count, questions_cap;
    struct m_lane lanes[GROUPS_MAX];
    uint32_t paused_by; /* groups that it filled, and that pause */
    uint32_t lets_go;   /* those of these that have room again: it need not wait for the others ... */
    bool has_resumed;   /* ... and has not, until it sends them something again */
    bool is_paused;     /* as the core told */
    struct m_expect *expects;
    size_t expects_count, expects_cap;
    size_t open_place;
};

/* -- groups -------------------------------------------------------------------------------------------- */

struct m_event {
    struct m_conn *conn;
    enum word_event event;
    uint64_t token;       /* its payload */
    uint64_t question, i; /* 0: it asks nothing */
    unsigned jobs;
    bool has_failed;
    uint64_t accepted_ms, wall_ms;
};

enum job_state { JOB_WAITS, JOB_HELD, JOB_OVER };

struct m_job {
    struct m_group *group;
    struct m_event *event;
    uint64_t seq;
    enum job_state state;
    uint64_t due_ms; /* WAITS: not before */
    unsigned attempt;
    bool is_suspect, is_stale;
    uint64_t suspect_ms;
    struct m_member *member;             /* HELD */
    uint64_t lease_end_ms, lease_serial; /* of those that end at once, the one that began first is first */
    size_t bytes;                        /* where the scene knows */
    const struct m_member *taken_from;   /* an earlier one took it along, in the turn with this serial */
    uint64_t taken_serial;
    struct m_job *lane_next;
    struct m_job *prev, *next; /* of the group */
};

enum group_state { GROUP_OPEN, GROUP_PAUSING, GROUP_REFUSING };

struct m_dead {
    uint64_t seq;
    enum code code;
    unsigned attempts;
    const struct m_event *event;
};

struct m_group {
    unsigned index;
    const struct scene_group *scene;
    bool exists;
    unsigned listers[PATTERN_COUNT];
    bool declared[PATTERN_COUNT];
    uint64_t until_ms[PATTERN_COUNT]; /* without a lister; 0: not listed at all */
    uint64_t seq;
    struct m_job *first, *last;
    struct m_job **by_seq; /* from by_seq_base + 1 on */
    size_t by_seq_count, by_seq_cap;
    uint64_t by_seq_base;
    size_t job_count, backlog, bytes, held, suspects;
    bool had_suspects; /* when the turn of the loop began */
    enum group_state state;
    uint64_t full_ms, opened_ms;
    struct m_dead *deads;
    size_t deads_count, deads_cap, deads_told;
    size_t deads_first; /* from here on: of the group as it is, and not of one with its name that is gone */
    uint64_t received, handled, refused, retried, attempts, lease_expired, dead, overloaded;
};

struct m_failed {
    uint64_t seq;
    uint64_t codes; /* bits of those that are right */
    enum then { THEN_NONE, THEN_AGAIN, THEN_DEAD } then;
};

/* What a turn must be answered with. Shared by the member and the requests that carry the turn. */
struct m_result {
    struct m_failed *failed;
    size_t failed_count, failed_cap;
};

struct m_member {
    char id[48];
    char client[40];
    struct m_group *group;
    bool is_live;
    uint64_t link; /* 0: gone, within the grace */
    bool is_tcp;
    uint64_t grace_end_ms, heard_ms;
    uint32_t patterns, keys;
    unsigned lease_ms, per_conn;
    unsigned held;
    bool has_suspect;
    bool got_more; /* in this turn of the loop, while it held something */
    uint64_t turn, done_hash;
    struct m_result *result;
    uint64_t *given; /* seqs handed out in the last turn */
    size_t given_count, given_cap;
    bool is_asking;
    uint64_t ticket; /* of the request that waits */
    unsigned max;
    uint64_t ask_until_ms;
    uint64_t handled;
};

struct m_rule { /* of a batch */
    bool is_on;
};

struct model {
    const struct scene *scene;
    struct summary *summary;
    struct arena arena;
    uint64_t now_ms, wall_ms;
    struct m_conn **conns; /* by number, from 1 */
    size_t conns_count, conns_cap;
    struct m_conn **open;
    size_t open_count, open_cap;
    struct m_group groups[GROUPS_MAX];
    uint64_t seq_floor;
    struct m_member **members; /* live ones */
    size_t members_count, members_cap;
    uint64_t question_serial, lease_serial;
    uint64_t announced_until_ms;
    struct m_rule rules[PUSH_COUNT];
    uint64_t next_due_ms; /* nothing is due before */
    size_t expected;      /* deliveries that must have come when the input is over */
    /* The step under way: */
    struct m_undo *undos;
    size_t undos_count, undos_cap;
    struct m_effect *effects;
    size_t effects_count, effects_cap;
    struct m_conn **found; /* by the operation under way */
    size_t found_count, found_cap;
    uint64_t turn_serial;
    bool is_verbose;
    size_t closing; /* connections that the core must have closed when the input is over */
    /* Told when a waiting turn must be replied to at once, without events. */
    void (*on_turn_over)(void *arg, uint64_t ticket);
    void *arg;
};

void model_init(struct model *model, const struct scene *scene, struct summary *summary);
void model_deinit(struct model *model);

/* -- connections (model_conn.c) ------------------------------------------------------------------------ */

/* Whether a connection that opens now is let in. */
bool model_may_open(const struct model *model);
struct m_conn *model_opened(struct model *model, void *peer, const char *id, uint64_t number,
                            bool is_welcomed);
struct m_conn *model_conn(const struct model *model, uint64_t number);

/* It has ended. @by_core: the core closes it, and delivers first what is expected. */
void model_closed(struct model *model, struct m_conn *conn, bool by_core);
void model_close_came(struct model *model, struct m_conn *conn);

/* A message of a client; @token: its payload; @i: 0 when it asks nothing. */
void model_message(struct model *model, struct m_conn *conn, enum word_event event, uint64_t token,
                   uint64_t i);

/* One that the broker refuses, whatever is in it. */
void model_refused_message(struct model *model, struct m_conn *conn, enum code code, enum word_event event,
                           uint64_t i);

struct m_question *model_question(struct m_conn *conn, uint64_t i);
struct m_question *model_question_by_serial(struct m_conn *conn, uint64_t serial);
void model_question_close(struct m_conn *conn, struct m_question *question);
bool model_conn_kept(const struct m_conn *conn);

/* The connection must get this, before anything that is expected after it. */
void model_expect(struct model *model, struct m_conn *conn, struct m_expect expect);
void model_expect_error(struct model *model, struct m_conn *conn, enum code code, enum word_event event,
                        uint64_t i);

/* It got this. @in_order: it must be the next; else it may be any that is expected. */
void model_delivered(struct model *model, struct m_conn *conn, const struct m_expect *got, bool in_order);

/* It got a batch of these payloads. */
void model_delivered_batch(struct model *model, struct m_conn *conn, enum word_push push,
                           const uint64_t *tokens, size_t count);

/* Payloads of @push that wait for it. */
size_t model_batched(const struct m_conn *conn, enum word_push push);

/* The core stops, or goes on, reading from it. After each input: whether all are read that should be. */
void model_paused(struct model *model, struct m_conn *conn);
void model_resumed(struct model *model, struct m_conn *conn);
void model_check_paused(const struct model *model);

/* -- groups (model_group.c) ---------------------------------------------------------------------------- */

void model_declare(struct model *model, struct m_group *group);
void model_group_make(struct model *model, struct m_group *group);
bool model_group_matches(const struct m_group *group, enum word_event event);
bool model_group_refuses(const struct model *model, enum word_event event);

/* @event comes: a job in each group that listens. */
struct m_event *model_accept(struct model *model, struct m_conn *conn, enum word_event event, uint64_t token,
                             const struct m_question *question);
struct m_job *model_job(const struct m_group *group, uint64_t seq);
void model_group_list(struct model *model, struct m_group *group, uint32_t patterns);
void model_group_unlist(struct model *model, struct m_group *group, uint32_t patterns);

/* A turn of the loop is over: groups that nobody needs are gone. */
void model_flushed(struct model *model);
void model_check_full(struct model *model, struct m_group *group);

/* An event of @conn has come: it may be full now, and then @conn is not read. */
void model_group_filled(struct model *model, struct m_group *group, struct m_conn *conn);

/* A job ends: handled or refused (@code OK), or it is dead. */
void model_job_done(struct model *model, struct m_job *job, bool is_refusal);
void model_job_dead(struct model *model, struct m_job *job, enum code code);

/* Somebody died with it. */
void model_suspect(struct model *model, struct m_job *job);

/* It goes back. False: it is dead instead. */
enum m_return { RETURN_RETRY, RETURN_STALE, RETURN_LEFT, RETURN_BLAMED };
bool model_job_return(struct model *model, struct m_job *job, enum m_return how, uint64_t delay_ms);

/* -- members (model_member.c) -------------------------------------------------------------------------- */

struct m_joining {
    const char *client;
    uint64_t link;
    bool is_tcp;
    uint32_t patterns, keys;
    unsigned lease_ms, per_conn;
};

/* What a join is refused with, or CODE_OK. */
enum code model_join_refused(struct model *model, struct m_group *group, const char *client);

/* *@created: whether the member is new. Its id is told by the core. */
struct m_member *model_join(struct model *model, struct m_group *group, const struct m_joining *joining,
                            bool *created);
struct m_member *model_member(const struct model *model, const char *id);
unsigned model_member_end(struct model *model, struct m_member *member, enum m_return how);
void model_heard(struct model *model, struct m_member *member, uint64_t link, bool is_tcp);
void model_replied(struct model *model, struct m_member *member); /* it asks no more */
void model_link_down(struct model *model, uint64_t link);

/* The lease of @job begins now. */
void model_lease(struct model *model, struct m_job *job);

/* The reply to the turn that @member waits with hands @seq out. */
struct m_job *model_hand_out(struct model *model, struct m_member *member, uint64_t seq, unsigned attempt);

/* -- time (model_time.c) ------------------------------------------------------------------------------- */

void model_due(struct model *model, uint64_t at_ms);
void model_tick(struct model *model, uint64_t now_ms, uint64_t wall_ms);

/* After a flush: nothing waits that somebody could have. */
void model_check_progress(struct model *model);

#endif
