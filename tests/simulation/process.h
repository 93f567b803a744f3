#ifndef SLUICE_TESTS_SIMULATION_PROCESS_H
#define SLUICE_TESTS_SIMULATION_PROCESS_H

/* process: a handler process that is a member of one group, as careless as the scene wants it: slow,
 * forgetful, confused, dead. It knows what came over the wire, and nothing else. */

#include "sim.h"

#define TASKS_MAX 256

/* An event that it works on. */
struct task {
    uint64_t seq, conn, i, version;
    uint64_t done_ms; /* when it will be finished */
    enum word_event event;
};

enum sending { SENDING_NOTHING, SENDING_WAITS, SENDING_LOST };

struct process {
    unsigned index;
    unsigned life; /* counts deaths */
    char client[40];
    uint64_t link;
    bool is_tcp;
    unsigned group;
    uint32_t patterns, keys;
    unsigned lease_ms, per_conn, max, wait_ms, think_ms;
    char member[48];
    bool is_joined;
    uint64_t turn, request_id;
    struct plan *plan; /* under way */
    enum sending sending;
    uint64_t ticket;    /* of the plan, as it was sent last */
    uint64_t resend_ms; /* when it gives up waiting for the reply */
    uint64_t asleep_ms; /* until then it does nothing */
    uint64_t pause_ms;  /* until then it asks for nothing */
    struct task tasks[TASKS_MAX];
    unsigned tasks_count;
    uint64_t *requests;               /* changing ones that the core has run for this client */
    struct plan *old_turn, *old_join; /* of a former life */
};

void process_start(struct sim *sim, struct process *process, unsigned index);

/* It dies, and the core is told that its link is gone. */
void process_crash(struct sim *sim, struct process *process);

/* From now on it does what it can. */
void process_behave(struct sim *sim, struct process *process);

/* Do something, or nothing. */
void process_act(struct sim *sim, struct process *process);

/* The reply to @ticket has come to its sender; sim->seen has it. */
void process_replied(struct sim *sim, struct ticket *ticket);

#endif
