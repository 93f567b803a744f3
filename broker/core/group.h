#ifndef SLUICE_CORE_GROUP_H
#define SLUICE_CORE_GROUP_H

/* group: handlers that share a subscription, and the backlog of events that wait for them.
 *
 * Words: a *job* is one event that one group has to handle. A *lane* is what one connection has in one group:
 * its jobs in order, of which the first `held` ones are with a member, the lane's holder. A lane that could
 * give a job to anybody stands in its group's list `ready` (or `suspects`, if that job is to be handed out
 * alone); one that could give another job to its holder only, in the holder's list `more`; one whose next job
 * no live member lists, in `parked`.
 *
 * A job waits, is delayed (its lane's timer runs), or is held until a lease ends. It ends in one of three
 * ways: handled, refused, dead.
 *
 * Nothing here sends anything but through core->effects, and jobs are handed out only by groups_serve(), at
 * the end of a turn of the loop: so all of this may be called from anywhere in the core.
 *
 * Refused memory: an event is in all its groups or in none; an event that dies may be missing in the dead
 * list; where a timer cannot be started, a delayed job comes at once, and the timers of groups and members
 * are tried again at the end of each turn of the loop. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "core/timers.h"
#include "core/uthash_nomem.h"
#include "wire/blob.h"
#include "wire/event_name.h"

struct conn;
struct event;
struct member;
struct stored_event;

#define GROUP_NAME_MAX      64
#define GROUP_PATTERNS      64 /* of one member, and of one group */
#define GROUP_KEYS          64 /* of `session_keys` */
#define MEMBER_ID_MAX       40
#define SUSPECT_PATIENCE_MS 1000 /* so long a suspect waits before all members are drained for it */
#define MEMBER_SLOTS        1024 /* of its table of held jobs: one for each that it may hold */

struct job {
    struct group *group;
    struct lane *lane; /* of a reserved one (in conn->reserved): one to spare, that nobody knows */
    struct stored_event *event;
    uint64_t seq;
    struct member *holder;   /* NULL: not held */
    uint64_t lease_end_ms;   /* while held */
    uint64_t turn;           /* of the holder, that it was handed out in */
    uint64_t due_ms;         /* not held: not to be handed out before */
    unsigned attempt;        /* how often it was handed out */
    bool is_suspect;         /* somebody died or hung with it: it is handed out alone */
    bool is_stale;           /* held, and an earlier job of its lane has changed the session since */
    struct job *prev, *next; /* of the group, by seq */
    struct job *lane_prev, *lane_next; /* of the lane, by seq (in conn->reserved: lane_next) */
    struct job *held_prev, *held_next; /* of the holder, by lease_end_ms */
    struct job *slot_next;             /* of the holder's table; of the free ones */
};

enum lane_state { LANE_IDLE, LANE_READY, LANE_SUSPECT, LANE_MORE, LANE_DELAYED, LANE_PARKED };

struct lane {
    struct group *group;
    struct conn *conn;
    struct job *jobs; /* the first `held` of them are held, all by `holder` */
    struct job *head; /* the first that is not held; NULL: none */
    unsigned count, held;
    unsigned counted;                   /* of its jobs, in group->waiting */
    struct member *holder;              /* NULL when held is 0 */
    enum lane_state state;              /* the list that it is in; IDLE: none */
    uint64_t suspect_ms;                /* SUSPECT: since when it waits */
    uint64_t parked_seq;                /* of the job that no live member lists; 0: none */
    struct timer delay;                 /* runs while DELAYED */
    struct lane *prev, *next;           /* of the list that `state` names; next: of the free ones */
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
    uint64_t gone_ms;          /* since when link is 0 */
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
    struct timer timer; /* always runs: earliest lease, end of the grace, or silence */
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
    unsigned taken;                     /* groups_serve()'s: jobs handed out at this end of a turn ... */
    size_t taken_bytes;                 /* ... and about how many bytes they take in the reply */
    struct member *prev, *next;         /* of the group */
    struct member *ask_prev, *ask_next; /* of those that ask, in the order in which they began */
    UT_hash_handle hh;                  /* in groups.members, by id */
    struct job *slots[MEMBER_SLOTS];    /* held jobs, by seq */
};

