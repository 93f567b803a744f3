#ifndef SLUICE_SLUICE_H
#define SLUICE_SLUICE_H

/* libsluice: handlers for the WebSocket broker sluiced, in C.
 *
 *     static int on_say(sluice_event *event, void *arg)
 *     {
 *         const char *room = sluice_get_str(sluice_event_session(event), "room", NULL);
 *         (void)arg;
 *         if (!room)
 *             return sluice_refuse(event, "not_in_a_room", "join a room first", NULL);
 *         return sluice_send_where(event, sluice_doc(event, "{room: %s}", room), "chat:message",
 *                                  sluice_event_payload(event), NULL);
 *     }
 *
 *     int main(void)
 *     {
 *         sluice_client *client = sluice_client_new("my-chat", "1.0");
 *         sluice_subscribe(client, "chat:say", on_say, NULL, "{group: 'my-chat'}");
 *         sluice_stop_on_signals(client);
 *         int rc = sluice_run(client);
 *         sluice_client_free(client);
 *         return rc == 0 ? 0 : 1;
 *     }
 *
 * What holds everywhere, and is not said again below:
 *
 * - Errors: a function that returns `int` returns 0 (or a number that it names) when all is well and
 *   one of the negative values of `enum sluice_error` when not. NULL as client or event is an
 *   ordinary error, SLUICE_E_ARGUMENT, so that a refused sluice_client_new() or sluice_begin() need
 *   not be looked at where it happens. The library never aborts and prints nothing, with one
 *   exception: errors that no sluice_on_error() takes go to stderr.
 * - Threads: a client, its events and their values belong to one thread at a time. Only sluice_stop()
 *   may be called from other threads and from signal handlers. sluice_strerror() and sluice_version()
 *   need no client and belong to nobody. Functions given to the library are called inside sluice_poll()
 *   and sluice_run(), on the caller's thread, and must not call these two.
 * - Ownership: strings and bytes that are passed in are copied or used up before the function returns.
 *   What an accessor returns belongs to the event (or client) it was asked of.
 * - Text is UTF-8. Times are milliseconds since 1970, durations are milliseconds, sizes are bytes.
 * - After the first sluice_connect(), sluice_subscribe() or sluice_begin() the process must not fork
 *   and go on in the child without exec (nng, which carries the messages, does not survive it).
 * - What goes over the wire is described in docs/protocol-handlers.md; `op` names an operation there. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/version.h>

#if defined(__GNUC__)
#define SLUICE_API                 __attribute__((visibility("default")))
#define SLUICE_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define SLUICE_API
#define SLUICE_PRINTF(text, first)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A handler's end of the link to a broker. */
typedef struct sluice_client sluice_client;

/* What a handler function is called with: an event, and the step that the function makes of it: operations
 * queued with it are sent after the function has returned, or finished. sluice_begin() makes a step without
 * an event. */
typedef struct sluice_event sluice_event;

/* A MessagePack value, read only: a payload, a session, a filter, a result. Belongs to an event and ends with
 * it. */
typedef struct sluice_value sluice_value;

/* What went wrong: an error with its message and place. */
typedef struct sluice_fault sluice_fault;

struct msgpack_object; /* msgpack-c's, see sluice_object() */

/* ---- Errors ---- */

enum sluice_error {
    SLUICE_OK = 0,

    /* Of this library. */
    SLUICE_E_NOMEM = -1,    /* memory was refused */
    SLUICE_E_ARGUMENT = -2, /* an argument is missing or out of range */
    SLUICE_E_DOC = -3,      /* a document cannot be read: its format or its text is wrong */
    SLUICE_E_ADDRESS = -4,  /* not an address that can be dialed */
    SLUICE_E_TIMEOUT = -5,  /* the broker gave no reply in time; whether the request was applied is unknown */
    SLUICE_E_TOO_LARGE = -6, /* an operation does not fit one request, or too much is queued */
    SLUICE_E_PROTOCOL = -7,  /* the broker's reply cannot be understood */
    SLUICE_E_SYSTEM = -8,    /* the operating system or nng refused something */
    SLUICE_E_STOPPED = -9,   /* sluice_stop() was called */
    SLUICE_E_STATE = -10,    /* not here: for instance sluice_poll() inside a handler function */
    SLUICE_E_REFUSED = -11,  /* the broker refused with a code that this version does not know */

