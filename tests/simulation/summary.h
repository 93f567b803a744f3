#ifndef SLUICE_TESTS_SIMULATION_SUMMARY_H
#define SLUICE_TESTS_SIMULATION_SUMMARY_H

/* summary: how often each thing happened, over all seeds of a run. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "wire/codes.h"

/* X(NAME, "text", whether it is a transition that a full run must have taken 1,000 times) */
#define COUNTS(X)                                                                                            \
    X(INPUTS, "inputs", false)                                                                               \
    X(CONN_OPENED, "connection: opened", true)                                                               \
    X(CONN_REFUSED, "connection: refused by a full group", true)                                             \
    X(CONN_CLOSED, "connection: closed", true)                                                               \
    X(CONN_OUTLIVED, "connection: ended, its session lives on for its events", true)                         \
    X(CONN_PAUSED, "connection: paused", true)                                                               \
    X(CONN_RESUMED, "connection: resumed", true)                                                             \
    X(QUESTION_ASKED, "question: asked", true)                                                               \
    X(QUESTION_ANSWERED, "question: answered", true)                                                         \
    X(QUESTION_REFUSED, "question: refused by a member", true)                                               \
    X(QUESTION_OK, "question: settled with @ok", true)                                                       \
    X(QUESTION_FAILED, "question: failed", true)                                                             \
    X(QUESTION_TIMEOUT, "question: timed out", true)                                                         \
    X(GROUP_NEW, "group: made", true)                                                                        \
    X(GROUP_GONE, "group: gone", true)                                                                       \
    X(GROUP_UNLISTED, "group: pattern kept without a lister", true)                                          \
    X(GROUP_RELISTED, "group: kept pattern listed again", true)                                              \
    X(GROUP_DROPPED, "group: pattern dropped", true)                                                         \
    X(GROUP_PAUSING, "group: open to pausing", true)                                                         \
    X(GROUP_PAUSING_OPEN, "group: pausing to open", true)                                                    \
    X(GROUP_PAUSING_REFUSING, "group: pausing to refusing", true)                                            \
    X(GROUP_REFUSING, "group: open to refusing", true)                                                       \
    X(GROUP_REFUSING_OPEN, "group: refusing to open", true)                                                  \
    X(MEMBER_JOINED, "member: joined", true)                                                                 \
    X(MEMBER_JOINED_AGAIN, "member: joined again before its first turn", true)                               \
    X(MEMBER_REPLACED, "member: replaced", true)                                                             \
    X(MEMBER_LEFT, "member: left", true)                                                                     \
    X(MEMBER_LINK_LOST, "member: link lost", true)                                                           \
    X(MEMBER_GRACE_OVER, "member: did not come back within the grace", true)                                 \
    X(MEMBER_CAME_BACK, "member: came back over another link", true)                                         \
    X(MEMBER_SILENT, "member: silent for too long", true)                                                    \
    X(TURN_NEW, "turn: new", true)                                                                           \
    X(TURN_REPEATED, "turn: repeated, answered from store", true)                                            \
    X(TURN_RELEASED, "turn: repeated, its events released", true)                                            \
    X(TURN_TAKEN_OVER, "turn: repeated while it waited", true)                                               \
    X(TURN_ENDED_WAIT, "turn: ended the wait of the one before", true)                                       \
    X(TURN_WAITED, "turn: waited, and got nothing", true)                                                    \
    X(TURN_GOT, "turn: got events", true)                                                                    \
    X(TURN_PAUSED, "turn: told to pause", true)                                                              \
    X(LEASE_GIVEN, "lease: given", true)                                                                     \
    X(LEASE_EXTENDED, "lease: extended", true)                                                               \
    X(LEASE_EXPIRED, "lease: expired", true)                                                                 \
    X(LEASE_ENDED, "lease: ended with its member", true)                                                     \
    X(JOB_WAITS, "event: waits", true)                                                                       \
    X(JOB_HELD, "event: held", true)                                                                         \
    X(JOB_HELD_AGAIN, "event: held again", true)                                                             \
    X(JOB_HELD_BESIDE, "event: held beside an earlier one of its connection", true)                          \
    X(JOB_DELAYED, "event: delayed", true)                                                                   \
    X(JOB_SUSPECT, "event: suspect", true)                                                                   \
    X(JOB_SUSPECT_HELD, "event: handed out alone", true)                                                     \
    X(JOB_CLEARED, "event: cleared of suspicion", true)                                                      \
    X(JOB_TAKEN_ALONG, "event: taken along by an earlier one", true)                                         \
    X(JOB_DONE, "event: done", true)                                                                         \
    X(JOB_REFUSED, "event: refused", true)                                                                   \
    X(JOB_STALE, "event: stale", true)                                                                       \
    X(JOB_RETRIED, "event: retried", true)                                                                   \
    X(JOB_AGAIN, "event: its effects refused for now", true)                                                 \
    X(ENTRY_EXPIRED, "entry: of an event that is not held", true)                                            \
    X(ENTRY_UNDONE, "entry: undone after some of its effects", true)

enum count {
#define X(name, text, wanted) COUNT_##name,
    COUNTS(X)
#undef X
        COUNT_COUNT
};

struct summary {
    uint64_t counts[COUNT_COUNT];
    uint64_t refusals[CODE_COUNT]; /* told to clients and handlers */
    uint64_t deads[CODE_COUNT];
};

static inline void count(struct summary *summary, enum count what)
{
    summary->counts[what]++;
}

static inline void count_code(struct summary *summary, enum code code)
{
    summary->refusals[code]++;
}

void summary_add(struct summary *to, const struct summary *from);
void summary_print(const struct summary *summary, FILE *out);

/* Print what a full run should have met more often. Returns how many there are. */
unsigned summary_missing(const struct summary *summary, FILE *out);

#endif
