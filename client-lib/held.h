#ifndef SLUICE_CLIENT_HELD_H
#define SLUICE_CLIENT_HELD_H

/* held: the events that a member holds, in lists: those that wait for their function, those that a function
 * keeps, those that are finished and wait for a turn, those whose turn is on its way. Beside that, the events
 * of one connection hang together in their order: an entry goes out only after those of the events before. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct group;
struct held_tails;
struct sluice_event;

enum hold {
    HOLD_NONE,     /* of no member: watched, or a step */
    HOLD_WAITING,  /* for its function */
    HOLD_RUNNING,  /* its function runs */
    HOLD_LATER,    /* its function keeps it */
    HOLD_FINISHED, /* waits for a turn */
    HOLD_SENT,     /* in a turn that is on its way */
    HOLD_LOST,     /* a function keeps what the member does not hold any more */
};

/* What the entry says. */
enum verdict { VERDICT_DONE, VERDICT_REFUSED, VERDICT_RETRY };

struct held_list {
    struct sluice_event *first, *last;
    unsigned count;
};

struct held {
    enum hold hold;
    struct group *group;
    struct held_list *list; /* the one it is in, or NULL */
    struct sluice_event *prev, *next;
    struct sluice_event *before, *after; /* of the same connection */
    struct held_tails *tails;            /* that it is chained in; NULL: it is not */
    struct sluice_event *tail_next;      /* if it is the last of its connection: the next one in its bucket */
    unsigned attempt;
    int64_t lease_ms;  /* clock_ms() when its lease began */
    int retry_ms;      /* the pause that the function asked for ... */
    bool has_retry_ms; /* ... if it did */
    enum verdict verdict;
    bool is_finished_inside; /* sluice_finish() came while its function ran ... */
    int result_inside;       /* ... with this */
};

#define HELD_BUCKETS 256

/* The last event of each connection, by a hash of its id. */
struct held_tails {
    struct sluice_event *buckets[HELD_BUCKETS];
};

/* Append @event; it is in no list. */
void held_append(struct held_list *list, struct sluice_event *event);

/* Take it out of its list; the order of its connection stays. */
void held_remove(struct sluice_event *event);

/* Make @event the last of its connection, behind the one that is it now. */
void held_chain(struct held_tails *tails, struct sluice_event *event);

/* Take it out of the order of its connection: what was behind it may go now. Where that is finished and in
 * the same list it is moved to right behind @event, so that who walks the list meets it next. */
void held_unchain(struct sluice_event *event);

/* Out of both. */
void held_leave(struct sluice_event *event);

/* The first finished event of @list, from @from on (NULL: the first), that waits for none before it. */
struct sluice_event *held_sendable(const struct held_list *list, struct sluice_event *from);

/* The one with this number that is chained for @conn, or NULL. */
struct sluice_event *held_find_chained(struct held_tails *tails, const char *conn, uint64_t seq);

/* The one with this number, or NULL. */
struct sluice_event *held_find(const struct held_list *list, uint64_t seq);

#endif
