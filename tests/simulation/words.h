#ifndef SLUICE_TESTS_SIMULATION_WORDS_H
#define SLUICE_TESTS_SIMULATION_WORDS_H

/* words: the few names that the simulated world uses: events, patterns, fields of sessions, pushes. */

#include <stddef.h>
#include <stdint.h>

enum word_event {
    EVENT_CONNECT,
    EVENT_DISCONNECT,
    EVENT_SAY,
    EVENT_MOVE,
    EVENT_ASK,
    EVENT_JOB,
    EVENT_RARE,
    EVENT_UNHEARD, /* no pattern but `*` matches it */
    EVENT_COUNT
};

extern const char *const EVENT_NAMES[EVENT_COUNT];

/* Patterns come as sets of bits. */
#define PATTERN_COUNT 11
extern const char *const PATTERNS[PATTERN_COUNT];
#define PATTERN_ALL 0x021 /* `*` and `@*` */

/* Those that match @event. */
uint32_t patterns_of(enum word_event event);

/* The event with this name, or EVENT_COUNT. */
enum word_event event_from(const char *name, size_t len);

/* Top-level fields. All hold integers but `s`, a string, which counts with its length. */
enum word_key {
    KEY_OWN,   /* "n": counts entries about the session's own events */
    KEY_OTHER, /* "o": counts updates from elsewhere */
    KEY_ALL,   /* "f": counts updates by filter */
    KEY_LAST,  /* "last": $set to a new number each time */
    KEY_ROOM,  /* "room" */
    KEY_TIMED, /* "t": expires */
    KEY_TEXT,  /* "s" */
    KEY_COUNT
};

extern const char *const KEYS[KEY_COUNT];
#define KEYS_ALL UINT32_MAX /* no `session_keys` at all */

enum word_key key_from(const char *name, size_t len);

/* What handlers send; the last two have batches at times. */
enum word_push { PUSH_PLAIN, PUSH_BATCH_A, PUSH_BATCH_B, PUSH_COUNT };
extern const char *const PUSHES[PUSH_COUNT];

#define ROOMS 4

#endif
