#include "run.h"

#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "people.h"
#include "process.h"

#define DRAIN_TURNS 4000 /* of the loop, until everything must have drained */

/* -- a seed's life ------------------------------------------------------------------------------------- */

static void pass_time(struct sim *sim)
{
    unsigned roll = sim_between(sim, 0, 999);
    if (sim_chance(sim, sim->scene.jump))
        input_tick(sim, sim_between(sim, 1000, sim_chance(sim, 800) ? 8000 : 90000));
    else if (roll < 550)
        input_tick(sim, sim_between(sim, 1, 15));
    else if (roll < 600)
        input_tick(sim, sim_between(sim, 20, 400));
}

static void tell_late_links(struct sim *sim)
{
    for (size_t i = 0; i < sim->late_links_count;) {
        if (sim->late_links[i].at_ms > sim->now.mono_ms && !sim->is_draining) {
            i++;
            continue;
        }
        uint64_t link = sim->late_links[i].link;
        sim->late_links[i] = sim->late_links[--sim->late_links_count];
        input_link_down(sim, link);
    }
}

static void someone_acts(struct sim *sim)
{
    unsigned roll = sim_between(sim, 0, 99);
    if (roll < 6)
        operator_act(sim);
    else if (roll < 45)
        clients_act(sim);
    else if (!sim_chance(sim, sim->scene.hold_back))
        process_act(sim, &sim->processes[sim_between(sim, 0, sim->process_count - 1)]);
}

static void turn_of_loop(struct sim *sim)
{
    pass_time(sim);
    operator_announce(sim);
    tell_late_links(sim);
    for (unsigned left = sim_between(sim, 1, 8); left; left--)
        someone_acts(sim);
    input_flush(sim);
}

/* -- the end ------------------------------------------------------------------------------------------- */

static bool is_drained(const struct sim *sim)
{
    for (unsigned g = 0; g < sim->scene.group_count; g++) {
        if (sim->model.groups[g].job_count)
            return false;
    }
    return sim->clients_count == 0;
}

/* One able member for each group is all that is needed. */
static void drain(struct sim *sim)
{
    sim->is_draining = true;
    tell(sim, "everything is to drain");
    for (unsigned i = 0; i < sim->process_count; i++)
        process_behave(sim, &sim->processes[i]);
    sim->process_count = sim->scene.group_count;
    if (sim_chance(sim, 300))
        input_stop(sim);
    for (unsigned turn = 0; turn < DRAIN_TURNS && !is_drained(sim); turn++) {
        input_tick(sim, sim_between(sim, 1, turn > 200 ? 400 : 40));
        tell_late_links(sim);
        if (sim->clients_count && !sim->is_stopping)
            input_close(sim, sim->clients[0]);
        for (unsigned i = 0; i < sim->process_count; i++)
            process_act(sim, &sim->processes[i]);
        input_flush(sim);
    }
    audit_empty(sim);
}

static void live(struct sim *sim, uint64_t verbose_from)
{
    sim_start(sim);
    sim->process_count = sim->scene.processes;
    sim->processes = arena_get(&sim->model.arena, sim->process_count * sizeof(sim->processes[0]));
    for (unsigned i = 0; i < sim->process_count; i++)
        process_start(sim, &sim->processes[i], i);
    while (sim->steps < sim->scene.inputs) {
        sim->is_verbose = sim->model.is_verbose = sim->steps >= verbose_from;
        turn_of_loop(sim);
    }
    drain(sim);
}

struct run_result run_seed(uint64_t seed, unsigned inputs, uint64_t verbose_from, struct summary *summary)
{
    static struct sim sim;
    static struct run_result result;
    memset(&result, 0, sizeof result);
    sim_init(&sim, seed, inputs, summary, verbose_from == 0);
    if (setjmp(failure.back) == 0) {
        live(&sim, verbose_from);
        result.is_good = true;
    } else {
        memcpy(result.text, failure.text, sizeof result.text);
    }
    result.step = sim.steps;
    sim_deinit(&sim);
    return result;
}
