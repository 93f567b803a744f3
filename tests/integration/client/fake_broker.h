#ifndef SLUICE_TESTS_INTEGRATION_CLIENT_FAKE_BROKER_H
#define SLUICE_TESTS_INTEGRATION_CLIENT_FAKE_BROKER_H

/* fake_broker: the two sockets of a broker and a thread that answers as a test says: what a real broker never
 * does. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nng/nng.h>

#include "wire/buf.h"

#define FAKE_SEEN_MAX   64
#define FAKE_SCRIPT_MAX 32

/* What to do with the next request that has no `hello` and no `subscribe` (those are always answered well,
 * unless told otherwise). */
enum fake_act {
    FAKE_OK,      /* each operation {"ok": true} */
    FAKE_REPLY,   /* with the JSON `reply`; $ID stands for its id */
    FAKE_GARBAGE, /* with bytes that are no MessagePack */
    FAKE_IGNORE,  /* not at all */
    FAKE_HANG_UP, /* end the link */
};

/* A turn that waits for its reply. */
struct fake_waiting {
    bool is_there;
    uint64_t id, turn;
    nng_msg *request; /* for the way back */
};

struct fake {
    char dir[64], calls[128], events[128];
    nng_socket rep, pub;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    bool is_ending;
    char epoch[32];
    char limits[256];       /* JSON, for `hello` */
    char hello_reply[512];  /* JSON instead of the result of `hello`; "" for the usual one */
    enum fake_act acts[16]; /* for the next requests; FAKE_OK beyond */
    size_t act_count;
    const char *reply;
    unsigned hellos, announcements, requests; /* seen, repeats too */
    char last_announcement[512];              /* JSON of its events */
    struct buf seen[FAKE_SEEN_MAX];           /* the requests without hello and subscribe */
    size_t seen_count;

    /* Groups. A turn without a script waits until events come or a newer turn does. */
    unsigned joins, leaves, turns;       /* seen, repeats too */
    char last_join[512];                 /* JSON of the operation */
    char last_leave[64];                 /* the member */
    unsigned lease_ms;                   /* told to members; 0: 30,000 */
    const char *join_reply;              /* JSON instead of the result of `join`; NULL: member m1, m2, ... */
    const char *script[FAKE_SCRIPT_MAX]; /* for the next turns: see fake_script() */
    size_t script_count;
    struct buf turns_seen[FAKE_SEEN_MAX];
    size_t turns_seen_count;
    struct fake_waiting waiting;
    const char *wait_end;     /* see fake_end_wait_with() */
    struct fake_waiting late; /* one whose wait has ended without a reply */
};

/* Listen in a directory of its own. */
void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);

/* Stop listening, and listen again at the same place. */
void fake_go_away(struct fake *fake);
void fake_come_back(struct fake *fake);

/* What the next request gets. */
void fake_next(struct fake *fake, enum fake_act act);

/* What the next turn gets: a reply as JSON, with $ID, $TURN and $EPOCH; or "hang up", "ignore". Or, if a turn
 * waits, that one. @json is borrowed. */
void fake_script(struct fake *fake, const char *json);

/* The same, but a turn that waits goes on waiting. */
void fake_script_next(struct fake *fake, const char *json);

/* The reply to the turn that waits when a newer one ends that, once, instead of one without events. "late":
 * that comes by fake_reply_late(). */
void fake_end_wait_with(struct fake *fake, const char *json);
void fake_reply_late(struct fake *fake, const char *json);

/* Forget the turn that waits: its client has gone. */
void fake_forget_waiting(struct fake *fake);

/* Turn number @index that came, without what is the same in each (v, client, id, epoch), as JSON; lives until
 * the next call. "" if it did not come. */
const char *fake_turn(struct fake *fake, size_t index);

/* Publish: topic, and the map as JSON; $EPOCH stands for the epoch. */
void fake_publish(struct fake *fake, const char *topic, const char *json);

/* Publish bytes as they are. */
void fake_publish_raw(struct fake *fake, const void *bytes, size_t len);

/* Request number @index as JSON; lives until the next call. "" if it did not come. */
const char *fake_seen(struct fake *fake, size_t index);

unsigned fake_count(struct fake *fake, const unsigned *counter);

#endif
