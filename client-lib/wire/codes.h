#ifndef SLUICE_WIRE_CODES_H
#define SLUICE_WIRE_CODES_H

/* codes: every error code that the broker can send, to clients (`@error`) and to handlers (results).
 * The one home of the list; docs are checked against it, see tests/. */

#include <stdbool.h>

/* X(ENUM, "code on the wire", temporary, "what it means") */
#define CODES(X)                                                                                             \
    X(OK, "ok", false, "nothing is wrong")                                                                   \
    /* to clients */                                                                                         \
    X(BAD_MESSAGE, "bad_message", false, "the message cannot be read")                                       \
    X(BAD_EVENT, "bad_event", false, "not an event name")                                                    \
    X(RESERVED_EVENT, "reserved_event", false, "clients may not send this event")                            \
    X(BAD_ID, "bad_id", false, "`i` is not an id")                                                           \
    X(ID_IN_USE, "id_in_use", false, "a question with this `i` is still open")                               \
    X(TOO_MANY_QUESTIONS, "too_many_questions", true, "too many questions are open")                         \
    X(NO_HANDLER, "no_handler", true, "no handler listens to this event")                                    \
    X(TIMEOUT, "timeout", true, "no handler answered in time")                                               \
    X(FAILED, "failed", false, "the handlers failed with this event")                                        \
    X(OVERLOADED, "overloaded", true, "the broker is short of memory or a queue is full")                    \
    /* to handlers */                                                                                        \
    X(BAD_REQUEST, "bad_request", false, "the request cannot be read")                                       \
    X(BAD_VERSION, "bad_version", false, "the request's `v` is not spoken here")                             \
    X(REQUEST_TOO_LARGE, "request_too_large", false, "the request has too many bytes or operations")         \
    X(UNAUTHORIZED, "unauthorized", false, "the request's `key` is missing or wrong")                        \
    X(NEW_EPOCH, "new_epoch", false, "the request was meant for another start of the broker")                \
    X(ID_REUSED, "id_reused", false, "another request of this client had this id")                           \
    X(ID_TOO_OLD, "id_too_old", false, "the reply to this id is no longer stored")                           \
    X(UNKNOWN_OP, "unknown_op", false, "there is no such operation")                                         \
    X(UNKNOWN_KEY, "unknown_key", false, "there is no such argument")                                        \
    X(BAD_ARGUMENT, "bad_argument", false, "an argument is missing, of a wrong type or out of range")        \
    X(BAD_FILTER, "bad_filter", false, "the filter is wrong")                                                \
    X(BAD_UPDATE, "bad_update", false, "the update is wrong")                                                \
    X(BAD_VALUE, "bad_value", false, "the value cannot be stored or sent")                                   \
    X(CONFLICT, "conflict", true, "the session's version is another one")                                    \
    X(UPDATE_FAILED, "update_failed", false, "the update does not fit what the session holds")               \
    X(SESSION_TOO_LARGE, "session_too_large", false, "the session would exceed its limit")                   \
    X(MESSAGE_TOO_LARGE, "message_too_large", false, "the message to clients would exceed its limit")        \
    X(REPLY_TOO_LARGE, "reply_too_large", false, "the results do not fit one reply")                         \
    X(TOO_COSTLY, "too_costly", false, "too many sessions would have to be looked at")                       \
    X(LIMIT, "limit", true, "a limit of the broker is reached")                                              \
    /* about groups */                                                                                       \
    X(UNKNOWN_GROUP, "unknown_group", false, "there is no such group")                                       \
    X(UNKNOWN_MEMBER, "unknown_member", false, "no such member, or it has ended: join anew")                 \
    X(BAD_TURN, "bad_turn", false, "neither the next turn nor a repeat of the last one")                     \
    X(LEASE_EXPIRED, "lease_expired", false, "the member does not hold this event, or not any more")         \
    X(STALE, "stale", true, "an earlier event of the connection came in between")                            \
    X(UNLISTED, "unlisted", false, "no member lists this event any more")                                    \
    X(TOO_OLD, "too_old", false, "the event waited for too long")

enum code {
#define X(name, text, temporary, help) CODE_##name,
    CODES(X)
#undef X
        CODE_COUNT
};

/* The text, whether trying again later may help, and the meaning. NULL and false for what is no code. */
const char *code_text(enum code code);
bool code_temporary(enum code code);
const char *code_help(enum code code);

/* The code with this text, or CODE_COUNT. */
enum code code_from_text(const char *text);

#endif
