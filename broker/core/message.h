#ifndef SLUICE_CORE_MESSAGE_H
#define SLUICE_CORE_MESSAGE_H

/* message: something on its way to clients, made once and shared by reference by every queue.
 *
 * Its body is the MessagePack map that a MessagePack client gets, {"e", "p"?, "i"?}; the WebSocket edge
 * keeps the framed forms beside it, made when the first connection of an encoding needs one.
 * Not thread-safe: the loop owns them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/blob.h"
#include "wire/buf.h"
#include "wire/codes.h"

/* Encodings of a connection. */
enum encoding { ENCODING_JSON, ENCODING_MSGPACK, ENCODING_COUNT };

#define QUESTION_TEXT_MAX   64
#define QUESTION_NUMBER_MAX ((UINT64_C(1) << 53) - 1)

/* The `i` of a question. */
struct question_id {
    enum { QUESTION_NONE, QUESTION_NUMBER, QUESTION_TEXT } kind;
    uint64_t number;
    uint8_t len;
    char text[QUESTION_TEXT_MAX];
};

bool question_id_equal(const struct question_id *a, const struct question_id *b);

/* Append the id as MessagePack. Not for QUESTION_NONE. */
void question_id_put(struct buf *out, const struct question_id *id);

struct message {
    unsigned refs;
    struct blob *body;                  /* the MessagePack map */
    struct blob *frame[ENCODING_COUNT]; /* owned by this message, made by the edge; NULL until needed */
};

/* A message of @event with the payload @mp (checked MessagePack; NULL: none), as an answer when @id is a
 * question's (NULL or QUESTION_NONE: a push). One reference; NULL when memory is refused. */
struct message *message_new(const char *event, size_t event_len, const void *mp, size_t mp_len,
                            const struct question_id *id);

/* {"e": "@error", "p": {"code", "message", "temporary", "event"?}, "i"?}. @event may be NULL. */
struct message *message_error(enum code code, const char *text, const char *event, size_t event_len,
                              const struct question_id *id);

struct message *message_ref(struct message *m);
void message_unref(struct message *m);

#endif