    /* The broker's refusals, by their code. Nothing of a refused operation is applied. */
    SLUICE_E_BAD_REQUEST = -101,
    SLUICE_E_BAD_VERSION = -102,
    SLUICE_E_REQUEST_TOO_LARGE = -103,
    SLUICE_E_UNAUTHORIZED = -104, /* see sluice_set_key() */
    SLUICE_E_NEW_EPOCH = -105,    /* the broker was started anew since the event: its connections are gone */
    SLUICE_E_ID_REUSED = -106,
    SLUICE_E_ID_TOO_OLD = -107,
    SLUICE_E_UNKNOWN_OP = -108,
    SLUICE_E_UNKNOWN_KEY = -109, /* the message names the nearest known one */
    SLUICE_E_BAD_ARGUMENT = -110,
    SLUICE_E_BAD_EVENT = -111,      /* not an event name */
    SLUICE_E_RESERVED_EVENT = -112, /* event names that begin with '@' are the broker's */
    SLUICE_E_BAD_FILTER = -113,
    SLUICE_E_BAD_UPDATE = -114,
    SLUICE_E_BAD_VALUE = -115,
    SLUICE_E_CONFLICT = -116, /* `if_version`: the session has changed; read it again and try again */
    SLUICE_E_UPDATE_FAILED = -117,
    SLUICE_E_SESSION_TOO_LARGE = -118,
    SLUICE_E_MESSAGE_TOO_LARGE = -119,
    SLUICE_E_REPLY_TOO_LARGE = -120, /* ask for fewer sessions (`limit`) or less of them (`keys`) */
    SLUICE_E_TOO_COSTLY = -121,
    SLUICE_E_LIMIT = -122,
    SLUICE_E_OVERLOADED = -123,

    /* About groups. */
    SLUICE_E_UNKNOWN_GROUP = -124,
    SLUICE_E_UNKNOWN_MEMBER = -125, /* the membership has ended; the library joins anew by itself */
    SLUICE_E_BAD_TURN = -126,
    SLUICE_E_LEASE_EXPIRED = -127, /* the event is not held any more: it comes again, here or elsewhere */
    SLUICE_E_STALE = -128,         /* an earlier event of the connection came in between; it comes again */
    SLUICE_E_UNLISTED = -129,      /* of dead events: no member listed it */
    SLUICE_E_TOO_OLD = -130        /* of dead events: it waited for too long */
};

/* What @error means, in a few English words. Never NULL, also for numbers that are no error. Static text. Any
 * thread. */
SLUICE_API const char *sluice_strerror(int error);

/* The version of the library, "0.1.0". Static text. Any thread. */
SLUICE_API const char *sluice_version(void);

/* The parts of a fault: the error; the broker's code ("bad_filter", "" for errors of this library); a
 * sentence for people; the place in the operation ("ops[1].filter.$or[0].level", counted within the event,
 * from 0; "" if it has none). Strings live as long as the fault. */
SLUICE_API int sluice_fault_error(const sluice_fault *fault);
SLUICE_API const char *sluice_fault_code(const sluice_fault *fault);
SLUICE_API const char *sluice_fault_message(const sluice_fault *fault);
SLUICE_API const char *sluice_fault_at(const sluice_fault *fault);

/* ---- Client ---- */

/* A new client. @name and @version are the handler program's own, for the broker's `stats` and log; NULL for
 * none. Opens nothing yet. Caller owns the result; NULL when memory is refused. */
SLUICE_API sluice_client *sluice_client_new(const char *name, const char *version);

/* Close the links and free everything, with all its events, also those that functions keep (SLUICE_LATER).
 * Effects that were not sent are lost, and events that a member holds go to others: sluice_run() leaves none
 * of either. Takes at most about two seconds: closing a link on which a message is just arriving can hang in
 * nng before 1.6, and is then left to a thread. After that, other clients of the process may not notice when
 * their own links end; so where clients come and go, give them processes. Not from inside a handler function.
 * sluice_client_free(NULL) does nothing. */
