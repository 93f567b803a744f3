#ifndef SLUICE_CORE_GROUP_H
#define SLUICE_CORE_GROUP_H

/* group: handlers that share a subscription, and the backlog of events that wait for them.
 *
 * Words: a *job* is one event that one group has to handle. A *lane* is what one connection has in one group:
 * its jobs in order, of which the first `held` ones are with a member, the lane's holder. A lane that could
 * give a job to anybody stands in its group's list `ready` (or `suspects`, if that job is to be handed out
 * alone); one that could give another job to its holder only, in the holder's list `more`.
 *
 * A job waits, is delayed (its lane's timer runs), or is held until a lease ends. It ends in one of three
 * ways: handled, refused, dead.
 *
 * Nothing here sends anything but through core->effects, and jobs are handed out only by groups_serve(), at
 * the end of a turn of the loop: so all of this may be called from anywhere in the core. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/timers.h"
#include "core/uthash_nomem.h"
#include "wire/blob.h"
#include "wire/event_name.h"

struct conn;
struct member;
struct stored_event;

#define GROUP_NAME_MAX 64
#define GROUP_PATTERNS 64 /* of one member, and of one group */
#define GROUP_KEYS     64 /* of `session_keys` */
#define MEMBER_ID_MAX  40

struct job {
    struct group *group;
    struct lane *lane; /* NULL: reserved for a `@disconnect`, in conn->reserved */
    struct stored_event *event;
    uint64_t seq;
    struct member *holder;   /* NULL: not held */
    uint64_t lease_end_ms;   /* while held */
    uint64_t turn;           /* of the holder, that it was handed out in */
    unsigned attempt;        /* how often it was handed out */
    bool is_suspect;         /* somebody died or hung with it: it is handed out alone */
    bool is_stale;           /* held, and an earlier job of its lane has changed the session since */
    struct job *prev, *next; /* of the group, by seq */
    struct job *lane_prev, *lane_next; /* of the lane, by seq (in conn->reserved: lane_next) */
    struct job *held_prev, *held_next; /* of the holder, by lease_end_ms */
};

enum lane_state { LANE_IDLE, LANE_READY, LANE_SUSPECT, LANE_MORE, LANE_DELAYED };

struct lane {
    struct group *group;
    struct conn *conn;
    struct job *jobs; /* the first `held` of them are held, all by `holder` */
    unsigned count, held;
    struct member *holder;              /* NULL when held is 0 */
    enum lane_state state;              /* the list that it is in; IDLE: none */
    uint64_t suspect_ms;                /* SUSPECT: since when it waits */
    struct timer delay;                 /* runs while DELAYED */
    struct lane *prev, *next;           /* of the list that `state` names */
    struct lane *conn_prev, *conn_next; /* of the connection */
};

/* Strings of a `join`, packed each with its zero byte. */
struct key_list {
    unsigned count;
    size_t len;
    char text[];
};

struct member {
    char id[MEMBER_ID_MAX + 1]; /* group's name is no part of it; unique in an epoch */
    struct group *group;
    char *client; /* who joined */
    size_t client_len;
    uint64_t link; /* that its last turn, or its join, came over; 0: it is gone (TCP, within the grace) */
    uint64_t pid;
    bool is_tcp;
    struct key_list *patterns; /* what it lists */
    struct key_list *keys;     /* session_keys; NULL: all */
    unsigned lease_ms, per_conn;
    uint64_t joined_ms, heard_ms; /* mono */
    struct job *held;             /* by lease_end_ms */
    unsigned held_count;
    struct lane *more;  /* lanes that it holds and may have more of */
    bool has_suspect;   /* what it holds is one suspect, alone */
    bool is_draining;   /* gets nothing new until it holds nothing: a suspect waits */
    uint64_t handled;   /* jobs it ended */
    struct timer timer; /* earliest lease, end of the grace, or silence */
    /* turn's: */
    uint64_t turn;        /* the last one accepted; 0: none */
    uint64_t fingerprint; /* of its `done` */
    struct blob *failed;  /* its stored results: the value of `failed`, packed; NULL: none */
    unsigned given;       /* jobs handed out in it */
    bool is_asking;       /* its reply is owed: */
    uint64_t ticket, request_id;
    bool has_request_id;
    unsigned max;                       /* it wants to hold so many */
    uint64_t ask_until_ms;              /* then it is replied whatever there is */
    struct timer wait;                  /* for that */
    struct member *prev, *next;         /* of the group */
    struct member *ask_prev, *ask_next; /* of those that ask, in the order in which they began */
    UT_hash_handle hh;                  /* in groups.members, by id */
};

