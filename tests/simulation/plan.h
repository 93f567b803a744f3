#ifndef SLUICE_TESTS_SIMULATION_PLAN_H
#define SLUICE_TESTS_SIMULATION_PLAN_H

/* plan: a request as its sender means it. plan_encode() makes the bytes for the core; the model works on the
 * plan. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "wire/buf.h"
#include "words.h"

enum op_kind {
    /* effects */
    OP_INC,        /* $inc `key` by one, in sessions of the target */
    OP_SET,        /* $set `key` to token; ttl_ms */
    OP_IF_VERSION, /* as OP_INC, if the session's version is `token` */
    OP_SEND,       /* push `push` with payload token to the target; `unbatched` */
    OP_ANSWER,     /* token; is_error; to the event's own question, or to conn and i */
    OP_CLOSE,
    OP_BATCH, /* of `push`, on or off */
    /* effects that cannot be */
    OP_BAD_FILTER,
    OP_BAD_UPDATE,
    OP_BAD_VALUE,
    OP_INC_TEXT,      /* $inc of `s`: fails where that is there */
    OP_SET_TEXT,      /* $set of `s`, `token` bytes long */
    OP_LARGE_MESSAGE, /* longer than a message may be */
    OP_COSTLY,        /* count or send by a filter that no index helps with */
    OP_UNKNOWN,
    OP_UNKNOWN_KEY,
    OP_MISSING, /* a send without event */
    OP_I_ALONE, /* an answer with `i` and no `conn` */
    /* no effects */
    OP_GET,
    OP_FIND,
    OP_JOIN,
    OP_LEAVE,
    OP_EXTEND,
    OP_SUBSCRIBE,
    OP_INSPECT,
    OP_DEAD,
    OP_STATS,
};

enum op_target { TARGET_OWN, TARGET_CONN, TARGET_ROOM, TARGET_EVERYBODY };

struct op {
    enum op_kind kind;
    enum op_target target;
    uint64_t conn; /* TARGET_CONN: its number */
    unsigned room;
    enum word_key key;
    enum word_push push;
    uint64_t token, i;
    unsigned ttl_ms;
    bool is_error, is_off, is_unbatched;
    uint64_t except; /* a connection's number, or 0 */
    /* OP_JOIN ... */
    const char *group, *member;
    uint32_t patterns, keys;
    unsigned lease_ms, per_conn;
    bool is_bad_pattern;
    const uint64_t *seqs;
    size_t seq_count;
};

enum entry_kind {
    ENTRY_OPS,
    ENTRY_ERROR,
    ENTRY_RETRY,
    /* malformed: */
    ENTRY_NOTHING,
    ENTRY_TWO,
    ENTRY_LONG_RETRY,
    ENTRY_NO_CODE,
    ENTRY_UNKNOWN_KEY,
    ENTRY_OPS_NO_LIST,
    ENTRY_KIND_COUNT
};

struct entry {
    enum entry_kind kind;
    uint64_t seq;
    uint64_t own;   /* number of the connection whose event it is */
    uint64_t token; /* ERROR: its message; RETRY: ms */
    struct op *ops;
    size_t ops_count, ops_cap;
};

/* What is wrong with the request as a whole. */
enum flaw {
    FLAW_NONE,
    FLAW_CUT,      /* bad_request */
    FLAW_VERSION,  /* bad_version */
    FLAW_KEY,      /* unauthorized, where a key is wanted */
    FLAW_EPOCH,    /* new_epoch */
    FLAW_UNKNOWN,  /* unknown_key */
    FLAW_DONE,     /* bad_argument: `done` is no list */
    FLAW_NO_SEQ,   /* bad_argument: an entry without one */
    FLAW_MAX,      /* bad_argument */
    FLAW_WAIT,     /* bad_argument */
    FLAW_TOO_MANY, /* request_too_large: operations */
    FLAW_TOO_LONG, /* request_too_large: bytes */
    FLAW_MEMBER,   /* unknown_member */
    FLAW_CLIENT,   /* unknown_member: somebody else's */
    FLAW_COUNT
};

struct plan {
    bool is_turn;
    enum flaw flaw;
    char client[40];
    uint64_t id;
    char member[48];
    uint64_t turn;
    unsigned max, wait_ms;
    struct entry *done;
    size_t done_count, done_cap;
    struct op *ops; /* no turn */
    size_t ops_count, ops_cap;
    uint64_t done_hash;
    const uint8_t *bytes;
    size_t len;
    uint64_t first_ticket; /* that it was sent with; 0: not yet */
    uint64_t first_ms;
    bool is_old, is_reused; /* its id was used for another request, long ago or a while ago */
    uint64_t *sender_count; /* changing requests of its client that have been run; NULL: nobody counts */
    uint64_t sender_number; /* which of them this one was */
};

struct spelling {
    const char *epoch;
    const char *key; /* NULL: none is wanted */
    unsigned max_ops;
    size_t max_request_bytes, max_message_bytes;
};

/* Set `bytes`, `len` and `done_hash`. */
void plan_encode(struct plan *plan, struct arena *arena, const struct spelling *spelling, struct buf *work);

bool op_is_effect(enum op_kind kind);

/* Whether it has an operation that changes something: then a repeat is answered from store. */
bool plan_changes(const struct plan *plan);

#endif
