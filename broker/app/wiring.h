#ifndef SLUICE_APP_WIRING_H
#define SLUICE_APP_WIRING_H

/* wiring: joins the core with its edges. What the edges tell goes to the core as inputs, what the core wants
 * goes to the edges as calls. Before the first input of each turn of the loop the core is told what time it
 * is. */

#include <stdbool.h>

#include "core/core.h"
#include "ipc/ipc.h"
#include "ws/ws.h"

struct wiring {
    uv_loop_t *loop;
    struct core *core; /* NULL until there is one */
    struct ipc *ipc;
    bool is_current; /* the core knows the time of this turn */
};

/* The tables of functions to make the parts with; @wiring is borrowed while they live. */
struct core_effects wiring_core_effects(struct wiring *wiring);
struct ws_events wiring_ws_events(struct wiring *wiring);
struct ipc_events wiring_ipc_events(struct wiring *wiring);

/* The loop's time and the wall's. */
struct core_time wiring_time(const uv_loop_t *loop);

/* Tell the core the time, once a turn. */
void wiring_tick(struct wiring *wiring);

/* The turn is over: let the core publish, and the next input tell the time again. */
void wiring_flush(struct wiring *wiring);

#endif