SLUICE_API void sluice_client_free(sluice_client *client);

/* The secret that the broker asks of requests over TCP (`key`). NULL: none. Errors: NOMEM, ARGUMENT. */
SLUICE_API int sluice_set_key(sluice_client *client, const char *key);

/* How long a call waits for the broker's reply, connecting included, before it returns SLUICE_E_TIMEOUT.
 * @timeout_ms from 1 on; 5,000 unless set. Errors: ARGUMENT. */
SLUICE_API int sluice_set_timeout(sluice_client *client, int timeout_ms);

/* Called for each effect that the broker refused, each step that failed before it was sent, each request
 * without a reply, and each event of a group that the broker did not accept as finished. @event is the one
 * that the function was called with; its accessors work, operations do not. NULL if there is none. Borrowed.
 */
typedef void sluice_error_fn(sluice_client *client, const sluice_fault *fault, sluice_event *event,
                             void *arg);

/* Called when @lost events named @name were published and did not get here (this process or the link was too
 * slow, or the link was down). They are gone: handlers that may lose none have to be members of a group. */
typedef void sluice_gap_fn(sluice_client *client, const char *name, uint64_t lost, void *arg);

/* Called with what the library does: links that come and go, restarts of the broker. @level: 'd'ebug, 'i'nfo,
 * 'w'arning. */
typedef void sluice_log_fn(sluice_client *client, char level, const char *message, void *arg);

/* Who is told. NULL as @fn: errors go to stderr, gaps and log lines nowhere (as it is unless set). Errors:
 * ARGUMENT. */
SLUICE_API int sluice_on_error(sluice_client *client, sluice_error_fn *fn, void *arg);
SLUICE_API int sluice_on_gap(sluice_client *client, sluice_gap_fn *fn, void *arg);
SLUICE_API int sluice_on_log(sluice_client *client, sluice_log_fn *fn, void *arg);

/* Name the broker and begin to connect; does not wait. @addresses: the broker's `calls` address, such as
 * "ipc:///run/user/1000/sluice/sluice/calls" or "tcp://127.0.0.1:7001"; a list with commas between, of which
 * this version serves one. NULL: $SLUICE_BROKER, or else the default file of a broker of this user. To be
 * called once, before anything that needs the broker; whatever needs one earlier calls it with NULL. From
 * then on the client connects, and connects again after a loss, by itself, with growing pauses and jitter.
 * Errors: ADDRESS, STATE (called twice), SYSTEM, NOMEM. */
SLUICE_API int sluice_connect(sluice_client *client, const char *addresses);

/* What went wrong last, in the words of the broker or of this library. Never NULL; its error is SLUICE_OK if
 * nothing did. Belongs to the client and holds until the next error. */
SLUICE_API const sluice_fault *sluice_client_fault(const sluice_client *client);

/* ---- Running ---- */

enum {
    SLUICE_DONE = 0,  /* handled */
    SLUICE_RETRY = 1, /* not now: see sluice_retry() */
    SLUICE_LATER = 2  /* not finished yet: see sluice_finish() */
};

/* A handler function, called with an event that it watches, or that it handles as a member of a group. What
 * it returns says what becomes of the operations that it queued:
 *
 * SLUICE_DONE (0): they are sent. In a group they are one step with the end of the event, applied wholly or
 * not at all: if the process dies before, another member gets the event, and nothing was done twice.
 * SLUICE_RETRY, only in a group: dropped. The event comes again after the time of sluice_retry(), or a
 * second, as one more attempt, to any member. SLUICE_LATER, only in a group: kept. Event and values stay
 * valid, and operations can be queued, until sluice_finish(). Meanwhile functions are called with other
 * events, but with none of this connection beyond `per_conn`. A negative value of `enum sluice_error`:
 * dropped; so `return sluice_answer(...);` is a good last line. In a group what may be better next time
 * (TIMEOUT, NOMEM, CONFLICT, OVERLOADED, LIMIT, NEW_EPOCH) is as SLUICE_RETRY, and on_log is told. Everything
 * else ends the event: on_error is told, and a client that asked gets `failed` with the fault's message.
 * Where events are watched on_error is told of any error.
 *
 * Other values are errors (ARGUMENT, STATE). When a document or an operation of the function was wrong, that
 * is its error, whatever it returns (with SLUICE_LATER: once it is finished). */
