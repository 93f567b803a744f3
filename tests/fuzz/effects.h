#ifndef SLUICE_FUZZ_EFFECTS_H
#define SLUICE_FUZZ_EFFECTS_H

/* effects: what a core does under a fuzzer: whatever it sends is well-formed, and each request gets one
 * reply, or is abandoned when it waits. */

#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "fuzz/expect.h"
#include "wire/mp.h"

#define EFFECTS_TICKETS 4096

static struct {
    enum { TICKET_NONE, TICKET_OPEN, TICKET_REPLIED, TICKET_ABANDONED } tickets[EFFECTS_TICKETS];
    uint64_t last_ticket;
    bool may_not_wait;
    uint8_t reply[256]; /* the begin of the last one, for those who look into it */
} effects;

static inline void effects_begin(void)
{
    memset(&effects, 0, sizeof(effects));
}

/* A ticket for the next request; 0: there were too many. */
static inline uint64_t effects_ticket(void)
{
    if (effects.last_ticket + 1 == EFFECTS_TICKETS)
        return 0;
    effects.tickets[++effects.last_ticket] = TICKET_OPEN;
    return effects.last_ticket;
}

/* No request waits any more. */
static inline void effects_end(void)
{
    for (uint64_t i = 1; i <= effects.last_ticket; i++)
        EXPECT(effects.tickets[i] == TICKET_REPLIED || effects.tickets[i] == TICKET_ABANDONED);
}

static inline void effects_expect_mp(const void *body, size_t len)
{
    struct fault fault;
    const struct mp_rules rules = {MP_ALLOW_BIN, MP_DEPTH_MAX, CODE_BAD_VALUE};
    EXPECT(mp_check(body, len, &rules, NULL, &fault) == 0);
}

static inline void on_publish(void *arg, const void *body, size_t len)
{
    (void)arg;
    const char *end = memchr(body, 0, len);
    EXPECT(end);
    effects_expect_mp(end + 1, len - (size_t)(end + 1 - (const char *)body));
}

static inline int on_deliver(void *arg, void *peer, struct message *m, enum delivery kind)
{
    (void)arg;
    (void)kind;
    EXPECT(peer);
    effects_expect_mp(m->body->data, m->body->len);
    return 0;
}

static inline void on_close(void *arg, void *peer, unsigned code, const char *reason, size_t len)
{
    (void)arg;
    (void)reason;
    EXPECT(peer && len <= 123 && (code == 1000 || code == 1001 || code >= 3000));
}

static inline void on_reply(void *arg, uint64_t ticket, const void *body, size_t len)
{
    (void)arg;
    EXPECT(ticket && ticket <= effects.last_ticket && effects.tickets[ticket] == TICKET_OPEN);
    effects.tickets[ticket] = TICKET_REPLIED;
    effects_expect_mp(body, len);
    memcpy(effects.reply, body, len < sizeof(effects.reply) ? len : sizeof(effects.reply));
}

static inline bool on_may_wait(void *arg, uint64_t ticket)
{
    (void)arg;
    EXPECT(ticket && ticket <= effects.last_ticket && effects.tickets[ticket] == TICKET_OPEN);
    return !effects.may_not_wait;
}

static inline void on_abandon(void *arg, uint64_t ticket)
{
    (void)arg;
    EXPECT(ticket && ticket <= effects.last_ticket && effects.tickets[ticket] == TICKET_OPEN);
    effects.tickets[ticket] = TICKET_ABANDONED;
}

static inline void on_pause(void *arg, void *peer)
{
    (void)arg;
    EXPECT(peer);
}

static inline void on_greeted(void *arg, const struct greeting *greeting)
{
    (void)arg;
    EXPECT(greeting->name && greeting->language && greeting->version);
}

static const struct core_effects EFFECTS = {
    .publish = on_publish,
    .deliver = on_deliver,
    .close = on_close,
    .reply = on_reply,
    .may_wait = on_may_wait,
    .abandon = on_abandon,
    .pause = on_pause,
    .resume = on_pause,
    .greeted = on_greeted,
};

#endif
