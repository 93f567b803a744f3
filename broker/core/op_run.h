#ifndef SLUICE_CORE_OP_RUN_H
#define SLUICE_CORE_OP_RUN_H

/* op_run: one operation of a request or of a turn's entry, from its map to its result. */

#include "core/request.h"

/* The operation that the map @raw asks for, or NULL with a fault. */
const struct op *op_of(const uint8_t *raw, size_t len, const struct place *at, struct fault *fault);

/* Run the operation @raw in the step that is open, and append its result to call->out. In a turn's entry
 * (call->event) only what has an effect is run. 0, or -1 with the call's fault: the step is then to be
 * undone, and what was appended to be cut off. */
int op_run(struct call *call, const uint8_t *raw, size_t len);

/* The pairs of an error: in a result, and in the reply to a request that was refused as a whole. Returns how
 * many. */
uint32_t put_fault(struct buf *out, const struct fault *fault);

/* {"ok": false, ...} */
void put_error_result(struct buf *out, const struct fault *fault);

#endif