typedef int sluice_handler_fn(sluice_event *event, void *arg);

/* Call @fn with each event that matches @pattern: an exact name ("chat:say"), "chat:*" (any depth below chat,
 * not chat itself), "*" (all that clients send), "@connect" or "@*" (the broker's own). @arg is passed
 * through.
 * @options is a document in the way of sluice_doc(), or NULL:
 *
 *     group         1 to 64 letters, digits and _ - . / : handle the events, as a member of this group
 *     per_conn      how many events of one connection may be held at once, 1 (as it is unless set) to 256
 *     lease_ms      how long the function may take for an event, 100 to 3,600,000; 30,000 unless set. Then it
 *                   is taken away, and what the function says of it is refused; see sluice_extend()
 *     session_keys  a list of the keys of the session that the events bring along; all unless set
 *     max           how many events may be held at once, 1 to 1,024; as many unless set. The library asks for
 *                   what the functions do in a tenth of a second, so that idle members get the rest
 *
 * Without `group` the events are watched: every subscriber gets its own copy, at most once. Where several of
 * these patterns match, each function is called, in the order of the subscriptions.
 *
 * With `group` they are handled: each goes to one member of the group, at least once, one after the other for
 * each connection, and waits for one while none is there. All patterns of a client with the same group make
 * one membership, with the same options (given once, or each time the same); of several that match, the first
 * one subscribed handles the event. A client is a member of at most 8 groups. Subscribing to more while it
 * runs joins anew once nothing is held.
 *
 * Before or after sluice_connect(). Errors: ARGUMENT (bad pattern, unknown option, options that contradict
 * earlier ones of the group, a pattern that the group has already), DOC, NOMEM. Source: ops `subscribe`,
 * `join`. */
SLUICE_API int sluice_subscribe(sluice_client *client, const char *pattern, sluice_handler_fn *fn, void *arg,
                                const char *options, ...) SLUICE_PRINTF(5, 6);

/* Say when an event of a group comes again: `return sluice_retry(event, 500);`. Returns SLUICE_RETRY.
 * @retry_ms from 0 to 3,600,000; what is beyond counts as the nearest of these. */
SLUICE_API int sluice_retry(sluice_event *event, int retry_ms);

/* The end of an event whose function returned SLUICE_LATER: @result is what the function would have returned
 * (SLUICE_LATER is an ARGUMENT error). At any time on the client's thread: between calls of sluice_poll(),
 * inside other functions, or inside its own before it returns. The next sluice_poll() tells the broker, and
 * sluice_fd() is readable at once. @event and its values end with this. Errors: LEASE_EXPIRED: it was taken
 * away meanwhile (its lease, a lost link, a new start of the broker), so nothing of it is applied, which is
 * no fault of anybody and on_error is not told; STATE: not such an event; ARGUMENT (@event stays as it is).
 */
SLUICE_API int sluice_finish(sluice_event *event, int result);

/* Begin the lease of an event anew, while its function runs or keeps it. Waits for the broker. Only work that
 * takes longer than the lease needs this: events that wait in the library are looked after. Errors:
 * LEASE_EXPIRED, UNKNOWN_MEMBER, NEW_EPOCH: it was taken away, another member may be at it; TIMEOUT; STATE:
 * not an event of a group. Source: op `extend`. */
SLUICE_API int sluice_extend(sluice_event *event);

/* Take every event that has come, call the functions, send the effects of all of them in one request (in
 * several where they exceed what one may carry). What members have finished goes with the request for more
 * events. Where functions are slow neither waits for all of them. Waits at most @timeout_ms for something to
 * happen (0: not at all, negative: without limit). Effects whose reply is still under way when it returns are
 * looked after by the next call. Returns how many function calls were made, or SLUICE_E_STOPPED once after
 * sluice_stop() (a member has finished and left before), SLUICE_E_STATE inside a handler function, NOMEM,
 * SYSTEM. */