/* What a group is asked to listen to. */
struct pattern {
    char *text;
    size_t len;
    unsigned listers;  /* live members that list it */
    bool is_declared;  /* by the config: for ever */
    uint64_t until_ms; /* with no lister: when it ends */
};

enum group_full { GROUP_OPEN, GROUP_PAUSING, GROUP_REFUSING };

#define GROUP_COUNTERS(X)                                                                                    \
    X(received, "events accepted")                                                                           \
    X(handled, "events whose entry was applied")                                                             \
    X(refused, "events that a member refused for good")                                                      \
    X(retried, "events given back with `retry_ms`")                                                          \
    X(attempts, "times that an event was handed out")                                                        \
    X(redeliveries, "of these, not for the first time")                                                      \
    X(lease_expired, "leases that ran out")                                                                  \
    X(stale, "entries refused as stale")                                                                     \
    X(failed, "entries whose effects were refused")                                                          \
    X(dead, "events that ended in the dead list")                                                            \
    X(overloaded, "messages refused because the group was full")                                             \
    X(pauses, "times that a connection was paused")

struct group_counters {
#define X(name, help) uint64_t name;
    GROUP_COUNTERS(X)
#undef X
};

/* An event that is dead. */
struct dead {
    uint64_t seq;
    struct blob *payload; /* NULL: none */
    uint64_t time_ms, dead_ms;
    unsigned attempts;
    enum code code;
    char message[160];
    char event[EVENT_NAME_MAX + 1];
    char conn[41];
    struct dead *prev, *next; /* oldest first */
};

struct group {
    struct core *core;
    char name[GROUP_NAME_MAX + 1];
    bool is_declared;
    bool refuses_when_full; /* on_full: refuse */
    uint64_t max_age_ms;    /* 0: none */
    unsigned max_attempts;
    size_t max_backlog, max_backlog_bytes;

    struct pattern patterns[GROUP_PATTERNS];
    unsigned pattern_count;
    struct member *members;
    unsigned member_count;
    struct member *asking;
    unsigned asking_count;

    uint64_t seq;     /* reached */
    struct job *jobs; /* all, by seq */
    size_t job_count; /* all */
    size_t backlog;   /* those that count: all but `@disconnect` */
    size_t bytes;     /* of those */
    size_t held;      /* of all */
    size_t waiting;   /* in lanes that are READY: what asking members can take (an estimate for shares) */
    struct lane *ready, *suspects;

    enum group_full full;
    uint64_t full_ms;    /* since when not OPEN */
    struct conn *paused; /* connections that feed it and are not read, by conn->paused_prev, paused_next */
    unsigned paused_count;

    struct dead *dead;
    size_t dead_count, dead_bytes;
    struct timer timer; /* end of pausing, of a pattern, of the oldest job's age, of the group */
    struct group_counters counters;
    uint64_t rate_ms, rate_received, rate_handled; /* at the last sample */
    double received_per_s, handled_per_s;
    bool is_dirty; /* groups_serve() has to look at it */
    struct group *dirty_next;
    UT_hash_handle hh; /* in groups.by_name */
};

struct groups {
    struct group *by_name;
    struct member *members; /* by id */
    struct group *dirty;
    uint64_t member_serial; /* of ids */
    uint64_t seq_floor; /* the highest seq of groups that are gone: a new one starts above, so that epoch and
                           seq name an event for ever */
};

void groups_init(struct groups *groups);
void groups_deinit(struct core *core);

/* -- groups (group.c) ---------------------------------------------------------------------------------- */

struct group *group_find(const struct core *core, const char *name, size_t len);

/* The group, made if need be. NULL with a fault (CODE_LIMIT, CODE_OVERLOADED). */
struct group *group_make(struct core *core, const char *name, size_t len, struct fault *fault);

/* One more, or one less, live member lists @pattern. The last one that leaves starts its keep time. 0 or -1
 * with a fault (CODE_LIMIT: too many patterns). */
int group_list(struct group *group, const char *pattern, size_t len, struct fault *fault);
void group_unlist(struct group *group, const char *pattern, size_t len);

bool group_matches(const struct group *group, const char *event, size_t len);

/* Its timer: whatever is due is done. */
void group_arm(struct group *group);

/* Let groups_serve() look at it. */
void group_wake(struct group *group);

/* A sample for the rates; to be called every few seconds. */
void groups_sample(struct core *core);

/* Whether any group listens to @event. */
bool groups_match(const struct core *core, const char *event, size_t len);

/* -- the backlog (backlog.c) --------------------------------------------------------------------------- */

