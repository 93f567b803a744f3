#include "scene.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

static unsigned pick(struct random *random, const unsigned *choices, unsigned count)
{
    return choices[random_below(random, count)];
}
#define PICK(random, ...)                                                                                    \
    pick(random, (const unsigned[]){__VA_ARGS__}, sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

static void make_options(struct scene *scene, struct random *random)
{
    struct core_options *options = &scene->options;
    *options = CORE_OPTIONS_DEFAULT;
    options->epoch = "simulated";
    options->version = "0";
    options->seed[0] = random_next(random);
    options->seed[1] = random_next(random);
    options->key = chance(random, 300) ? "open-sesame" : NULL;
    options->max_message_bytes = 4096;
    options->max_session_bytes = 2048;
    options->max_request_bytes = chance(random, 60) ? 20 * 1024 : 1024 * 1024;
    options->question_ms = PICK(random, 500, 2000, 8000, 30000);
    options->max_questions = between(random, 2, 8);
    options->max_scan = chance(random, 400) ? between(random, 2, 10) : 1000;
    options->max_ops = 64;
    options->stored_replies = between(random, 4, 40);
    options->stored_ms = between(random, 5000, 120000);
    options->max_batches = between(random, 1, 2);
    options->batch_items = between(random, 2, 20);
    options->group_pause_max_ms = PICK(random, 100, 500, 2000, 5000);
    options->group_keep_ms = PICK(random, 300, 1000, 5000, 60000);
    options->group_max_attempts = between(random, 2, 5);
    options->group_dead = between(random, 2, 60);
    options->link_grace_ms = PICK(random, 50, 300, 2000);
    options->group_backlog = chance(random, 500) ? between(random, 6, 60) : 2000;
    options->group_backlog_bytes = scene->knows_bytes ? between(random, 3000, 30000) : SIZE_MAX / 4;
}

static uint32_t some_patterns(struct random *random)
{
    uint32_t patterns = PICK(random, PATTERN_ALL, 0x001, 0x0c2, 0x110, 0x604, 0x022, 0x0d1, 0x738);
    return chance(random, 300) ? PATTERN_ALL : patterns;
}

static void make_group(struct scene *scene, struct random *random, unsigned index)
{
    struct scene_group *group = &scene->groups[index];
    const struct core_options *options = &scene->options;
    snprintf(group->name, sizeof group->name, "group%u", index);
    group->patterns = some_patterns(random);
    group->max_attempts = options->group_max_attempts;
    group->max_backlog = options->group_backlog;
    group->max_backlog_bytes = options->group_backlog_bytes;
    group->is_declared = chance(random, 500);
    if (!group->is_declared)
        return;
    group->declared_patterns = chance(random, 300) ? 0 : group->patterns & (uint32_t)random_next(random);
    group->refuses_when_full = chance(random, 400);
    group->max_attempts = between(random, 1, 5);
    group->max_backlog = chance(random, 600) ? between(random, 4, 50) : 5000;
    group->max_age_ms = chance(random, 450) ? between(random, 100, 6000) : 0;
}

/* Each kind of misbehaviour is there or not, often or seldom. */
static unsigned rate(struct random *random, unsigned most)
{
    return chance(random, 350) ? 0 : between(random, 1, most);
}

static void make_behaviour(struct scene *scene, struct random *random)
{
    scene->crash = rate(random, 12);
    scene->hang = rate(random, 15);
    scene->lose_request = rate(random, 60);
    scene->lose_reply = rate(random, 80);
    scene->repeat = rate(random, 150);
    scene->former_life = rate(random, 30);
    scene->wrong_turn = rate(random, 15);
    scene->malformed = rate(random, 30);
    scene->bad_effect = rate(random, 130);
    scene->retry = rate(random, 120);
    scene->refuse = rate(random, 120);
    scene->late = rate(random, 300);
    scene->out_of_order = rate(random, 300);
    scene->leave = rate(random, 12);
    scene->rejoin = rate(random, 12);
    scene->extend = rate(random, 40);
    scene->reconnect = rate(random, 20);
    scene->no_wait = rate(random, 60);
    scene->full_queue = rate(random, 100);
    scene->jump = rate(random, 12);
    scene->close = rate(random, 60) + 10;
    scene->stray_message = rate(random, 150);
}

void scene_make(struct scene *scene, uint64_t seed, unsigned inputs)
{
    struct random random = {seed * 0x9e3779b97f4a7c15u + 1};
    memset(scene, 0, sizeof *scene);
    scene->seed = seed;
    scene->inputs = inputs;
    scene->knows_bytes = chance(&random, 80);
    make_options(scene, &random);
    scene->group_count = between(&random, 1, GROUPS_MAX);
    for (unsigned g = 0; g < scene->group_count; g++)
        make_group(scene, &random, g);
    scene->processes = between(&random, scene->group_count, 12);
    scene->connections = PICK(&random, 2, 5, 15, 40);
    scene->lease_ms = PICK(&random, 100, 300, 1000, 1000, 5000, 80000);
    scene->think_ms = PICK(&random, 0, 20, 100, 400);
    scene->per_conn_max = PICK(&random, 1, 1, 3, 8);
    scene->payload_max = scene->knows_bytes ? 1500 : chance(&random, 15) ? 60000 : 0;
    if (scene->payload_max > 4096)
        scene->options.max_request_bytes = 1024 * 1024; /* each event fits a reply */
    scene->hold_back = PICK(&random, 0, 0, 300, 600, 850);
    make_behaviour(scene, &random);
    if (scene->group_count > 1 && chance(&random, 100))
        scene->options.max_groups = scene->group_count - 1;
    scene->options.max_members =
        chance(&random, 250) ? between(&random, scene->group_count, scene->processes) : 1000;
    for (unsigned g = 0, declared = 0; g < scene->group_count; g++) {
        declared += scene->groups[g].is_declared;
        if (declared > scene->options.max_groups)
            scene->groups[g].is_declared = false;
    }
}