SLUICE_API int sluice_poll(sluice_client *client, int timeout_ms);

/* sluice_poll() until sluice_stop(); then waits for the replies to effects under way. Returns 0 when stopped,
 * or an error of sluice_poll(). */
SLUICE_API int sluice_run(sluice_client *client);

/* Make sluice_poll() and sluice_run() return SLUICE_E_STOPPED, or 0. At once, where nothing is held as a
 * member of a group. A member first drains: it asks for no more events, its functions are called with those
 * that it has, those that are kept (SLUICE_LATER) are waited for, all their ends are told to the broker, and
 * it leaves; so a handler that is stopped costs no event an attempt. sluice_poll() does this over as many
 * calls as it takes and returns meanwhile as ever. Any thread, and signal handlers; the client must live. */
SLUICE_API void sluice_stop(sluice_client *client);

/* How long that takes at most; then the member leaves, and what it holds goes to others. @drain_ms from 0 on;
 * 10,000 unless set. Errors: ARGUMENT. */
SLUICE_API int sluice_set_drain(sluice_client *client, int drain_ms);

/* Call sluice_stop() on SIGTERM and SIGINT. A second signal ends the process as if nothing had been set. What
 * was set before comes back with sluice_client_free(). Errors: SYSTEM (also beyond 16 clients), ARGUMENT. */
SLUICE_API int sluice_stop_on_signals(sluice_client *client);

/* A descriptor for a loop of your own (poll, epoll, libuv, ...): when it is readable, call
 * sluice_poll(client, 0). It covers timers too. Belongs to the client; do not read from or close it.
 * Negative: SYSTEM, ARGUMENT. */
SLUICE_API int sluice_fd(sluice_client *client);

/* Whether the broker knows the subscriptions and events get here, and all groups were joined: from now on
 * none passes unseen. Changes only inside sluice_poll() and sluice_run(). */
SLUICE_API bool sluice_is_ready(const sluice_client *client);

/* ---- Steps without an event ---- */

/* Begin a step for a process that handles nothing (a cron job, a web backend, a timer): use the result
 * wherever an event is asked for. Caller ends it with sluice_end(). NULL when memory is refused. */
SLUICE_API sluice_event *sluice_begin(sluice_client *client);

/* Send what was queued in one request, wait for the reply, free the step and all its values. Returns the
 * first error of the step's documents and operations; sluice_client_fault() tells more. Operations before and
 * after a refused one are applied. Errors: any; STATE for an event that a handler function was called with.
 */
SLUICE_API int sluice_end(sluice_event *step);

/* Free a step and send nothing. NULL is fine. */
SLUICE_API void sluice_cancel(sluice_event *step);

/* ---- What an event tells ---- */

/* Of a step without an event, and where an event has no such thing: "", 0, false or NULL. Source: "event
 * map". */
SLUICE_API sluice_client *sluice_event_client(const sluice_event *event);
SLUICE_API const char *sluice_event_name(const sluice_event *event);
SLUICE_API const char *sluice_event_conn(const sluice_event *event);  /* the connection that sent it */
SLUICE_API const char *sluice_event_epoch(const sluice_event *event); /* the broker's, at that time */
SLUICE_API uint64_t sluice_event_seq(const sluice_event *event);      /* counts per group, or event name */
SLUICE_API int64_t sluice_event_time_ms(const sluice_event *event);   /* since 1970 */

/* Of an event that is handled in a group: 1 when it is handed out for the first time, 2 for the second time,
 * ... 0 where it is watched. */
SLUICE_API unsigned sluice_event_attempt(const sluice_event *event);

/* What names an event of a group for ever, the same on each attempt: "epoch/group/seq". A handler that keeps
 * it in its own database, in the transaction of its work, does nothing twice there either. "" where it is
 * watched. Belongs to the event. */
SLUICE_API const char *sluice_event_key(sluice_event *event);

/* The payload, or NULL if the client sent none. It may be of any type: the client chose it. */
SLUICE_API const sluice_value *sluice_event_payload(sluice_event *event);