/* A matching group that refuses now, or NULL: the event may be added. Counts it as overloaded. */
struct group *groups_refusing(struct core *core, const char *event, size_t len);

/* Put @event into each group that matches: all of them or none. @kind: ordinary events count for the bounds,
 * and their connection may be paused (core->effects.pause); a `@disconnect` uses what the connection has
 * reserved and counts for nothing. 0 (also when none matches), -ENOMEM. */
enum backlog_kind { BACKLOG_EVENT, BACKLOG_DISCONNECT };
int groups_add(struct core *core, struct stored_event *event, enum backlog_kind kind);

/* Reserve jobs for the `@disconnect` of @conn in each group that listens to it now. 0 or -ENOMEM. Release
 * what was reserved and not used. */
int groups_reserve(struct core *core, struct conn *conn);
void groups_release(struct core *core, struct conn *conn);

/* The connection ends: it is no longer paused by anybody. */
void groups_unpause(struct core *core, struct conn *conn);

/* Look at the bounds again, after jobs came or went: pause, refuse, or open up (resuming those paused). */
void group_check_full(struct group *group);

/* -- jobs and lanes (job.c) ---------------------------------------------------------------------------- */

/* How a job ends. HANDLED and REFUSED: the question, if still open, is settled when it was the last job of
 * the event (`@ok`; `failed` if one died). Frees the job and, when it was its last, the lane. */
enum job_end { JOB_HANDLED, JOB_REFUSED };
void job_end(struct job *job, enum job_end how);

/* It is dead: into the dead list, published as `@dead`, then ended. */
void job_bury(struct job *job, enum code code, const char *message);

/* It goes back from its holder into the queue, and the later held ones of its lane with it (these without
 * having counted an attempt); it comes again after @delay_ms. Where it was the last attempt it is dead
 * (CODE_FAILED, with
 * @why as message) instead. */
enum job_return {
    JOB_RETRY,  /* the member asked for it, or its effects were refused for now: counts an attempt */
    JOB_STALE,  /* does not count one */
    JOB_LEFT,   /* its holder left of its own will */
    JOB_BLAMED, /* its holder died or hung: it becomes a suspect, those after it as well */
};
/* True: it waits again; false: it is dead. */
bool job_return(struct job *job, enum job_return how, uint64_t delay_ms, const char *why);

/* The job @seq that @member holds, or NULL. */
struct job *member_job(const struct member *member, uint64_t seq);

/* Whether no earlier job of its connection is still held. */
bool job_is_first(const struct job *job);

/* The session of its connection has changed with this job's entry: later held jobs of the lane are stale. */
void job_changed_session(struct job *job);

/* Set `waiting`, `ready`, ... right after anything about @lane has changed. */
void lane_settle(struct lane *lane);

/* -- members (member.c) -------------------------------------------------------------------------------- */

struct joining {
    const char *client;
    size_t client_len;
    uint64_t link, pid;
    bool is_tcp;
    struct key_list *patterns; /* valid ones; taken over on success */
    struct key_list *keys;     /* NULL: all; taken over on success */
    unsigned lease_ms, per_conn;
};

/* Join @group (see the contract: same client before its first turn: the same member; later: a new one, the
 * old is removed). NULL with a fault. *@created: whether it is a new one. */
struct member *member_join(struct group *group, const struct joining *joining, bool *created,
                           struct fault *fault);

struct member *member_find(const struct core *core, const char *id, size_t len);

/* It is gone: what it holds goes back (JOB_LEFT or JOB_BLAMED), a reply it waits for is sent first (with no
 * events; an abandoned one is not). Returns how many jobs went back. Frees it. */
unsigned member_end(struct member *member, enum job_return how);

/* A request of it came over @link. */
void member_heard(struct member *member, uint64_t link, uint64_t pid, bool is_tcp);

/* @job is @member's from now on, handed out in its turn under way: a lease begins, an attempt is counted. */
void member_hold(struct member *member, struct job *job);

/* The lease of a held job begins anew. */
void member_extend(struct member *member, struct job *job);

/* After held jobs came or went, or it was heard: start its timer for what is due next. */
void member_arm(struct member *member);

/* A link to `calls` has ended. */
void groups_link_down(struct core *core, uint64_t link);

/* -- handing out (serve.c) ----------------------------------------------------------------------------- */

/* Serve the members that ask, in every group where something has changed. */
void groups_serve(struct core *core);

/* -- the dead list (dead.c) ---------------------------------------------------------------------------- */

/* Keep @job's event as dead (the oldest goes out beyond the bounds) and publish `@dead`. */
void dead_add(struct job *job, enum code code, const char *message);
void dead_clear(struct group *group);

#endif
