/* dead: the events of a group that nobody could handle. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/conn.h"
#include "core/core_impl.h"
#include "core/group.h"
#include "core/pairs.h"
#include "core/stored_event.h"
#include "wire/mp.h"

static size_t dead_size(const struct dead *dead)
{
    return sizeof(*dead) + (dead->payload ? dead->payload->len : 0);
}

static void remove_oldest(struct group *group)
{
    struct dead *dead = group->dead;
    DL_DELETE(group->dead, dead);
    group->dead_count--;
    group->dead_bytes -= dead_size(dead);
    blob_unref(dead->payload);
    free(dead);
}

/* Without its payload where there is no memory for that. NULL where there is none at all. */
static struct dead *dead_new(const struct job *job, enum code code, const char *message)
{
    const struct stored_event *event = job->event;
    struct dead *dead = calloc(1, sizeof(*dead));
    if (!dead)
        return NULL;
    dead->seq = job->seq;
    dead->time_ms = event->time_ms;
    dead->dead_ms = job->group->core->now.wall_ms;
    dead->attempts = job->attempt;
    dead->code = code;
    if (event->payload_at)
        dead->payload = blob_new(event->mp + event->payload_at, event->payload_len);
    snprintf(dead->message, sizeof(dead->message), "%s", message);
    snprintf(dead->event, sizeof(dead->event), "%s", event->name);
    snprintf(dead->conn, sizeof(dead->conn), "%s", event->conn->id);
    return dead;
}

static void keep(struct group *group, struct dead *dead)
{
    const struct core_options *options = &group->core->options;
    DL_APPEND(group->dead, dead);
    group->dead_count++;
    group->dead_bytes += dead_size(dead);
    while (group->dead_count > options->group_dead || group->dead_bytes > options->group_dead_bytes)
        remove_oldest(group);
}

static void publish(const struct job *job, enum code code, const char *message)
{
    struct core *core = job->group->core;
    struct buf payload = BUF_INIT;
    mp_put_map(&payload, 7);
    put_pair(&payload, "group", job->group->name);
    put_number(&payload, "seq", job->seq);
    put_pair(&payload, "event", job->event->name);
    put_pair(&payload, "conn", job->event->conn->id);
    put_pair(&payload, "code", code_text(code));
    put_pair(&payload, "message", message);
    put_number(&payload, "attempts", job->attempt);
    if (!payload.failed) {
        const struct event event = {.name = "@dead",
                                    .name_len = 5,
                                    .conn = job->event->conn,
                                    .payload = payload.data,
                                    .payload_len = payload.len};
        publisher_add(&core->publisher, &event, core->now);
    }
    buf_deinit(&payload);
}

void dead_add(struct job *job, enum code code, const char *message)
{
    struct dead *dead = dead_new(job, code, message);
    if (dead)
        keep(job->group, dead);
    publish(job, code, message);
}

void dead_clear(struct group *group)
{
    while (group->dead)
        remove_oldest(group);
}