/* The connection's session as it was when the event was published, or handed out to the member (then with
 * what the events before it did; only the keys of `session_keys`), and its version. */
SLUICE_API const sluice_value *sluice_event_session(sluice_event *event);
SLUICE_API uint64_t sluice_event_version(const sluice_event *event);

/* Whether the client asked, so that it waits for an answer; and the `i` of its question (NULL if not), for
 * sluice_answer_to(). */
SLUICE_API bool sluice_event_is_question(const sluice_event *event);
SLUICE_API const sluice_value *sluice_event_question(sluice_event *event);

/* The client's trace (`t`), passed through. */
SLUICE_API const sluice_value *sluice_event_trace(sluice_event *event);

/* @connect: where the client connected to. sluice_event_header() has those that the broker is configured to
 * pass on; case does not matter. */
SLUICE_API const char *sluice_event_path(sluice_event *event);
SLUICE_API const char *sluice_event_query(sluice_event *event);
SLUICE_API const char *sluice_event_header(sluice_event *event, const char *name);
SLUICE_API const char *sluice_event_remote(sluice_event *event);
SLUICE_API const char *sluice_event_subprotocol(sluice_event *event);

/* @disconnect: WebSocket close code, reason, and how long the connection lasted (ms). */
SLUICE_API int sluice_event_code(const sluice_event *event);
SLUICE_API const char *sluice_event_reason(sluice_event *event);
SLUICE_API int64_t sluice_event_duration_ms(const sluice_event *event);

/* Any key of the event map, also one that this version does not know; NULL as @key: the whole map. NULL if
 * absent. */
SLUICE_API const sluice_value *sluice_event_field(sluice_event *event, const char *key);

/* ---- Making values ---- */

/* A document from @format: JSON in which keys of letters, digits and _ $ @ . - need no quotes, quotes may be
 * single, and printf's conversions stand where a value may stand:
 *
 *     %s (also %.*s, %.20s)                   a string; NULL is an error
 *     %c                                      a string of one ASCII character
 *     %d %i %u, with hh h l ll z j t          an integer
 *     %f %g %e                                a number; NaN and infinities are errors
 *     %p                                      a const sluice_value * (cast it to const void * where the
 * compiler is pedantic); NULL is an error
 *
 * The compiler checks them. They are values and never text: "{room: %s}" with "x, admin: true" has one key.
 * In a string, %% is a per cent sign; keys and parts of strings cannot be converted. Used as a filter,
 * converted values travel as arguments (`$arg`), so that nobody smuggles in an operator and the broker
 * compiles the filter once.
 *
 * The value belongs to @event. An error is kept in the event: NULL is returned, and the whole step fails with
 * SLUICE_E_DOC and a message that names format and column; so a filter is never sent by half. */
SLUICE_API const sluice_value *sluice_doc(sluice_event *event, const char *format, ...) SLUICE_PRINTF(2, 3);

/* A value from strict JSON text. Errors as sluice_doc(). Not for text that came from a client, if it is to be
 * a filter or an update. */
SLUICE_API const sluice_value *sluice_json(sluice_event *event, const char *text);

/* A value from @len bytes of MessagePack, which are checked and copied. Errors as sluice_doc(). */
SLUICE_API const sluice_value *sluice_raw(sluice_event *event, const void *bytes, size_t len);

/* ---- Reading values ---- */

enum sluice_type {
    SLUICE_NONE, /* nothing there */
    SLUICE_NIL,
    SLUICE_BOOL,
    SLUICE_INT, /* an integer, of either sign */
    SLUICE_DOUBLE,
    SLUICE_STR,
    SLUICE_BIN,
    SLUICE_ARRAY,
    SLUICE_MAP,
    SLUICE_EXT
};

/* The value at a dotted @path ("user.name", "items.0.id"), or @fallback where nothing of that type is. NULL
 * as
 * @value has nothing anywhere, "" as @path is the value itself. A map key that contains a dot cannot be
 * reached this way: see sluice_object().
 *
 * _str: a terminated copy that belongs to the event; strings with a zero byte inside are not given out (see
 * sluice_get_strn()). _int, _uint: exact; integers that do not fit, and numbers with a fraction, give
 * @fallback. _double: the nearest to the integer or number there. */