/* What a group is asked to listen to. */
struct pattern {
    char *text;
    size_t len;
    unsigned listers;  /* live members that list it */
    bool is_declared;  /* by the config: for ever */
    uint64_t until_ms; /* with no lister: when it ends; 0: it has had one all the time */
};

enum group_full { GROUP_OPEN, GROUP_PAUSING, GROUP_REFUSING };

#define GROUP_COUNTERS(X)                                                                                    \
    X(received, "events accepted")                                                                           \
    X(handled, "events whose entry was applied")                                                             \
    X(refused, "events that a member refused for good")                                                      \
    X(retried, "events given back to come again")                                                            \
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
    char message[256];
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
    size_t waiting;   /* jobs not held in lanes that are READY */
    size_t ready_count;
    struct lane *ready, *suspects, *parked;
    size_t scan_left; /* lanes of `ready` that were not looked at since something changed */

    bool is_draining; /* some of its members are */

    enum group_full full;
    uint64_t full_ms;    /* since when not OPEN */
    struct conn *paused; /* connections that feed it and are not read, by conn->paused_prev, paused_next:
                            in the order in which they were paused */
    unsigned paused_count;
    uint64_t resume_ms; /* OPEN, and some are paused still: the next of them go on then */

    struct dead *dead;
    size_t dead_count, dead_bytes;
    struct timer timer; /* always runs: end of pausing, resuming, end of a pattern, of the oldest job's age; a
                           suspect */
    bool is_sweeping;   /* a pattern has ended: jobs that nobody listens to any more are to be buried */
    uint64_t swept_seq; /* while it is: that is done up to this one */
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
    bool is_unfinished; /* groups_serve() has left something for the next turn of the loop, which is to come
                           at once */
    bool is_unarmed;    /* a timer of a group or a member could not be started */
    uint64_t member_serial; /* of ids */
    uint64_t seq_floor; /* the highest seq of groups that are gone: a new one starts above, so that epoch and
                           seq name an event for ever */
    struct job *free_jobs;   /* by slot_next; a steady state allocates none */
    struct lane *free_lanes; /* by next */
    unsigned free_job_count, free_lane_count;
};

void groups_init(struct groups *groups);

/* Free all, without effects. Connections may keep nothing reserved (groups_release()); those that have ended
 * are gone after this. */
void groups_deinit(struct core *core);

/* -- groups (group.c, group_due.c)
 * ---------------------------------------------------------------------------------- */

struct group *group_find(const struct core *core, const char *name, size_t len);

/* NULL if @name may name a group, else what is wrong with it. */
const char *group_name_fault(const char *name, size_t len);

/* The group, made if need be. NULL with a fault (CODE_LIMIT, CODE_OVERLOADED). One that nobody joins is gone
 * with the next groups_serve(). @name is valid. */
struct group *group_make(struct core *core, const char *name, size_t len, struct fault *fault);

/* One more, or one less, live member lists @pattern. The last one that leaves starts its keep time. 0 or -1
 * with a fault (CODE_LIMIT: too many patterns). */
int group_list(struct group *group, const char *pattern, size_t len, struct fault *fault);
void group_unlist(struct group *group, const char *pattern, size_t len);

/* Take a group_list() back that came to nothing: a pattern that is new with it is gone at once, and one that
 * is kept for a while is kept no longer. */
void group_unlist_new(struct group *group, const char *pattern, size_t len);

bool group_matches(const struct group *group, const char *event, size_t len);

/* Whether a live member lists @event. */
bool group_lists(const struct group *group, const char *event, size_t len);

/* Something will be due at @due_ms: see to it that its timer fires then. */
void group_arm(struct group *group, uint64_t due_ms);

