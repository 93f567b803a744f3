#ifndef SLUICE_CLIENT_REPLY_H
#define SLUICE_CLIENT_REPLY_H

/* reply: what the broker answers to a request. */

#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "wire/mp.h"

struct reply {
    const char *epoch; /* not terminated; NULL if it says none */
    size_t epoch_len;
    uint32_t count;           /* results ... */
    struct mp_reader results; /* ... read from here */
};

/* Read the reply to the request @id. 0; SLUICE_E_PROTOCOL when it cannot be understood, or an error of the
 * broker when it refused the request as a whole, both with @fault. The epoch is set also then, if there is
 * one. Points into @bytes. */
int reply_read(struct reply *reply, const void *bytes, size_t len, uint64_t id, struct sluice_fault *fault);

/* Take the next result, as bytes. 0 if it is ok; else the broker's error, with @fault. */
int reply_result(struct mp_reader *results, const uint8_t **raw, size_t *len, struct sluice_fault *fault);

/* Where a fault's place begins with "ops[N]", make it "ops[@index]". */
void fault_renumber(struct sluice_fault *fault, unsigned index);

#endif