SLUICE_API const char *sluice_get_str(const sluice_value *value, const char *path, const char *fallback);
SLUICE_API int64_t sluice_get_int(const sluice_value *value, const char *path, int64_t fallback);
SLUICE_API uint64_t sluice_get_uint(const sluice_value *value, const char *path, uint64_t fallback);
SLUICE_API double sluice_get_double(const sluice_value *value, const char *path, double fallback);
SLUICE_API bool sluice_get_bool(const sluice_value *value, const char *path, bool fallback);

/* The bytes (not terminated) of a string or bin, with their number in *@len; NULL where none is. */
SLUICE_API const char *sluice_get_strn(const sluice_value *value, const char *path, size_t *len);

/* The value there, whatever it is, or NULL. */
SLUICE_API const sluice_value *sluice_get_value(const sluice_value *value, const char *path);

/* The type of what is there. */
SLUICE_API enum sluice_type sluice_get_type(const sluice_value *value, const char *path);

/* Walking: how many items an array or a map has (0 for anything else); item number @index (of a map: its
 * value), and the key of a map's item (as sluice_get_str() gives strings). NULL past the end. In order is
 * fast. */
SLUICE_API size_t sluice_size(const sluice_value *value);
SLUICE_API const sluice_value *sluice_item(const sluice_value *value, size_t index);
SLUICE_API const char *sluice_key(const sluice_value *value, size_t index);

/* The value as strict JSON text, terminated; belongs to the event. bin becomes base64. NULL when memory is
 * refused or @value is NULL. */
SLUICE_API const char *sluice_to_json(const sluice_value *value);

/* The MessagePack bytes. *@len is set. NULL for NULL. */
SLUICE_API const void *sluice_bytes(const sluice_value *value, size_t *len);

/* The value as msgpack-c's tree (include <msgpack.h>), which belongs to the event; its strings point into the
 * value. NULL for NULL and when memory is refused. */
SLUICE_API const struct msgpack_object *sluice_object(const sluice_value *value);

/* ---- Operations: queued, sent after the function ----
 *
 * The broker runs a step's operations in the order in which they were queued, and answers one by one. Here
 * they return an error only for what can be seen before sending (a bad document, a missing argument); that
 * error also fails the step. The broker's refusals reach on_error, or sluice_end(). A connection that is gone
 * is no error: nobody is reached.
 *
 * @options is a map of further arguments of the operation, made with sluice_doc(), or NULL. What the broker
 * does not know there it refuses (SLUICE_E_UNKNOWN_KEY). Payloads may be NULL: none. Filters and updates may
 * not: everybody is written out as sluice_doc(event, "{}"). A value that came from a client cannot be a whole
 * filter or update (SLUICE_E_ARGUMENT); put what it holds into one with %s, %d or %p. */

/* Answer the event's question. If the client asked nothing, or was answered already, nothing is sent, and
 * that is no error. Options: `fill`. Source: op `answer`. STATE: a step without an event. */
SLUICE_API int sluice_answer(sluice_event *event, const sluice_value *payload, const sluice_value *options);

/* Answer the question @question (from sluice_event_question(), copied) of @conn: at another time than in the
 * function that got it. */
SLUICE_API int sluice_answer_to(sluice_event *event, const char *conn, const sluice_value *question,
                                const sluice_value *payload, const sluice_value *options);

/* Answer the event's question with an error. @code for programs ("not_allowed"), @message for people (NULL:
 * none). Options: `temporary` (true: the client may try again), `data` (anything). Otherwise as
 * sluice_answer(). In a group an event that is no question, and for which nothing else is queued, counts as
 * refused, and not as handled. */
SLUICE_API int sluice_refuse(sluice_event *event, const char *code, const char *message,
                             const sluice_value *options);

/* Send the event @name to one connection, or to each whose session matches @filter. Options: `except` (a
 * connection id, or a list of them), `unbatched` (true: not in a batch), `fill` ({"online": {"room":
 * "lobby"}}: sets that key of the payload to the number of connections that match). Source: op `send`. */
