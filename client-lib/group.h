#ifndef SLUICE_CLIENT_GROUP_H
#define SLUICE_CLIENT_GROUP_H

/* group: one membership of a client: which functions handle what, and the events that it holds. How it talks
 * to the broker is in member.h and turn.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/sluice.h>

#include "event.h"
#include "group_options.h"
#include "held.h"
#include "link.h"

#define GROUP_MEMBER_MAX 64

struct group_function {
    char *pattern;
    sluice_handler_fn *fn;
    void *arg;
};

enum member_state {
    MEMBER_OUT,     /* not joined, or not any more: joins when it may */
    MEMBER_JOINING, /* has asked */
    MEMBER_IN,
    MEMBER_LEAVING, /* has asked */
    MEMBER_GONE,    /* has stopped, and does not join again by itself */
};

/* One of the two requests with a turn. */
struct turn {
    enum { TURN_FREE, TURN_OUT, TURN_AGAIN } state; /* AGAIN: to be sent once more, at again_ms */
    enum link_slot slot;
    uint64_t number, id;
    bool waits;    /* the broker may hold it back until an event comes */
    bool overlaps; /* it was sent while the other one was out, and may get there first */
    unsigned max;
    int64_t sent_ms, deadline_ms, again_ms;
    struct held_list events; /* whose entries it has */
};

struct group {
    struct group *next;
    struct sluice_client *client;
    struct group_options options;
    struct group_function *functions;
    size_t function_count;

    enum member_state state;
    char member[GROUP_MEMBER_MAX];
    char epoch[EVENT_EPOCH_MAX]; /* where it is a member */
    int64_t lease_ms;            /* as the broker says */
    enum link_slot talk_slot;
    uint64_t talk_id; /* of what is under way there ... */
    int64_t talk_ms;  /* ... until then */
    bool is_talking;
    bool is_changed;  /* has functions that the broker does not know of: joins anew when it holds nothing */
    bool is_lost;     /* the broker has said so */
    int64_t retry_ms; /* does not join before */
    int64_t pause_ms; /* does not ask before */

    struct turn turns[2];
    uint64_t turn_number;
    struct held_list waiting, later, finished;
    struct held_tails tails; /* of connections that may have several events here (per_conn) */
    int64_t cost_us;         /* of a function call, on average */
};

/* The client's group with these options, made or completed. NULL with client->fault. */
struct group *group_need(struct sluice_client *client, const struct group_options *options);

/* Forget it, if it has no function; group_need() made it in vain. */
void group_drop(struct group *group);

/* Handle what matches @pattern with @fn. 0 or an error, in client->fault. */
int group_add(struct group *group, const char *pattern, sluice_handler_fn *fn, void *arg);

/* Take the events of a turn's reply, which reads from @events on: they wait for their functions. */
void group_take(struct group *group, struct packet *packet, struct mp_reader events, uint32_t count);

/* Call functions, as long as events wait and the time is not over that a turn may wait for. */
void group_work(struct group *group);

/* A function has finished with @event, which is in no list: it waits for a turn. */
void group_finish(struct sluice_event *event, int result);

/* The broker has taken back what the connection of @event had behind it: forget that. */
void group_forget_after(struct group *group, struct sluice_event *event);

/* The same for all events of @conn. */
void group_forget_conn(struct group *group, const char *conn);

/* Everything that it holds belongs to others now. */
void group_forget(struct group *group);

/* How many events it holds for which no entry is on its way. */
unsigned group_held(const struct group *group);

/* How many it wants to hold: no more than its functions do in short time. */
unsigned group_wants(const struct group *group);

void group_free(struct group *group);

#endif
