#ifndef SLUICE_BENCH_CONN_H
#define SLUICE_BENCH_CONN_H

/* conn: one connection of the load generator: sends what is due, keeps at most a window of messages
 * unanswered, and checks each echo.
 *
 * `due` is how many messages should have been sent by now. A closed loop sets it to "any number": the window
 * alone decides, and each echo makes room for the next message. An open loop raises it by the clock; a
 * message that finds the window or the socket full waits, and its latency counts from the time at which it
 * should have gone (no coordinated omission). Messages of one wake-up leave in one send.
 *
 * In a cast only connection 0 sends, and every connection gets each message, in order and in batches or not;
 * a message is answered when the last connection has got it. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "bench/handshake.h"
#include "bench/link.h"
#include "bench/message.h"
#include "bench/random.h"
#include "bench/tally.h"
#include "wire/buf.h"

struct conn;

/* What all connections of a run share. */
struct traffic {
    const char *host; /* for the Host header */
    const char *path;
    const char *subprotocol; /* or NULL */
    uint32_t connections;
    uint32_t sources;    /* local addresses: 127.0.0.1 and the following ones; 0: whatever the system takes */
    struct conn *caster; /* a cast: the one that sends; else NULL */
    uint32_t *cast_left; /* a cast: connections that have not got it, by number modulo window */
    uint32_t window;     /* messages unanswered per connection, at most */
    uint32_t chop_bytes; /* move at most 1 to this many bytes per recv and send; 0: no limit */
    double interval_ns;  /* open loop: between one message and the next, of all connections; else 0 */
    uint64_t start_ns;   /* when the first message was meant to go */
    uint64_t measure_from_ns, measure_to_ns;
    uint32_t opened; /* connections that have shaken hands */
    uint32_t ended;  /* connections that were opened and are closed again */
    struct message message;
    struct random random;
    struct tally tally;
    uint8_t *scratch_in, *scratch_out;
    size_t scratch_bytes; /* of each */
    size_t frame_limit;   /* payload bytes of an incoming frame or message, at most */
};

enum conn_state { CONN_CLOSED, CONN_SHAKING, CONN_OPEN, CONN_CLOSING };

#define CONN_ANY_NUMBER UINT64_MAX

struct conn {
    struct link link;
    struct traffic *traffic;
    enum conn_state state;
    uint32_t number;
    bool is_dirty; /* load.c: in the list of those whose `due` was raised */
    char key[HANDSHAKE_KEY_TEXT];
    uint64_t due;     /* messages that should have been sent */
    uint64_t next;    /* messages sent */
    uint64_t oldest;  /* all before this one are answered */
    uint64_t highest; /* one more than the latest message answered, or got in a cast */
    uint64_t answered;
    uint64_t *sent_ns; /* by number modulo window; 0: answered */
    struct buf fragments;
    uint8_t fragments_opcode; /* 0: no fragmented message is under way */
};

/* Begin to connect. Returns 0, or a negative errno; then @c is CONN_CLOSED. What fails later is counted in
 * the tally. */
int conn_open(struct conn *c, struct traffic *traffic, uint32_t number, int epoll_fd,
              const struct sockaddr *address, socklen_t address_bytes);

/* Handle what epoll says. */
void conn_wake(struct conn *c, uint32_t events);

/* Send what is due and fits. */
void conn_pump(struct conn *c);

/* From now on nothing new is due. */
void conn_stop(struct conn *c);

/* Nothing is under way or due any more, or never will be answered. */
bool conn_is_finished(const struct conn *c);

/* Send a close frame; the server then ends the connection. */
void conn_hang_up(struct conn *c);

/* Close without a word and free what is kept. */
void conn_free(struct conn *c);

#endif