SLUICE_API int sluice_send(sluice_event *event, const char *conn, const char *name,
                           const sluice_value *payload, const sluice_value *options);
SLUICE_API int sluice_send_where(sluice_event *event, const sluice_value *filter, const char *name,
                                 const sluice_value *payload, const sluice_value *options);

/* Change a session, or all that match @filter: "{$set: {room: %s}, $inc: {visits: 1}}". Options: `if_version`
 * (one connection only: SLUICE_E_CONFLICT unless the session still has this version), `ttl_ms` (what $set
 * sets goes away after that time). Source: op `update`. */
SLUICE_API int sluice_update(sluice_event *event, const char *conn, const sluice_value *update,
                             const sluice_value *options);
SLUICE_API int sluice_update_where(sluice_event *event, const sluice_value *filter,
                                   const sluice_value *update, const sluice_value *options);

/* Close a connection, or all that match @filter; what was sent to it before goes first. @code: 1000 or
 * 3000-4999 (3000-3499 and 4000-4499 ask the client to reconnect, the others not to). @reason: at most 123
 * bytes; NULL: none. Source: op `close`. */
SLUICE_API int sluice_close(sluice_event *event, const char *conn, int code, const char *reason);
SLUICE_API int sluice_close_where(sluice_event *event, const sluice_value *filter, int code,
                                  const char *reason);

/* From now on hold deliveries of the event @name for @interval_ms and send them to a client as one message
 * (0: no longer). Options: `max_items`, `max_bytes`, `keep` ('all' or 'latest'), `latest_by`. Source: op
 * `batch`. */
SLUICE_API int sluice_batch(sluice_event *event, const char *name, int interval_ms,
                            const sluice_value *options);

/* Queue any operation, as the protocol has it: sluice_doc(event, "{op: 'send', conn: %s, event: 'news'}",
 * conn). */
SLUICE_API int sluice_queue(sluice_event *event, const sluice_value *op);

/* ---- Operations whose result is needed at once ----
 *
 * These wait for the broker, at most for the client's timeout. They are no part of the step: they see the
 * sessions as they are before the step's own effects, and what they change stays changed if the step fails
 * later. (Effects of watched events whose function has returned are sent before them; in a group they are
 * under way with the next turn.) A refusal is returned and does not fail the step. */

/* Take the operation that was queued last (its function's return value is @queued, which is passed on if it
 * is an error) and run it at once:
 *
 *     rc = sluice_now(event, sluice_update(event, conn, update, NULL), &result);
 *
 * *@result is the broker's result map (NULL if there is none); @result may be NULL. Errors: those of the
 * broker, TIMEOUT, and STATE if nothing is queued. */
SLUICE_API int sluice_now(sluice_event *event, int queued, const sluice_value **result);

/* Run one operation, or an array of them in one request. *@result (may be NULL) is its result map, or the
 * array of all results; set also when the broker refused (then with `code`, `message`, `at`). Returns the
 * first refusal, or TIMEOUT, DOC, ... */
SLUICE_API int sluice_call(sluice_event *event, const sluice_value *op, const sluice_value **result);

/* A connection's session as it is now and its version (either may be NULL). *@session is NULL, and *@version
 * 0, if the connection is gone, which is no error. Options: `keys` (only these). Source: op `get`. */
SLUICE_API int sluice_get(sluice_event *event, const char *conn, const sluice_value *options,
                          const sluice_value **session, uint64_t *version);

/* How many connections match. Options: `distinct` (a field: count its different values). Source: op `count`.
 */
SLUICE_API int sluice_count(sluice_event *event, const sluice_value *filter, const sluice_value *options,
                            uint64_t *count);

/* A page of those that match: {"sessions": [{"conn", "session", "version"}, ...], "after": cursor}, without
 * `after` on the last page. Options: `keys`, `limit`, `after` (the cursor of the page before). Source: op
 * `find`. */
SLUICE_API int sluice_find(sluice_event *event, const sluice_value *filter, const sluice_value *options,
                           const sluice_value **page);

#ifdef __cplusplus
}
#endif

#endif