/* Let groups_serve() look at it. */
void group_wake(struct group *group);

/* Whether nothing keeps it: no pattern, member or job. Then groups_serve() frees it. */
bool group_is_over(const struct group *group);
void group_free(struct group *group);

/* All timers of groups and members that could not be started. */
void groups_rearm(struct core *core);

/* A sample for the rates; to be called every few seconds. */
void groups_sample(struct core *core);

/* Whether any group listens to @event. */
bool groups_match(const struct core *core, const char *event, size_t len);

/* -- the backlog (backlog.c) --------------------------------------------------------------------------- */

/* Whether a connection may open: no group that listens to `@connect` refuses, and none has so many jobs
 * (`@disconnect` counts here) that remembering the ends of connections takes it far beyond its bounds. */
bool groups_admit(struct core *core);

/* A matching group that refuses now, or NULL: the event may be added. Counts it as overloaded. */
struct group *groups_refusing(struct core *core, const char *event, size_t len);

/* Put @event into each group that matches: all of them or none. @kind: ordinary events count for the bounds,
 * and their connection may be paused (core->effects.pause); a `@disconnect` uses what the connection has
 * reserved and counts for nothing. 0 (also when none matches), -ENOMEM. */
enum backlog_kind { BACKLOG_EVENT, BACKLOG_DISCONNECT };
int groups_add(struct core *core, struct stored_event *event, enum backlog_kind kind);

/* Store @event, which asks the question with this serial (0: none), and add it. 0; 1: no group matches;
 * -ENOMEM. */
int groups_take(struct core *core, const struct event *event, uint64_t question);

/* The same with the `@disconnect` of a connection, which is the last event of it: what was reserved is used,
 * and the rest released. So groups that listened when it opened get it, whatever memory is refused. */
void groups_take_ending(struct core *core, const struct event *event);

/* Reserve memory for the `@disconnect` of @conn in each group that listens to it now. 0 or -ENOMEM (then
 * groups_release() is to follow). Release what was reserved and not used. */
int groups_reserve(struct core *core, struct conn *conn);
void groups_release(struct core *core, struct conn *conn);

/* The connection ends: it is no longer paused by anybody. */
void groups_unpause(struct conn *conn);

/* Look at the bounds again, after jobs came or went: pause, refuse, or open up: then those paused go on, not
 * all at once. */
void group_check_full(struct group *group);

/* It is open: some of those paused go on, the more room there is, and all that have been paused for
 * group_pause_max_ms. Its timer does the rest. */
void group_resume(struct group *group);

/* It has paused for long enough, or has run far beyond its bounds: those paused are released, and messages
 * are refused. */
void group_refuse(struct group *group);

/* -- jobs (job.c) ---------------------------------------------------------------------------- */

/* @job (from job_take(), with its group, its event and its lane) is the last of its lane and of its group
 * from now on. Takes a reference to the event. */
void job_add(struct job *job);

/* Take it away, with no effect on anything but its lane and its event. Frees it. */
void job_discard(struct job *job);

/* How a job ends. HANDLED and REFUSED: the question, if still open, is settled when it was the last job of
 * the event (`@ok`; `failed` if one died). Frees the job and, when it was its last, the lane. */
enum job_end { JOB_HANDLED, JOB_REFUSED };
void job_end(struct job *job, enum job_end how);

/* It is dead: into the dead list, published as `@dead`, then ended. Held or not. */
void job_bury(struct job *job, enum code code, const char *message);

/* It goes back from its holder into the queue, and the later held ones of its lane with it (these without
 * having counted an attempt); it comes again after @delay_ms. Where it was the last attempt it is dead
 * (CODE_FAILED, with
 * @why as message) instead. */
