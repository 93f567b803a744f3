#ifndef SLUICE_TESTS_SIMULATION_SCENE_H
#define SLUICE_TESTS_SIMULATION_SCENE_H

/* scene: what a seed's world is like: bounds of the broker, groups, how many take part and how they behave.
 * Everything comes from the seed. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "support/random.h"

#define GROUPS_MAX 4

struct scene_group {
    char name[16];
    bool is_declared;
    bool refuses_when_full;
    uint32_t declared_patterns;
    uint32_t patterns; /* that members choose from */
    uint64_t max_age_ms;
    unsigned max_attempts;
    size_t max_backlog, max_backlog_bytes;
};

/* Chances are in thousandths, of each time that there is a choice. */
struct scene {
    uint64_t seed;
    unsigned inputs; /* until everything is to drain */
    struct core_options options;
    struct scene_group groups[GROUPS_MAX];
    unsigned group_count;
    unsigned processes, connections; /* about so many at a time */
    unsigned lease_ms, think_ms;     /* about so long */
    unsigned per_conn_max;
    unsigned payload_max; /* bytes; events of most scenes are small */
    bool knows_bytes;     /* bounds in bytes are checked too: `stats` after each event tells what it weighs */
    unsigned hold_back;   /* how slowly members take, against how fast clients send */
    unsigned crash, hang, lose_request, lose_reply, repeat, former_life, wrong_turn, malformed, bad_effect,
        retry, refuse, late, out_of_order, leave, rejoin, extend, reconnect, no_wait, full_queue, jump, close,
        stray_message;
};

void scene_make(struct scene *scene, uint64_t seed, unsigned inputs);

/* True @thousandths of 1,000 times. */
static inline bool chance(struct random *random, unsigned thousandths)
{
    return random_below(random, 1000) < thousandths;
}

/* @from to @to. */
static inline unsigned between(struct random *random, unsigned from, unsigned to)
{
    return from + (unsigned)random_below(random, (uint64_t)to - from + 1);
}

#endif
