#ifndef SLUICE_CLIENT_REPLY_H
#define SLUICE_CLIENT_REPLY_H

/* reply: what the broker answers to a request. */

#include <stdbool.h>
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

/* The reply to a turn. */
struct turn_reply {
    const char *epoch; /* as above */
    size_t epoch_len;
    uint32_t failed_count, event_count;
    struct mp_reader failed, events; /* the first of each */
    bool is_released;
    int64_t pause_ms;   /* 0: none */
    uint64_t last_turn; /* with SLUICE_E_BAD_TURN: the last one that the broker knows of; or UINT64_MAX */
};

/* An entry that was not applied. */
struct failed_entry {
    uint64_t seq;
    bool is_again; /* the event comes again; otherwise it is dead, or no more this member's */
    struct sluice_fault fault;
};

/* Read the reply to the turn that was sent as @id. Returns as reply_read(). */
int turn_reply_read(struct turn_reply *reply, const void *bytes, size_t len, uint64_t id,
                    struct sluice_fault *fault);

/* Take the next failed entry. False if it cannot be understood. */
bool turn_reply_failed(struct mp_reader *failed, struct failed_entry *entry);

/* Where a fault's place begins with "ops[N]", make it "ops[@index]". */
void fault_renumber(struct sluice_fault *fault, unsigned index);

#endif