enum job_return {
    JOB_RETRY,  /* the member asked for it, or its effects were refused for now: counts an attempt */
    JOB_STALE,  /* does not count one: it came too early, or its holder has not seen it */
    JOB_LEFT,   /* its holder left of its own will */
    JOB_BLAMED, /* its holder died or hung: it becomes a suspect, those after it as well */
};
/* True: it waits again; false: it is dead (also where it has become too old, or nobody listens to it any
 * more). */
bool job_return(struct job *job, enum job_return how, uint64_t delay_ms, const char *why);

/* The job @seq that @member holds, or NULL. */
struct job *member_job(const struct member *member, uint64_t seq);

/* Whether no earlier job of its connection is still held. */
bool job_is_first(const struct job *job);

/* The session of its connection has changed with this job's entry: later held jobs of the lane are stale. */
void job_changed_session(struct job *job);

/* @member holds @job, the head of its lane, from now on: a lease begins, an attempt is counted. */
void job_hold(struct job *job, struct member *member);

/* -- lanes (lane.c) ------------------------------------------------------------------------------------ */

/* From the free list, zeroed; NULL when memory is refused. And back. */
struct job *job_take(struct groups *groups);
void job_drop(struct groups *groups, struct job *job);
struct lane *lane_take(struct groups *groups);
void lane_drop(struct groups *groups, struct lane *lane);

/* The lane of @conn in @group, or NULL. */
struct lane *lane_find(const struct conn *conn, const struct group *group);

/* Make @lane, from lane_take(), that one. It has no jobs any more: free it. */
void lane_attach(struct lane *lane, struct group *group, struct conn *conn);
void lane_detach(struct lane *lane);

/* The last of its held jobs, or NULL. */
struct job *lane_last_held(const struct lane *lane);

/* Put @lane where it belongs after anything about it has changed, and wake its group if somebody could be
 * given something. lane_place(): without waking. @goes_first: if it becomes ready, before all others.
 * lane_leave(): take it out of its list, before its holder changes. */
void lane_settle(struct lane *lane);
void lane_place(struct lane *lane, bool goes_first);
void lane_leave(struct lane *lane);

/* No live member lists its next job. */
void lane_park(struct lane *lane);
/* Another pattern is listed: all that are parked are ready. */
void group_unpark(struct group *group);

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

/* It is gone: what it holds goes back (JOB_LEFT or JOB_BLAMED), each as one that counts; a reply that it
 * waits for is sent first, with no events. Returns how many jobs it held. Frees it. */
unsigned member_end(struct member *member, enum job_return how);

/* Free it without any effect. It holds nothing. */
void member_discard(struct member *member);

/* Whether it lists @event. */
bool member_lists(const struct member *member, const char *event, size_t len);

/* A request of it came over @link. */
void member_heard(struct member *member, uint64_t link, uint64_t pid, bool is_tcp);

/* @job comes to it, handed out in its turn under way: a lease begins. @job leaves it. Both for job.c. */
void member_hold(struct member *member, struct job *job);
void member_unhold(struct member *member, struct job *job);

/* The lease of a held job begins anew. */
void member_extend(struct member *member, struct job *job);

/* After held jobs came or went, or it was heard: see to it that its timer fires when something is due. */
void member_arm(struct member *member);

/* A link to `calls` has ended. */
void groups_link_down(struct core *core, uint64_t link);

/* -- handing out (serve.c) ----------------------------------------------------------------------------- */

/* Serve the members that ask, in every group where something has changed. Members that were handed out jobs,
 * and those whose wait is over (ask_until_ms), are replied. Ends no member. */
void groups_serve(struct core *core);

/* About so many bytes of events go into one reply (but always one event): of what a reply may have by default
 * the rest is for what failed. */
#define SERVE_BYTES ((size_t)768 * 1024)

/* -- the dead list (dead.c) ---------------------------------------------------------------------------- */

/* Keep @job's event as dead (the oldest goes out beyond the bounds) and publish `@dead`. */
void dead_add(struct job *job, enum code code, const char *message);
void dead_clear(struct group *group);

#endif
