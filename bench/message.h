#ifndef SLUICE_BENCH_MESSAGE_H
#define SLUICE_BENCH_MESSAGE_H

/* message: the text that a load generator sends, and the judgement of what comes back.
 *
 * Every message carries the numbers of its connection and of itself, with a fixed count of digits, so a
 * template is patched instead of printed:
 *
 *     {"e":"echo","p":{"c":100007,"n":100000042,"d":"xxxxx"}}        a push
 *     {"e":"echo","p":{...},"i":100000042}                           a question
 *
 * An echo is right when event, payload and `i` come back byte for byte, in whatever order of keys. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_filler {
    MESSAGE_PLAIN, /* x */
    MESSAGE_MIXED  /* escapes and characters of two to four bytes beside ASCII */
};

enum {
    MESSAGE_CONNECTIONS_MAX = 900000, /* six digits, the first never 0 */
    MESSAGE_SEQ_MAX = 900000000,      /* nine digits, the first never 0 */
    MESSAGE_PAYLOAD_MIN = 33,         /* the payload with an empty "d" */
    MESSAGE_PAYLOAD_MAX = 1024 * 1024
};

struct message_options {
    const char *event;    /* 1 to 128 bytes, nothing that JSON would escape */
    size_t payload_bytes; /* of the JSON text of `p` */
    enum message_filler filler;
    bool is_question;
};

enum message_kind {
    MESSAGE_ECHO,  /* of this connection, payload as sent */
    MESSAGE_SKIP,  /* @welcome */
    MESSAGE_ERROR, /* @error */
    MESSAGE_WRONG  /* anything else */
};

/* The template: fields are message.c's, but for `len`. */
struct message {
    char *text; /* patched by message_write() */
    size_t len;
    size_t connection_at, seq_at, id_at; /* where the digits stand; id_at 0: a push */
    size_t event_at, event_bytes, payload_at, payload_bytes;
};

/* Returns 0, -EINVAL when the sizes are out of range, or -ENOMEM. */
int message_init(struct message *m, const struct message_options *options);
void message_deinit(struct message *m);

/* What a batch of the event's name is called: this, and the name. */
#define MESSAGE_BATCH_PREFIX "batch_"

/* The text of message @seq of @connection, @m->len bytes, borrowed until the next call. */
const uint8_t *message_write(struct message *m, uint32_t connection, uint64_t seq);

/* Judge what came to @connection. For MESSAGE_ECHO @seq says which message it is an echo of. */
enum message_kind message_judge(struct message *m, uint32_t connection, const uint8_t *text, size_t len,
                                uint64_t *seq);

/* Judge a batch, {"e":"batch_EVENT","p":{"d":[payload,...]}}, of messages of @connection. For MESSAGE_ECHO
 * they are @count consecutive ones, beginning with @first. */
enum message_kind message_judge_batch(struct message *m, uint32_t connection, const uint8_t *text, size_t len,
                                      uint64_t *first, uint64_t *count);

#endif
